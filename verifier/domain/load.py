"""What a file of packs holds, row by row."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PackRow:
    """One pack of a file. `row` counts as a spreadsheet does: the header is row 1.

    `expiry` is YYYYMMDD with day 00 kept; `product` names the product's columns that were filled in.
    """

    row: int
    gtin: str
    serial: str
    lot: str
    expiry: int
    sscc: str | None
    product: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that cannot be taken, and why; `cells` are as they stood."""

    row: int
    reason: str
    cells: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What became of a file: `rows` = `loaded` + `skipped` (identical ones) + `rejected`."""

    rows: int
    loaded: int
    skipped: int
    rejected: int
