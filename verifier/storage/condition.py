"""What state a PostgreSQL and a Redis are in. Only looks; knows no judgement of what it finds."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from sqlalchemy import Connection, NullPool, create_engine, text

from verifier.storage.database import CONNECT_S, STATEMENT_MS
from verifier.storage.migrate import Schema, schema_of
from verifier.storage.redis_link import ALONE, CacheUnavailable
from verifier.storage.status_cache import PREFIX

DURABILITY = ("fsync", "full_page_writes", "synchronous_commit")
_REDIS_S = 2.0
_SCANS = 200
_SERVER = text("""
SELECT CAST(current_setting('server_version_num') AS integer) AS version, pg_is_in_recovery() AS standby,
       current_setting('transaction_read_only') AS read_only, extract(epoch FROM clock_timestamp()) AS clock
""")
_SETTING = text("SELECT current_setting(:name, true)")
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


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """A Redis as it was found; None where its user may not see.

    Attributes:
        identity: as the status cache admits it: run id, replication id, number of the database.
        saves: does it write snapshots?
        stray: are there keys that are not the status cache's?
    """

    version: str
    alone: bool
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
        )


def redis_facts(url: str) -> RedisFacts:
    """Look at a Redis.

    Raises:
        CacheUnavailable: it does not answer.
    """
    retry: Any = Retry(NoBackoff(), 0)
    try:
        with Redis.from_url(
            url, socket_timeout=_REDIS_S, socket_connect_timeout=_REDIS_S, retry=retry
        ) as client:
            return _look_at(client)
    except (RedisError, OSError) as error:
        raise CacheUnavailable(str(error)) from error


def _look_at(client: Any) -> RedisFacts:
    told: dict[str, Any] = client.info()
    number = client.connection_pool.connection_kwargs.get("db") or 0
    alone = told["role"] == "master" and not told["connected_slaves"]
    kind = ALONE if alone else "replicated:"
    return RedisFacts(
        version=str(told["redis_version"]),
        alone=alone,
        identity=f"{kind}{told['run_id']}:{told['master_replid']}:{number}",
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
