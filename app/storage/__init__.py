"""The stores in Postgres and Redis, one file a noun, and a client of another service."""
