"""What a verifier does with forged tokens, storms, outages and key sets that misbehave.

The verifier is another process: it reads a token from each line, and answers each with one line,
``accepted``, ``refused`` or ``unknown`` (it cannot be known now). ISSUER, AUDIENCE and JWKS_URL are in its
environment.
"""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, Queue

from conformance.attack import Attack
from conformance.attacks import attacks
from conformance.claims import ACCEPTED
from conformance.issuer import KEYS, Issuer, Request, hang, redirect
from conformance.minting import Mint, b64, members, new_key

AUDIENCE = "https://orders.example.com"
ELSEWHERE = "/elsewhere.json"
STORM = 1000
MOST_FETCHES = 2
PATIENCE = 15.0
"""Seconds that a verdict may take; later it counts as none."""
BOUND = 64 * 1024 * 1024
"""Bytes of a key set after which it counts as read without bound."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one case."""

    case: str
    passed: bool
    seen: str


class Adapter:
    """The verifier's process."""

    def __init__(self, command: Sequence[str], issuer: Issuer) -> None:
        own = {"ISSUER": issuer.url, "AUDIENCE": AUDIENCE, "JWKS_URL": issuer.url + KEYS, "no_proxy": "*"}
        self._process = subprocess.Popen(
            command,
            env=os.environ | own,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._lines: Queue[str] = Queue()
        self._over = ""
        threading.Thread(target=self._read, daemon=True).start()

    def verdict(self, token: str) -> str:
        """The verdict, ``late`` when there is none in time, or ``crashed``; then it is asked no more."""
        pipe = self._process.stdin
        if self._over or pipe is None:
            return self._over
        with suppress(BrokenPipeError):
            pipe.write(token.replace("\n", "%0A") + "\n")
            pipe.flush()
        try:
            verdict = self._lines.get(timeout=PATIENCE)
        except Empty:
            verdict = "late"
        if verdict in {"late", "crashed"}:
            self._over = verdict
        return verdict

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._lines.put(line.strip())
        self._lines.put("crashed")


class Suite:
    """The cases, each with an issuer and a process of its own."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command

    def results(self) -> Iterator[Result]:
        """What came of each case, one after the other."""
        forged = {name: attack.make for name, attack in _attacks().items()}
        yield self._tokens("forged tokens are refused", "refused", forged)
        yield self._tokens("good tokens are accepted", "accepted", ACCEPTED)
        yield self._storm()
        yield self._unreadable()
        yield self._outage()
        yield self._unknown_in_outage()
        yield self._cold_start()
        yield self._redirect()
        yield self._endless()
        yield self._silent()

    def _tokens(self, case: str, expected: str, tokens: dict[str, Callable[[Mint], str]]) -> Result:
        with self._running() as (adapter, _, mint):
            verdicts = {name: adapter.verdict(make(mint)) for name, make in tokens.items()}
        wrong = [f"{name} ({verdict})" for name, verdict in verdicts.items() if verdict != expected]
        seen = f"{len(tokens) - len(wrong)} of {len(tokens)}"
        return Result(case, not wrong, f"{seen}; not: {', '.join(wrong)}" if wrong else seen)

    def _storm(self) -> Result:
        with self._running() as (adapter, issuer, mint):
            adapter.verdict(mint.token())
            _, _, rest = mint.token().partition(".")
            for number in range(STORM):
                header = b64(members(mint.header, kid=f'"unknown-{number}"'))
                adapter.verdict(f"{header}.{rest}")
            fetches = issuer.hits[KEYS]
        case = f"{STORM} unknown kids cause at most {MOST_FETCHES} fetches"
        return Result(case, fetches <= MOST_FETCHES, f"{fetches} fetches")

    def _unreadable(self) -> Result:
        with self._running() as (adapter, issuer, mint):
            issuer.extra_keys = [
                None,
                {"kty": "AKP", "kid": "x"},
                {"kty": "RSA", "kid": "y", "n": "!", "e": 1},
            ]
            verdict = adapter.verdict(mint.token())
        return Result("unreadable keys beside a good one are skipped", verdict == "accepted", verdict)

    def _outage(self) -> Result:
        with self._running() as (adapter, issuer, mint):
            adapter.verdict(mint.token())
            issuer.stop()
            verdict = adapter.verdict(mint.token())
        return Result("a good token is accepted while the issuer is down", verdict == "accepted", verdict)

    def _unknown_in_outage(self) -> Result:
        with self._running() as (adapter, issuer, mint):
            issuer.behaviours[KEYS] = lambda request: request.reply(b"", 503)
            verdict = adapter.verdict(mint.token())
        return Result("with a key set of 503, nothing is refused", verdict == "unknown", verdict)

    def _cold_start(self) -> Result:
        with self._running() as (adapter, issuer, mint):
            issuer.stop()
            first = adapter.verdict(mint.token())
            issuer.start()
            last, deadline = first, time.monotonic() + PATIENCE
            while last == "unknown" and time.monotonic() < deadline:
                time.sleep(0.2)
                last = adapter.verdict(mint.token())
        passed = (first, last) == ("unknown", "accepted")
        return Result("a start without the issuer recovers by itself", passed, f"{first}, then {last}")

    def _redirect(self) -> Result:
        with self._running() as (adapter, issuer, mint):
            issuer.behaviours[KEYS] = redirect(ELSEWHERE)
            issuer.behaviours[ELSEWHERE] = lambda request: request.reply(issuer.key_set())
            verdict = adapter.verdict(mint.token())
            followed = issuer.hits[ELSEWHERE]
        seen = f"{verdict}, {'followed' if followed else 'not followed'}"
        return Result(
            "a redirect of the key set is not followed", not followed and verdict == "unknown", seen
        )

    def _endless(self) -> Result:
        sent = 0

        def send(request: Request) -> None:
            nonlocal sent
            request.send_response(200)
            request.end_headers()
            while sent < BOUND and not request.server.issuer.ended.is_set():
                request.wfile.write(b" " * 65_536)
                sent += 65_536

        with self._running() as (adapter, issuer, mint):
            issuer.behaviours[KEYS] = send
            verdict = adapter.verdict(mint.token())
        seen = f"{verdict}, {sent // 1024} KiB sent"
        return Result("a key set without end is not read to it", sent < BOUND and verdict == "unknown", seen)

    def _silent(self) -> Result:
        with self._running() as (adapter, issuer, mint):
            issuer.behaviours[KEYS] = hang
            begun = time.monotonic()
            verdict = adapter.verdict(mint.token())
            seconds = time.monotonic() - begun
            issuer.stop()
        seen = f"{verdict} after {seconds:.0f} s"
        return Result(f"a silent key set is given up within {PATIENCE:.0f} s", verdict == "unknown", seen)

    @contextmanager
    def _running(self) -> Iterator[tuple[Adapter, Issuer, Mint]]:
        key = new_key("rsa", "RS256")
        with Issuer(key) as issuer:
            adapter = Adapter(self._command, issuer)
            try:
                yield adapter, issuer, Mint(issuer.url, AUDIENCE, key, time.time)
            finally:
                issuer.ended.set()
                adapter.close()


def _attacks() -> dict[str, Attack]:
    return attacks(new_key("stranger", "RS256"))
