"""The address of a Redis: one server, a master behind Sentinels, or a cluster.

    redis://, rediss://, unix://                                         as redis-py reads them
    redis+sentinel://[user:password@]host:port,host:port/service[/db]    the Sentinels' addresses
    redis+cluster://[user:password@]host:port,host:port                  of any nodes

User and password are Redis's; the Sentinels have theirs in the parameters `sentinel_username` and
`sentinel_password`. `rediss` instead of `redis` is TLS for all of them. Other parameters are redis-py's.
"""

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qsl, urlencode

Address = tuple[str, int]
"""Host and port."""

_PORTS = {"sentinel": 26379, "cluster": 6379}
_SEVERAL = re.compile(
    r"(?P<scheme>rediss?)\+(?P<kind>sentinel|cluster)://(?:(?P<user>[^/?]*)@)?(?P<hosts>[^/?@]+)"
    r"(?:/(?P<service>[^/?]*))?(?:/(?P<database>\d+))?/?(?:\?(?P<query>.*))?"
)
_HOST = re.compile(r"(?:\[(?P<six>[^]]+)\]|(?P<host>[^:,\[\]]+))(?::(?P<port>\d+))?")


@dataclass(frozen=True, slots=True)
class Several:
    """The address of Sentinels, or of nodes of a cluster.

    Attributes:
        kind: `sentinel` or `cluster`.
        scheme: of a single server there: `redis` or `rediss`.
        user: `name:password` as it stands in the URL, or nothing.
        service: the name under which the Sentinels know the master.
        query: parameters for a single server.
        of_sentinels: parameters for the Sentinels.
    """

    kind: str
    scheme: str
    user: str
    hosts: tuple[Address, ...]
    service: str
    database: int
    query: str
    of_sentinels: dict[str, str]

    @classmethod
    def read(cls, url: str) -> Self | None:
        """None for the URL of a single server.

        Raises:
            ValueError: no host, or a Sentinel's URL without the name of a service.
        """
        if "+" not in url.partition(":")[0]:
            return None
        found = _SEVERAL.fullmatch(url)
        hosts = [_HOST.fullmatch(host) for host in found["hosts"].split(",")] if found else [None]
        if found is None or None in hosts or (found["kind"] == "sentinel") != bool(found["service"]):
            raise ValueError("not the address of Sentinels with a service, nor of a cluster's nodes")
        parameters = parse_qsl(found["query"] or "")
        mine = {name.removeprefix("sentinel_"): value for name, value in parameters if _of_sentinel(name)}
        port = _PORTS[found["kind"]]
        return cls(
            kind=found["kind"],
            scheme=found["scheme"],
            user=found["user"] or "",
            hosts=tuple((host["six"] or host["host"], int(host["port"] or port)) for host in hosts if host),
            service=found["service"] or "",
            database=int(found["database"] or 0),
            query=urlencode([(name, value) for name, value in parameters if not _of_sentinel(name)]),
            of_sentinels=mine,
        )

    def at(self, address: Address) -> str:
        """The URL of a single server there."""
        host, port = address
        user = f"{self.user}@" if self.user else ""
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{user}{f'[{host}]' if ':' in host else host}:{port}/{self.database}{query}"


def _of_sentinel(name: str) -> bool:
    return name in ("sentinel_username", "sentinel_password")
