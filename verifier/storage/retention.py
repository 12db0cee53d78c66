"""Clean-up: what need not be kept any longer, found and deleted a few thousand rows a transaction.

Every transaction is a whole step, so a run may die at any point and the next one goes on. A dry run makes the
same steps without the deletes and counts the same. Packs, their attempts and their closed alerts go together,
in one snapshot: what is written meanwhile is not seen, is not deleted, and makes a change of that very pack,
its and ours, come one after the other. Device sequences are unique for ever and stay.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from datetime import time as clock_time
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, Table, and_, exists, or_, select, text
from sqlalchemy import tuple_ as row_of
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError

from verifier.domain.expiry import Expiry
from verifier.domain.pack import State
from verifier.domain.profiles import load, names
from verifier.domain.retention import (
    REPLAYABLE,
    UNKNOWN_PACK,
    Clock,
    Life,
    Start,
    cutoff,
    is_over,
    keep_until,
)
from verifier.storage.tables import alerts, counters, events, idempotency, packs, reference_events, revoked_tokens

Result = TypeVar("Result")
PAGE = 2_000
"""Rows that are looked at, and about how many are deleted, in one transaction."""
ATTEMPTS = 5
_AGAIN = frozenset({"40001", "40P01", "55P03"})
_IN_TRADE = frozenset({State.ACTIVE, State.LOCKED})
_SESSION = text("SET statement_timeout = 0; SET transaction_timeout = 0")
_log = logging.getLogger(__name__)

_GTINS = text("""
SELECT DISTINCT b.gtin FROM batches b JOIN products p ON p.gtin = b.gtin
 WHERE p.profile = :profile AND b.created_at < :released AND b.gtin > :after
 ORDER BY b.gtin LIMIT :page
""")
_UPPER = text(
    "SELECT serial FROM packs WHERE gtin = :gtin AND serial > :after ORDER BY serial OFFSET :skip LIMIT 1"
)
_LIVES = text("""
SELECT k.serial, k.expiry, k.state, k.state_since, b.created_at, e.number AS events, e.last_event,
       a.number AS alerts, a.open, a.concluded
  FROM packs k
  JOIN batches b ON b.gtin = k.gtin AND b.lot = k.lot
  CROSS JOIN LATERAL (SELECT count(*) AS number, max(received_at) AS last_event
                        FROM events WHERE gtin = k.gtin AND serial = k.serial) e
  CROSS JOIN LATERAL (SELECT count(*) AS number, bool_or(closed_at IS NULL) AS open, max(closed_at) AS concluded
                        FROM alerts WHERE gtin = k.gtin AND serial = k.serial) a
 WHERE k.gtin = :gtin AND k.serial > :after AND (CAST(:upper AS text) IS NULL OR k.serial <= :upper)
   AND b.created_at < :released AND k.expiry < :expired
 ORDER BY k.serial
""")
_DELETE_OF_PACK = "DELETE FROM {table} WHERE gtin = :gtin AND serial = ANY(:serials)"


@dataclass(slots=True)
class Cleaned:
    """How many rows went, or would go, by what they are."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, number: int) -> None:
        """So many more."""
        self.counts[name] = self.counts.get(name, 0) + number


@dataclass(frozen=True, slots=True)
class Sweep:
    """Rows of one table that go by themselves, whatever becomes of others."""

    name: str
    table: Table
    due: ColumnElement[bool]


