"""The truth: tables, statements and transactions."""
