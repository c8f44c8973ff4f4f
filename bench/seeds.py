"""Accounts and sessions as a service in use has them, and the tokens that its clients hold.

They are written into the database directly. To open them by requests would take longer than the benchmark.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_bytes, token_urlsafe
from typing import NamedTuple
from uuid import UUID, uuid4

from app.crypto.access_tokens import Signer
from app.crypto.refresh_tokens import SEED_LENGTH, RefreshTokens
from app.crypto.secrets import ServiceSecrets
from app.domain.access_tokens import claims
from app.domain.sessions import ClientKind, SessionGrant
from app.logs import configure_logs
from app.settings import Settings
from app.wiring import open_service, utc_now
from bench.hash_costs import CHEAP, REAL
from tests.support.database import connect

PASSWORD = "correct battery staple horse"
_SESSIONS_PER_ACCOUNT = 10
_SESSION = ("id", "account_id", "client", "refresh_token_hash", "created_at", "refreshed_at", "expires_at")


class Amounts(NamedTuple):
    """How many accounts sign in, and how many sessions are refreshed, shown by ``/me`` and ended each way."""

    accounts: int = 500
    refreshed: int = 2_000
    shown: int = 200
    ended: int = 12_000


@dataclass(frozen=True, slots=True)
class Seeds:
    """What the clients hold: refresh tokens, access tokens, and addresses of accounts with ``PASSWORD``.

    The hashes of the cheap accounts cost next to nothing.
    """

    refreshed: list[str]
    shown: list[str]
    ended: list[str]
    ended_by_bearer: list[str]
    emails: list[str]
    cheap_emails: list[str]


async def sow(environment: Mapping[str, str], amounts: Amounts) -> Seeds:
    """Make the signing keys, accounts and sessions in a migrated database."""
    settings = Settings.model_validate(
        {name.removeprefix("AUTH_").lower(): value for name, value in environment.items()}
    )
    configure_logs("console", "error")
    async with open_service(settings) as service:
        await service.keys.load()
        assert service.keys.view is not None
        signer = service.keys.view.signer
    assert signer is not None
    plot = _Plot(settings, signer)
    kinds = [[plot.session() for _ in range(number)] for number in _numbers(amounts)]
    emails = [f"{uuid4().hex}@example.com" for _ in range(2 * amounts.accounts)]
    seeds = Seeds(
        [refresh for refresh, _ in kinds[0]],
        [plot.access_token(grant) for _, grant in kinds[1]],
        [refresh for refresh, _ in kinds[2]],
        [plot.access_token(grant) for _, grant in kinds[3]],
        emails[: amounts.accounts],
        emails[amounts.accounts :],
    )
    sql = await connect(environment["AUTH_DATABASE_URL"])
    columns = ("id", "email", "password_hash")
    await sql.copy_records_to_table("accounts", records=plot.accounts(seeds), columns=columns)
    await sql.copy_records_to_table("sessions", records=plot.rows, columns=_SESSION)
    await sql.execute("VACUUM (ANALYZE)")
    await sql.close()
    return seeds


def _numbers(amounts: Amounts) -> tuple[int, ...]:
    return amounts.refreshed, amounts.shown, amounts.ended, amounts.ended


class _Plot:
    """Rows of sessions, and of the accounts that they belong to."""

    def __init__(self, settings: Settings, signer: Signer) -> None:
        self._tokens = RefreshTokens(ServiceSecrets(settings.secret_keys))
        self._policy = settings.token_policy()
        self._signer = signer
        self._now = utc_now()
        self._owners: list[UUID] = []
        self.rows: list[tuple[object, ...]] = []

    def session(self) -> tuple[str, SessionGrant]:
        """Return the refresh token and the grant of one more session."""
        if len(self.rows) % _SESSIONS_PER_ACCOUNT == 0:
            self._owners.append(uuid4())
        now, ends, owner = self._now, self._now + timedelta(days=30), self._owners[-1]
        token = self._tokens.first(uuid4(), token_bytes(SEED_LENGTH))
        self.rows.append((token.session_id, owner, "native", token.digest, now, now, ends))
        grant = SessionGrant(
            token.session_id,
            owner,
            ClientKind.NATIVE,
            roles=(),
            amr=("pwd",),
            authenticated_at=now,
            expires_at=ends,
            signing_kid=self._signer.kid,
        )
        return token.text, grant

    def access_token(self, grant: SessionGrant) -> str:
        """Return an access token of a session."""
        return self._signer.sign(claims(grant, self._policy, token_urlsafe(16), now=self._now))

    def accounts(self, seeds: Seeds) -> Iterator[tuple[UUID, str, str]]:
        """Return the rows of the accounts that have sessions, and of those that sign in."""
        real = REAL.hash(PASSWORD)
        cheap = CHEAP.hash(PASSWORD)
        yield from ((owner, f"{owner.hex}@example.com", real) for owner in self._owners)
        yield from ((uuid4(), email, real) for email in seeds.emails)
        yield from ((uuid4(), email, cheap) for email in seeds.cheap_emails)
