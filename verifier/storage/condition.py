"""What state a PostgreSQL and a Redis are in. Only looks; knows no judgement of what it finds."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from sqlalchemy import Connection, NullPool, create_engine, text

from verifier.domain.profiles import load, names
from verifier.storage.database import CONNECT_S, STATEMENT_MS
from verifier.storage.migrate import Schema, schema_of
from verifier.storage.redis_cluster import ClusterLink
from verifier.storage.redis_connection import Keeper, identity_of
from verifier.storage.redis_link import CacheUnavailable
from verifier.storage.redis_sentinel import Sentinels
from verifier.storage.redis_url import Several
from verifier.storage.status_cache import PREFIX

DURABILITY = ("fsync", "full_page_writes", "synchronous_commit")
_REDIS_S = 2.0
_SCANS = 200
_SERVER = text("""
SELECT CAST(current_setting('server_version_num') AS integer) AS version, pg_is_in_recovery() AS standby,
       current_setting('transaction_read_only') AS read_only, extract(epoch FROM clock_timestamp()) AS clock
""")
_SETTING = text("SELECT current_setting(:name, true)")
_NAMELESS = text("SELECT count(*) FROM products WHERE manufacturer_gln IS NULL AND profile = ANY(:profiles)")
_CONTROL = text("SELECT cache_on, cache_epoch, cache_identity FROM control WHERE id = 1")


@dataclass(frozen=True, slots=True)
class Switch:
    """The control row's part about the cache."""

    on: bool
    epoch: int
    identity: str | None


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """A PostgreSQL as it was found.

    Attributes:
        version: as the server counts, 180001 for 18.1.
        read_only: does it refuse changes?
        ahead: seconds by which its clock is ahead of ours, as far as is certain.
        durability: settings by name, None where the server does not know one.
        switch: None without a control row.
        timezones: those of the sites.
        shipped: bytes that are in the database, by the name of the file of scan records.
        nameless: products that GS1 messages are about and that name no manufacturer.
    """

    version: int
    standby: bool
    read_only: bool
    ahead: float
    durability: Mapping[str, str | None]
    schema: Schema
    switch: Switch | None = None
    timezones: tuple[str, ...] | None = None
    shipped: Mapping[str, int] | None = None
    nameless: int | None = None


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """A Redis as it was found; None where its user may not see. Of a cluster: the worst of its masters.

    Attributes:
        identity: as the status cache admits it, or does not; empty when it does not tell its ids.
        saves: does it write snapshots?
        stray: are there keys that are not the status cache's?
    """

    version: str
    identity: str
    maxmemory: int
    policy: str
    appends: bool
    saves: bool | None
    stray: bool | None


def database_facts(url: str) -> DatabaseFacts:
    """Look at a PostgreSQL, of whatever version and with whatever schema.

    Raises:
        SQLAlchemyError: it does not answer.
    """
    options = {"connect_timeout": CONNECT_S, "options": f"-c statement_timeout={STATEMENT_MS}"}
    url = url.replace("postgresql://", "postgresql+psycopg://", 1)
    engine = create_engine(url, poolclass=NullPool, connect_args=options)
    with engine.connect() as connection:
        before = time.time()
        server = connection.execute(_SERVER).one()
        after = time.time()
        durability = {name: connection.execute(_SETTING, {"name": name}).scalar() for name in DURABILITY}
        schema = schema_of(connection)
        whole = schema.found == schema.newest
        return DatabaseFacts(
            version=server.version,
            standby=server.standby,
            read_only=server.read_only == "on",
            ahead=_outside(float(server.clock), before, after),
            durability=durability,
            schema=schema,
            switch=_switch(connection) if whole else None,
            timezones=_column(connection, "SELECT DISTINCT timezone FROM sites") if whole else None,
            shipped=_shipped(connection) if whole else None,
            nameless=_nameless(connection) if whole else None,
        )