class Cleaner:
    """One run. `now` decides what is over; `progress` is told after every transaction."""

    def __init__(
        self, engine: Engine, now: datetime, *, dry_run: bool, progress: Callable[[Cleaned], None]
    ) -> None:
        self._engine = engine
        self._now = now
        self._dry_run = dry_run
        self._progress = progress
        self._cleaned = Cleaned()

    def run(self) -> Cleaned:
        """Everything, once.

        Raises:
            SQLAlchemyError: the database does not answer; what was done is done, and the next run goes on.
        """
        with self._engine.connect() as connection:
            connection.execute(_SESSION)
            connection.commit()
            connection.execution_options(isolation_level="REPEATABLE READ")
            try:
                for sweep in sweeps(self._now):
                    self._sweep(connection, sweep)
                for profile in names():
                    self._packs(connection, profile)
            finally:
                connection.invalidate()  # its settings are not for anybody else
        return self._cleaned

    # Tables whose rows go one by one.

    def _sweep(self, connection: Connection, sweep: Sweep) -> None:
        self._cleaned.add(sweep.name, 0)
        after: tuple[Any, ...] | None = None
        while True:
            rows, due = self._transaction(connection, lambda at=after: self._page(connection, sweep, at))
            self._cleaned.add(sweep.name, due)
            self._progress(self._cleaned)
            if len(rows) < PAGE:
                return
            after = tuple(rows[-1][:-1])

    def _page(
        self, connection: Connection, sweep: Sweep, after: tuple[Any, ...] | None
    ) -> tuple[Sequence[Any], int]:
        """A page of the table in the order of its key, and how many of its rows go."""
        key = list(sweep.table.primary_key.columns)
        page = select(*key, sweep.due.label("due")).order_by(*key).limit(PAGE)
        if after is not None:
            page = page.where(row_of(*key) > row_of(*after))
        rows = connection.execute(page).all()
        due = [row[:-1] for row in rows if row.due]
        if due and not self._dry_run:
            connection.execute(_delete(sweep.table), _columns(due))
        return rows, len(due)

    # Packs with everything about them.

    def _packs(self, connection: Connection, profile: str) -> None:
        for name in ("packs", "events", "alerts"):
            self._cleaned.add(name, 0)
        clocks = load(profile).retention
        if not clocks:
            return
        for gtin in self._gtins(connection, profile, clocks):
            after: str | None = ""
            while after is not None:
                after = self._transaction(
                    connection, lambda at=after, of=gtin: self._pack_page(connection, of, clocks, at)
                )
                self._progress(self._cleaned)

    def _gtins(self, connection: Connection, profile: str, clocks: tuple[Clock, ...]) -> Iterator[int]:
        """Products of this regulation with a lot that is old enough."""
        values = {"profile": profile, "page": PAGE, "after": 0, "released": self._before(clocks, Start.RELEASE)}
        while True:
            found = self._transaction(connection, lambda: connection.execute(_GTINS, values).scalars().all())
            yield from found
            if len(found) < PAGE:
                return
            values["after"] = found[-1]

    def _pack_page(self, connection: Connection, gtin: int, clocks: tuple[Clock, ...], after: str) -> str | None:
        """Packs behind `after`; the serial up to which all was done, None at the end of the product."""
        place = {"gtin": gtin, "after": after}
        upper = connection.execute(_UPPER, place | {"skip": PAGE - 1}).scalar_one_or_none()
        wanted = place | {
            "upper": upper,
            "released": self._before(clocks, Start.RELEASE),
            "expired": _number(self._day_before(clocks, Start.EXPIRY)),
        }
        lives = connection.execute(_LIVES, wanted).mappings().all()
        due, whole = self._due(clocks, lives)
        serials = [row["serial"] for row in due]
        if serials and not self._dry_run:
            for table in ("packs", "events", "alerts"):  # the pack first: its row is the one to wait for
                delete = text(_DELETE_OF_PACK.format(table=table))
                connection.execute(delete, {"gtin": gtin, "serials": serials})
        self._cleaned.add("packs", len(due))
        for name in ("events", "alerts"):
            self._cleaned.add(name, sum(row[name] for row in due))
        return upper if whole else serials[-1]

    def _due(
        self, clocks: tuple[Clock, ...], lives: Sequence[RowMapping]
    ) -> tuple[list[RowMapping], bool]:
        """The packs that go in one transaction; False when there are more for the next."""
        due: list[RowMapping] = []
        rows = 0
        for life in lives:
            if not is_over(keep_until(clocks, _life(life)), self._now):
                continue
            rows += 1 + life["events"] + life["alerts"]
            if due and rows > PAGE:
                return due, False
            due.append(life)
        return due, True

    def _day_before(self, clocks: tuple[Clock, ...], start: Start) -> date:
        """No clock with this start that began on that day or later is over."""
        return min((cutoff(clock.years, self._now) for clock in clocks if clock.start is start), default=date.max)

    def _before(self, clocks: tuple[Clock, ...], start: Start) -> datetime:
        return _midnight(self._day_before(clocks, start))

    def _transaction(self, connection: Connection, work: Callable[[], Result]) -> Result:
        """One transaction, again when somebody was in the way."""
        for attempt in range(1, ATTEMPTS + 1):
            counted = dict(self._cleaned.counts)
            try:
                with connection.begin():
                    return work()
            except DBAPIError as error:
                self._cleaned.counts = counted
                if attempt == ATTEMPTS or getattr(error.orig, "sqlstate", None) not in _AGAIN:
                    raise
                _log.info("a step of the clean-up is made again: somebody was in the way")
                time.sleep(0.1 * attempt)
        raise AssertionError("unreachable")


def sweeps(now: datetime) -> tuple[Sweep, ...]:
    """What goes by itself at this instant, in an order in which no step makes work for one before it."""
    years = {clock.start: clock.years for clock in UNKNOWN_PACK}
    seen = _midnight(cutoff(years[Start.LAST_EVENT], now))
    concluded = _midnight(cutoff(years[Start.CONCLUSION], now))
    over = and_(alerts.c.closed_at.is_not(None), alerts.c.closed_at < concluded)
    kept = exists().where(alerts.c.gtin == events.c.gtin, alerts.c.serial == events.c.serial, ~over)
    return (
        Sweep("revoked_tokens", revoked_tokens, revoked_tokens.c.expires_at < now - _LEEWAY),
        Sweep("idempotency_keys", idempotency, and_(idempotency.c.created_at < now - REPLAYABLE, _certain())),
        Sweep("counters", counters, _idle(now)),
        Sweep("events", events, and_(events.c.received_at < seen, _unknown(events), ~kept)),
        Sweep("alerts", alerts, and_(over, _unknown(alerts))),
    )
