"""Packs into the database, a chunk a transaction: straight by COPY, or over a staging table.

A pack that exists is never changed: an identical row is skipped, a differing one rejected. COPY takes a
chunk of new packs as fast as the table does; where a pack is there already it takes nothing, and the chunk
goes over the staging table, which tells the rows apart.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from psycopg import Connection
from psycopg.errors import DeadlockDetected, SerializationFailure, UniqueViolation
from sqlalchemy import Engine

from verifier.domain.load import LoadResult, PackRow, RejectedRow
from verifier.domain.ppn import ntin_to_ppn, ppn_to_ntin
from verifier.storage.rows import gtin_of

CHUNK = 20_000
TRIES = 5
REMEMBERED = 100_000

# A load may wait and take as long as it needs. It looks up few rows of large tables, always by their key.
_SESSION = b"""
SET statement_timeout = 0; SET transaction_timeout = 0; SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0; SET enable_hashjoin = off; SET enable_mergejoin = off;
CREATE TEMP TABLE staging (row bigint, gtin bigint, serial text, lot text, expiry integer, sscc text);
"""
# What a dry run would have loaded: no lock and no row in a table that others use.
_SHADOW = b"""
CREATE TEMP TABLE new_packs (LIKE packs INCLUDING DEFAULTS INCLUDING INDEXES);
CREATE TEMP TABLE new_batches (LIKE batches INCLUDING DEFAULTS INCLUDING INDEXES);
CREATE TEMP TABLE new_products (LIKE products INCLUDING DEFAULTS INCLUDING INDEXES);
"""
_COPY = "COPY packs (gtin, serial, lot, expiry, sscc, state_since) FROM STDIN"
_STAGE = "COPY staging (row, gtin, serial, lot, expiry, sscc) FROM STDIN"
_BATCH = "INSERT INTO {new}batches (gtin, lot) VALUES (%s, %s) ON CONFLICT DO NOTHING"
_STAGED = """
INSERT INTO {new}packs (gtin, serial, lot, expiry, sscc, state_since)
SELECT gtin, serial, lot, expiry, sscc, %s FROM staging s
WHERE NOT EXISTS (SELECT 1 FROM packs p WHERE p.gtin = s.gtin AND p.serial = s.serial)
ORDER BY row ON CONFLICT (gtin, serial) DO NOTHING
"""
_DIFFERING = """
SELECT s.row FROM staging s JOIN {table} p USING (gtin, serial)
WHERE p.lot <> s.lot OR p.expiry <> s.expiry OR p.sscc IS DISTINCT FROM coalesce(s.sscc, p.sscc)
"""
_PRODUCT = """
INSERT INTO {new}products (gtin, profile, ppn, name, strength, form, pack_size, manufacturer_gln)
VALUES (%(gtin)s, %(profile)s, %(ppn)s, %(name)s, %(strength)s, %(form)s, %(pack_size)s, %(manufacturer_gln)s)
ON CONFLICT DO NOTHING
"""
_KNOWN = "SELECT gtin, ppn, profile FROM {table} WHERE gtin IN (%(gtin)s, %(ntin)s) OR ppn = %(either_ppn)s"
_PRODUCT_COLUMNS = ("ppn", "name", "strength", "form", "pack_size", "manufacturer_gln")
_FOREIGN_PPN = "the ppn belongs to the product with the GTIN {:014d}"
_OTHER_PPN = "the product with this gtin has another ppn"
_CHANGED = "a pack with this serial exists with another lot, expiry or SSCC; it was not changed"

Staged = tuple[int, PackRow]
"""The GTIN under which the product stands, and the row."""


class Loader:
    """Loads the rows of one file.

    `elsewhere`: the profile by GTIN of the file's products that were known under another one, and stay there.
    """

    def __init__(self, engine: Engine, profile: str) -> None:
        self.elsewhere: dict[str, str] = {}
        self._engine = engine
        self._profile = profile

    def load(
        self,
        rows: Iterable[PackRow | RejectedRow],
        *,
        dry_run: bool,
        reject: Callable[[RejectedRow], None],
        progress: Callable[[LoadResult], None],
    ) -> LoadResult:
        """Load everything, a chunk a transaction; a dry run finds out the same and keeps nothing.

        Args:
            rows: packs, and rows that were rejected when they were read.
            dry_run: find out only.
            reject: is given every rejected row.
            progress: is told after every chunk.
        """
        total = LoadResult()
        iterator = iter(rows)
        raw = self._engine.raw_connection()
        try:
            connection: Connection[Any] = raw.driver_connection  # type: ignore[assignment]
            connection.autocommit = True
            connection.execute(_SESSION + _SHADOW if dry_run else _SESSION)
            load = _Load(connection, self._profile, self.elsewhere, dry_run=dry_run)
            while chunk := list(islice(iterator, CHUNK)):
                rejected = [item for item in chunk if isinstance(item, RejectedRow)]
                loaded, refused = load.chunk([item for item in chunk if isinstance(item, PackRow)])
                rejected += refused
                for item in sorted(rejected, key=lambda item: item.row):
                    reject(item)
                skipped = len(chunk) - loaded - len(rejected)
                total += LoadResult(len(chunk), loaded, skipped, len(rejected))
                progress(total)
        finally:
            raw.invalidate()  # its settings are not for anybody else; what was not committed is undone
            raw.close()
        return total


class _Load:
    """One load on its own connection."""

    def __init__(
        self, connection: Connection[Any], profile: str, elsewhere: dict[str, str], *, dry_run: bool
    ) -> None:
        self._connection = connection
        self._profile = profile
        self._elsewhere = elsewhere
        self._dry_run = dry_run
        self._direct = not dry_run
        self._homes: dict[tuple[str, tuple[tuple[str, str], ...]], int | str] = {}

    def chunk(self, packs: Sequence[PackRow]) -> tuple[int, list[RejectedRow]]:
        """How many were loaded, and which cannot be."""
        staged: list[Staged] = []
        rejected: list[RejectedRow] = []
        for pack in packs:
            home = self._home(pack)
            if isinstance(home, int):
                staged.append((home, pack))
            else:
                rejected.append(RejectedRow(pack.row, home, pack.cells))
        loaded, differing = self._again(staged)
        if differing:
            by_row = {pack.row: pack for _, pack in staged}
            rejected += [RejectedRow(row, _CHANGED, by_row[row].cells) for row in differing]
        return loaded, rejected

    def _again(self, staged: Sequence[Staged]) -> tuple[int, list[int]]:
        """Once more when another load was in the way."""
        for _ in range(TRIES - 1):
            try:
                return self._take(staged)
            except (DeadlockDetected, SerializationFailure):
                continue
        return self._take(staged)

    def _take(self, staged: Sequence[Staged]) -> tuple[int, list[int]]:
        if self._direct and self._copy(staged):
            return len(staged), []
        loaded, differing = self._compare(staged)
        self._direct = loaded == len(staged) and not self._dry_run
        return loaded, differing

    def _copy(self, staged: Sequence[Staged]) -> bool:
        """Straight into the table; False, with nothing done, when one of the packs is there already."""
        now = datetime.now(UTC).isoformat()
        try:
            with self._connection.transaction():
                self._batches(staged)
                with self._connection.cursor() as cursor, cursor.copy(_COPY) as copy:
                    for gtin, (_, _, serial, lot, expiry, sscc, *_) in staged:
                        copy.write_row((gtin, serial, lot, expiry, sscc, now))
        except UniqueViolation:
            return False
        return True

    def _compare(self, staged: Sequence[Staged]) -> tuple[int, list[int]]:
        """Over the staging table: how many were loaded, and the rows that differ from what is there."""
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.execute("TRUNCATE staging")
            with cursor.copy(_STAGE) as copy:
                for gtin, (row, _, serial, lot, expiry, sscc, *_) in staged:
                    copy.write_row((row, gtin, serial, lot, expiry, sscc))
            self._batches(staged)
            loaded = cursor.execute(self._into(_STAGED), (datetime.now(UTC),)).rowcount
            if loaded == len(staged):
                return loaded, []
            return loaded, [
                row
                for table in self._tables("packs")
                for (row,) in cursor.execute(_DIFFERING.format(table=table)).fetchall()
            ]

    def _batches(self, staged: Sequence[Staged]) -> None:
        lots = sorted({(gtin, pack.lot) for gtin, pack in staged})
        with self._connection.cursor() as cursor:
            cursor.executemany(self._into(_BATCH), lots)

    def _home(self, pack: PackRow) -> int | str:
        """The GTIN under which the product stands, or why the row cannot be taken."""
        key = (pack.gtin, pack.product)
        home = self._homes.get(key)
        if home is None:
            if len(self._homes) >= REMEMBERED:
                self._homes.clear()
            home = self._homes[key] = self._find_home(pack)
        return home

    def _find_home(self, pack: PackRow) -> int | str:
        """A PPN and its NTIN are one product; a new product is created with the columns of its first row."""
        given = dict.fromkeys(_PRODUCT_COLUMNS) | dict(pack.product)
        own = given["ppn"] or ntin_to_ppn(pack.gtin)
        ntin = ppn_to_ntin(own) if own else None
        values = given | {"gtin": int(pack.gtin), "profile": self._profile, "either_ppn": own}
        values["ntin"] = int(ntin) if ntin else None
        known = self._known(values)
        if not known:
            self._connection.execute(self._into(_PRODUCT), values)
            known = self._known(values)
        return _choose(int(pack.gtin), given["ppn"], values["ntin"], known)

    def _known(self, values: dict[str, Any]) -> dict[int, str | None]:
        """PPN by GTIN of the products that the row may mean."""
        found = [
            row
            for table in self._tables("products")
            for row in self._connection.execute(_KNOWN.format(table=table), values).fetchall()
        ]
        self._elsewhere |= {gtin_of(gtin): profile for gtin, _, profile in found if profile != self._profile}
        return {gtin: ppn for gtin, ppn, _ in found}

    def _into(self, statement: str) -> str:
        """Into the table itself, or into what stands for it in a dry run."""
        return statement.format(new="new_" if self._dry_run else "")

    def _tables(self, name: str) -> tuple[str, ...]:
        return (name, f"new_{name}") if self._dry_run else (name,)


def _choose(gtin: int, ppn: str | None, ntin: int | None, known: dict[int, str | None]) -> int | str:
    """Which of the known products a row with this GTIN, this PPN and its NTIN means, or why none."""
    if gtin not in known:
        (home, *_) = known
        return home if gtin == ntin else _FOREIGN_PPN.format(home)
    stored = known[gtin]
    if ppn is None or stored == ppn:
        return gtin
    if stored is not None:
        return _OTHER_PPN
    foreign = [other for other in known if other != gtin]
    return _FOREIGN_PPN.format(foreign[0]) if foreign else gtin