def redis_facts(url: str) -> RedisFacts:
    """Look at a Redis.

    Raises:
        CacheUnavailable: it does not answer.
    """
    several = Several.read(url)
    if several is None:
        return _server(url, "nobody")
    if several.kind == "cluster":
        return _cluster(several)
    sentinels = Sentinels(several)
    master = sentinels.master()
    sentinels.close()
    if master is None:
        raise CacheUnavailable("no Sentinel knows a master that lives")
    return _server(several.at(master), "sentinel")


def _server(url: str, keeper: Keeper) -> RedisFacts:
    retry: Any = Retry(NoBackoff(), 0)
    try:
        with Redis.from_url(
            url, socket_timeout=_REDIS_S, socket_connect_timeout=_REDIS_S, retry=retry
        ) as client:
            return _look_at(client, keeper)
    except (RedisError, OSError) as error:
        raise CacheUnavailable(str(error)) from error


def _cluster(several: Several) -> RedisFacts:
    link = ClusterLink(several)
    try:
        identity = link.probe()
        if identity is None:
            raise CacheUnavailable("a master of the cluster does not answer")
        found = [_server(several.at(master), "cluster") for master in link.masters()]
    finally:
        link.close()
    policies = [each.policy for each in found if not each.policy.startswith("allkeys-")]
    return RedisFacts(
        version=min((each.version for each in found), key=_numbers),
        identity=identity,
        maxmemory=min(each.maxmemory for each in found),
        policy=(policies or [found[0].policy])[0],
        appends=any(each.appends for each in found),
        saves=_any(each.saves for each in found),
        stray=_any(each.stray for each in found),
    )


def _any(answers: Iterable[bool | None]) -> bool | None:
    """True where one is; else None where one is not known."""
    seen = set(answers)
    return True if True in seen else None if None in seen else False


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdigit()]


def _look_at(client: Any, keeper: Keeper) -> RedisFacts:
    told: dict[str, Any] = client.info()
    number = client.connection_pool.connection_kwargs.get("db") or 0
    return RedisFacts(
        version=str(told["redis_version"]),
        identity=identity_of(told, number, keeper) or "",
        maxmemory=int(told.get("maxmemory", 0)),
        policy=str(told.get("maxmemory_policy", "")),
        appends=bool(told.get("aof_enabled")),
        saves=_saves(client),
        stray=_stray(client),
    )


def _outside(clock: float, before: float, after: float) -> float:
    """By how much a reading lies outside the time in which it was made."""
    return clock - after if clock > after else min(0.0, clock - before)


def _switch(connection: Connection) -> Switch | None:
    row = connection.execute(_CONTROL).one_or_none()
    return Switch(row.cache_on, row.cache_epoch, row.cache_identity) if row else None


def _shipped(connection: Connection) -> Mapping[str, int]:
    rows = connection.execute(text("SELECT file_id, shipped FROM spool_files")).all()
    return {row.file_id: row.shipped for row in rows}


def _nameless(connection: Connection) -> int:
    speaking = [name for name in names() if load(name).speaks_lms]
    return int(connection.execute(_NAMELESS, {"profiles": speaking}).scalar_one())


def _column(connection: Connection, query: str) -> tuple[str, ...]:
    return tuple(connection.execute(text(query)).scalars())


def _saves(client: Any) -> bool | None:
    try:
        return bool(client.config_get("save").get("save"))
    except RedisError:  # CONFIG is often not allowed, and need not be
        return None


def _stray(client: Any) -> bool | None:
    """A look at one key, then through all of them, as far as that goes quickly."""
    try:
        key = client.randomkey()
        if key is not None and not key.startswith(PREFIX.encode()):
            return True
        cursor = 0
        for _ in range(_SCANS):
            cursor, found = client.scan(cursor, match=f"[^{PREFIX[0]}]*", count=10_000)
            if found:
                return True
            if cursor == 0:
                return False
    except RedisError:
        pass
    return None
