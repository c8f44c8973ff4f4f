"""An index by which accounts are listed and found by the beginning of their address, under any collation.

It is made in a second for a million accounts, and no account can be written meanwhile. Where there are many
more, make it before, as docs/operations/upgrades.md says. The previous release can serve on it.

Revision ID: 0006
Revises: 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_index(
        "accounts_email_prefix_idx",
        "accounts",
        ["email"],
        postgresql_ops={"email": "text_pattern_ops"},
        if_not_exists=True,
    )


def downgrade() -> None:
    op.drop_index("accounts_email_prefix_idx", "accounts")
