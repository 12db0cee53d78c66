"""The master behind Redis Sentinels, which say at each probe where it is.

What they say is only where to connect to. Whether an answer counts is decided by the identity of the server,
as everywhere: a master that they have replaced, or a second one, is not the one that was admitted.
"""

from typing import Any

from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry
from redis.sentinel import Sentinel

from verifier.storage.redis_connection import TIMEOUT_S, Way
from verifier.storage.redis_link import Pool, RedisLink
from verifier.storage.redis_url import Address, Several


class Sentinels:
    """The Sentinels of one service; each is asked in turn until one knows a master that lives."""

    def __init__(self, url: Several) -> None:
        ways: Any = Way.of(url.at(url.hosts[0])).connect
        tls = {name: value for name, value in ways.keywords.items() if name.startswith("ssl_")}
        self._service = url.service
        self._sentinels: Any = Sentinel(  # type: ignore[no-untyped-call]
            url.hosts,
            sentinel_kwargs={
                "socket_timeout": TIMEOUT_S,
                "socket_connect_timeout": TIMEOUT_S,
                "retry": Retry(NoBackoff(), 0),
                "protocol": 2,
                "ssl": url.scheme == "rediss",
                **tls,
                **url.of_sentinels,
            },
        )

    def master(self) -> Address | None:
        """Where they say that the master is; None when none of them knows."""
        try:
            host, port = self._sentinels.discover_master(self._service)
        except (RedisError, OSError):
            return None
        return str(host), int(port)

    def close(self) -> None:
        """Close the connections to them."""
        for sentinel in self._sentinels.sentinels:
            sentinel.close()


class SentinelLink(RedisLink):
    """A link to whoever is the master.

    Requests connect to the one of the latest probe, so that they never wait for Sentinels that are away.
    """

    def __init__(self, url: Several, *, connections: int = 32) -> None:
        super().__init__(Way(self._connect, "sentinel"), connections=connections)
        self._url = url
        self._sentinels = Sentinels(url)
        self._master: Address | None = None

    def probe(self) -> str | None:
        """As of one server, after a look where the master is; while nobody knows, it is where it was."""
        master = self._sentinels.master()
        if master is not None and master != self._master:
            self._master = master
            before, self._pool = self._pool, Pool(Way(self._connect, "sentinel"))
            before.close()
        return super().probe()

    def close(self) -> None:
        """Close the connections."""
        super().close()
        self._sentinels.close()

    def _connect(self, **more: Any) -> Any:
        """A connection to the master of the latest probe, or of now where there was none."""
        if self._master is None:
            self._master = self._sentinels.master()
        if self._master is None:
            raise RedisConnectionError("no Sentinel knows a master")
        return Way.of(self._url.at(self._master)).connect(**more)
