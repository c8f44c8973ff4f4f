"""What the owner of an account does."""
