"""Redis with bounded waits: 50 ms, no retries, a circuit breaker, and a server that says who it is.

Every new connection asks the server for its run id and replication id, and every probe asks again. A command
is sent only on a connection to the server that the caller names, and its answer counts only from there;
another one (restarted, promoted) is not used.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

from hiredis import pack_command
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

TIMEOUT_S = 0.05
SLOW_S = 0.025
SLOW_ANSWERS = 3
"""So many answers one after the other that took longer than `SLOW_S` make a look-up not worth its while."""
STALE_S = 1.0
"""A connection that was idle for longer is looked at before it is used."""
SCAN_COUNT = 10_000
ALONE = "alone:"
"""How the identity of a server begins that is a master without replicas, the only kind that is admitted."""


class CacheUnavailable(Exception):
    """The cache could not be asked; its answer is not known. The database knows."""


class Link(Protocol):
    """A Redis as the status cache sees it."""

    @property
    def broken(self) -> bool:
        """Would a question be of no use now?"""

    def ask(self, identity: str | None, *command: Any) -> Any:
        """The answer of the server with this identity.

        Raises:
            CacheUnavailable: there is none.
        """

    def ask_all(self, identity: str | None, *commands: tuple[Any, ...]) -> list[Any]:
        """The answers to several commands, in one round trip.

        Raises:
            CacheUnavailable: there are none.
        """

    def tell(self, identity: str | None, *command: Any) -> None:
        """Send a command whose answer nobody needs.

        Raises:
            CacheUnavailable: it could not even be sent.
        """

    def probe(self) -> str | None:
        """The identity of the server that answers now."""

    def empty(self, identity: str, prefix: str) -> bool:
        """Empty that server's database; False when keys without this prefix are in it."""

    def close(self) -> None:
        """Close all connections."""


class NoRedis:
    """The link of a process that has no Redis (`VERIFIER_CACHE_MODE=off`): it never answers.

    Other processes may have one, now or later, so a change must still turn their switch off.
    """

    broken = True

    def ask(self, _identity: str | None, *_command: Any) -> Any:
        """Never an answer."""
        raise CacheUnavailable("no Redis here")

    def ask_all(self, _identity: str | None, *_commands: tuple[Any, ...]) -> list[Any]:
        """Never an answer."""
        raise CacheUnavailable("no Redis here")

    def tell(self, _identity: str | None, *_command: Any) -> None:
        """Nobody hears it."""
        raise CacheUnavailable("no Redis here")

    def probe(self) -> str | None:
        """Nobody."""
        return None

    def empty(self, _identity: str, _prefix: str) -> bool:
        """Nothing to empty."""
        return False

    def close(self) -> None:
        """Nothing to close."""


