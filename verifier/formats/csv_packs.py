"""Packs from CSV: UTF-8 with or without BOM, comma or semicolon; streamed, a wrong row never stops the rest.

A line is a row: no value of a pack has a line break, so a quote left open spoils its own line and no other.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

from verifier.domain.expiry import parse_expiry
from verifier.domain.gs1 import check_digit, gtin_fault, is_digits
from verifier.domain.load import PackRow, RejectedRow
from verifier.domain.ppn import ntin_to_ppn, ppn_fault, ppn_to_ntin

REQUIRED = ("serial", "lot", "expiry")
TEXT_COLUMNS = ("name", "strength", "form", "pack_size")
PRODUCT_COLUMNS = ("ppn", *TEXT_COLUMNS, "manufacturer_gln")
KNOWN = ("gtin", *REQUIRED, *PRODUCT_COLUMNS, "sscc")
LONGEST_LINE = 32 * 1024
LONGEST_TEXT = 200

_SET_82 = re.compile(r"[!\"%-?A-Z_a-z]{1,20}")
_BOM = b"\xef\xbb\xbf"
_GLN_DIGITS = 13
_SSCC_DIGITS = 18


class UnreadableFile(Exception):
    """Nothing of this file could be read; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Header:
    """The columns of a file, and those that mean nothing to us."""

    columns: tuple[str, ...]
    ignored: tuple[str, ...]
    delimiter: str


@dataclass(frozen=True, slots=True)
class Shared:
    """What the packs of one batch have in common in a file, or what is wrong with it."""

    gtin: str
    lot: str
    expiry: int
    product: tuple[tuple[str, str], ...]
    fault: str | None


class CsvPacks:
    """A CSV file of packs, open for one pass."""

    def __init__(self, path: Path, *, today: date) -> None:
        try:
            self.size = path.stat().st_size
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            raise UnreadableFile(f"it cannot be opened: {error.strerror}") from None
        try:
            self.header = _header(self._file.readline(LONGEST_LINE))
        except UnreadableFile:
            self.close()
            raise
        self._today = today

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def position(self) -> int:
        """Bytes read so far."""
        return self._file.tell()

    def __iter__(self) -> Iterator[PackRow | RejectedRow]:
        columns, delimiter = self.header.columns, self.header.delimiter
        names = [name for name in columns if name in KNOWN and name not in {"serial", "sscc"}]
        common = itemgetter(*(columns.index(name) for name in names))
        serial_at, width = columns.index("serial"), len(columns)
        sscc_at = columns.index("sscc") if "sscc" in columns else None

        # a file has few batches and many packs
        @lru_cache(maxsize=8192)
        def shared(values: tuple[str, ...]) -> Shared:
            return _shared(dict(zip(names, values, strict=True)), self._today)

        read, fits = self._file.readline, _SET_82.fullmatch
        row = 1
        while line := read(LONGEST_LINE):
            row += 1
            try:
                cells = _cells(line, delimiter)
            except ValueError as error:
                self._skip_rest(line)
                yield RejectedRow(row, str(error), (line.decode(errors="backslashreplace")[:LONGEST_TEXT],))
                continue
            if len(cells) != width:
                if any(cells):
                    yield RejectedRow(row, f"{len(cells)} cells where the header has {width}", tuple(cells))
                continue
            batch, serial = shared(common(cells)), cells[serial_at]
            sscc = cells[sscc_at] or None if sscc_at is not None else None
            if batch.fault is None and fits(serial) and (sscc is None or _is_coded(sscc, _SSCC_DIGITS)):
                yield PackRow(
                    row, batch.gtin, serial, batch.lot, batch.expiry, sscc, batch.product, tuple(cells)
                )
            elif any(cells):
                reason = batch.fault or (
                    "sscc is not 18 digits with a right check digit" if fits(serial) else _not_text("serial")
                )
                yield RejectedRow(row, reason, tuple(cells))

    def _skip_rest(self, line: bytes) -> None:
        while line and not line.endswith(b"\n") and len(line) == LONGEST_LINE:
            line = self._file.readline(LONGEST_LINE)


def _cells(line: bytes, delimiter: str) -> list[str]:
    """The cells of one line.

    Raises:
        ValueError: with a sentence, when it is too long, not UTF-8, or its quotes are wrong.
    """
    if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
        raise ValueError(f"the line is longer than {LONGEST_LINE} bytes")
    try:
        text = line.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError("the line is not UTF-8") from None
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error:
        raise ValueError("a quote in the line is not closed, or has something behind it") from None


def _header(line: bytes) -> Header:
    line = line.removeprefix(_BOM)
    delimiter = ";" if line.count(b";") > line.count(b",") else ","
    try:
        columns = tuple(name.strip().lower() for name in _cells(line, delimiter))
    except ValueError:
        raise UnreadableFile("its first line is not UTF-8 text that names the columns") from None
    missing = [name for name in REQUIRED if name not in columns]
    if "gtin" not in columns and "ppn" not in columns:
        missing.insert(0, "gtin or ppn")
    if missing:
        raise UnreadableFile(f"the first line must name the columns; {', '.join(missing)} is not among them")
    named = [name for name in columns if name]
    if len(set(named)) != len(named):
        raise UnreadableFile("the first line names a column twice")
    return Header(columns, tuple(name for name in named if name not in KNOWN), delimiter)


def _shared(cell: dict[str, str], today: date) -> Shared:
    gtin, ppn = cell.get("gtin", ""), cell.get("ppn", "")
    expiry = parse_expiry(cell["expiry"], today=today)
    fault = (
        _product_code_fault(gtin, ppn)
        or (None if _SET_82.fullmatch(cell["lot"]) else _not_text("lot"))
        or (None if expiry else "expiry is neither YYYY-MM-DD nor YYMMDD of a day that exists")
        or _product_fault(cell)
    )
    product = tuple((name, cell[name]) for name in PRODUCT_COLUMNS if cell.get(name))
    number = gtin.rjust(14, "0") if gtin else ppn_to_ntin(ppn) or ""
    return Shared(number, cell["lot"], expiry.number() if expiry else 0, product, fault)


def _product_code_fault(gtin: str, ppn: str) -> str | None:
    if not gtin and not ppn:
        return "neither gtin nor ppn"
    fault = (gtin_fault(gtin) if gtin else None) or (ppn_fault(ppn) if ppn else None)
    if fault:
        return fault.detail
    if gtin and ppn and ntin_to_ppn(gtin.rjust(14, "0")) not in {None, ppn}:
        return "gtin and ppn name different products"
    return None


def _product_fault(cell: dict[str, str]) -> str | None:
    gln = cell.get("manufacturer_gln")
    if gln and not _is_coded(gln, _GLN_DIGITS):
        return "manufacturer_gln is not 13 digits with a right check digit"
    for name in TEXT_COLUMNS:
        text = cell.get(name, "")
        if len(text) > LONGEST_TEXT or not text.isprintable():
            return f"{name} is not printable text of at most {LONGEST_TEXT} characters"
    return None


def _not_text(name: str) -> str:
    return f"{name} is not 1 to 20 characters of GS1 set 82"


@lru_cache(maxsize=4096)
def _is_coded(digits: str, length: int) -> bool:
    return len(digits) == length and is_digits(digits) and check_digit(digits[:-1]) == digits[-1]
