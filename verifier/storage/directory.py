"""The look-up directory in PostgreSQL."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, Select, bindparam, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert

from verifier.domain.directory import Entry, overlap
from verifier.storage.database import twice
from verifier.storage.direct import Statement, session
from verifier.storage.rows import gtin_of
from verifier.storage.statements import names
from verifier.storage.tables_directory import directory

PAGE = 500
"""Entries written in one transaction."""

# Writers come one after the other, and readers go on: so that `updated_at` rises in the order of the commits,
# and whoever pulls changes by it never misses one that was committed late.
_ALONE = text("LOCK TABLE vrs_directory IN SHARE ROW EXCLUSIVE MODE")
_put = insert(directory)
_PUT = _put.on_conflict_do_update(
    index_elements=["gtin", "start_exp"],
    set_={name: _put.excluded[name] for name in names(directory, "gtin", "start_exp")},
)
_ENTRIES = Statement(
    select(directory)
    .where(directory.c.gtin == bindparam("gtin"), ~directory.c.removed)
    .order_by(directory.c.start_exp)
)


class Directory:
    """See `services.ports_vrs.Directory`. `reads` commits by itself."""

    def __init__(self, engine: Engine, reads: Engine) -> None:
        self._engine = engine
        self._reads = reads

    def entries(self, gtin: str) -> Sequence[Entry]:
        """Those in force for a GTIN, by their spans."""

        def read() -> Sequence[Entry]:
            with session(self._reads) as opened:
                return [_entry(row._asdict()) for row in opened.run(_ENTRIES, {"gtin": int(gtin)}).rows]

        return twice(read)

    def changes(
        self, since: datetime | None, after: tuple[datetime, bool, str, int] | None, limit: int
    ) -> Sequence[Entry]:
        """What changed at or after `since`, oldest first; the position is the last entry's of a page.

        Of the same moment what was removed comes first: what took its place is refused before it is gone.
        """
        table = directory.c
        order = (table.updated_at, ~table.removed, table.gtin, table.start_exp)
        statement = select(directory).order_by(*order).limit(limit)
        if since is not None:
            statement = statement.where(table.updated_at >= since)
        if after is not None:
            at, in_force, gtin, start = after
            statement = statement.where(tuple_(*order) > tuple_(at, in_force, int(gtin), start))
        return [_entry(row) for row in self._rows(statement)]

    def put(self, entries: Iterable[Entry]) -> Sequence[str | None]:
        """Write them; for each None, or a sentence about why it was refused.

        Of several with the same GTIN and start the last one counts. Of each `PAGE` removals come first.

        An entry replaces the one with its GTIN and start; one that is there already is left as it is.
        """
        wanted = list(entries)
        told: list[str | None] = []
        for first in range(0, len(wanted), PAGE):
            with self._engine.begin() as connection:
                connection.execute(_ALONE)
                told += _write(connection, wanted[first : first + PAGE])
        return told

    def _rows(self, statement: Select[Any]) -> Sequence[RowMapping]:
        def read() -> Sequence[RowMapping]:
            with self._reads.connect() as connection:
                return connection.execute(statement).mappings().all()

        return twice(read)


def _write(connection: Connection, wanted: Sequence[Entry]) -> list[str | None]:
    now = connection.execute(select(func.clock_timestamp())).scalar_one()
    gtins = {int(entry.gtin) for entry in wanted}
    rows = connection.execute(select(directory).where(directory.c.gtin.in_(gtins))).mappings()
    held: dict[str, dict[int, Entry]] = {}
    for entry in map(_entry, rows):
        held.setdefault(entry.gtin, {})[entry.start] = entry
    told: list[str | None] = [None] * len(wanted)
    last = {(entry.gtin, entry.start): place for place, entry in enumerate(wanted)}
    for place in sorted(last.values(), key=lambda place: not wanted[place].removed):
        entry = wanted[place]
        known = held.setdefault(entry.gtin, {})
        blocking = overlap(known.values(), entry)
        told[place] = None if blocking is None else _refusal(blocking)
        before = known.get(entry.start)
        if blocking is not None or (before and replace(before, updated_at=None) == entry):
            continue
        known[entry.start] = entry
        connection.execute(_PUT, _row(entry) | {"updated_at": now})
    return told


def _refusal(entry: Entry) -> str:
    shown = entry.fields()
    first, last = shown["start_exp_date"] or "the beginning", shown["end_exp_date"] or "the end"
    return f"its span of expiry dates overlaps the one from {first} to {last} at {entry.url}"


def _row(entry: Entry) -> dict[str, Any]:
    fields = {name: getattr(entry, name) for name in Entry.__dataclass_fields__}
    start, end = fields.pop("start"), fields.pop("end")
    return fields | {"gtin": int(entry.gtin), "start_exp": start, "end_exp": end}


def _entry(row: Any) -> Entry:
    return Entry(
        gtin=gtin_of(row["gtin"]),
        url=row["url"],
        start=row["start_exp"],
        end=row["end_exp"],
        owner_gln=row["owner_gln"],
        contact=row["contact"],
        external=row["external"],
        resolver=row["resolver"],
        removed=row["removed"],
        updated_at=row["updated_at"],
    )
