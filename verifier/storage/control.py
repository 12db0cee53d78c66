"""The control row: the switch of the status cache, and the numbers by which processes forget their copies.

Each process reads it a few times a second. What was read is a permission for one second, counted by the
monotonic clock from the sending of the query; after that it is worth nothing.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from verifier.storage.database import twice
from verifier.storage.direct import Session, Statement

PERMISSION_S = 1.0
_TICK_S = 0.4
_log = logging.getLogger(__name__)

_READ = text(
    "SELECT cache_on, cache_epoch, cache_identity, reference_generation, access_generation"
    " FROM control WHERE id = 1"
)
OFF = text("UPDATE control SET cache_on = false, cache_epoch = cache_epoch + 1 WHERE id = 1 AND cache_on")
_OFF = Statement(OFF)
_OFF_EPOCH = text(
    "UPDATE control SET cache_on = false, cache_epoch = cache_epoch + 1"
    " WHERE id = 1 AND cache_on AND cache_epoch = :epoch"
)
_ON = text(
    "UPDATE control SET cache_on = true, cache_epoch = cache_epoch + 1, cache_identity = :identity"
    " WHERE id = 1 AND NOT cache_on AND cache_epoch = :epoch"
)
_REFERENCE = Statement(
    text("UPDATE control SET reference_generation = reference_generation + 1 WHERE id = 1")
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The row as it was read. `epoch` rises with every turn of the switch; `sent_at` is monotonic."""

    cache_on: bool
    epoch: int
    identity: str | None
    reference_generation: int
    access_generation: int
    sent_at: float


class Control:
    """One process's view of the control row. `current` never blocks; `refresh` is one small read."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._clock = clock
        self._snapshot: Snapshot | None = None
        self._off_seen: tuple[int, float] | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def current(self) -> Snapshot | None:
        """The last reading while it is still a permission, else None."""
        snapshot = self._snapshot
        if snapshot is None or self._clock() - snapshot.sent_at >= PERMISSION_S:
            return None
        return snapshot

    def refresh(self) -> Snapshot:
        """Read the row now.

        Raises:
            SQLAlchemyError: the database did not answer.
        """
        return twice(self._read)

    def _read(self) -> Snapshot:
        sent_at = self._clock()
        with self._engine.connect() as connection:
            row = connection.execute(_READ).one()
        snapshot = Snapshot(row[0], row[1], row[2], row[3], row[4], sent_at)
        with self._lock:
            if snapshot.cache_on:
                self._off_seen = None
            elif self._off_seen is None or self._off_seen[0] != snapshot.epoch:
                # seen off from here on: the turn was committed at the latest when the answer came
                self._off_seen = (snapshot.epoch, self._clock())
            if self._snapshot is None or self._snapshot.sent_at < sent_at:
                self._snapshot = snapshot
        return snapshot

    def access_generation(self) -> int | None:
        """The number that rises with every change of a client, a site or a token; None when not known now."""
        snapshot = self.current()
        return snapshot.access_generation if snapshot else None

    def until_off_counts(self, snapshot: Snapshot) -> float:
        """Seconds until everybody's permission from before this switch-off has run out; 0 when it has."""
        with self._lock:
            seen = self._off_seen
        since = seen[1] if seen is not None and seen[0] == snapshot.epoch else self._clock()
        return max(0.0, since + PERMISSION_S - self._clock())

    def turn_off(self, epoch: int) -> None:
        """Turn the switch off by itself, if it is still in the position that the caller saw."""
        with self._engine.connect() as connection:
            connection.execute(_OFF_EPOCH, {"epoch": epoch})

    def turn_on(self, epoch: int, identity: str) -> bool:
        """Admit a cache, if nobody has turned the switch since `epoch` was read; False otherwise."""
        with self._engine.connect() as connection:
            return connection.execute(_ON, {"epoch": epoch, "identity": identity}).rowcount == 1

    def start(self, *ticks: Callable[[Snapshot], None]) -> None:
        """Read the row a few times a second in a thread of its own, and call `ticks` with it."""
        self._thread = threading.Thread(target=self._run, args=(ticks,), name="control", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _run(self, ticks: tuple[Callable[[Snapshot], None], ...]) -> None:
        failing = False
        while not self._stop.is_set():
            try:
                snapshot = self.refresh()
                for tick in ticks:
                    tick(snapshot)
                failing = False
            except SQLAlchemyError as error:
                if not failing:
                    _log.warning("control row cannot be read: %s", type(error).__name__)
                failing = True
            except Exception:  # noqa: BLE001 - the thread must outlive whatever went wrong in one round
                _log.exception("upkeep of the status cache failed; it is tried again")
            self._stop.wait(_TICK_S)


def turn_off_within(session: Session) -> None:
    """Turn the switch off in the caller's transaction; no write when it is off already."""
    session.run(_OFF)


def forget_references(session: Session) -> None:
    """Make every process forget its copies of products and batches, once the caller's transaction commits."""
    session.run(_REFERENCE)
