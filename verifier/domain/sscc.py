"""SSCC, AI 00: the number of a case or pallet, 18 digits (GS1 General Specifications 3.2)."""

import re

from verifier.domain.gs1 import check_digit, is_digits
from verifier.domain.pack_code import Reason, Unreadable

DIGITS = 18
_CODE = re.compile(r"(?:(?:\](?:C1|d2|e0|Q3|J1))?\x1d?00|\(00\))([0-9]{18})\x1d?")
_WRONG = Unreadable(
    Reason.BAD_CHECK_DIGIT, "The check digit of the SSCC is wrong. Scan the label of the case again."
)


def is_sscc(text: str) -> bool:
    """18 digits of which the last one is right."""
    return len(text) == DIGITS and is_digits(text) and check_digit(text[:-1]) == text[-1]


def parse_sscc(raw: str) -> str | Unreadable | None:
    """The SSCC of a label that carries nothing else; None when this is no such label.

    `(00)…`, or an element string with the prefix of a GS1 carrier or none.
    """
    found = _CODE.fullmatch(raw)
    if found is None:
        return None
    return found[1] if is_sscc(found[1]) else _WRONG
