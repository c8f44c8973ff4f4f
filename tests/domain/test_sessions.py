"""The rules for a genuine refresh token and their order, as tables."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.refusals import Refusal
from app.domain.sessions import (
    REMEMBERED_GENERATIONS,
    ClientKind,
    Presented,
    RefreshToken,
    ReuseRevokes,
    Session,
    SessionGrant,
    SessionPolicy,
    Standing,
    has_ended,
    judge,
)

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
SECOND, TICK = timedelta(seconds=1), timedelta(microseconds=1)
POLICY = SessionPolicy(timedelta(days=30), timedelta(days=7), 10 * SECOND, ReuseRevokes.SESSION, 100)
STRICT = replace(POLICY, grace=timedelta())

GRANT = SessionGrant(
    UUID(int=1),
    UUID(int=2),
    ClientKind.NATIVE,
    ("editor",),
    ("pwd",),
    NOW - timedelta(days=1),
    NOW + timedelta(days=29),
    "a-kid",
)
# Rotated one, two, three and four seconds ago.
SUPERSEDED = tuple(NOW - number * SECOND for number in range(1, 5))
LIVING = Session(
    GRANT,
    10,
    b"the hash",
    SUPERSEDED,
    rotated_by=None,
    refreshed_at=SUPERSEDED[0],
    revoked_at=None,
    is_barred=False,
)

REVOKED = replace(LIVING, revoked_at=NOW - SECOND)
EXPIRED = replace(LIVING, grant=replace(GRANT, expires_at=NOW))
IDLE = replace(LIVING, refreshed_at=NOW - POLICY.idle)
BARRED = replace(LIVING, is_barred=True)
REVOKED_AND_EXPIRED = replace(EXPIRED, revoked_at=NOW - SECOND)

CURRENT, AHEAD, RETRY, REUSED = 10, 11, 9, 5


def judgement(
    session: Session,
    generation: int = CURRENT,
    client: ClientKind = ClientKind.NATIVE,
    policy: SessionPolicy = POLICY,
    now: datetime = NOW,
    mark: bytes | None = None,
) -> Standing | Refusal:
    token = RefreshToken(b"four", GRANT.session_id, generation, b"a seed, 16 bytes", "wwr_text", b"a digest")
    return judge(Presented(token, client, mark), session, policy, now=now)


@pytest.mark.parametrize("client", list(ClientKind))
@pytest.mark.parametrize("generation", [CURRENT, AHEAD, RETRY, REUSED])
@pytest.mark.parametrize(
    ("session", "expected"),
    [
        (REVOKED, Refusal.SESSION_REVOKED),
        (BARRED, Refusal.SESSION_REVOKED),
        (replace(EXPIRED, is_barred=True), Refusal.SESSION_REVOKED),
        (REVOKED_AND_EXPIRED, Refusal.SESSION_REVOKED),
        (EXPIRED, Refusal.REFRESH_TOKEN_EXPIRED),
        (IDLE, Refusal.REFRESH_TOKEN_EXPIRED),
    ],
    ids=["revoked", "barred", "barred and expired", "revoked and expired", "expired", "idle"],
)
def test_a_session_that_has_ended_is_refused_for_every_generation_and_client(
    session: Session, expected: Refusal, generation: int, client: ClientKind
) -> None:
    assert judgement(session, generation, client) is expected


def test_a_session_has_ended_when_it_was_revoked_or_its_account_bars_it() -> None:
    assert [has_ended(session) for session in (LIVING, EXPIRED, REVOKED, BARRED)] == [
        False,
        False,
        True,
        True,
    ]


@pytest.mark.requirement("R11")
@pytest.mark.parametrize(("issued_to", "presented_by"), [list(ClientKind), list(reversed(ClientKind))])
@pytest.mark.parametrize(
    ("generation", "expected"),
    [
        (CURRENT, Refusal.REFRESH_TOKEN_INVALID),
        (AHEAD, Refusal.REFRESH_TOKEN_INVALID),
        (RETRY, Refusal.REFRESH_TOKEN_INVALID),
        (REUSED, Standing.REUSED),
    ],
)
def test_a_token_that_comes_another_kinds_way_is_invalid_unless_it_is_reused(
    generation: int, expected: Standing | Refusal, issued_to: ClientKind, presented_by: ClientKind
) -> None:
    session = replace(LIVING, grant=replace(GRANT, client=issued_to))

    assert judgement(session, generation, presented_by) is expected


@pytest.mark.parametrize(
    ("generation", "expected"),
    [
        (0, Standing.REUSED),
        (5, Standing.REUSED),
        (6, Standing.RETRY),
        (9, Standing.RETRY),
        (10, Standing.CURRENT),
        (11, Standing.AHEAD),
        (2**32 - 1, Standing.AHEAD),
    ],
)
def test_in_a_living_session_the_generation_of_the_token_decides(generation: int, expected: Standing) -> None:
    assert judgement(LIVING, generation) is expected


@pytest.mark.requirement("R4")
@pytest.mark.parametrize("behind", range(1, REMEMBERED_GENERATIONS + 1))
def test_the_grace_of_a_token_starts_when_it_is_superseded_and_excludes_its_end(behind: int) -> None:
    end = SUPERSEDED[behind - 1] + POLICY.grace

    assert judgement(LIVING, CURRENT - behind, now=end - TICK) is Standing.RETRY
    assert judgement(LIVING, CURRENT - behind, now=end) is Standing.REUSED


def test_a_later_rotation_does_not_extend_the_grace_of_an_older_token() -> None:
    session = replace(LIVING, superseded_at=(NOW, NOW - POLICY.grace))

    assert judgement(session, CURRENT - 1) is Standing.RETRY
    assert judgement(session, CURRENT - 2) is Standing.REUSED


@pytest.mark.parametrize("behind", range(1, REMEMBERED_GENERATIONS + 2))
def test_without_a_grace_every_superseded_token_is_reuse_immediately(behind: int) -> None:
    session = replace(LIVING, superseded_at=(NOW,) * REMEMBERED_GENERATIONS)

    assert judgement(session, CURRENT - behind) is (Standing.RETRY if behind < 5 else Standing.REUSED)
    assert judgement(session, CURRENT - behind, policy=STRICT) is Standing.REUSED


def test_a_generation_without_a_date_in_the_row_is_reuse() -> None:
    session = replace(LIVING, superseded_at=(NOW,))

    assert judgement(session, CURRENT - 1) is Standing.RETRY
    assert judgement(session, CURRENT - 2) is Standing.REUSED
    assert judgement(replace(LIVING, superseded_at=()), CURRENT - 1) is Standing.REUSED


@pytest.mark.parametrize("policy", [POLICY, STRICT])
def test_the_current_token_is_current_with_and_without_a_grace(policy: SessionPolicy) -> None:
    assert judgement(LIVING, policy=policy) is Standing.CURRENT
    assert judgement(LIVING, AHEAD, policy=policy) is Standing.AHEAD


@pytest.mark.requirement("R6")
def test_the_absolute_end_is_exclusive_and_a_refresh_does_not_move_it() -> None:
    session = replace(LIVING, refreshed_at=GRANT.expires_at - TICK)

    assert judgement(session, now=GRANT.expires_at - TICK) is Standing.CURRENT
    assert judgement(session, now=GRANT.expires_at) is Refusal.REFRESH_TOKEN_EXPIRED


@pytest.mark.requirement("R6")
def test_the_idle_end_is_exclusive_and_runs_from_the_last_refresh() -> None:
    end = LIVING.refreshed_at + POLICY.idle

    assert judgement(LIVING, now=end - TICK) is Standing.CURRENT
    assert judgement(LIVING, now=end) is Refusal.REFRESH_TOKEN_EXPIRED


def test_the_grace_does_not_apply_to_a_revoked_or_expired_session() -> None:
    young = (NOW,) * REMEMBERED_GENERATIONS

    assert judgement(replace(REVOKED, superseded_at=young), RETRY) is Refusal.SESSION_REVOKED
    assert judgement(replace(EXPIRED, superseded_at=young), RETRY) is Refusal.REFRESH_TOKEN_EXPIRED


@given(generation=st.integers(0, 20), seconds=st.integers(0, 40), grace=st.integers(0, 60))
def test_only_a_dated_generation_within_the_grace_is_a_retry(
    generation: int, seconds: int, grace: int
) -> None:
    now = NOW + seconds * SECOND
    policy = replace(POLICY, grace=grace * SECOND)
    # Generation 9 was superseded one second before NOW, 8 two seconds before, and so on to 6.
    age = seconds + CURRENT - generation
    expected = (
        Standing.CURRENT
        if generation == CURRENT
        else Standing.AHEAD
        if generation > CURRENT
        else Standing.RETRY
        if CURRENT - generation <= REMEMBERED_GENERATIONS and age < grace
        else Standing.REUSED
    )

    assert judgement(LIVING, generation, policy=policy, now=now) is expected


MARK, OTHER_MARK = b"the mark", b"another mark"
# The last rotation was made with a key. Its answer was lost, and the session almost expired meanwhile.
LOST = replace(LIVING, superseded_at=(NOW - POLICY.idle + TICK,), refreshed_at=NOW - POLICY.idle + TICK)
LOST = replace(LOST, rotated_by=MARK)
PARENT = CURRENT - 1


@pytest.mark.requirement("R4")
@pytest.mark.parametrize("policy", [POLICY, STRICT])
def test_the_parent_with_the_key_of_its_rotation_is_a_retry_as_long_as_the_session_lives(
    policy: SessionPolicy,
) -> None:
    assert judgement(LOST, PARENT, policy=policy, mark=MARK) is Standing.LATE_RETRY
    assert judgement(LOST, PARENT, policy=policy, mark=MARK, now=NOW + TICK) is Refusal.REFRESH_TOKEN_EXPIRED


@pytest.mark.requirement("R4")
@pytest.mark.parametrize(
    ("stored", "presented"), [(MARK, OTHER_MARK), (MARK, None), (None, MARK), (None, None)]
)
def test_the_parent_with_another_key_or_none_is_a_retry_within_the_grace_only(
    stored: bytes | None, presented: bytes | None
) -> None:
    assert judgement(replace(LOST, rotated_by=stored), PARENT, mark=presented) is Standing.REUSED
    assert judgement(replace(LIVING, rotated_by=stored), PARENT, mark=presented) is Standing.RETRY


@pytest.mark.requirement("R4")
@pytest.mark.parametrize("generation", [0, CURRENT - 3, CURRENT - 2])
def test_an_older_ancestor_is_no_retry_even_with_the_stored_mark(generation: int) -> None:
    """The release before leaves the mark of an earlier rotation in the row."""
    assert judgement(LOST, generation, mark=MARK) is Standing.REUSED


@pytest.mark.parametrize("mark", [None, MARK, OTHER_MARK])
def test_a_key_changes_nothing_for_a_token_that_was_not_superseded(mark: bytes | None) -> None:
    assert judgement(LOST, CURRENT, mark=mark) is Standing.CURRENT
    assert judgement(LOST, AHEAD, mark=mark) is Standing.AHEAD


def test_the_key_makes_no_retry_in_an_ended_session_or_of_a_token_that_comes_another_kinds_way() -> None:
    revoked = replace(LOST, revoked_at=NOW)

    assert judgement(revoked, PARENT, mark=MARK) is Refusal.SESSION_REVOKED
    assert judgement(LOST, PARENT, ClientKind.BROWSER, mark=MARK) is Refusal.REFRESH_TOKEN_INVALID
    assert judgement(LOST, PARENT, ClientKind.BROWSER, mark=OTHER_MARK) is Standing.REUSED


@pytest.mark.parametrize(
    ("shown", "hidden"),
    [
        (RefreshToken(b"four", UUID(int=1), 0, b"SEED", "wwr_TEXT", b"DIGEST"), "SEED"),
        (RefreshToken(b"four", UUID(int=1), 0, b"SEED", "wwr_TEXT", b"DIGEST"), "TEXT"),
        (RefreshToken(b"four", UUID(int=1), 0, b"SEED", "wwr_TEXT", b"DIGEST"), "DIGEST"),
        (LIVING, "the hash"),
        (LOST, "the mark"),
        (Presented(RefreshToken(b"four", UUID(int=1), 0, b"", "", b""), ClientKind.NATIVE, b"MARK"), "MARK"),
    ],
)
def test_seeds_hashes_and_marks_are_not_in_a_repr(shown: object, hidden: str) -> None:
    assert hidden not in repr(shown)
