"""${message}.

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}

revision = "${up_revision}"
down_revision = ${f'"{down_revision}"' if down_revision else None}


# The previous release serves on these tables while the new one is rolled out, so a revision only expands:
# a new table, an index, a column that is nullable or has a constant default, a constraint that all rows and
# both releases meet. A column or table is dropped (contract) in the release after the last one that uses it.
#
# All revisions run in one transaction, in which env.py sets lock_timeout: a statement that has to wait longer
# for its lock fails, and `migrate` can simply be run again. Locks are held until the end of the transaction,
# so update large tables in batches from the service, not here.
def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