class RedisLink:
    """Connections to one Redis; as many as threads may ask at once, or the surplus ones are refused."""

    def __init__(self, url: str, *, connections: int = 32) -> None:
        pool: Any = ConnectionPool.from_url(url)
        kind, options = pool.connection_class, pool.connection_kwargs
        self._connect: Callable[[], Any] = partial(kind, **options | _OPTIONS)
        self._idle: list[Any] = []
        self._free = threading.BoundedSemaphore(connections)
        self._open = threading.Event()
        self._slow = 0

    @property
    def broken(self) -> bool:
        """Is a look-up of no use until `probe` has had an answer, because there was none, or only slow ones?

        Of a server that is slow, changes may still ask: they must know.
        """
        return self._open.is_set() or self._slow >= SLOW_ANSWERS

    def ask(self, identity: str | None, *command: Any) -> Any:
        """The server's answer to one command.

        Args:
            identity: the server that must answer.
            command: name and arguments.

        Raises:
            CacheUnavailable: no answer in time, another server, or the circuit is open.
        """
        return self.ask_all(identity, command)[0]

    def ask_all(self, identity: str | None, *commands: tuple[Any, ...]) -> list[Any]:
        """The answers to several commands, in one round trip; others' commands may come between them.

        Raises:
            CacheUnavailable: as with `ask`; which of them were carried out is not known.
        """
        if self._open.is_set():
            raise CacheUnavailable("circuit open")
        begin = time.monotonic()
        try:
            with self._connection() as connection:
                _send(connection, identity, commands)
                answers = [_answer(connection) for _ in commands]
                _check(connection, identity)  # sending connects by itself where the connection was closed
        except (RedisConnectionError, RedisTimeoutError, OSError) as error:
            self._open.set()
            raise CacheUnavailable(type(error).__name__) from error
        except RedisError as error:
            raise CacheUnavailable(type(error).__name__) from error
        self._slow = self._slow + 1 if time.monotonic() - begin > SLOW_S else 0
        for answer in answers:
            if isinstance(answer, RedisError):  # e.g. out of memory, read-only replica, no permission
                raise CacheUnavailable(type(answer).__name__) from answer
        return answers

    def tell(self, identity: str | None, *command: Any) -> None:
        """Send a command whose answer nobody needs; whoever uses the connection next takes it off.

        Raises:
            CacheUnavailable: it could not even be sent.
        """
        if self._open.is_set():
            raise CacheUnavailable("circuit open")
        try:
            with self._connection() as connection:
                _send(connection, identity, (command,))
                connection.verifier_owed = 1
        except (RedisError, OSError) as error:
            self._open.set()
            raise CacheUnavailable(type(error).__name__) from error

    def probe(self) -> str | None:
        """Who answers now? Closes the circuit when somebody does; None when nobody does.

        The server is asked anew: one that was demoted, or given a replica, is another one from then on.
        """
        begin = time.monotonic()
        try:
            with self._connection() as connection:
                _identify(connection)
                identity: str | None = connection.verifier_identity
        except CacheUnavailable:  # our own limit says nothing about the server; ask again later
            return None
        except (RedisError, OSError):
            self._open.set()
            return None
        if time.monotonic() - begin < SLOW_S:
            self._slow = 0
        self._open.clear()
        return identity

    def empty(self, identity: str, prefix: str) -> bool:
        """Empty the database of this very server; False when it holds keys of another program.

        Keys with another first letter are searched for, the others looked at by a sample.
        """
        stray = self.ask(identity, "RANDOMKEY")
        if stray is not None and not stray.startswith(prefix.encode()):
            return False
        cursor = b"0"
        while True:
            pattern = f"[^{prefix[0]}]*"
            cursor, strays = self.ask(identity, "SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_COUNT)
            if strays:
                return False
            if cursor == b"0":
                break
        self.ask(identity, "FLUSHDB", "ASYNC")
        return True

    def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            self._idle.pop().disconnect()

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        """The connection that was used last: the fewest are kept alive, and its answer owed is there."""
        if not self._free.acquire(blocking=False):
            raise CacheUnavailable("all connections are in use")
        try:
            connection = self._taken()
            try:
                _settle(connection)
                yield connection
            except BaseException:
                connection.disconnect()  # an answer still on its way must not meet another question
                raise
            finally:
                connection.verifier_used = time.monotonic()
                self._idle.append(connection)
        finally:
            self._free.release()

    def _taken(self) -> Any:
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()


def _settle(connection: Any) -> None:
    """Make it ready for the next question: connected, and no answer owed any more."""
    if not hasattr(connection, "verifier_used"):
        connection.verifier_owed = 0
        connection.connect()
    elif connection.verifier_owed:
        connection.verifier_owed = 0
        _answer(connection)
    elif time.monotonic() - connection.verifier_used > STALE_S and connection.can_read(timeout=0):
        connection.disconnect()  # closed by the server meanwhile


def _send(connection: Any, identity: str | None, commands: Sequence[tuple[Any, ...]]) -> None:
    if not connection.is_connected:
        connection.connect()
    _check(connection, identity)
    packet = b"".join([pack_command(command) for command in commands])
    connection.send_packed_command([packet], check_health=False)


def _answer(connection: Any) -> Any:
    """The next answer, an error of the server as a value: behind it others may be waiting."""
    try:
        return connection.read_response(disable_decoding=True)
    except (RedisConnectionError, RedisTimeoutError):
        raise
    except RedisError as error:
        return error


def _check(connection: Any, identity: str | None) -> None:
    if identity is None or connection.verifier_identity != identity:
        raise CacheUnavailable("another server answers")


def _greet(connection: Any) -> None:
    """On a new connection: log in as usual, then ask the server who it is."""
    connection.verifier_owed = 0
    connection.verifier_identity = None  # that of the connection before is nobody's now
    connection.on_connect()
    _identify(connection)


def _identify(connection: Any) -> None:
    """Ask the server who it is: alone or not, run id, replication id, number of the database.

    A server that does not tell its ids has no identity, and is never used.
    """
    connection.verifier_identity = None
    connection.send_command("INFO", "server")
    server = _info(connection.read_response())
    connection.send_command("INFO", "replication")
    replication = _info(connection.read_response())
    run_id, replication_id = server.get("run_id"), replication.get("master_replid")
    if run_id and replication_id:
        alone = replication.get("role") == "master" and replication.get("connected_slaves") == "0"
        kind = ALONE if alone else "replicated:"
        connection.verifier_identity = f"{kind}{run_id}:{replication_id}:{connection.db}"


def _info(answer: bytes) -> dict[str, str]:
    text = answer.decode(errors="replace")
    lines = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {name: value for name, _, value in lines}


_OPTIONS: dict[str, Any] = {
    "socket_timeout": TIMEOUT_S,
    "socket_connect_timeout": TIMEOUT_S,
    "retry": Retry(NoBackoff(), 0),
    "retry_on_timeout": False,
    "health_check_interval": 0,
    "protocol": 2,
    "driver_info": None,
    "redis_connect_func": _greet,
}
