"""The number of each session in the status lists, and what a revocation is about.

Sessions that exist get their number when they are next refreshed, so no row is rewritten. The previous
release can serve on these tables: its new sessions get their numbers by the default. Its revocations do
without the new columns, so a trigger gives them the number of their session: the session of a deleted account
is gone when a reader looks for it.

A token must not tell how many sessions came before it. So the low 20 bits of a number, which are the place in
a list, are permuted: a Feistel network of four rounds over 10 bits each, whose key is a part of the function.

Revision ID: 0011
Revises: 0010
"""

from secrets import token_hex

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_PERMUTE = """
CREATE FUNCTION session_status(number bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    high int := (number >> 10) & 1023;
    low int := number & 1023;
    digest bytea;
BEGIN
    FOR round IN 1..4 LOOP
        digest := sha256('\\x{key}'::bytea || int2send(round::int2) || int4send(low));
        SELECT low, high # ((get_byte(digest, 0) << 8 | get_byte(digest, 1)) & 1023) INTO high, low;
    END LOOP;
    RETURN (number >> 20 << 20) | (high << 10) | low;
END
$$
"""
# A role that may open sessions may number them, without a change of its grants. An owner may have taken the
# default right to call functions from everyone.
_GRANT = """
DO $$
DECLARE
    grantee text;
BEGIN
    FOR grantee IN
        SELECT DISTINCT CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE acl.grantee::regrole::text END
        FROM (
            SELECT relacl FROM pg_class WHERE oid = 'sessions'::regclass
            UNION ALL SELECT attacl FROM pg_attribute WHERE attrelid = 'sessions'::regclass
        ) AS rights, aclexplode(relacl) AS acl
        WHERE acl.privilege_type = 'INSERT'
    LOOP
        EXECUTE format('GRANT USAGE ON SEQUENCE session_numbers TO %s', grantee);
        EXECUTE format('GRANT EXECUTE ON FUNCTION session_status(bigint) TO %s', grantee);
    END LOOP;
END
$$
"""

_NUMBER_REVOCATION = """
CREATE FUNCTION revocation_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.status := (SELECT status FROM sessions WHERE id =
        CASE WHEN NEW.id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN NEW.id::uuid END);
    RETURN NEW;
END
$$
"""
_TRIGGER = """
CREATE TRIGGER revocations_status BEFORE INSERT ON revocations
FOR EACH ROW WHEN (NEW.kind IS NULL) EXECUTE FUNCTION revocation_status()
"""


def upgrade() -> None:
    op.execute("CREATE SEQUENCE session_numbers MINVALUE 0")
    op.execute(_PERMUTE.format(key=token_hex(16)))
    op.execute(_GRANT)
    op.add_column("sessions", sa.Column("status", sa.BigInteger(), nullable=True))
    op.alter_column(
        "sessions", "status", server_default=sa.text("session_status(nextval('session_numbers'::regclass))")
    )
    op.add_column("revocations", sa.Column("kind", sa.Text(), nullable=True))
    op.add_column("revocations", sa.Column("subject", sa.Uuid(), nullable=True))
    op.add_column("revocations", sa.Column("status", sa.BigInteger(), nullable=True))
    op.add_column("revocations", sa.Column("reason", sa.Text(), nullable=True))
    op.execute(_NUMBER_REVOCATION)
    op.execute(_TRIGGER)


def downgrade() -> None:
    op.execute("DROP TRIGGER revocations_status ON revocations")
    op.execute("DROP FUNCTION revocation_status()")
    for name in ("kind", "subject", "status", "reason"):
        op.drop_column("revocations", name)
    op.drop_column("sessions", "status")
    op.execute("DROP FUNCTION session_status(bigint)")
    op.execute("DROP SEQUENCE session_numbers")
