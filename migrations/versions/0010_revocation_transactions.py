"""Which transaction wrote each revocation, and when large tables are vacuumed and analysed.

The number of the transaction tells a reader what was revoked since it last looked. The column comes with a
constant, so no row is rewritten: existing revocations have the number 0, which is older than every other.
Only then does it get its default. The previous release can serve on this table: it leaves the column to
the default.

Requests use sessions first and revocations next, so both are locked in this order: a later migration of the
same transaction changes sessions, and would wait for requests that wait for it. While the index is built, no
session and no revocation is read or written: about two seconds for a million rows. The table of revocations
has as many rows as sessions ended in half an hour, unless a former release could not delete the expired ones.
docs/operations/upgrades.md says how to delete them before.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

# docs/operations/postgres.md says why these.
_AUTOVACUUM = {
    "sessions": {"autovacuum_analyze_scale_factor": "1"},
    "events": {"autovacuum_vacuum_scale_factor": "0.02", "autovacuum_vacuum_insert_scale_factor": "0.05"},
}


def upgrade() -> None:
    op.execute("LOCK TABLE sessions, revocations")
    for table, options in _AUTOVACUUM.items():
        values = ", ".join(f"{name} = {value}" for name, value in options.items())
        op.execute(f"ALTER TABLE {table} SET ({values})")
    op.execute("ALTER TABLE revocations ADD COLUMN tx xid8 NOT NULL DEFAULT '0'")
    op.alter_column("revocations", "tx", server_default=sa.text("pg_current_xact_id()"))
    op.create_index("revocations_tx_id_idx", "revocations", ["tx", "id"])


def downgrade() -> None:
    op.drop_column("revocations", "tx")
    for table, options in _AUTOVACUUM.items():
        op.execute(f"ALTER TABLE {table} RESET ({', '.join(options)})")
