"""The fast index in front of Postgres."""
