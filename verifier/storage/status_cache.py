"""Scan-time look-ups from Redis over PostgreSQL, never staler than the last acknowledged change.

One key a pack and admission: a value with its version, a lease with a token, or a fence with a version.
A reader may use the cache only under a permission (`control`) that it held before it looked. A writer
fences the key before its commit, and after it deletes what is older; it acknowledges only when the
admitted Redis confirmed that, or the switch has been off long enough. `docs/cache.md` says why.
"""

import hashlib
import logging
import secrets
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, RowMapping, TextClause, text

from verifier.domain.codes import PackCode
from verifier.domain.expiry import Expiry
from verifier.domain.pack import Batch, Found, Pack, Product, State
from verifier.storage.control import PERMISSION_S, Control, Snapshot, forget_references, turn_off_within
from verifier.storage.database import TRANSACTION_MS, twice
from verifier.storage.redis_link import ALONE, CacheUnavailable, Link
from verifier.storage.rows import find_query, found_of, ppn_of

PREFIX = "verifier:"
LEASE_MS = 10_000
VALUE_MS = 3_600_000
FENCE_MS = 4 * TRANSACTION_MS  # longer than any transaction, and never for ever

# fill only while the lease is still ours
_FILL = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  return 1
end
return 0
"""
# give a lease back that led to nothing
_DROP = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
# after a commit: away with a lease, an older value, a fence up to our version; our version's value may stay
_SETTLE = """
local held = redis.call('GET', KEYS[1])
if held then
  local kind, version = string.match(held, '^(%a):(%d+)')
  local ours = tonumber(ARGV[1])
  if kind == nil or kind == 'L' or (kind == 'V' and tonumber(version) < ours)
     or (kind == 'F' and tonumber(version) <= ours) then
    redis.call('DEL', KEYS[1])
  end
end
return 1
"""

_NAME = text("SELECT current_database() || system_identifier FROM pg_control_system()")
_log = logging.getLogger(__name__)
Value = tuple[str, str, str, int, State, int, int, str | None]
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Value).decode


class DatabaseReader:
    """Every look-up from the database (`VERIFIER_CACHE_MODE=off`)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    def find(self, code: PackCode) -> Found:
        """One statement on the primary."""
        query, values = find_query(code)
        return found_of(twice(lambda: self._row(query, values)))

    def _row(self, query: TextClause, values: dict[str, Any]) -> RowMapping | None:
        with self._engine.connect() as connection:
            return connection.execute(query, values).mappings().one_or_none()


class References:
    """A bounded copy of products and batches, each valid for one reference generation."""

    def __init__(self, limit: int = 50_000) -> None:
        self._limit = limit
        self._copies: dict[tuple[str, ...], tuple[int, Any]] = {}
        self._lock = threading.Lock()

    def get(self, generation: int, *key: str) -> Any:
        """The copy, when it was made under this generation; else None."""
        held = self._copies.get(key)
        return held[1] if held is not None and held[0] == generation else None

    def put(self, generation: int, value: Product | Batch | None, *key: str) -> None:
        """Keep a copy that was read after `generation` was; absence is not kept."""
        if value is None:
            return
        with self._lock:
            if len(self._copies) >= self._limit:
                self._copies.clear()
            self._copies[key] = (generation, value)


