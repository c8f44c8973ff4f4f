"""Accounts whose address has capitals or white space are found again; the table refuses such addresses.

An address that was written into the table by hand, in another spelling than the service looks for, is
rewritten. Where two accounts would then have one address, both stay as they are, and the log names their ids.
A trigger and not a CHECK refuses such addresses: a CHECK would refuse every change of those accounts too.

The previous release can serve on these tables. It stores a domain in the letters that were typed, and finds
only those. So such addresses stay, and this release finds them too, also one that the previous release adds
meanwhile. An account with such a domain that this release adds is not found by the previous one.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
import structlog
from alembic import op

from app.domain.accounts import legacy_spelling, normalise_email

revision = "0004"
down_revision = "0003"

# Everything but plain addresses in lower case; they are few, so they fit into memory.
_UNUSUAL = r"""
SELECT id, email FROM accounts
WHERE email COLLATE "C"
    !~ '^[!-?[-~]{1,64}@[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?([.][a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$'
ORDER BY id
"""
_log = structlog.get_logger()


def upgrade() -> None:
    _rewrite_addresses()
    # It accepts what the previous release stores. The service itself is stricter.
    op.execute(r"""
        CREATE FUNCTION check_account_email() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.email <> lower(NEW.email COLLATE "C")
                OR NEW.email IS NOT NFKC NORMALIZED
                OR NEW.email !~ '^[^@]+@[^@]+$'
                OR NEW.email ~ '[\s\u0001-\u0020\u007f-\u00a0\u00ad]'
                OR NEW.email ~ '[\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]'
            THEN
                RAISE EXCEPTION 'accounts.email is not in its one spelling: NFKC, lower case, visible'
                    USING ERRCODE = 'check_violation', TABLE = 'accounts', COLUMN = 'email';
            END IF;
            RETURN NEW;
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER keep_one_spelling BEFORE INSERT OR UPDATE OF email ON accounts
        FOR EACH ROW EXECUTE FUNCTION check_account_email()
    """)
    op.alter_column("accounts", "id", server_default=sa.text("gen_random_uuid()"))


def _rewrite_addresses() -> None:
    connection = op.get_bind()
    same: dict[str, list[tuple[str, str]]] = {}
    for account, email in connection.execute(sa.text(_UNUSUAL)):
        canonical = normalise_email(email)
        if canonical is None:
            _log.warning("account.address_invalid", account=str(account))
        else:
            same.setdefault(canonical, []).append((account, email))
    taken = _accounts_of(list(same))
    for canonical, found in same.items():
        spelling = legacy_spelling(canonical) or canonical
        account, email = found[0]
        holders = [holder for holder, _ in found] + taken.get(canonical, [])
        ids = list(dict.fromkeys(map(str, holders)))
        if len(ids) > 1:
            _log.warning("account.address_collides", accounts=" ".join(ids))
        elif email != spelling:
            connection.execute(
                sa.text("UPDATE accounts SET email = :email WHERE id = :id"),
                {"email": spelling, "id": account},
            )


def _accounts_of(addresses: list[str]) -> dict[str, list[str]]:
    """The account that has each of these addresses already."""
    statement = sa.text("SELECT email, id FROM accounts WHERE email = ANY(:addresses)")
    found = op.get_bind().execute(statement, {"addresses": addresses})
    return {email: [account] for email, account in found}


def downgrade() -> None:
    op.alter_column("accounts", "id", server_default=None)
    op.execute("DROP TRIGGER keep_one_spelling ON accounts")
    op.execute("DROP FUNCTION check_account_email()")
