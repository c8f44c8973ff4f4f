"""The use cases of an account's owner."""