class StatusCache:
    """Reader and writer side of the cache in one process."""

    def __init__(
        self,
        engine: Engine,
        control: Control,
        link: Link,
        count: Callable[[str], None] = lambda _outcome: None,
    ) -> None:
        self._engine = engine
        self._database = DatabaseReader(engine)
        self._control = control
        self._link = link
        self._references = References()
        self._said: str | None = None
        self._count = count

    # Reading.

    def find(self, code: PackCode) -> Found:
        """From the cache when this process may use it, else from the database."""
        snapshot = self._control.current()
        if snapshot is None or not snapshot.cache_on or self._link.broken:
            self._count("bypass")
            return self._database.find(code)
        generation = snapshot.reference_generation
        product: Product | None = self._references.get(generation, "product", code.gtin, ppn_of(code) or "")
        if product is None:
            self._count("miss")
            return self._learn(snapshot, code)
        key = self._key(snapshot, product.gtin, code.serial)
        try:
            held = self._link.ask(snapshot.identity, "GET", key)
            pack = _unpack(held, product.gtin, code.serial)
            if pack is not None:
                batch = self._references.get(generation, "batch", pack.gtin, pack.lot)
                if batch is not None:
                    self._count("hit")
                    return Found(product, pack, batch, lot_known=True)
            lease = self._lease(snapshot, key) if held is None else None
        except CacheUnavailable:
            self._count("unavailable")
            return self._database.find(code)
        self._count("miss")
        found = self._learn(snapshot, code)
        if lease is not None:
            self._fill(snapshot, key, lease, found.pack)
        return found

    def _learn(self, snapshot: Snapshot, code: PackCode) -> Found:
        """Read the database and keep copies of the product and the batch under the generation held before."""
        found = self._database.find(code)
        generation = snapshot.reference_generation
        self._references.put(generation, found.product, "product", code.gtin, ppn_of(code) or "")
        if found.batch is not None:
            self._references.put(generation, found.batch, "batch", found.batch.gtin, found.batch.lot)
        return found

    def _lease(self, snapshot: Snapshot, key: str) -> bytes | None:
        """The right to fill a missing key, or None when somebody else has it."""
        token = b"L:" + secrets.token_hex(8).encode()
        taken = self._link.ask(snapshot.identity, "SET", key, token, "NX", "PX", LEASE_MS)
        return token if taken else None

    def _fill(self, snapshot: Snapshot, key: str, lease: bytes, pack: Pack | None) -> None:
        try:
            if pack is None:
                self._link.ask(snapshot.identity, "EVAL", _DROP, 1, key, lease)
            else:
                self._link.ask(snapshot.identity, "EVAL", _FILL, 1, key, lease, _pack(pack), VALUE_MS)
        except CacheUnavailable:
            self._count("unavailable")

    # Writing.

    def fence(self, connection: Connection, gtin: str, serial: str, version: int) -> None:
        """Before the commit: nobody may fill this key; not confirmed, the switch goes off with the change."""
        snapshot = self._control.current() or self._control.refresh()
        if not snapshot.cache_on:
            return
        key = self._key(snapshot, gtin, serial)
        try:
            self._link.ask(snapshot.identity, "SET", key, f"F:{version}", "PX", FENCE_MS)
        except CacheUnavailable as error:
            _log.warning("status cache turned off: fence not confirmed (%s)", error)
            turn_off_within(connection)

    def settle(self, gtin: str, serial: str, version: int) -> None:
        """After the commit: return only when no reader can answer with an older state.

        The step never writes a value: a late or repeated write would be a stale one after an undo.
        """
        snapshot = self._control.current()
        if snapshot is None or not snapshot.cache_on:
            snapshot = self._control.refresh()  # off counts only when it was seen off after the commit
        while snapshot.cache_on:
            key = self._key(snapshot, gtin, serial)
            try:
                self._link.ask(snapshot.identity, "EVAL", _SETTLE, 1, key, version)
            except CacheUnavailable as error:
                _log.warning("status cache turned off: change not confirmed (%s)", error)
                self._control.turn_off(snapshot.epoch)
                snapshot = self._control.refresh()
            else:
                return
        time.sleep(self._control.until_off_counts(snapshot))

    def references_changed(self, connection: Connection) -> None:
        """In the transaction of a recall, a hold, a withdrawal: copies of older generations end with it."""
        forget_references(connection)

    def references_settled(self) -> None:
        """After its commit: wait until no process holds a permission of the older generation."""
        time.sleep(PERMISSION_S)

    # Upkeep.

    def upkeep(self, snapshot: Snapshot) -> None:
        """Probe Redis; turn the switch off when another server answers, and admit the one that does.

        May die at any point: every step is a compare-and-set on the row as it was read.
        """
        identity = self._link.probe()
        if snapshot.cache_on:
            if identity is not None and identity != snapshot.identity:
                self._control.turn_off(snapshot.epoch)
            return
        if identity is None or self._control.until_off_counts(snapshot) > 0:
            return
        if not identity.startswith(ALONE):
            self._say("this Redis is a replica or has one; a cache needs none")
            return
        try:
            if not self._link.empty(identity, PREFIX):
                self._say("this Redis database holds keys of another program; give the cache one of its own")
                return
        except CacheUnavailable:
            return
        if self._control.turn_on(snapshot.epoch, identity):
            self._control.refresh()
        self._said = None

    def _say(self, why: str) -> None:
        """Why the cache is not used; once, not at every upkeep."""
        if why != self._said:
            _log.error("status cache not used: %s", why)
            self._said = why

    def _key(self, snapshot: Snapshot, gtin: str, serial: str) -> str:
        return f"{PREFIX}{self._name}:{snapshot.epoch}:{{{gtin}:{serial}}}"

    @cached_property
    def _name(self) -> str:
        """This very database's, so that two services on one Redis never read each other's packs."""
        with self._engine.connect() as connection:
            name = connection.execute(_NAME).scalar_one()
        return hashlib.sha256(name.encode()).hexdigest()[:12]


def _pack(pack: Pack) -> bytes:
    since = int(pack.state_since.timestamp() * 1_000_000)
    expiry = pack.expiry.number()
    value: Value = (
        pack.gtin,
        pack.serial,
        pack.lot,
        expiry,
        pack.state,
        pack.version,
        since,
        pack.state_site,
    )
    return b"V:%d:%s" % (pack.version, _encode(value))


def _unpack(held: Any, gtin: str, serial: str) -> Pack | None:
    """The pack in a value; None for a lease, a fence, nothing, or a value that is not of this key or form."""
    if not isinstance(held, bytes) or not held.startswith(b"V:"):
        return None
    try:
        value = _decode(held[2:].partition(b":")[2])
    except msgspec.DecodeError:
        return None
    if value[0] != gtin or value[1] != serial:
        return None
    seconds, micros = divmod(value[6], 1_000_000)
    return Pack(
        gtin=gtin,
        serial=serial,
        lot=value[2],
        expiry=Expiry.from_number(value[3]),
        state=value[4],
        version=value[5],
        state_since=datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros),
        state_site=value[7],
    )
