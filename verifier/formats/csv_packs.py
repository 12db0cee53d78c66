"""Packs from CSV: UTF-8 with or without BOM, comma or semicolon; streamed, a wrong row never stops the rest."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO

from verifier.domain.expiry import parse_expiry
from verifier.domain.gs1 import check_digit, gtin_fault
from verifier.domain.load import PackRow, RejectedRow
from verifier.domain.ppn import ppn_fault, ppn_to_ntin

REQUIRED = ("serial", "lot", "expiry")
PRODUCT_COLUMNS = ("ppn", "name", "strength", "form", "pack_size", "manufacturer_gln")
KNOWN = ("gtin", *REQUIRED, *PRODUCT_COLUMNS, "sscc")
_TEXT = re.compile(r"[!\"%-?A-Z_a-z]{1,20}")  # GS1 set 82
_CELL_LIMIT = 200


class UnreadableFile(Exception):
    """Nothing of this file could be read; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Header:
    """The columns of a file, and those that mean nothing to us."""

    columns: tuple[str, ...]
    ignored: tuple[str, ...]
    delimiter: str


class CsvPacks:
    """A CSV file of packs, open for one pass."""

    def __init__(self, path: Path, *, today: date) -> None:
        self.size = _size(path)
        self._today = today
        self._file: BinaryIO = path.open("rb")
        # a broken byte becomes a surrogate, which no field accepts: the row is rejected, not the file
        text = TextIOWrapper(self._file, encoding="utf-8-sig", errors="surrogateescape", newline="")
        first = text.readline()
        self.header = _header(first)
        self._reader = csv.reader(text, delimiter=self.header.delimiter)
        self._expiry = lru_cache(maxsize=4096)(self._parse_expiry)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def position(self) -> int:
        """Bytes read so far."""
        return self._file.tell()

    def __iter__(self) -> Iterator[PackRow | RejectedRow]:
        columns = self.header.columns
        while True:
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield RejectedRow(self._reader.line_num + 1, f"not readable as CSV: {error}")
                continue
            if not any(cells):
                continue
            row = self._reader.line_num + 1
            if len(cells) != len(columns):
                wrong = f"{len(cells)} cells where the header has {len(columns)}"
                yield RejectedRow(row, wrong, tuple(cells))
            else:
                yield self._pack(row, dict(zip(columns, cells, strict=True)), cells)

    def _pack(self, row: int, cell: dict[str, str], cells: Sequence[str]) -> PackRow | RejectedRow:
        gtin, reason = _product_code(cell.get("gtin", ""), cell.get("ppn", ""))
        expiry = self._expiry(cell["expiry"])
        if reason is None:
            reason = _fault(cell, expiry)
        if reason is not None:
            return RejectedRow(row, reason, tuple(cells))
        product = tuple((name, cell[name]) for name in PRODUCT_COLUMNS if cell.get(name))
        return PackRow(row, gtin, cell["serial"], cell["lot"], expiry, cell.get("sscc") or None, product)

    def _parse_expiry(self, text: str) -> int:
        expiry = parse_expiry(text, today=self._today)
        return expiry.number() if expiry else 0


@lru_cache(maxsize=4096)
def _product_code(gtin: str, ppn: str) -> tuple[str, str | None]:
    """GTIN of 14 digits, and what is wrong with it."""
    if gtin:
        fault = gtin_fault(gtin)
        if fault is None and ppn:
            fault = ppn_fault(ppn)
        return gtin.rjust(14, "0"), fault.detail if fault else None
    if ppn:
        fault = ppn_fault(ppn)
        return ppn_to_ntin(ppn) or "", fault.detail if fault else None
    return "", "neither gtin nor ppn"


def _fault(cell: dict[str, str], expiry: int) -> str | None:
    if not _TEXT.fullmatch(cell["serial"]):
        return "serial is not 1 to 20 characters of GS1 set 82"
    if not _TEXT.fullmatch(cell["lot"]):
        return "lot is not 1 to 20 characters of GS1 set 82"
    if not expiry:
        return "expiry is neither YYYY-MM-DD nor YYMMDD of a day that exists"
    if cell.get("sscc") and not _is_coded(cell["sscc"], 18):
        return "sscc is not 18 digits with a right check digit"
    if cell.get("manufacturer_gln") and not _is_coded(cell["manufacturer_gln"], 13):
        return "manufacturer_gln is not 13 digits with a right check digit"
    for name in ("name", "strength", "form", "pack_size"):
        if not _is_text(cell.get(name, "")):
            return f"{name} is not UTF-8 text of at most {_CELL_LIMIT} characters"
    return None


@lru_cache(maxsize=4096)
def _is_text(cell: str) -> bool:
    return len(cell) <= _CELL_LIMIT and (cell.isprintable() or not cell)


@lru_cache(maxsize=4096)
def _is_coded(digits: str, length: int) -> bool:
    right = len(digits) == length and digits.isascii() and digits.isdecimal()
    return right and check_digit(digits[:-1]) == digits[-1]


def _header(line: str) -> Header:
    delimiter = ";" if line.count(";") > line.count(",") else ","
    columns = tuple(name.strip().lower() for name in next(csv.reader([line], delimiter=delimiter), []))
    missing = [name for name in REQUIRED if name not in columns]
    if "gtin" not in columns and "ppn" not in columns:
        missing.insert(0, "gtin or ppn")
    if missing:
        raise UnreadableFile(f"the first line must name the columns; {', '.join(missing)} is not among them")
    if len(set(columns)) != len(columns):
        raise UnreadableFile("the first line names a column twice")
    return Header(columns, tuple(name for name in columns if name not in KNOWN), delimiter)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise UnreadableFile(f"it cannot be opened: {error.strerror}") from None
