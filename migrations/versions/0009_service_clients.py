"""Service clients, and the assertions that they have used.

Additions only: the release before neither reads nor writes these tables.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "service_clients",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary()),
        sa.Column("secret_created_at", sa.DateTime(timezone=True)),
        sa.Column("secret_used_at", sa.DateTime(timezone=True)),
        sa.Column("former_secret_hash", sa.LargeBinary()),
        sa.Column("former_secret_created_at", sa.DateTime(timezone=True)),
        sa.Column("former_secret_used_at", sa.DateTime(timezone=True)),
        sa.Column("public_keys", JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("trusted_issuer", sa.Text()),
        sa.Column("trusted_subject", sa.Text()),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(trusted_issuer IS NULL) = (trusted_subject IS NULL)", name="service_clients_trusted_check"
        ),
        sa.PrimaryKeyConstraint("id", name="service_clients_pkey"),
        sa.UniqueConstraint("name", name="service_clients_name_key"),
    )
    op.create_table(
        "client_assertions",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="client_assertions_pkey"),
    )
    op.create_index("client_assertions_expires_at_idx", "client_assertions", ["expires_at"], unique=False)


def downgrade() -> None:
    op.drop_table("client_assertions")
    op.drop_table("service_clients")
