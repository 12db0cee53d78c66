"""Scan-time look-ups from Redis over PostgreSQL, never staler than the last acknowledged change.

One key a pack and admission: a value with its version, a lease with a token, or a fence with a version.
A reader may use the cache only under a permission (`control`) that it held before it looked. A writer
fences the key before its commit, and after it deletes what is older; it acknowledges only when the
admitted Redis confirmed that, or the switch has been off long enough. `docs/cache.md` says why.
"""

import hashlib
import logging
import secrets
import time
from collections.abc import Callable
from functools import cached_property

from sqlalchemy import Engine, text

from verifier.domain.codes import PackCode
from verifier.domain.pack import Found, Pack, Product
from verifier.storage.cache_worth import Worth
from verifier.storage.cached_value import packed, unpacked
from verifier.storage.control import PERMISSION_S, Control, Snapshot, forget_references, turn_off_within
from verifier.storage.database import TRANSACTION_MS
from verifier.storage.database_reader import DatabaseReader
from verifier.storage.direct import Session
from verifier.storage.redis_link import CacheUnavailable, Link, refusal
from verifier.storage.references import References
from verifier.storage.rows import ppn_of

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


class StatusCache:
    """Reader and writer side of the cache in one process. `engine` is for reads, and commits by itself."""

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
        self._worth = Worth()
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
        if not self._worth.asks(code.serial):
            self._count("rare")
            return self._database.find(code)
        key = self._key(snapshot, product.gtin, code.serial)
        try:
            pack, lease = self._look(snapshot, key, product.gtin, code.serial)
        except CacheUnavailable:
            self._count("unavailable")
            return self._database.find(code)
        self._worth.found(code.serial, hit=pack is not None)
        if pack is not None:
            batch = self._references.get(generation, "batch", pack.gtin, pack.lot)
            if batch is not None:
                self._count("hit")
                return Found(product, pack, batch, lot_known=True)
        self._count("miss")
        found = self._learn(snapshot, code)
        if lease is not None:
            self._fill(snapshot, key, lease, found.pack)
        return found

    def _look(self, snapshot: Snapshot, key: str, gtin: str, serial: str) -> tuple[Pack | None, bytes | None]:
        """The pack that is there, else the right to fill the key, or neither when somebody else has it.

        Both questions in one round trip; the lease is asked for also when it will not be needed, and then
        not granted.
        """
        token = b"L:" + secrets.token_hex(8).encode()
        held, taken = self._link.ask_all(
            snapshot.identity, ("GET", key), ("SET", key, token, "NX", "PX", LEASE_MS)
        )
        return unpacked(held, gtin, serial), token if taken and held is None else None

    def _learn(self, snapshot: Snapshot, code: PackCode) -> Found:
        """Read the database and keep copies of the product and the batch under the generation held before."""
        found = self._database.find(code)
        generation = snapshot.reference_generation
        self._references.put(generation, found.product, "product", code.gtin, ppn_of(code) or "")
        if found.batch is not None:
            self._references.put(generation, found.batch, "batch", found.batch.gtin, found.batch.lot)
        return found

    def _fill(self, snapshot: Snapshot, key: str, lease: bytes, pack: Pack | None) -> None:
        """Nobody waits for it: whenever it arrives, it counts only while the lease is there."""
        try:
            if pack is None:
                self._link.tell(snapshot.identity, "EVAL", _DROP, 1, key, lease)
            else:
                self._link.tell(snapshot.identity, "EVAL", _FILL, 1, key, lease, packed(pack), VALUE_MS)
        except CacheUnavailable:
            self._count("unavailable")

    # Writing.

    def fence(self, session: Session, gtin: str, serial: str, version: int) -> None:
        """Before the commit: nobody may fill this key; not confirmed, the switch goes off with the change."""
        snapshot = self._control.current() or self._control.refresh()
        if not snapshot.cache_on:
            return
        key = self._key(snapshot, gtin, serial)
        try:
            self._link.ask(snapshot.identity, "SET", key, f"F:{version}", "PX", FENCE_MS)
        except CacheUnavailable as error:
            _log.warning("status cache turned off: fence not confirmed (%s)", error)
            turn_off_within(session)

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

    def references_changed(self, session: Session) -> None:
        """In the transaction of a recall, a hold, a withdrawal: copies of older generations end with it."""
        forget_references(session)

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
        why = refusal(identity)
        if why is not None:
            self._say(why)
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

    def prefix(self, snapshot: Snapshot) -> str:
        """How every key of this database and this admission begins, up to the pack in its braces."""
        return f"{PREFIX}{self._name}:{snapshot.epoch}:"

    def _key(self, snapshot: Snapshot, gtin: str, serial: str) -> str:
        return f"{PREFIX}{self._name}:{snapshot.epoch}:{{{gtin}:{serial}}}"

    @cached_property
    def _name(self) -> str:
        """This very database's, so that two services on one Redis never read each other's packs."""
        with self._engine.connect() as connection:
            name = connection.execute(_NAME).scalar_one()
        return hashlib.sha256(name.encode()).hexdigest()[:12]
