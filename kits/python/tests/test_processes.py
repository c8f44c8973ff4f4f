"""Threads, forks and the end: a verifier made before a fork works after it, and closing waits for nothing."""

import asyncio
import gc
import multiprocessing
import threading
from multiprocessing.connection import Connection

import pytest

from conformance.issuer import KEYS, Issuer, Request, hang
from conformance.minting import Mint
from testing.clock import eventually
from testing.verdicts import Make, asked, reason
from watchword_verifier import Unavailable, Verifier
from watchword_verifier.verifier import MAX_WAITING


def _verify(verifier: Verifier, token: str, answer: Connection) -> None:
    answer.send(reason(verifier, token))


def test_a_verifier_that_was_used_before_a_fork_works_in_the_child(
    verifier: Verifier, mint: Mint, issuer: Issuer
) -> None:
    """As in gunicorn with an application that is loaded before its workers are forked."""
    verifier.verify_sync(mint.token())
    context = multiprocessing.get_context("fork")
    mine, other = context.Pipe()
    child = context.Process(target=_verify, args=(verifier, mint.token(), other))
    child.start()

    assert mine.recv() is None
    child.join()
    assert child.exitcode == 0
    assert issuer.hits[KEYS] == 2
    assert reason(verifier, mint.token()) is None


def test_no_thread_is_left_after_closing_and_a_closed_verifier_can_be_used_again(
    verifier: Verifier, mint: Mint
) -> None:
    def running() -> bool:
        return any(thread.name == "watchword-verifier" for thread in threading.enumerate())

    verifier.verify_sync(mint.token())
    assert running()
    verifier.close()
    verifier.close()
    assert not running()
    gc.collect()  # A task or connection that was left open would be reported.
    assert reason(verifier, mint.token()) is None


def test_closing_releases_the_threads_that_wait(verifier: Verifier, mint: Mint, issuer: Issuer) -> None:
    issuer.behaviours[KEYS] = hang
    answers: list[object] = []
    token = mint.token()
    waiting = threading.Thread(target=lambda: answers.append(reason(verifier, token)))
    waiting.start()
    eventually(lambda: asked(issuer, KEYS, 1))

    verifier.close()
    waiting.join()

    assert answers == [1]


async def test_no_more_than_so_many_requests_wait_at_a_time(make: Make, mint: Mint, issuer: Issuer) -> None:
    issuer.behaviours[KEYS] = hang
    verifier, token = make(), mint.token()
    waiting = [asyncio.create_task(verifier.verify(token)) for _ in range(MAX_WAITING)]
    await asyncio.sleep(0)

    with pytest.raises(Unavailable):
        await verifier.verify(token)

    verifier.close()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(answer) for answer in answers} == {Unavailable}


async def test_a_request_that_is_given_up_makes_room_and_harms_no_other(
    make: Make, mint: Mint, issuer: Issuer
) -> None:
    verifier, token = make(), mint.token()
    release = threading.Event()

    def late(request: Request) -> None:
        release.wait()
        request.reply(issuer.key_set())

    issuer.behaviours[KEYS] = late
    leaving, staying = (asyncio.create_task(verifier.verify(token)) for _ in range(2))
    await asyncio.to_thread(eventually, lambda: asked(issuer, KEYS, 1))

    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    release.set()

    assert leaving.cancelled()
    assert (await staying).subject == mint.claims["sub"]
    assert issuer.hits[KEYS] == 1
