"""One connection to a Redis server, which knows who answers on it.

Every new connection asks the server for its role, run id and replication id. A server that may lose its role
under a living connection is asked again behind every question, in the same packet.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Self

from hiredis import pack_command
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool
from redis.exceptions import AskError, ClusterDownError, RedisError, TryAgainError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

TIMEOUT_S = 0.05
STALE_S = 1.0
"""A connection that was idle for longer is looked at before it is used."""

ALONE = "alone:"
"""How the identity of a master begins that has no replica and had none of late: nobody can take its place."""
REPLICATED = "replicated:"
"""How that of any other master begins; how many replicas it has now is no part of it."""
REPLICA = "replica:"
NODE = "node:"

Command = tuple[Any, ...]
Keeper = Literal["nobody", "sentinel", "cluster"]
"""Who may take the role of a master away from it at any time."""

_ROLE = b"*2\r\n$4\r\nINFO\r\n$11\r\nreplication\r\n"
_WHO = b"*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n" + _ROLE
_MASTER = b"\r\nrole:master\r\n"
_REDIRECTS = (AskError, TryAgainError, ClusterDownError)  # MOVED is a kind of ASK
_OPTIONS: dict[str, Any] = {
    "socket_timeout": TIMEOUT_S,
    "socket_connect_timeout": TIMEOUT_S,
    "retry": Retry(NoBackoff(), 0),
    "retry_on_timeout": False,
    "health_check_interval": 0,
    "protocol": 2,
    "driver_info": None,
}


class AnotherServer(RedisError):
    """Not the server that was meant, or it is a master no more."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a server is reached."""

    connect: Callable[..., Any]
    keeper: Keeper = "nobody"

    @classmethod
    def of(cls, url: str, keeper: Keeper = "nobody") -> Self:
        """From a URL with the scheme redis, rediss or unix."""
        pool: Any = ConnectionPool.from_url(url)
        return cls(partial(pool.connection_class, **pool.connection_kwargs | _OPTIONS), keeper)


def identity_of(told: Mapping[str, Any], database: int, keeper: Keeper = "nobody") -> str | None:
    """Kind, run id, replication id and number of the database; None for a server that does not tell its ids.

    A master's backlog is there from its first replica on. It goes an hour after the last one
    (`repl-backlog-ttl`), and the replication id changes with it.

    Args:
        told: the fields of INFO by name.
        database: its number.
        keeper: who could demote the server.
    """
    run_id, replication_id = told.get("run_id"), told.get("master_replid")
    if not run_id or not replication_id:
        return None
    alone = all(str(told.get(name)) == "0" for name in ("connected_slaves", "repl_backlog_active"))
    if told.get("role") != "master":
        kind = REPLICA
    elif told.get("redis_mode") == "cluster" and keeper != "cluster":
        kind = NODE
    else:
        kind = ALONE if alone and keeper == "nobody" else REPLICATED
    return f"{kind}{run_id}:{replication_id}:{database}"


class Connection:
    """A connection of redis-py that is used by one thread at a time; made when it is first needed.

    Attributes:
        identity: of the server that answers on it; None while there is none.
    """

    __slots__ = ("_guard", "_keeper", "_owes", "_raw", "_used", "identity")

    def __init__(self, way: Way) -> None:
        self.identity: str | None = None
        self._guard: bytes | None = None
        self._keeper = way.keeper
        self._owes = False
        self._used = time.monotonic()
        self._raw = way.connect(redis_connect_func=self._greet)

    def ready(self) -> None:
        """Make it ready for the next question: connected, and no answer owed any more.

        Raises:
            RedisError: it cannot be, or what was owed says that keys have moved to another server.
        """
        raw = self._raw
        if self._owes:
            self._owes = False
            owed = self._answer()
            if isinstance(owed, _REDIRECTS):
                raise owed
        elif time.monotonic() - self._used > STALE_S and raw.is_connected and raw.can_read(timeout=0):
            raw.disconnect()  # closed by the server meanwhile
        if not raw.is_connected:
            raw.connect()

    def ask(self, identity: str | None, commands: Sequence[Command]) -> list[Any]:
        """The answers to commands that are sent in one packet; an error of the server's is one of them.

        The connection must be ready.

        Raises:
            RedisError: no answer; or it is another server's, or that of one that was demoted meanwhile.
        """
        guard = self._guard
        self._send(identity, commands, _ROLE if guard else b"")
        answers = [self._answer() for _ in commands]
        if guard:
            role = self._answer()
            if not isinstance(role, bytes) or _MASTER not in role or guard not in role:
                raise AnotherServer("demoted")
        self._check(identity)  # sending connects by itself where the connection is closed
        return answers

    def tell(self, identity: str | None, command: Command) -> None:
        """Send a command whose answer nobody needs; `ready` takes it off."""
        self._send(identity, (command,))
        self._owes = True

    def identify(self) -> None:
        """Ask the server anew who it is.

        Raises:
            RedisError: it does not say.
        """
        self.identity = self._guard = None
        self._raw.send_packed_command([_WHO], check_health=False)
        server, replication = (_fields(self._raw.read_response(disable_decoding=True)) for _ in range(2))
        self.identity = identity_of(server | replication, self._raw.db, self._keeper)
        if self.identity is not None and self.identity.startswith(REPLICATED):
            self._guard = b"\r\nmaster_replid:%s\r\n" % replication["master_replid"].encode()

    def rest(self) -> None:
        """Nobody uses it from now on."""
        self._used = time.monotonic()

    def close(self) -> None:
        """Close it; the next use connects anew."""
        self._raw.disconnect()

    def _greet(self, raw: Any) -> None:
        """On a new connection: log in as usual, then ask the server who it is."""
        self._owes = False
        self.identity = None  # that of the connection before is nobody's now
        raw.on_connect()
        self.identify()

    def _send(self, identity: str | None, commands: Sequence[Command], behind: bytes = b"") -> None:
        self._check(identity)
        packet = b"".join([pack_command(command) for command in commands])
        self._raw.send_packed_command([packet + behind], check_health=False)

    def _answer(self) -> Any:
        """The next answer, an error of the server as a value: behind it others may be waiting."""
        try:
            return self._raw.read_response(disable_decoding=True)
        except (RedisConnectionError, RedisTimeoutError):
            raise
        except RedisError as error:
            return error

    def _check(self, identity: str | None) -> None:
        if identity is None or self.identity != identity:
            raise AnotherServer("another server answers")


def _fields(answer: bytes) -> dict[str, str]:
    text = answer.decode(errors="replace")
    lines = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {name: value for name, _, value in lines}
