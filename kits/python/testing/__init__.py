"""What the tests of the verifier share."""
