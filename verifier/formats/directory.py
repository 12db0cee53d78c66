"""The look-up directory as JSON lines and as CSV; one bad line never stops the rest."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, TextIO

from verifier.domain.directory import FIELDS, IGNORED, Entry, read_entry

LONGEST_LINE = 16 * 1024
COLUMNS = (*FIELDS, *sorted(IGNORED))
_BOM = "\ufeff"


class UnreadableDirectory(Exception):
    """Nothing of this file could be read; the sentence says why."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that could not be taken, by its number in the file, and why."""

    line: int
    reason: str


def read(file: BinaryIO, *, loopback: bool = False) -> Iterator[tuple[int, Entry] | BadLine]:
    """Line numbers and entries, or what is wrong with the line.

    JSON lines when the first line begins with a brace, else CSV (comma or semicolon) with a line of names.

    Raises:
        UnreadableDirectory: the file is empty, or its first line is neither.
    """
    first = _text(file.readline(LONGEST_LINE + 1))
    if isinstance(first, BadLine) or not first.strip():
        raise UnreadableDirectory("its first line is neither JSON nor names of columns")
    rows = _json_rows(file, first) if first.lstrip(_BOM + " ").startswith("{") else _csv_rows(file, first)
    for number, row in rows:
        entry = row if isinstance(row, str) else read_entry(row, loopback=loopback)
        yield (number, entry) if isinstance(entry, Entry) else BadLine(number, entry)


def write_json(entries: Iterable[Entry], file: TextIO) -> None:
    """One object a line, as `read` takes it."""
    file.writelines(json.dumps(_shown(entry)) + "\n" for entry in entries)


def write_csv(entries: Iterable[Entry], file: TextIO) -> None:
    """With a line of names, as `read` takes it."""
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for entry in entries:
        shown = _shown(entry)
        writer.writerow({name: _cell(shown[name]) for name in COLUMNS})


def _shown(entry: Entry) -> dict[str, Any]:
    fields = entry.fields()
    at = fields["updated_at"]
    return fields | {"updated_at": _instant(at) if at is not None else None}


def _instant(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _cell(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else value or ""


def _json_rows(file: BinaryIO, first: str) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    for number, line in _lines(file, first):
        if isinstance(line, BadLine):
            yield number, line.reason
        elif line.strip():
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                value = None
            yield number, value if isinstance(value, dict) else "the line is no JSON object"


def _csv_rows(file: BinaryIO, first: str) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    head = first.lstrip(_BOM)
    delimiter = ";" if head.count(";") > head.count(",") else ","
    names = [name.strip().lower() for name in head.strip().split(delimiter)]
    if not {"gtin", "url"} <= set(names) or len(set(names)) != len(names):
        raise UnreadableDirectory("its first line must name the columns, gtin and url among them, each once")
    for number, line in _lines(file, first):
        if isinstance(line, BadLine):
            yield number, line.reason
        elif number > 1 and line.strip():
            try:
                cells = next(csv.reader(io.StringIO(line), delimiter=delimiter, strict=True))
            except csv.Error:
                yield number, "a quote in the line is not closed, or has something behind it"
                continue
            right = len(cells) == len(names)
            yield (
                number,
                (
                    dict(zip(names, cells, strict=True))
                    if right
                    else f"{len(cells)} cells where the first line has {len(names)}"
                ),
            )


def _lines(file: BinaryIO, first: str) -> Iterator[tuple[int, str | BadLine]]:
    yield 1, first
    number = 1
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        text = _text(line, number)
        while len(line) > LONGEST_LINE and not line.endswith(b"\n"):
            line = file.readline(LONGEST_LINE + 1)
            if not line:
                break
        yield number, text


def _text(line: bytes, number: int = 1) -> str | BadLine:
    if len(line) > LONGEST_LINE:
        return BadLine(number, f"the line is longer than {LONGEST_LINE} bytes")
    try:
        return line.decode()
    except UnicodeDecodeError:
        return BadLine(number, "the line is not UTF-8")
