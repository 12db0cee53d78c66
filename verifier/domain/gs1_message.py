"""GS1 element strings: as a scanner sends them, with separators, and as people read them, in brackets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from verifier.domain.elements import EXPIRY, GTIN, LOT, SERIAL, assemble
from verifier.domain.gs1 import APPLICATION_IDENTIFIERS, GS, ai_at, is_digits, message_fault
from verifier.domain.pack_code import Fault, Reason
from verifier.domain.separated import read_separated
from verifier.domain.splitting import Grammar, Identifier

if TYPE_CHECKING:
    from datetime import date

    from verifier.domain.elements import Element
    from verifier.domain.pack_code import PackCode, Unreadable

_BRACKETED = re.compile(r"\(([0-9]{2,4})\)((?:\\\(|[^(])*)")
_NOT_BRACKETED = Fault(
    Reason.BAD_CHARACTER,
    r"An opening bracket belongs before an Application Identifier; in the data write it as \(.",
)


def parse_message(message: str, *, today: date) -> PackCode | Unreadable:
    """Read an element string without its AIM prefix, elements of variable length ended by GS (U+001D)."""
    # FNC1 in first place is no separator, but some scanners send it as one
    return read_separated(message.removeprefix(GS), _GRAMMAR, today=today)


def parse_bracketed(text: str, *, today: date) -> PackCode | Unreadable:
    r"""Read human readable text such as `(01)…(21)…`, where `\(` is a bracket in the data."""
    elements: list[Element] = []
    unknown_ai = False
    position = 0
    while match := _BRACKETED.match(text, position):
        code, value = match.groups()
        if code in APPLICATION_IDENTIFIERS:
            elements.append((code, value.replace(r"\(", "(")))
        else:
            unknown_ai = True
        position = match.end()
    fault = message_fault(text.replace(r"\(", "(")) or (_NOT_BRACKETED if position < len(text) else None)
    return assemble(elements, fault=fault, unknown_ai=unknown_ai, today=today)


def _identifier_at(text: str, position: int) -> Identifier | None:
    ai = ai_at(text, position)
    return Identifier(len(ai.code), ai.code, ai.length) if ai else None


def _begins_with_digits(text: str) -> bool:
    return is_digits(text[:2])


# Behind a separator or a predefined length any AI of the table may stand. In the middle of a value only
# those are looked for that medicine packs carry: the four, production date, additional identification and
# the national numbers. Internal AIs (90 to 99) would turn nearly every serial of digits into a riddle.
_GRAMMAR = Grammar(
    identifier_at=_identifier_at,
    begins_unknown=_begins_with_digits,
    needed=(GTIN, EXPIRY, LOT, SERIAL),
    hidden=re.compile("(?=01|17|10|21|11|240|71[0-7])"),
)
