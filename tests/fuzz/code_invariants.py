"""What must hold for every text that a scanner or a caller can send as a pack code."""

import re
from datetime import date

from verifier.domain.codes import FieldError, PackCode, Unreadable, element_string, from_elements, parse
from verifier.domain.gs1 import check_digit

TODAY = date(2026, 11, 21)
_SET_82 = re.compile(r"[!\"%-?A-Z_a-z]{1,20}")
_GTIN = re.compile(r"[0-9]{14}")
_TELLING = 8  # a serial as long as this, with a digit, stands in no sentence of ours by accident

SEEDS = (
    "]d20105012345678900172712311010ABC\x1d21SER10NO1",
    "]d2010501234567890021SER\x1d17271200\x1d10LOT",
    "]C10105012345678900\x1d17271231\x1d10A\x1d21B\x1d240XYZ\x1d7101234567",
    "0105012345678900172712311010ABC21SERIAL0000001",
    "(01)05012345678900(17)271231(10)L\\(1(21)S1",
    "https://id.gs1.org/01/05012345678900/10/A%2FB/21/S%20?17=271231&linkType=x",
    "]d1https://a.example/x/01/05012345678900/22/V/10/L/21/S",
    "https://a.example/AQnYUc1gmiCNV4JGNAbCD",
    "[)>\x1e06\x1d9N111234567842\x1d1TLOT\x1dD271231\x1dSSER\x1e\x04",
    "]d1[)>\x1e05\x1d0105012345678900\x1d17271231\x1d10L\x1d21S",
    "]Q3010501234567890011260101\x1d16260101\x1d3103000123\x1d00123456789012345675\x1d21A\x1d10B\x1d17280229",
    "\x0005012345678900\x00\x00S1\x00L1\x00271231",
    "\x00\x00111234567842\x00S1\x00\x002027-12-00",
)


def check(text: str) -> None:
    """Raise AssertionError when something does not hold. A text of `\\0` gtin `\\0` ppn … is elements."""
    result = _elements(text) if text.startswith("\0") else parse(text, today=TODAY)
    if isinstance(result, PackCode):
        check_accepted(result)
    elif isinstance(result, Unreadable):
        check_refused(result, text)
    else:
        assert result
        assert all(isinstance(error, FieldError) and error.detail for error in result)


def check_accepted(code: PackCode) -> None:
    assert _GTIN.fullmatch(code.gtin), code.gtin
    assert check_digit(code.gtin[:-1]) == code.gtin[-1]
    assert _SET_82.fullmatch(code.serial), code.serial
    assert code.lot is None or _SET_82.fullmatch(code.lot), code.lot
    again = parse(element_string(code), today=TODAY)
    assert isinstance(again, PackCode), again
    assert not again.notes
    if code.expiry and not _in_window(code.expiry.year):
        return  # a date with four digits of the year may lie where two digits cannot reach
    assert (again.gtin, again.serial, again.lot, again.expiry) == (
        code.gtin,
        code.serial,
        code.lot,
        code.expiry,
    )


def check_refused(refused: Unreadable, text: str) -> None:
    assert refused.reason
    assert refused.detail.isascii()
    assert refused.gtin is None or _GTIN.fullmatch(refused.gtin), refused.gtin
    assert refused.serial is None or _SET_82.fullmatch(refused.serial), refused.serial
    for word in {refused.serial, *re.split(r"[\x00-\x20]", text)} - {None}:
        telling = len(word) >= _TELLING and any(char.isdigit() for char in word)
        assert not (telling and word in refused.detail), refused.detail


def _in_window(year: int) -> bool:
    return TODAY.year - 49 <= year <= TODAY.year + 50


def _elements(text: str) -> PackCode | tuple[FieldError, ...]:
    gtin, ppn, serial, lot, expiry = ([*text[1:].split("\0"), "", "", "", "", ""])[:5]
    return from_elements(
        gtin=gtin or None,
        ppn=ppn or None,
        serial=serial,
        lot=lot or None,
        expiry=expiry or None,
        today=TODAY,
    )
