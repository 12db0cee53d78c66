"""ISO/IEC 15434 envelopes: format 05 with GS1 AIs and format 06 with the data identifiers of IFA.

`[)>` RS `05`|`06` GS … RS EOT; keyboards seldom let RS and EOT through, so the trailer may be missing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from verifier.domain.elements import EXPIRY, GTIN, LOT, PPN, PRODUCTION, SERIAL
from verifier.domain.gs1_message import parse_message
from verifier.domain.pack_code import Reason, Unreadable
from verifier.domain.separated import read_separated
from verifier.domain.splitting import Grammar, Identifier

if TYPE_CHECKING:
    from datetime import date

    from verifier.domain.pack_code import PackCode

_ENVELOPE = re.compile(r"\[\)>\x1e0(?P<format>[56])\x1d(?P<body>.*?)\x1e?\x04?", re.DOTALL)
_HEADER_LOST_CONTROLS = re.compile(r"\[\)>[\x1c-\x1f]?0[56]")

# fmt: off
_DATA_IDENTIFIERS = {
    "9N":  PPN,
    "8P":  GTIN,
    "1T":  LOT,
    "S":   SERIAL,
    "D":   EXPIRY,
    "16D": PRODUCTION,
}
# fmt: on
_KNOWN = re.compile("|".join(_DATA_IDENTIFIERS))
_ANY = re.compile(r"[0-9]{0,3}[A-Z]")


def is_envelope(text: str) -> bool:
    """Whether the text begins with the compliance indicator of ISO/IEC 15434."""
    return text.startswith("[)>")


def parse_envelope(text: str, *, today: date) -> PackCode | Unreadable:
    """Read an envelope of format 05 or 06."""
    envelope = _ENVELOPE.fullmatch(text)
    if envelope and envelope["format"] == "5":
        return parse_message(envelope["body"], today=today)
    if envelope:
        # the GS of the header is the first separator
        return read_separated(f"\x1d{envelope['body']}", _GRAMMAR, today=today)
    if _HEADER_LOST_CONTROLS.match(text):
        return Unreadable(
            Reason.MISSING_SEPARATOR,
            "The control characters RS and GS of the code's header are lost. Let the scanner send them.",
        )
    return Unreadable(
        Reason.NOT_A_PACK_CODE,
        "Of ISO/IEC 15434 only formats 05 and 06 are pack codes. Scan the pack's own code.",
    )


def _identifier_at(text: str, position: int) -> Identifier | None:
    known = _KNOWN.match(text, position)
    return Identifier(len(known[0]), _DATA_IDENTIFIERS[known[0]], None) if known else None


def _begins_with_identifier(text: str) -> bool:
    return _ANY.match(text) is not None


_GRAMMAR = Grammar(
    identifier_at=_identifier_at,
    begins_unknown=_begins_with_identifier,
    needed=(PPN, EXPIRY, LOT, SERIAL),
    hidden=re.compile(f"(?={_KNOWN.pattern})"),
)
