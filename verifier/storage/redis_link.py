"""Redis with bounded waits: 50 ms, no retries, a circuit breaker, and a server that says who it is.

Every new connection asks the server for its run id and replication id. A command is sent only on a
connection to the server that the caller names; another one (restarted, promoted) is not used.
"""

import threading
from typing import Any

from redis.backoff import NoBackoff
from redis.connection import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

TIMEOUT_S = 0.05


class CacheUnavailable(Exception):
    """The cache could not be asked; its answer is not known. The database knows."""


class RedisLink:
    """Connections to one Redis."""

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
        except (RedisConnectionError, RedisTimeoutError, OSError) as error:
            self._open.set()
            raise CacheUnavailable(type(error).__name__) from error
        except RedisError as error:  # e.g. out of memory, read-only replica, no permission
            raise CacheUnavailable(type(error).__name__) from error

    def probe(self) -> str | None:
        """Who answers now? Closes the circuit when somebody does; None when nobody does."""
        try:
            connection = self._pool.get_connection()
            try:
                connection.send_command("PING")
                connection.read_response()
                identity: str = connection.verifier_identity
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

    def empty(self, identity: str, prefix: bytes) -> bool:
        """Empty the cache on a connection to this very server; False when it holds keys of another program."""
        stray = self.ask(identity, "RANDOMKEY")
        if stray is not None and not stray.startswith(prefix):
            return False
        self.ask(identity, "FLUSHDB", "ASYNC")
        return True

    def close(self) -> None:
        """Close all connections."""
        self._pool.disconnect()

    def _ask(self, identity: str | None, command: tuple[Any, ...]) -> Any:
        connection = self._pool.get_connection()
        try:
            if identity is None or connection.verifier_identity != identity:
                connection.disconnect()
                raise CacheUnavailable("another server answers")
            connection.send_command(*command)
            return connection.read_response()
        except RedisError as error:
            if isinstance(error, RedisConnectionError | RedisTimeoutError):
                connection.disconnect()
            raise
        except BaseException:
            connection.disconnect()  # an answer may still be on its way: it must not meet another question
            raise
        finally:
            self._pool.release(connection)


def _greet(connection: Any) -> None:
    """On a new connection: log in as usual, then ask the server who it is."""
    connection.on_connect()
    connection.send_command("INFO", "server")
    server = _info(connection.read_response())
    connection.send_command("INFO", "replication")
    replication = _info(connection.read_response())
    role = replication.get("role", "?")
    connection.verifier_identity = f"{role}:{server.get('run_id')}:{replication.get('master_replid')}"


def _info(answer: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in answer.decode().splitlines() if not line.startswith("#"))
    return {name: value for name, _, value in lines}
