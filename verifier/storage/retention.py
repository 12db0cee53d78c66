"""Clean-up: what need not be kept any longer goes, about two thousand rows a transaction.

Each transaction is a whole step: a run may die at any point, and the next one goes on. A dry run makes the
same steps without the deletes and counts the same. A pack goes together with its attempts and its closed
alerts, all in one snapshot: what somebody writes meanwhile is not seen and not deleted, and a change of that
very pack comes before (the step is made again) or after (the pack is unknown). Device sequences stay.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypeVar

from sqlalchemy import (
    Connection,
    Dialect,
    Engine,
    RowMapping,
    Select,
    Table,
    TextClause,
    select,
    text,
    tuple_,
)
from sqlalchemy.exc import DBAPIError

from verifier.domain.expiry import Expiry
from verifier.domain.pack import State
from verifier.domain.profiles import load, names
from verifier.domain.retention import Clock, Life, Start, cutoff, is_over, keep_until
from verifier.storage.control import OFF
from verifier.storage.sweeps import Sweep, midnight, sweeps

Result = TypeVar("Result")
Clocks = tuple[Clock, ...]
Counts = Mapping[str, int]
PAGE = 2_000
ATTEMPTS = 5

_AGAIN = frozenset({"40001", "40P01", "55P03"})
_IN_TRADE = frozenset({State.ACTIVE, State.LOCKED})
# One pack may have many attempts. And without memory for a hash of them, other tables are looked up row by
# row: a page needs a few rows of each, never a whole table.
_SESSION = text("SET statement_timeout = 0; SET transaction_timeout = 0; SET work_mem = '64kB'")
_GTINS = text("""
SELECT DISTINCT b.gtin FROM batches b JOIN products p ON p.gtin = b.gtin
 WHERE p.profile = :profile AND b.created_at < :released AND b.gtin > :after
 ORDER BY b.gtin LIMIT :page
""")
_RANGE = text("""
SELECT max(serial) AS upper, count(*) AS packs
  FROM (SELECT serial FROM packs WHERE gtin = :gtin AND serial > :after ORDER BY serial LIMIT :page) p
""")
_LIVES = text("""
SELECT k.serial, k.expiry, k.state, k.state_since, b.created_at, e.events, e.last_event,
       a.alerts, a.open_alerts, a.concluded
  FROM packs k
  JOIN batches b ON b.gtin = k.gtin AND b.lot = k.lot
 CROSS JOIN LATERAL (SELECT count(*) AS events, max(received_at) AS last_event
                       FROM events WHERE gtin = k.gtin AND serial = k.serial) e
 CROSS JOIN LATERAL (SELECT count(*) AS alerts, count(*) > count(closed_at) AS open_alerts,
                            max(closed_at) AS concluded
                       FROM alerts WHERE gtin = k.gtin AND serial = k.serial) a
 WHERE k.gtin = :gtin AND k.serial > :after AND k.serial <= :upper
   AND b.created_at < :released AND k.expiry < :expired
 ORDER BY k.serial
