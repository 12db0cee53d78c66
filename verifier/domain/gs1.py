"""GS1 General Specifications: set 82, GTIN check digits and the table of Application Identifiers.

Only the table comes from outside; nothing here knows how a code is put together.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.domain.pack_code import Fault, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

GS = "\x1d"
GTIN_LENGTH = 14
GTIN_LENGTHS = (8, 12, 13, 14)
MAX_TEXT = 20  # AI 10 and 21
LONGEST_VALUE = 90  # AI 91 to 99

_TABLE = "biip/gs1_application_identifiers/_application_identifiers.json"
_DIGITS = re.compile(r"[0-9]+")
_SET_82 = re.compile(r"[!\"%-?A-Z_a-z]*")
_OUTSIDE_MESSAGE = re.compile(r"[^\x1d!\"%-?A-Z_a-z]")

# figure 7.8.5-2: data length by the first two digits of AIs that need no separator behind them
# fmt: off
_PREDEFINED = {
    "00": 18, "01": 14, "02": 14, "03": 14, "04": 16,
    "11": 6, "12": 6, "13": 6, "14": 6, "15": 6, "16": 6, "17": 6, "18": 6, "19": 6, "20": 2,
    "31": 6, "32": 6, "33": 6, "34": 6, "35": 6, "36": 6, "41": 13,
}
# fmt: on


@dataclass(frozen=True, slots=True)
class ApplicationIdentifier:
    """One AI: its 2 to 4 digits, the form of its data, and its length where this is predefined."""

    code: str
    pattern: str
    length: int | None

    def accepts(self, value: str) -> bool:
        """Whether `value` as a whole has the form of this AI's data."""
        return _compiled(self.pattern).fullmatch(value) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """When it is needed: all at once they are five hundred, and most never come."""
    return re.compile(pattern, re.ASCII)


def _load_table() -> Iterator[ApplicationIdentifier]:
    # the file alone: importing the package would cost every process 9 MiB for parsers that nobody calls
    for entry in json.loads(Path(distribution("biip").locate_file(_TABLE)).read_text("utf-8")):  # type: ignore[arg-type]
        code = entry["ai"]
        pattern = entry["pattern"].removeprefix(f"^{code}")
        length = None if entry["separator_required"] else _PREDEFINED[code[:2]]
        yield ApplicationIdentifier(code, pattern, length)


APPLICATION_IDENTIFIERS: Mapping[str, ApplicationIdentifier] = {ai.code: ai for ai in _load_table()}


def ai_at(text: str, position: int) -> ApplicationIdentifier | None:
    """The AI that begins at `position`; no AI is the beginning of another, so there is at most one."""
    for width in (2, 3, 4):
        if ai := APPLICATION_IDENTIFIERS.get(text[position : position + width]):
            return ai
    return None


def is_digits(text: str) -> bool:
    """Whether `text` is ASCII digits only, at least one (`str.isdigit` takes those of every script)."""
    return _DIGITS.fullmatch(text) is not None


def check_digit(payload: str) -> str:
    """The GS1 check digit for the digits before it: weights 3, 1, 3 … from the right, modulo 10."""
    total = sum(int(digit) * (1 if i % 2 else 3) for i, digit in enumerate(reversed(payload)))
    return str(-total % 10)


def gtin_fault(value: str, *, lengths: tuple[int, ...] = GTIN_LENGTHS) -> Fault | None:
    """What is wrong with a GTIN, or None."""
    if value and not is_digits(value):
        return Fault(Reason.BAD_CHARACTER, "The GTIN has a character that is no digit. Scan the pack again.")
    if len(value) > max(lengths):
        return Fault(Reason.TOO_LONG, f"A GTIN has at most {max(lengths)} digits. Send it as printed.")
    if len(value) not in lengths:
        wanted = ", ".join(map(str, lengths))
        return Fault(Reason.BAD_CHECK_DIGIT, f"A GTIN has {wanted} digits, not {len(value)}. Scan again.")
    if check_digit(value[:-1]) != value[-1]:
        return Fault(
            Reason.BAD_CHECK_DIGIT,
            "The check digit of the GTIN is wrong. Compare it with the print on the pack.",
        )
    return None


def text_fault(value: str, *, name: str, missing: Reason) -> Fault | None:
    """What is wrong with a serial or lot (1 to 20 characters of set 82), or None."""
    if not value:
        return Fault(missing, f"The {name} is empty. Scan the pack again or type the {name} as printed.")
    if len(value) > MAX_TEXT:
        return Fault(
            Reason.TOO_LONG,
            f"The {name} has {len(value)} characters, more than {MAX_TEXT}. "
            "Let the scanner send its separators.",
        )
    if not _SET_82.fullmatch(value):
        return Fault(
            Reason.BAD_CHARACTER,
            f"The {name} has a character outside GS1 set 82. Check the scanner's keyboard layout.",
        )
    return None


def message_fault(message: str) -> Fault | None:
    """The first character that neither set 82 nor the separator GS allows in an element string, or None."""
    if wrong := _OUTSIDE_MESSAGE.search(message):
        return Fault(
            Reason.BAD_CHARACTER,
            f"Character {wrong.start() + 1} (U+{ord(wrong[0]):04X}) cannot stand in a pack code. "
            "Check the scanner's keyboard layout and suffix.",
        )
    return None


def fits_when_cut(ai: ApplicationIdentifier, value: str) -> bool:
    """Whether the value only has too much behind it."""
    return any(
        _compiled(ai.pattern).fullmatch(value, 0, end) for end in range(1, min(len(value), LONGEST_VALUE + 1))
    )
