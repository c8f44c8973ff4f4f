"""Postgres and Redis, one store a noun."""
