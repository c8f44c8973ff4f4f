"""What holds for every session of Postgres, or for every transaction through a pooler."""

STATEMENT_TIMEOUT = 5.0
"""Seconds."""
LIMITS = {
    "statement_timeout": str(int(STATEMENT_TIMEOUT * 1000)),
    "idle_in_transaction_session_timeout": str(int(STATEMENT_TIMEOUT * 1000)),
}
ISOLATION = "READ COMMITTED"
"""The statements are written for it, and a database may have another default."""
