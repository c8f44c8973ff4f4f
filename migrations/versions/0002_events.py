"""Security events, which are never changed.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column(
            "details",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name="events_pkey"),
    )
    op.create_index("events_at_idx", "events", ["at"], unique=False)
    op.create_index("events_account_id_at_idx", "events", ["account_id", "at"], unique=False)
    # A mistake or an injected statement cannot rewrite what happened. The owner of the table can.
    op.execute("""
        CREATE FUNCTION keep_events() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'DELETE' THEN
                IF OLD.at < clock_timestamp() - interval '1 day' THEN
                    RETURN OLD;
                END IF;
            END IF;
            RAISE EXCEPTION 'events are never changed, and deleted after a day at the earliest'
                USING ERRCODE = 'restrict_violation';
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER keep_events_as_they_are BEFORE UPDATE OR TRUNCATE ON events
        FOR EACH STATEMENT EXECUTE FUNCTION keep_events()
    """)
    op.execute("""
        CREATE TRIGGER keep_events_for_a_day BEFORE DELETE ON events
        FOR EACH ROW EXECUTE FUNCTION keep_events()
    """)


def downgrade() -> None:
    op.drop_table("events")
    op.execute("DROP FUNCTION keep_events()")
