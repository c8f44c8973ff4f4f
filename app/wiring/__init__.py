"""Puts the service together: the one place that knows every part.

Nothing is awaited here, so the routes exist when the application is built.
"""

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from app.domain.clock import Clock
from app.services.keys import KeyRing
from app.services.operator.accounts import Accounts
from app.services.operator.events import Events
from app.services.operator.keys import Keys
from app.services.operator.password_hashes import PasswordHashes
from app.services.operator.sessions import Sessions
from app.services.purge import Purge
from app.services.revocations import Revocations
from app.settings import Settings
from app.storage.postgres.database import Database
from app.wiring.core import Core, build_core, utc_now
from app.wiring.jobs import MAINTAIN_EVERY, PURGE_EVERY, Job, maintained
from app.wiring.operator import operator
from app.wiring.owner import UseCases, use_cases
from app.wiring.resources import blaming, open_resources

__all__ = ["Service", "blaming", "maintained", "open_service", "utc_now"]


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that the entries use; ``async with`` closes what it opened."""

    core: Core
    use_cases: UseCases
    accounts: Accounts
    operator_sessions: Sessions
    operator_keys: Keys
    events: Events
    password_hashes: PasswordHashes
    purge: Purge
    keys: KeyRing
    revocations: Revocations
    database: Database
    jobs: tuple[Job, ...]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.core.resources.close()


def open_service(settings: Settings, clock: Clock = utc_now) -> Service:
    """The service, which connects to nothing before its first use."""
    core = build_core(settings, open_resources(settings, clock), clock)
    stores, cases = core.stores, operator(core, settings)
    purge = Purge(stores.sessions, stores.revocations, stores.events, settings.event_retention)
    return Service(
        core,
        use_cases(core, settings),
        cases.accounts,
        cases.sessions,
        cases.keys,
        cases.events,
        cases.password_hashes,
        purge,
        core.keys,
        core.revocations,
        core.resources.database,
        jobs=(
            Job("keys", core.keys.load, MAINTAIN_EVERY, before_serving=True),
            Job("revocations", core.revocations.reindex, MAINTAIN_EVERY, before_serving=True),
            Job("decoys", core.decoys.load, PURGE_EVERY, before_serving=True),
            Job("purge", purge.__call__, PURGE_EVERY),
        ),
    )
