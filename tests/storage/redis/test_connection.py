"""Many callers share one connection: each gets its own reply or failure, also while others give up."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import redis
import uvloop

from app.storage.redis.client import open_client
from app.storage.redis.connection import SingleServer
from app.storage.redis.errors import RedisFailure, RedisRefusal
from tests.support.fake_redis import PATIENT, FakeRedis
from tests.support.servers import PrivateServers
from tests.support.valkeys import alone
from tests.support.waiting import until

TIMEOUT = 0.05
ECHO = "return ARGV[1]"


def number_of(command: list[bytes]) -> bytes:
    return b":%s\r\n" % command[-1]


async def answers(client: SingleServer, *numbers: int) -> list[Any]:
    calls = (client.eval(ECHO, 0, number) for number in numbers)
    return await asyncio.gather(*calls, return_exceptions=True)


async def heard(server: FakeRedis, count: int) -> None:
    """Return once the server has so many commands."""
    while len(server.commands) < count:  # noqa: ASYNC110 - the commands come through a socket
        await asyncio.sleep(0)


async def test_each_caller_gets_its_own_reply_over_one_connection(private_servers: PrivateServers) -> None:
    client = open_client(private_servers.valkey.url)
    replies = await asyncio.gather(*(client.eval(ECHO, 0, number) for number in range(500)))
    assert replies == [str(number).encode() for number in range(500)]
    with redis.Redis.from_url(private_servers.valkey.url) as operator:
        assert len([one for one in operator.client_list() if one["cmd"] == "eval"]) == 1
    await client.aclose()


@pytest.mark.parametrize(
    ("script", "words"),
    [("return redis.error_reply('WRONG it is')", "WRONG it is"), ("no script", "compiling script")],
)
async def test_a_refused_script_fails_alone(private_servers: PrivateServers, script: str, words: str) -> None:
    client = open_client(private_servers.valkey.url)
    calls = [client.eval(ECHO, 0, 1), client.eval(script, 0), client.eval(ECHO, 0, 2)]
    before, refused, after = await asyncio.gather(*calls, return_exceptions=True)
    assert (before, after) == (b"1", b"2")
    assert isinstance(refused, RedisRefusal)
    assert words in str(refused)
    await client.aclose()


async def test_a_caller_that_gives_up_takes_no_reply_of_another_one() -> None:
    server = FakeRedis(lambda _: None)
    async with server.client() as client:
        tasks = [asyncio.create_task(client.eval(ECHO, 0, number)) for number in range(3)]
        await heard(server, 3)
        tasks[1].cancel()
        await asyncio.sleep(0)
        server.say(b":0\r\n:1\r\n:2\r\n")
        assert await asyncio.gather(*tasks[::2]) == [0, 2]


async def test_a_reply_that_comes_in_pieces_is_put_together() -> None:
    server = FakeRedis(lambda _: None)
    async with server.client() as client:
        task = asyncio.create_task(client.eval(ECHO, 0, 1))
        await heard(server, 1)
        for piece in (b"*2\r", b"\n$3\r\na", b"bc\r\n:", b"7", b"\r\n"):
            server.say(piece)
            await asyncio.sleep(0)
        assert await task == [b"abc", 7]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "Redis closed the connection"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not one of Redis"),
        (b":1\r\n:2\r\n:3\r\n:4\r\n", "without being asked"),
    ],
    ids=["end", "garbage", "too many"],
)
async def test_all_callers_that_wait_fail_when_the_order_is_lost_and_the_next_one_connects_again(
    answer: bytes, words: str
) -> None:
    server = FakeRedis(lambda command: None if command[-1] < b"3" else number_of(command))
    async with server.client() as client:
        waiting = [asyncio.create_task(client.eval(ECHO, 0, number)) for number in range(3)]
        await heard(server, 3)
        if answer:
            server.say(answer)
        else:
            server.connections[-1].close()
        failed = await asyncio.gather(*waiting, return_exceptions=True)
        # Those whose reply came before the fault have it.
        assert (
            failed == [1, 2, 3] if words.startswith("without") else all(words in str(one) for one in failed)
        )
        assert await answers(client, 3, 4) == [3, 4]
        assert len(server.connections) == 2


@pytest.mark.requirement("E7")
async def test_a_server_that_is_silent_is_given_up_and_its_late_replies_reach_no_caller() -> None:
    server = FakeRedis(lambda command: number_of(command) if command[-1] == b"7" else None)
    async with server.client(TIMEOUT) as client:
        assert await answers(client, 7) == [7]
        failed = await answers(client, 1, 2, 3)
        assert {type(one) for one in failed} == {RedisFailure}
        assert {str(one) for one in failed} == {"Redis did not answer within 50 ms"}
        server.say(b":1\r\n:2\r\n:3\r\n")
        assert await answers(client, 7) == [7]
        assert len(server.connections) == 2


async def test_a_timer_that_began_with_one_command_goes_on_for_a_later_one() -> None:
    server = FakeRedis(lambda command: number_of(command) if command[-1] == b"7" else None)
    loop = asyncio.get_running_loop()
    async with server.client(6 * TIMEOUT) as client:
        assert await answers(client, 7) == [7]
        began = loop.time()

        async def is_later() -> bool:
            return loop.time() > began + TIMEOUT

        await until(is_later)
        with pytest.raises(RedisFailure, match="did not answer"):
            await client.eval(ECHO, 0, 1)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
async def test_a_stall_of_this_process_is_not_one_of_the_server(
    private_servers: PrivateServers, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    url = private_servers.valkey.url

    async def stalled() -> list[bytes]:
        client = open_client(url, timeout=TIMEOUT)
        await client.eval(ECHO, 0, 0)
        tasks = [asyncio.create_task(client.eval(ECHO, 0, number)) for number in range(3)]
        await asyncio.sleep(0)
        time.sleep(3 * TIMEOUT)  # noqa: ASYNC251 - as hashing or a collection of garbage may do
        replies = await asyncio.gather(*tasks)
        await client.aclose()
        return replies

    assert await asyncio.to_thread(run, loop, stalled()) == [b"0", b"1", b"2"]


def run(loop: Callable[[], asyncio.AbstractEventLoop], main: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main)


async def test_callers_at_the_same_time_share_one_new_connection_and_none_ends_it_by_giving_up() -> None:
    server = FakeRedis(number_of)
    async with server.client() as client:
        tasks = [asyncio.create_task(client.eval(ECHO, 0, number)) for number in range(4)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        assert await asyncio.gather(*tasks[1:]) == [1, 2, 3]
        assert len(server.connections) == 1


async def test_all_callers_fail_when_the_server_cannot_be_reached_and_the_next_one_tries_again() -> None:
    with alone() as node:
        client = open_client(node.url, timeout=PATIENT)
        node.kill()
        failed = await asyncio.gather(*(client.eval(ECHO, 0, 1) for _ in range(3)), return_exceptions=True)
        assert {type(one) for one in failed} == {ConnectionRefusedError}
        await asyncio.to_thread(node.start)
        assert await client.eval(ECHO, 0, 1) == b"1"
        await client.aclose()


@pytest.mark.requirement("E7")
async def test_a_server_that_takes_no_connection_is_given_up() -> None:
    with alone() as node:
        client = open_client(f"redis://:secret@{node.address}/0", timeout=TIMEOUT)
        with node.paused(), pytest.raises(RedisFailure, match="did not answer within 50 ms"):
            await client.eval(ECHO, 0, 1)
        await client.aclose()


@pytest.mark.parametrize(
    ("login", "answer", "words"),
    [
        (["user", "secret"], b"-WRONGPASS invalid username-password pair\r\n", "WRONGPASS invalid"),
        (["secret"], b"-LOADING Redis is loading the dataset in memory\r\n", "LOADING"),
    ],
)
async def test_a_server_that_refuses_the_login_counts_as_one_that_does_not_answer(
    login: list[str], answer: bytes, words: str
) -> None:
    server = FakeRedis(lambda command: answer if command[0] == b"AUTH" else number_of(command))
    async with server.client(login=login) as client:
        (failed,) = await answers(client, 1)
        assert type(failed) is RedisFailure
        assert str(failed).startswith(words)
        assert server.commands == [[b"AUTH", *(word.encode() for word in login)]]
        answer = b"+OK\r\n"
        assert await answers(client, 1) == [1]


async def test_a_database_is_selected_and_one_that_is_missing_is_named() -> None:
    with alone() as node:
        client = open_client(f"redis://{node.address}/3")
        await client.eval("redis.call('SET', KEYS[1], 'x')", 1, "here")
        node.operator.execute_command("SELECT", 3)
        assert node.operator.get("here") == "x"
        await client.aclose()
        client = open_client(f"redis://{node.address}/99")
        with pytest.raises(RedisFailure, match="DB index is out of range"):
            await client.eval(ECHO, 0, 1)
        await client.aclose()


async def test_a_server_that_is_loading_does_not_count_as_one_that_refuses() -> None:
    server = FakeRedis(lambda _: b"-LOADING Redis is loading the dataset in memory\r\n")
    async with server.client() as client:
        (failed,) = await answers(client, 1)
        assert type(failed) is RedisFailure


async def test_closing_fails_what_waits() -> None:
    server = FakeRedis(lambda _: None)
    async with server.client() as client:
        task = asyncio.create_task(client.eval(ECHO, 0, 1))
        await heard(server, 1)
        await client.aclose()
        with pytest.raises(RedisFailure, match="this process has closed"):
            await task
