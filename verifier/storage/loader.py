"""Packs into the database: streamed COPY into a staging table, then one INSERT a chunk.

A pack that exists is never changed: an identical row is skipped, a differing one rejected.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from psycopg import Connection, Cursor
from sqlalchemy import Engine

from verifier.domain.load import LoadResult, PackRow, RejectedRow
from verifier.domain.ppn import ntin_to_ppn

CHUNK = 50_000

_UNBOUNDED = (
    "SET transaction_timeout = 0; SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0"
)
_STAGING = """
CREATE TEMP TABLE IF NOT EXISTS staging
(row bigint, gtin bigint, expiry integer, serial text, lot text, sscc text) ON COMMIT DELETE ROWS
"""
_COPY = "COPY staging (row, gtin, expiry, serial, lot, sscc) FROM STDIN"
_BATCHES = "INSERT INTO batches (gtin, lot) SELECT DISTINCT gtin, lot FROM staging ON CONFLICT DO NOTHING"
_PACKS = """
INSERT INTO packs (gtin, serial, lot, expiry, sscc, state_since)
SELECT gtin, serial, lot, expiry, sscc, %s FROM staging ORDER BY row
ON CONFLICT (gtin, serial) DO NOTHING
"""
_DIFFERING = """
SELECT s.row, s.gtin, s.serial FROM staging s JOIN packs p USING (gtin, serial)
WHERE p.lot <> s.lot OR p.expiry <> s.expiry OR p.sscc IS DISTINCT FROM coalesce(s.sscc, p.sscc) ORDER BY s.row
"""
_PRODUCT = """
INSERT INTO products (gtin, profile, ppn, name, strength, form, pack_size, manufacturer_gln)
VALUES (%(gtin)s, %(profile)s, %(ppn)s, %(name)s, %(strength)s, %(form)s, %(pack_size)s, %(manufacturer_gln)s)
ON CONFLICT DO NOTHING
"""
_KNOWN = "SELECT gtin FROM products WHERE gtin = %(gtin)s OR ppn = %(ppn_or_own)s ORDER BY gtin <> %(gtin)s LIMIT 1"
_CHANGED = "a pack with this serial exists with another lot, expiry or SSCC; it was not changed"


class Loader:
    """Loads the rows of one file."""

    def __init__(self, engine: Engine, profile: str) -> None:
        self._engine = engine
        self._profile = profile
        self._products: dict[tuple[str, tuple[tuple[str, str], ...]], int] = {}

    def load(
        self,
        rows: Iterable[PackRow | RejectedRow],
        *,
        dry_run: bool,
        reject: Callable[[RejectedRow], None],
        progress: Callable[[LoadResult], None],
    ) -> LoadResult:
        """Load everything, a chunk a transaction; a dry run does the same and keeps nothing.

        Args:
            rows: packs, and rows that were rejected when they were read.
            dry_run: find out only.
            reject: is given every rejected row.
            progress: is told after every chunk.
        """
        total = LoadResult(0, 0, 0, 0)
        iterator = iter(rows)
        raw = self._engine.raw_connection()
        try:
            connection: Connection[Any] = raw.driver_connection  # type: ignore[assignment]
            connection.execute(_UNBOUNDED.encode())
            connection.execute(_STAGING)
            connection.commit()
            while chunk := list(islice(iterator, CHUNK)):
                counted = self._chunk(connection, chunk, reject)
                total = LoadResult(*(a + b for a, b in zip(_counts(total), _counts(counted), strict=True)))
                if dry_run:
                    connection.execute("TRUNCATE staging")
                else:
                    connection.commit()
                progress(total)
        finally:
            raw.invalidate()  # its settings are not for anybody else; what was not committed is undone
            raw.close()
        return total

    def _chunk(
        self,
        connection: Connection[Any],
        chunk: Sequence[PackRow | RejectedRow],
        reject: Callable[[RejectedRow], None],
    ) -> LoadResult:
        packs = []
        for item in chunk:
            if isinstance(item, PackRow):
                packs.append(item)
            else:
                reject(item)
        with connection.cursor() as cursor:
            staged = [
                (pack.row, self._product(cursor, pack), pack.expiry, pack.serial, pack.lot, pack.sscc)
                for pack in packs
            ]
            with cursor.copy(_COPY) as copy:
                for values in staged:
                    copy.write_row(values)
            cursor.execute(_BATCHES)
            loaded = cursor.execute(_PACKS, (datetime.now(UTC),)).rowcount
            differing = cursor.execute(_DIFFERING).fetchall() if loaded < len(packs) else []
        for row, gtin, serial in differing:
            reject(RejectedRow(row, _CHANGED, (f"{gtin:014d}", serial)))
        rejected = len(chunk) - len(packs) + len(differing)
        return LoadResult(len(chunk), loaded, len(packs) - loaded - len(differing), rejected)

    def _product(self, cursor: Cursor[Any], pack: PackRow) -> int:
        """The GTIN under which the product stands; a new one is created with the columns of its first row."""
        key = (pack.gtin, pack.product)
        known = self._products.get(key)
        if known is None:
            given = dict.fromkeys(("ppn", "name", "strength", "form", "pack_size", "manufacturer_gln"))
            values = given | dict(pack.product) | {"gtin": int(pack.gtin), "profile": self._profile}
            values["ppn_or_own"] = values["ppn"] or ntin_to_ppn(pack.gtin)
            row = cursor.execute(_KNOWN, values).fetchone()
            if row is None:
                cursor.execute(_PRODUCT, values)
                row = cursor.execute(_KNOWN, values).fetchone()
            assert row is not None  # noqa: S101 - inserted just now, or by somebody else
            known = self._products[key] = int(row[0])
        return known


def _counts(result: LoadResult) -> tuple[int, int, int, int]:
    return (result.rows, result.loaded, result.skipped, result.rejected)
