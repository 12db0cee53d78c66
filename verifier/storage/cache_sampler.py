"""Compares what the cache would answer with the database, all the time, in every process; differences: 0.

A few keys are taken at random every few seconds, so every pack that is held is as likely as any other. The
database is read after the cache: a newer version there may be a change that nobody has been told of yet. It
is a difference if the same value can still be answered a permission time later; by then whoever made the
change has deleted it, or turned the switch off.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from verifier.domain.codes import PackCode
from verifier.domain.pack import Pack
from verifier.storage.cached_value import unpacked
from verifier.storage.control import PERMISSION_S, Control, Snapshot
from verifier.storage.database_reader import DatabaseReader
from verifier.storage.redis_link import CacheUnavailable, Link
from verifier.storage.status_cache import StatusCache

EVERY_S = 5.0
KEYS = 4
SAME, GONE, DIFFERENT = OUTCOMES = ("same", "gone", "different")
"""`gone`: what differed could not be answered any more at the second look."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Held:
    """What is in the cache for a pack: its key, the bytes, what a reader makes of them."""

    key: bytes
    value: bytes
    pack: Pack


class CacheSampler:
    """The comparison in one process. `engine` is for reads; `count` is told each outcome.

    A difference is logged without the pack, and turns the switch off: the cache is emptied and admitted anew.
    """

    def __init__(
        self,
        engine: Engine,
        control: Control,
        link: Link,
        cache: StatusCache,
        count: Callable[[str], None],
    ) -> None:
        self._database = DatabaseReader(engine)
        self._control = control
        self._link = link
        self._cache = cache
        self._count = count
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Compare by itself, in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="cache-sampler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def compare(self, wait: Callable[[float], object] | None = None) -> None:
        """One round; nothing while the cache may not be used.

        Args:
            wait: how the permission time is waited for where something differs.

        Raises:
            CacheUnavailable: Redis did not answer.
            SQLAlchemyError: the database did not.
        """
        snapshot = self._control.current()
        if snapshot is None or not snapshot.cache_on or self._link.broken:
            return
        suspects: list[_Held] = []
        for held in self._held(snapshot):
            if self._agrees(held.pack):
                self._count(SAME)
            else:
                suspects.append(held)
        if suspects and (wait or self._stop.wait)(PERMISSION_S):
            return  # stopped: too early to tell
        for held in suspects:
            self._look_again(snapshot, held)

    def _held(self, snapshot: Snapshot) -> Iterator[_Held]:
        """A few values of this admission; leases and fences are passed over."""
        begin = f"{self._cache.prefix(snapshot)}{{".encode()
        drawn = self._link.ask_all(snapshot.identity, *[("RANDOMKEY",)] * KEYS)
        keys = [key for key in dict.fromkeys(drawn) if key is not None and key.startswith(begin)]
        values = self._link.ask_all(snapshot.identity, *(("GET", key) for key in keys)) if keys else []
        for key, value in zip(keys, values, strict=True):
            gtin, _, serial = key[len(begin) : -1].decode(errors="replace").partition(":")
            pack = unpacked(value, gtin, serial)
            if pack is not None:
                yield _Held(key, value, pack)

    def _agrees(self, pack: Pack) -> bool:
        """Does the database say the same, or has the pack gone because it need not be kept any longer?"""
        code = PackCode(pack.gtin, pack.serial, pack.lot, pack.expiry, None, ())
        stored = self._database.find(code).pack
        if stored is None:
            return pack.expiry.last_day() < datetime.now(UTC).date()
        return (stored.version, stored.state) == (pack.version, pack.state)

    def _look_again(self, snapshot: Snapshot, held: _Held) -> None:
        fresh = self._control.refresh()
        usable = fresh.cache_on and fresh.epoch == snapshot.epoch
        if not usable or self._link.ask(fresh.identity, "GET", held.key) != held.value:
            self._count(GONE)
            return
        self._count(DIFFERENT)
        _log.error(
            "status cache differs from the database: it holds version %d of a pack; turned off",
            held.pack.version,
        )
        self._control.turn_off(fresh.epoch)

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            try:
                self.compare()
            except (CacheUnavailable, SQLAlchemyError):  # said by those who wait for them
                continue
            except Exception:  # noqa: BLE001 - the thread must outlive whatever went wrong in one round
                _log.exception("the status cache could not be compared with the database")
