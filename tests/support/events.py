"""Everything that is kept as an event of an account: how it is brought about, and what is then to be read."""

import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from app.domain.events import EventKind
from app.domain.refusals import Refused
from app.domain.sessions import ClientKind, ReuseRevokes
from app.domain.visitors import Visitor
from app.services.open_session import TokenPair
from app.wiring import Service
from tests.support.database import Sql
from tests.support.people import PASSWORD, Person, new_person
from tests.support.races import CHEAP_HASH, sign_in

HERE = Visitor("192.0.2.7", "tests", "request-7")
NEW_PASSWORD = "another battery horse staple"
EVENTS = "SELECT * FROM events WHERE account_id = $1 ORDER BY id"


@dataclass(frozen=True, slots=True)
class Scene:
    """Somebody with a role and one session, at a service in this process."""

    service: Service
    sql: Sql
    person: Person
    pair: TokenPair
    session_id: UUID

    @property
    def token(self) -> str:
        return self.pair.access_token.text

    async def state(self) -> list[str]:
        """The account, its sessions and what was revoked of them."""
        rows = await self.sql.fetch(
            """SELECT a::text, s::text, r::text FROM accounts AS a
            LEFT JOIN sessions AS s ON s.account_id = a.id LEFT JOIN revocations AS r ON r.id = s.id::text
            WHERE a.id = $1 ORDER BY s.id""",
            self.person.id,
        )
        return [repr(tuple(row)) for row in rows]

    async def events(self) -> list[dict[str, Any]]:
        """What was kept of the account since the scene was set."""
        rows = [dict(row) for row in await self.sql.fetch(EVENTS, self.person.id)]
        return [row | {"details": json.loads(row["details"])} for row in rows[1:]]


async def scene(service: Service, sql: Sql) -> Scene:
    """A new one; the first event of the account is the sign-in."""
    person = await new_person(sql, "editor", password_hash=CHEAP_HASH)
    pair = await sign_in(service, person)
    session_id = await sql.fetchval("SELECT id FROM sessions WHERE account_id = $1", person.id)
    return Scene(service, sql, person, pair, session_id)


