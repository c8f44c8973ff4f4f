"""How the owner of a session signed in and when; who caused an event, and how.

Additions only, and none rewrites a table, so the previous release can serve on these tables. It leaves the
new columns to their defaults, which are true of its sessions: they were opened with a password.
Its commands `events list` and `events tail` fail on the new columns; use those of the new release.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column(
        "sessions",
        sa.Column("amr", sa.ARRAY(sa.Text()), server_default=sa.text("'{pwd}'"), nullable=False),
    )
    op.add_column("sessions", sa.Column("authenticated_at", sa.DateTime(timezone=True), nullable=True))
    for name in ("actor", "actor_id", "reason"):
        op.add_column("events", sa.Column(name, sa.Text(), nullable=True))


def downgrade() -> None:
    for name in ("actor", "actor_id", "reason"):
        op.drop_column("events", name)
    for name in ("amr", "authenticated_at"):
        op.drop_column("sessions", name)
