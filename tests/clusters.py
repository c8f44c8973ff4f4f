"""A Cluster of real Valkey servers, whose slots and primaries change when a test says so."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from redis.crc import key_slot

from app.dev.processes import claimed
from tests.servers import free_port, server_folder
from tests.valkeys import DATA, Node, eventually

SLOT = key_slot(b"{watchword}")
_SLOTS = 16_384
_CLUSTER = {
    "cluster-enabled": "yes",
    "cluster-node-timeout": "1500",
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
        eventually(lambda: self.is_whole)

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
