"""Which kind of link a URL asks for."""

from verifier.storage.redis_cluster import ClusterLink
from verifier.storage.redis_link import Link, RedisLink
from verifier.storage.redis_sentinel import SentinelLink
from verifier.storage.redis_url import Several


def link_to(url: str, *, connections: int = 32) -> Link:
    """The link to a Redis.

    Args:
        url: as in `redis_url`.
        connections: how many to each server at most; as many as threads that may ask at once.

    Raises:
        ValueError: the URL cannot be read.
    """
    several = Several.read(url)
    if several is None:
        return RedisLink(url, connections=connections)
    kind = SentinelLink if several.kind == "sentinel" else ClusterLink
    return kind(several, connections=connections)
