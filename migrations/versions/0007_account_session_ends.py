"""When an account ended all its sessions; an index of the sessions that have not ended.

Additions only, so the previous release can serve on these tables: it leaves the new column to its default,
and ends the sessions of an account without it.

Building the index keeps sessions from being written, for about a second per million of them. On a large
table, build it before, which blocks nothing; the migration then leaves it as it is:

    CREATE INDEX CONCURRENTLY sessions_unended_idx ON sessions (account_id, id) WHERE revoked_at IS NULL

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column(
        "accounts",
        sa.Column(
            "sessions_ended_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("'-infinity'"),
            nullable=False,
        ),
    )
    op.create_index(
        "sessions_unended_idx",
        "sessions",
        ["account_id", "id"],
        unique=False,
        postgresql_where=sa.text("revoked_at IS NULL"),
        if_not_exists=True,
    )


def downgrade() -> None:
    op.drop_index("sessions_unended_idx", table_name="sessions")
    op.drop_column("accounts", "sessions_ended_at")
