"""Passwords, tokens, signing keys and service secrets: everything that hashes, signs or seals."""
