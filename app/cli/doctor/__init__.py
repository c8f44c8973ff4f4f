"""What ``check-config`` knows: facts in, findings out, and the little that has to be asked for them."""
