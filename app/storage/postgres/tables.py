"""The tables, as Alembic compares them with the database. No request loads SQLAlchemy for them."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType

from app.domain.access_tokens import MAX_ROLES_SIZE

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_name)s_key",
        "ix": "%(table_name)s_%(column_0_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)


class TransactionNumber(UserDefinedType[str]):
    """The number of a transaction, 64 bits long; SQLAlchemy has no type of its own for it."""

    def get_col_spec(self, **_: object) -> str:
        """The name of the type in Postgres."""
        return "XID8"


ischema_names["xid8"] = TransactionNumber

# A trigger refuses an address that is not in its one spelling.
accounts = Table(
    "accounts",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=func.gen_random_uuid()),
    Column("email", Text, nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("password_version", Integer, nullable=False, server_default=text("1")),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("roles", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    # Sessions that were opened until then have ended, also where that is not yet written into their rows.
    Column("sessions_ended_at", DateTime(timezone=True), nullable=False, server_default=text("'-infinity'")),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("accounts_email_prefix_idx", "email", postgresql_ops={"email": "text_pattern_ops"}),
    CheckConstraint(f"octet_length(array_to_json(roles)::text) <= {MAX_ROLES_SIZE}", "roles"),
)

# A rotation changes no indexed column, and the fill factor leaves room on its page: each is a HOT update.
sessions = Table(
    "sessions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("account_id", ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("client", Text, CheckConstraint("client IN ('browser', 'native')", "client"), nullable=False),
    Column("generation", BigInteger, nullable=False, server_default=text("0")),
    Column("refresh_token_hash", LargeBinary, nullable=False),
    Column("superseded_at", ARRAY(DateTime(timezone=True)), nullable=False, server_default=text("'{}'")),
    Column("rotated_by", LargeBinary),
    Column("amr", ARRAY(Text), nullable=False, server_default=text("'{pwd}'")),
    Column("authenticated_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("refreshed_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
    Column("revoked_at", DateTime(timezone=True)),
    Column("address", Text),
    Column("user_agent", Text),
    # Its place in the status lists. A session from before this column gets one by its next refresh.
    Column(
        "status",
        BigInteger,
        server_default=text("session_status(nextval('session_numbers'::regclass))"),
    ),
    postgresql_with={"fillfactor": 70},
)
# The sessions of an account that have not ended. A rotation changes no column of this index either.
Index(
    "sessions_unended_idx",
    sessions.c.account_id,
    sessions.c.id,
    postgresql_where=sessions.c.revoked_at.is_(None),
)

# The id is that of a token (jti), a session (sid) or a key (kid), and never the text of a token.
revocations = Table(
    "revocations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
    # The transaction that wrote the row last, or 0 for a row that is older than this column. Every statement
    # that changes a row sets it again, so that readers notice.
    Column("tx", TransactionNumber, nullable=False, server_default=func.pg_current_xact_id()),
    # What was revoked: of a session, its account, its place in the status lists, and why it ended. The
    # release before revision 0011 leaves all of it out.
    Column("kind", Text),
    Column("subject", Uuid),
    Column("status", BigInteger),
    Column("reason", Text),
    Index("revocations_tx_id_idx", "tx", "id"),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("algorithm", Text, nullable=False),
    Column("public_jwk", JSONB, nullable=False),
    Column("sealed_private_key", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("activated_at", DateTime(timezone=True)),
    Column("superseded_at", DateTime(timezone=True)),
    CheckConstraint("superseded_at IS NULL OR activated_at IS NOT NULL", "superseded_after_activated"),
)
# The database itself allows at most one standby key and one signing key.
Index(
    "signing_keys_one_standby",
    text("(activated_at IS NULL)"),
    unique=True,
    postgresql_where=signing_keys.c.activated_at.is_(None),
    _table=signing_keys,
)
Index(
    "signing_keys_one_signing",
    text("(superseded_at IS NULL)"),
    unique=True,
    postgresql_where=signing_keys.c.activated_at.is_not(None) & signing_keys.c.superseded_at.is_(None),
    _table=signing_keys,
)

# No foreign keys: an event outlives what it reports. Triggers refuse every change of an event.
events = Table(
    "events",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, index=True, server_default=func.clock_timestamp()),
    Column("kind", Text, nullable=False),
    Column("actor", Text),
    Column("actor_id", Text),
    Column("reason", Text),
    Column("account_id", Uuid),
    Column("session_id", Uuid),
    Column("address", Text),
    Column("request_id", Text),
    Column("details", JSONB, nullable=False, server_default=text("'{}'")),
    Index("events_account_id_at_idx", "account_id", "at"),
)

# A client proves itself by one of two secrets, of which only a SHA-256 is here, or by its public keys (JWKs).
# The trusted issuer and subject are for clients that will prove themselves by a token of their platform.
service_clients = Table(
    "service_clients",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("scopes", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("secret_hash", LargeBinary),
    Column("secret_created_at", DateTime(timezone=True)),
    Column("secret_used_at", DateTime(timezone=True)),
    Column("former_secret_hash", LargeBinary),
    Column("former_secret_created_at", DateTime(timezone=True)),
    Column("former_secret_used_at", DateTime(timezone=True)),
    Column("public_keys", JSONB, nullable=False, server_default=text("'[]'")),
    Column("trusted_issuer", Text),
    Column("trusted_subject", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    CheckConstraint("(trusted_issuer IS NULL) = (trusted_subject IS NULL)", "trusted"),
)

# The assertions of service clients that were used and have not expired: the hash of the client and the jti.
client_assertions = Table(
    "client_assertions",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
)
