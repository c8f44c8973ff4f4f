"""A limit to the size of an account's roles, which access tokens have to hold.

The limit holds for what is written from now on. The previous release can serve on this table; its commands
refuse roles over the limit with other words.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

from app.storage.postgres.outages import Misconfigured

revision = "0008"
down_revision = "0007"

_FITS = "octet_length(array_to_json(roles)::text) <= 4096"
_NAMED = 3


def upgrade() -> None:
    # An account over the limit could not be changed any more, not even be disabled.
    over = sa.text(f"SELECT email FROM accounts WHERE NOT ({_FITS}) ORDER BY email LIMIT {_NAMED + 1}")  # noqa: S608 - constants
    emails = list(op.get_bind().execute(over).scalars())
    if emails:
        named = ", ".join(emails[:_NAMED]) + (" and others" if len(emails) > _NAMED else "")
        raise Misconfigured(
            f"the roles of {named} take more than 4096 bytes, for which access tokens have no room",
            "give these accounts fewer roles, and run again: python -m app migrate",
        )
    # No row is looked at again, so the table is locked for an instant only.
    op.execute(f"ALTER TABLE accounts ADD CONSTRAINT accounts_roles_check CHECK ({_FITS}) NOT VALID")


def downgrade() -> None:
    op.drop_constraint("accounts_roles_check", "accounts")
