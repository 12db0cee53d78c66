"""Expiry dates as a pack prints them: YYMMDD, where day 00 names the month only."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date

_YYMMDD = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{2})")
_ISO = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")

# GS1 General Specifications, clause 7.12: the century that lies nearest to the reader's year
_LAST_CENTURY_FROM = 51
_NEXT_CENTURY_FROM = -50


@dataclass(frozen=True, slots=True, order=True)
class Expiry:
    """An expiry date. `day` 0 means that only the month was printed, and is kept so."""

    year: int
    month: int
    day: int

    def iso(self) -> str:
        """`2027-12-31`, or `2027-12` when only the month was printed."""
        month = f"{self.year:04}-{self.month:02}"
        return f"{month}-{self.day:02}" if self.day else month

    def yymmdd(self) -> str:
        """The form of AI 17 and DI D, `271231` or `271200`."""
        return f"{self.year % 100:02}{self.month:02}{self.day:02}"

    def number(self) -> int:
        """The date as the integer YYYYMMDD, `20271231` or `20271200`, for storage."""
        return (self.year * 100 + self.month) * 100 + self.day

    @classmethod
    def from_number(cls, n: int) -> Expiry:
        """The reverse of `number`."""
        month_number, day = divmod(n, 100)
        year, month = divmod(month_number, 100)
        return cls(year, month, day)

    def last_day(self) -> date:
        """The last day on which the pack is in date; of a month its last."""
        return date(self.year, self.month, self.day or calendar.monthrange(self.year, self.month)[1])

    def same(self, other: Expiry) -> bool:
        """Whether both name the same date; a day 00 on either side compares the month."""
        if (self.year, self.month) != (other.year, other.month):
            return False
        return self.day == other.day or not (self.day and other.day)


def parse_expiry(text: str, *, today: date) -> Expiry | None:
    """Read `YYMMDD` or `YYYY-MM-DD`, day 00 allowed; None when it is neither or no such day exists.

    The two-digit year falls into the century chosen by GS1's sliding window around `today`.
    """
    if short := _YYMMDD.fullmatch(text):
        year, month, day = (int(part) for part in short.groups())
        year += _century(year, today.year)
    elif long := _ISO.fullmatch(text):
        year, month, day = (int(part) for part in long.groups())
    else:
        return None
    try:
        date(year, month, day or 1)
    except ValueError:
        return None
    return Expiry(year, month, day)


def _century(two_digits: int, year_now: int) -> int:
    century = year_now - year_now % 100
    difference = two_digits - year_now % 100
    if difference >= _LAST_CENTURY_FROM:
        return century - 100
    if difference <= _NEXT_CENTURY_FROM:
        return century + 100
    return century
