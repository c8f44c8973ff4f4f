"""The key that a client gave a refresh, so that it may repeat the refresh for as long as the session lives.

An addition that rewrites no table, so the previous release can serve on it. That release rotates tokens and
leaves the column as it is. A value is bound to the token that it was made for, so an old one never matches.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("sessions", sa.Column("rotated_by", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("sessions", "rotated_by")
