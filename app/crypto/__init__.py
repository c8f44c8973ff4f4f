"""Password hashing, refresh tokens, access tokens and keys at rest."""
