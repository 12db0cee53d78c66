"""Redis with bounded waits: 50 ms, no retries, a circuit breaker, and a server that says who it is.

Every new connection asks the server for its run id and replication id, and every probe asks again. A command
is sent only on a connection to the server that the caller names, and its answer counts only from there;
another one (restarted, promoted) is not used.
"""

import threading
from typing import Any, Protocol

from redis.backoff import NoBackoff
from redis.connection import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MaxConnectionsError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

TIMEOUT_S = 0.05
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
        self._pool: Any = ConnectionPool.from_url(
            url,
            max_connections=connections,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
            retry_on_timeout=False,
            health_check_interval=0,
            protocol=2,
            driver_info=None,
            redis_connect_func=_greet,
        )
        self._open = threading.Event()

    @property
    def broken(self) -> bool:
        """Is the circuit open? Then nothing is asked until `probe` has had an answer."""
        return self._open.is_set()

    def ask(self, identity: str | None, *command: Any) -> Any:
        """The server's answer to one command.

        Args:
            identity: the server that must answer.
            command: name and arguments.

        Raises:
            CacheUnavailable: no answer in time, another server, or the circuit is open.
        """
        if self._open.is_set():
            raise CacheUnavailable("circuit open")
        try:
            return self._ask(identity, command)
        except MaxConnectionsError:  # our own limit says nothing about the server
            raise CacheUnavailable("all connections are in use") from None
        except (RedisConnectionError, RedisTimeoutError, OSError) as error:
            self._open.set()
            raise CacheUnavailable(type(error).__name__) from error
        except RedisError as error:  # e.g. out of memory, read-only replica, no permission
            raise CacheUnavailable(type(error).__name__) from error

    def probe(self) -> str | None:
        """Who answers now? Closes the circuit when somebody does; None when nobody does, or without a name.

        The server is asked anew: one that was demoted, or given a replica, is another one from then on.
        """
        try:
            connection = self._pool.get_connection()
            try:
                _identify(connection)
                identity: str | None = connection.verifier_identity
            except BaseException:
                connection.disconnect()
                raise
            finally:
                self._pool.release(connection)
        except (RedisError, OSError):
            self._open.set()
            return None
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
        """Close all connections."""
        self._pool.disconnect()

    def _ask(self, identity: str | None, command: tuple[Any, ...]) -> Any:
        connection = self._pool.get_connection()
        try:
            _check(connection, identity)
            connection.send_command(*command)
            answer = connection.read_response()
            _check(connection, identity)  # sending connects again by itself when the connection was closed
        except RedisError as error:
            if isinstance(error, RedisConnectionError | RedisTimeoutError):
                connection.disconnect()
            raise
        except BaseException:
            connection.disconnect()  # an answer may still be on its way: it must not meet another question
            raise
        else:
            return answer
        finally:
            self._pool.release(connection)


def _check(connection: Any, identity: str | None) -> None:
    if identity is None or connection.verifier_identity != identity:
        raise CacheUnavailable("another server answers")


def _greet(connection: Any) -> None:
    """On a new connection: log in as usual, then ask the server who it is."""
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
