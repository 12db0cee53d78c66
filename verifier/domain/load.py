"""What a file of packs holds, row by row."""

from dataclasses import dataclass
from typing import NamedTuple


class PackRow(NamedTuple):
    """One pack of a file. `row` counts as a spreadsheet does: the header is row 1.

    `expiry` is YYYYMMDD with day 00 kept; `product` names the product's columns that were filled in; `cells`
    are the row as it stood. A tuple, because a file has millions of them.
    """

    row: int
    gtin: str
    serial: str
    lot: str
    expiry: int
    sscc: str | None
    product: tuple[tuple[str, str], ...]
    cells: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that cannot be taken, and why; `cells` are as they stood."""

    row: int
    reason: str
    cells: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What became of a file: `rows` = `loaded` + `skipped` (identical ones) + `rejected`."""

    rows: int = 0
    loaded: int = 0
    skipped: int = 0
    rejected: int = 0

    def __add__(self, other: "LoadResult") -> "LoadResult":
        return LoadResult(
            self.rows + other.rows,
            self.loaded + other.loaded,
            self.skipped + other.skipped,
            self.rejected + other.rejected,
        )
