"""Redis Sentinels with a master and its replica, and a Redis Cluster, of a test's own."""

import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import redis
from own_redis import OwnRedis

PATIENCE_S = 20
SERVICE = "cache"
SLOTS = 16384
NODE_TIMEOUT_MS = 700
DEAF = "127.0.0.1:1"
"""An address at which nobody is."""


def until(condition: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while True:
        with suppress(redis.RedisError):
            if condition():
                return
        assert time.monotonic() < end, f"{what} never held"
        time.sleep(0.02)


def free_port() -> int:
    """With one for the cluster's own talk 10,000 above."""
    while True:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            with suppress(OSError, OverflowError):
                other.bind(("127.0.0.1", port + 10_000))
                return port


class Server(OwnRedis):
    """On a port of the loopback too; comes back as it was started."""

    @classmethod
    @contextmanager
    def at_a_port(cls, *options: str) -> Iterator["Server"]:
        server = cls(Path(tempfile.mkdtemp(prefix="redis-", dir="/tmp")))
        server.port = free_port()
        server._options = ("--port", str(server.port), "--repl-diskless-sync", "yes", *options)
        server._options += ("--repl-diskless-sync-delay", "0", "--repl-timeout", "5")
        try:
            server.again()
            yield server
        finally:
            server.kill()
            shutil.rmtree(server.folder, ignore_errors=True)

    _options: tuple[str, ...]

    def again(self) -> None:
        self.start(*self._options)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def tell(self, *command: Any) -> Any:
        with self.client() as client:
            return client.execute_command(*command)

    def info(self, section: str) -> dict[str, Any]:
        with self.client() as client:
            return client.info(section)

    def follow(self, master: "Server") -> None:
        """Be its replica, up to date."""
        self.tell("REPLICAOF", "127.0.0.1", master.port)
        until(lambda: self.info("replication")["master_link_status"] == "up", "the replica up to date")

    @property
    def is_master(self) -> bool:
        return self.info("replication")["role"] == "master"


class Watched:
    """A master, its replica, and a Sentinel that needs nobody's consent."""

    def __init__(self, master: Server, replica: Server, sentinel: Server) -> None:
        self.master, self.replica, self.sentinel = master, replica, sentinel

    @classmethod
    @contextmanager
    def started(cls, *, watch: bool = True) -> Iterator["Watched"]:
        with ExitStack() as stack:
            master, replica = (stack.enter_context(Server.at_a_port()) for _ in range(2))
            replica.follow(master)
            sentinel = stack.enter_context(_sentinel())
            made = cls(master, replica, sentinel)
            made.watch(master)
            if watch:
                until(lambda: made._told()["num-slaves"] == 1, "the replica known to the Sentinel")
            yield made

    @property
    def url(self) -> str:
        """The first Sentinel in the list is away."""
        return f"redis+sentinel://{DEAF},{self.sentinel.address}/{SERVICE}/0"

    def watch(self, master: Server) -> None:
        """From now on this is the master, as if another majority of Sentinels had said so."""
        with suppress(redis.ResponseError):
            self.sentinel.tell("SENTINEL", "REMOVE", SERVICE)
        self.sentinel.tell("SENTINEL", "MONITOR", SERVICE, "127.0.0.1", master.port, 1)
        for name, value in (("down-after-milliseconds", 300), ("failover-timeout", 3000)):
            self.sentinel.tell("SENTINEL", "SET", SERVICE, name, value)

    def forget(self) -> None:
        """No service of this name any more."""
        self.sentinel.tell("SENTINEL", "REMOVE", SERVICE)

    def fail_over(self) -> None:
        """As an operator asks for it: the replica becomes the master, the master its replica."""
        until(lambda: self.sentinel.tell("SENTINEL", "FAILOVER", SERVICE), "a replica that is good enough")

    def wait_for(self, master: Server) -> None:
        until(lambda: self._told()["port"] == master.port and master.is_master, "the new master")

    def _told(self) -> dict[str, Any]:
        with self.sentinel.client() as client:
            found: dict[str, Any] = client.sentinel_master(SERVICE)
            return found


@contextmanager
def _sentinel() -> Iterator[Server]:
    """Its settings are in a file, which it writes itself."""
    server = Server(Path(tempfile.mkdtemp(prefix="redis-", dir="/tmp")))
    server.port = free_port()
    config = server.folder / "sentinel.conf"
    config.touch()
    try:
        server.start("--port", str(server.port), "--sentinel", config=config)
        yield server
    finally:
        server.kill()
        shutil.rmtree(server.folder, ignore_errors=True)


class Cluster:
    """Three masters, each with a third of the slots, and a replica of the first."""

    def __init__(self, nodes: list[Server]) -> None:
        self.nodes = nodes
        self.masters, self.replica = nodes[:3], nodes[3]

    @classmethod
    @contextmanager
    def started(cls) -> Iterator["Cluster"]:
        with ExitStack() as stack:
            options = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS))
            made = cls([stack.enter_context(Server.at_a_port(*options)) for _ in range(4)])
            made._join()
            yield made

    @property
    def url(self) -> str:
        """The first node in the list is away, the second a replica."""
        return f"redis+cluster://{DEAF},{self.replica.address},{self.masters[1].address}"

    def _join(self) -> None:
        edges = (0, 5461, 10923, SLOTS)
        for number, (node, (first, end)) in enumerate(zip(self.masters, pairwise(edges), strict=True)):
            node.tell("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            node.tell("CLUSTER", "ADDSLOTS", *range(first, end))
        for node in self.nodes[1:]:
            node.tell("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port)
        until(lambda: all(self._known_to(node) == 4 for node in self.nodes), "four that know each other")
        self.replica.tell("CLUSTER", "REPLICATE", self.id_of(self.masters[0]))
        until(lambda: self.replica.info("replication").get("master_link_status") == "up", "the replica")
        self.wait_until_whole()

    def wait_until_whole(self) -> None:
        def whole() -> bool:
            return all(b"cluster_state:ok" in node.tell("CLUSTER", "INFO") for node in self.nodes)

        until(whole, "a whole cluster")

    def id_of(self, node: Server) -> str:
        return str(node.tell("CLUSTER", "MYID").decode())

    def owner(self, slot: int) -> Server:
        """As the second master sees it."""
        for first, last, (_, port, *_), *_ in self.masters[1].tell("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == port)
        raise AssertionError("a slot without a master")

    def fail_over(self) -> None:
        """As an operator asks for it: the replica takes the place of the first master."""
        self.replica.tell("CLUSTER", "FAILOVER")
        until(lambda: self.replica.is_master, "the replica a master")

    def begin_move(self, slot: int, source: Server, target: Server) -> None:
        target.tell("CLUSTER", "SETSLOT", slot, "IMPORTING", self.id_of(source))
        source.tell("CLUSTER", "SETSLOT", slot, "MIGRATING", self.id_of(target))

    def move_keys(self, slot: int, source: Server, target: Server) -> None:
        while keys := source.tell("CLUSTER", "GETKEYSINSLOT", slot, 100):
            source.tell("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "REPLACE", "KEYS", *keys)

    def end_move(self, slot: int, target: Server) -> None:
        """The new owner first, so that nobody sends anybody around in a circle."""
        for node in (target, *(node for node in self.masters if node is not target)):
            node.tell("CLUSTER", "SETSLOT", slot, "NODE", self.id_of(target))

    def give_up(self, slot: int) -> None:
        """It stays where it is."""
        for node in self.masters:
            node.tell("CLUSTER", "SETSLOT", slot, "STABLE")

    def move(self, slot: int, source: Server, target: Server) -> None:
        self.begin_move(slot, source, target)
        self.move_keys(slot, source, target)
        self.end_move(slot, target)

    @staticmethod
    def _known_to(node: Server) -> int:
        lines = node.tell("CLUSTER", "NODES")
        text = lines.decode() if isinstance(lines, bytes) else str(lines)
        return sum("handshake" not in line for line in text.splitlines())
