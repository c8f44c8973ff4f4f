"""What a listener is sent that comes again, and when it has to read the lists instead."""

from datetime import timedelta
from uuid import uuid4

import pytest

from app.domain.refusals import Unavailable
from app.domain.revocations import Changes, Kind
from app.features.feed.domain import event_id
from tests.features.feed.conftest import Parts, later, until

pytestmark = pytest.mark.requirement("L4")


async def left(parts: Parts) -> str:
    """The id after which a listener has left, with no other one there."""
    heard = await (await parts.listens()).begun()
    heard.stream.end()
    await until(lambda: not parts.poller.is_running)
    return heard.id


async def test_what_was_revoked_meanwhile_is_sent_before_ready(parts: Parts) -> None:
    resumes_after = await left(parts)
    entry = await parts.revoke(str(uuid4()))
    heard = await parts.listens(resumes_after)
    await heard.begun(f"session-revoked {entry}")
    again = await parts.listens(heard.id)
    await again.begun()


async def test_many_that_were_missed_are_sent_in_pieces(parts: Parts) -> None:
    resumes_after = await left(parts)
    await parts.sql.execute(
        """INSERT INTO revocations (id, expires_at, kind)
           SELECT $1 || n, now() + interval '16 minutes', 'key' FROM generate_series(1, 1100) AS n""",
        f"{uuid4()}-",
    )
    heard = await parts.listens(resumes_after)
    await heard.piece()
    found: list[str] = []
    while (names := await heard.names()) != ["ready"]:
        assert len(names) <= 64
        found += names
    assert len(set(found)) == len(found) == 1100
    heard.stream.end()


async def test_an_id_that_is_none_of_this_run_or_too_old_gets_a_reset(parts: Parts) -> None:
    known = await left(parts)
    position = (await parts.service.core.stores.revocations.changes(None)).position
    foreign = event_id(f"another {position.rpartition(' ')[2]}", parts.service.core.clock())
    for id_ in ("757", "7f3a1c9e.757", foreign):
        await (await parts.listens(id_)).begun("reset")
    later(parts.service.core.authenticate.policy.revocation_ttl + timedelta(seconds=2))
    await parts.service.keys.load()
    await (await parts.listens(known)).begun("reset")


async def test_a_database_that_restarts_while_a_listener_resumes_is_a_reset(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    resumes_after = await left(parts)
    store = parts.service.core.stores.revocations
    changes = store.changes

    async def restarted(since: str | None) -> Changes:
        found = await changes(since)
        return found if since is None else found._replace(is_whole=True)

    monkeypatch.setattr(store, "changes", restarted)
    await (await parts.listens(resumes_after)).begun("reset")


async def test_a_stream_that_cannot_be_resumed_ends_without_ready_and_is_resumed_later(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    resumes_after = await left(parts)
    entry = await parts.revoke(str(uuid4()))
    store = parts.service.core.stores.revocations
    changes = store.changes

    async def gone(since: str | None) -> Changes:
        if since is not None:
            raise Unavailable("gone")
        return await changes(since)

    monkeypatch.setattr(store, "changes", gone)
    heard = await parts.listens(resumes_after)
    assert await heard.piece() == "retry: 2000\n\n"
    await heard.over()
    monkeypatch.undo()
    await (await parts.listens(resumes_after)).begun(f"session-revoked {entry}")


async def test_a_listener_that_has_gone_is_sent_no_more_of_what_it_missed(parts: Parts) -> None:
    resumes_after = await left(parts)
    for _ in range(2):
        await parts.revoke(str(uuid4()), Kind.TOKEN)
    heard = await parts.listens(resumes_after)
    heard.stream.end()
    assert await heard.piece() == "retry: 2000\n\n"
    assert await heard.names() == ["ready"]
    await heard.over()