""")
# the pack first: its row is the one that a change of it waits for
_DELETES = tuple(
    text(f"DELETE FROM {table} WHERE gtin = :gtin AND serial = ANY(:serials)")  # noqa: S608
    for table in ("packs", "events", "alerts")
)
_log = logging.getLogger(__name__)


class Cleaner:
    """One run. `counts` says how many rows of which kind went, or in a dry run would go."""

    def __init__(
        self,
        engine: Engine,
        now: datetime,
        *,
        dry_run: bool = False,
        progress: Callable[[Counts], None] = lambda _counts: None,
    ) -> None:
        self._engine = engine
        self._now = now
        self._dry_run = dry_run
        self._progress = progress
        self.counts: Counter[str] = Counter()

    def run(self) -> Counts:
        """Everything, once; `progress` is told after each transaction.

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
                    self._packs(connection, load(profile).code, load(profile).retention)
                if self.counts["packs"] and not self._dry_run:
                    self._forget(connection)
            finally:
                connection.invalidate()  # its settings are not for anybody else
        return self.counts

    def _step(self, connection: Connection, work: Callable[[], tuple[Result, Counts]]) -> Result:
        """One transaction, made again when somebody was in the way; counted when it is committed."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with connection.begin():
                    result, counts = work()
            except DBAPIError as error:
                if attempt == ATTEMPTS or getattr(error.orig, "sqlstate", None) not in _AGAIN:
                    raise
                _log.info("a step of the clean-up is made again: somebody was in the way")
                time.sleep(0.1 * attempt)
            else:
                self.counts.update(counts)
                self._progress(self.counts)
                return result
        raise AssertionError("unreachable")

    def _forget(self, connection: Connection) -> None:
        """Copies in the status cache end with the switch; it is admitted anew within seconds."""

        def one() -> tuple[None, Counts]:
            connection.execute(OFF)
            return None, {}

        self._step(connection, one)

    # Tables whose rows go one by one.

    def _sweep(self, connection: Connection, sweep: Sweep) -> None:
        after: tuple[Any, ...] | None = None

        def one() -> tuple[Sequence[Any], Counts]:
            rows = connection.execute(_page(sweep, after)).all()
            due = [row[:-1] for row in rows if row.due]
            if due and not self._dry_run:
                columns = zip(*due, strict=True)
                values = {f"column_{n}": list(column) for n, column in enumerate(columns)}
                connection.execute(_delete(sweep.table, connection.dialect), values)
            return rows, {sweep.name: len(due)}

        while len(rows := self._step(connection, one)) == PAGE:
            after = tuple(rows[-1][:-1])

    # Packs, each with everything about it.

    def _packs(self, connection: Connection, profile: str, clocks: Clocks) -> None:
        if not clocks:
            return
        for gtin in self._gtins(connection, profile, clocks):
            after: str | None = ""
            while after is not None:
                after = self._pack_page(connection, gtin, clocks, after)

    def _gtins(self, connection: Connection, profile: str, clocks: Clocks) -> Iterator[int]:
        """The products of this regulation with a lot that is old enough."""
        wanted: dict[str, Any] = {"profile": profile, "page": PAGE, "after": 0}
        wanted["released"] = midnight(self._started(clocks, Start.RELEASE))
        while True:
            with connection.begin():
                found = connection.execute(_GTINS, wanted).scalars().all()
            yield from found
            if len(found) < PAGE:
                return
            wanted["after"] = found[-1]

    def _pack_page(self, connection: Connection, gtin: int, clocks: Clocks, after: str) -> str | None:
        """Packs behind the serial `after`; up to which it was done, None at the end of the product."""
        expired = self._started(clocks, Start.EXPIRY)
        wanted: dict[str, Any] = {
            "gtin": gtin,
            "after": after,
            "page": PAGE,
            "released": midnight(self._started(clocks, Start.RELEASE)),
            "expired": Expiry(expired.year, expired.month, expired.day).number(),
        }

        def one() -> tuple[str | None, Counts]:
            upper, number = connection.execute(_RANGE, wanted).one()
            lives = connection.execute(_LIVES, wanted | {"upper": upper}).mappings().all()
            over = [life for life in lives if is_over(keep_until(clocks, _life(life)), self._now)]
            due = _first(over)
            serials = [life["serial"] for life in due]
            if due and not self._dry_run:
                for delete in _DELETES:
                    connection.execute(delete, {"gtin": gtin, "serials": serials})
            counts = Counter({"packs": len(due)})
            for name in ("events", "alerts"):
                counts[name] = sum(life[name] for life in due)
            if len(due) < len(over):
                return serials[-1], counts
            return (upper if number == PAGE else None), counts

        return self._step(connection, one)

    def _started(self, clocks: Clocks, start: Start) -> date:
        """No clock from this start is over that began to run on that day or later."""
        days = (cutoff(clock.years, self._now) for clock in clocks if clock.start is start)
        return min(days, default=date.max)


def _first(lives: Sequence[RowMapping]) -> Sequence[RowMapping]:
    """As many as fit into a transaction, and at least one."""
    rows = 0
    for number, life in enumerate(lives):
        rows += 1 + life["events"] + life["alerts"]
        if number and rows > PAGE:
            return lives[:number]
    return lives


def _life(row: RowMapping) -> Life:
    """What the clocks of this pack start from. Its lot became known here when it was uploaded for release."""
    return Life(
        expiry=Expiry.from_number(row["expiry"]),
        released=row["created_at"],
        last_event=row["last_event"],
        concluded=row["concluded"],
        disposed=None if row["state"] in _IN_TRADE else row["state_since"],
        open_alerts=row["open_alerts"],
    )


def _page(sweep: Sweep, after: tuple[Any, ...] | None) -> Select[Any]:
    """The keys of the next page, and whether each of its rows goes."""
    key = list(sweep.table.primary_key.columns)
    rows = select(sweep.table).order_by(*key).limit(PAGE)
    if after is not None:
        rows = rows.where(tuple_(*key) > tuple_(*after))
    page = rows.subquery()
    own = [page.c[column.name] for column in key]
    return select(*own, sweep.due(page).label("due")).order_by(*own)


def _delete(table: Table, dialect: Dialect) -> TextClause:
    """Delete by key, the keys given as one array a column."""
    key = list(table.primary_key.columns)
    kinds = [column.type.compile(dialect) for column in key]
    arrays = ", ".join(f"CAST(:column_{n} AS {kind}[])" for n, kind in enumerate(kinds))
    same = " AND ".join(f"t.{column.name} = k.column_{n}" for n, column in enumerate(key))
    names_ = ", ".join(f"column_{n}" for n in range(len(key)))
    return text(f"DELETE FROM {table.name} t USING unnest({arrays}) AS k({names_}) WHERE {same}")  # noqa: S608
