"""Redis with bounded waits: 50 ms, no retries, a circuit breaker, and a server that says who it is.

A command is sent only on a connection to the server that the caller names, and its answer counts only from
there; another one (restarted, promoted, demoted) is not used.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from verifier.storage.redis_connection import NODE, REPLICA, Command, Connection, Way

SLOW_S = 0.025
SLOW_ANSWERS = 3
"""So many answers one after the other that took longer than `SLOW_S` make a look-up not worth its while."""
SCAN_COUNT = 10_000
UNSETTLED = "unsettled:"
REFUSED = {
    REPLICA: "this Redis is a replica",
    NODE: "this Redis is a node of a cluster: its address must begin with redis+cluster://",
    UNSETTLED: "the masters of this Redis Cluster do not agree, or a slot has no master or is being moved",
}
"""Why a cache is not admitted whose identity begins so."""


def refusal(identity: str) -> str | None:
    """Why it is not admitted; None when it may be."""
    return next((why for kind, why in REFUSED.items() if identity.startswith(kind)), None)


class CacheUnavailable(Exception):
    """The cache could not be asked; its answer is not known. The database knows."""


class Link(Protocol):
    """A Redis as the status cache sees it: one server, one behind Sentinels, or a cluster."""

    @property
    def broken(self) -> bool:
        """Would a question be of no use now?"""

    def ask(self, identity: str | None, *command: Any) -> Any:
        """The answer of the Redis with this identity.

        Raises:
            CacheUnavailable: there is none.
        """

    def ask_all(self, identity: str | None, *commands: Command) -> list[Any]:
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
        """The identity of the Redis that answers now."""

    def empty(self, identity: str, prefix: str) -> bool:
        """Empty that Redis's database; False when keys without this prefix are in it."""

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

    def ask_all(self, _identity: str | None, *_commands: Command) -> list[Any]:
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


class Pool:
    """Connections by one way that nobody uses; the one that was used last is given out first.

    So the fewest are kept alive, and an answer owed is soon taken off.
    """

    def __init__(self, way: Way) -> None:
        self._way = way
        self._idle: list[Connection] = []
        self._closed = False

    def take(self) -> Connection:
        """One of them, or a new one, which connects when it is used."""
        try:
            return self._idle.pop()
        except IndexError:
            return Connection(self._way)

    def give(self, connection: Connection) -> None:
        """Back, for the next; closed when the pool was closed meanwhile."""
        self._idle.append(connection)
        if self._closed:
            self.close()

    def close(self) -> None:
        """Close those that nobody uses, and each of the others when it comes back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()


class RedisLink:
    """Connections to one Redis; as many as threads may ask at once, or the surplus ones are refused."""

    def __init__(self, to: str | Way, *, connections: int = 32) -> None:
        self._pool = Pool(Way.of(to) if isinstance(to, str) else to)
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

    def ask_all(self, identity: str | None, *commands: Command) -> list[Any]:
        """The answers to several commands, in one round trip; others' commands may come between them.

        Raises:
            CacheUnavailable: as with `ask`; which of them were carried out is not known.
        """
        if self._open.is_set():
            raise CacheUnavailable("circuit open")
        begin = time.monotonic()
        try:
            with self._connection() as connection:
                answers = connection.ask(identity, commands)
        except (RedisConnectionError, RedisTimeoutError, OSError) as error:
            self._open.set()
            raise CacheUnavailable(type(error).__name__) from error
        except RedisError as error:
            raise CacheUnavailable(type(error).__name__) from error
        self._slow = self._slow + 1 if time.monotonic() - begin > SLOW_S else 0
        for answer in answers:
            if isinstance(answer, RedisError):  # e.g. out of memory, read-only, no permission, moved
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
                connection.tell(identity, command)
        except (RedisConnectionError, RedisTimeoutError, OSError) as error:
            self._open.set()
            raise CacheUnavailable(type(error).__name__) from error
        except RedisError as error:
            raise CacheUnavailable(type(error).__name__) from error

    def probe(self) -> str | None:
        """Who answers now? Closes the circuit when somebody does; None when nobody does.

        The server is asked anew: one that was demoted, or given a first replica, is another one then.
        """
        begin = time.monotonic()
        try:
            with self._connection() as connection:
                connection.identify()
                identity = connection.identity
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
        """Empty the database of this very server; False when it holds keys of another program."""
        if self.holds_others(identity, prefix):
            return False
        self.flush(identity)
        return True

    def holds_others(self, identity: str, prefix: str) -> bool:
        """Are there keys of another program?

        Keys with another first letter are searched for, the others looked at by a sample.

        Raises:
            CacheUnavailable: as with `ask`.
        """
        stray = self.ask(identity, "RANDOMKEY")
        if stray is not None and not stray.startswith(prefix.encode()):
            return True
        cursor = b"0"
        while True:
            pattern = f"[^{prefix[0]}]*"
            cursor, strays = self.ask(identity, "SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_COUNT)
            if strays:
                return True
            if cursor == b"0":
                return False

    def flush(self, identity: str) -> None:
        """Delete every key.

        Raises:
            CacheUnavailable: as with `ask`.
        """
        self.ask(identity, "FLUSHDB", "ASYNC")

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        if not self._free.acquire(blocking=False):
            raise CacheUnavailable("all connections are in use")
        pool = self._pool
        try:
            connection = pool.take()
            try:
                connection.ready()
                yield connection
            except BaseException:
                connection.close()  # an answer still on its way must not meet another question
                raise
            finally:
                connection.rest()
                pool.give(connection)
        finally:
            self._free.release()
