"""Postgres, which holds the truth: tables, statements and transactions."""