Bring = Callable[[Scene], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Happening:
    """An action and its event; the event of a request has the visitor's address and request id."""

    bring: Bring
    kind: EventKind
    details: Mapping[str, Any]
    of_session: bool = False
    by_visitor: bool = True
    prepare: Bring | None = None
    reason: str | None = None
    proves_nothing: bool = False

    @property
    def actor(self) -> str:
        if not self.by_visitor:
            return "operator"
        return "visitor" if self.proves_nothing else "owner"


async def _used_twice(scene: Scene) -> None:
    cases = scene.service.use_cases
    await cases.refresh(scene.pair.refresh_token, ClientKind.NATIVE, HERE)
    await scene.sql.execute(
        "UPDATE sessions SET superseded_at = ARRAY[now() - interval '1 hour'] WHERE id = $1", scene.session_id
    )


async def _reuse(scene: Scene, revokes: ReuseRevokes = ReuseRevokes.SESSION) -> None:
    case = scene.service.use_cases.refresh
    case = replace(case, policy=replace(case.policy, reuse_revokes=revokes))
    with suppress(Refused):
        await case(scene.pair.refresh_token, ClientKind.NATIVE, HERE)


async def _login(scene: Scene, password: str = PASSWORD) -> None:
    with suppress(Refused):
        await scene.service.use_cases.login(scene.person.email, password, ClientKind.BROWSER, HERE)


async def _change(scene: Scene, current: str = PASSWORD) -> None:
    case = scene.service.use_cases.change_password
    with suppress(Refused):
        await case(scene.token, current, NEW_PASSWORD, HERE)


async def _disabled(scene: Scene) -> None:
    await scene.sql.execute("UPDATE accounts SET enabled = false WHERE id = $1", scene.person.id)


_ENDED = EventKind.SESSION_ENDED

HAPPENINGS = {
    "a sign-in": Happening(_login, EventKind.LOGIN_SUCCEEDED, {"client": "browser"}),
    "a logout": Happening(
        lambda scene: scene.service.use_cases.logout(scene.pair.refresh_token, None, HERE),
        *(_ENDED, {}, True),
        reason="logout",
    ),
    "a logout by access token": Happening(
        lambda scene: scene.service.use_cases.logout(None, scene.token, HERE),
        *(_ENDED, {}, True),
        reason="logout",
    ),
    "a logout everywhere": Happening(
        lambda scene: scene.service.use_cases.logout_everywhere(None, scene.token, HERE),
        *(_ENDED, {"ended": 1}),
        reason="logout_everywhere",
    ),
    "an end by its owner": Happening(
        lambda scene: scene.service.use_cases.own_sessions.end(scene.token, scene.session_id, HERE),
        *(_ENDED, {}, True),
        reason="revoked",
    ),
    "an end by an operator": Happening(
        lambda scene: scene.service.operator_sessions.end(scene.session_id),
        *(_ENDED, {"ended": 1}, True, False),
        reason="revoked",
    ),
    "the end of all of an account": Happening(
        lambda scene: scene.service.operator_sessions.end_of(scene.person.email),
        *(_ENDED, {"ended": 1}, False, False),
        reason="revoked",
    ),
    "a reuse": Happening(
        *(_reuse, EventKind.SESSION_REUSE_DETECTED, {"ended": 1}, True, True, _used_twice),
        proves_nothing=True,
    ),
    "a reuse that ends the account's": Happening(
        lambda scene: _reuse(scene, ReuseRevokes.ACCOUNT),
        *(EventKind.SESSION_REUSE_DETECTED, {"ended": 1}, True, True, _used_twice),
        proves_nothing=True,
    ),
    "a change of password": Happening(_change, EventKind.PASSWORD_CHANGED, {"ended": 1}, of_session=True),
    "a new password from an operator": Happening(
        lambda scene: scene.service.accounts.set_password(scene.person.email, NEW_PASSWORD),
        *(EventKind.PASSWORD_CHANGED, {"ended": 1}, False, False),
    ),
    "a disabling": Happening(
        lambda scene: scene.service.accounts.disable(scene.person.email),
        *(EventKind.ACCOUNT_DISABLED, {"ended": 1}, False, False),
    ),
    "an enabling": Happening(
        lambda scene: scene.service.accounts.enable(scene.person.email),
        *(EventKind.ACCOUNT_ENABLED, {}, False, False, _disabled),
    ),
    "a role more": Happening(
        lambda scene: scene.service.accounts.set_roles(scene.person.email, ["editor", "admin"]),
        *(EventKind.ACCOUNT_ROLES_CHANGED, {"roles": "admin editor", "before": "editor"}),
        by_visitor=False,
    ),
    "a role less": Happening(
        lambda scene: scene.service.accounts.set_roles(scene.person.email, []),
        *(EventKind.ACCOUNT_ROLES_CHANGED, {"roles": "", "before": "editor", "ended": 1}),
        by_visitor=False,
    ),
    "a deletion": Happening(
        lambda scene: scene.service.accounts.delete(scene.person.email),
        # It is disabled first, which is an event of its own.
        *(EventKind.ACCOUNT_DISABLED, {"ended": 1}, False, False),
    ),
}
"""What changes something beside; each is a statement or a transaction with its event."""

FAILURES = {
    "a wrong password": Happening(
        lambda scene: _login(scene, "wrong"),
        *(EventKind.LOGIN_FAILED, {}),
        reason="wrong_password",
        proves_nothing=True,
    ),
    "the right password of a disabled account": Happening(
        *(_login, EventKind.LOGIN_FAILED, {}),
        prepare=_disabled,
        reason="account_disabled",
        proves_nothing=True,
    ),
    "a wrong current password": Happening(
        lambda scene: _change(scene, "wrong"),
        *(EventKind.PASSWORD_CHANGE_FAILED, {}, True),
        reason="wrong_password",
    ),
}
"""What changes nothing, and is an event all the same."""
