"""Text as people type it and hand scanners send it, with the separators put back.

Only what cannot be pack data is touched: data is of GS1 character set 82 (GS1 General Specifications, figure
7.11-1), and whatever holds a character outside of it stands for a separator. `<GS>` alone is within the set,
and is read as a separator only where the text makes no complete pack without.
"""

import re
from datetime import date

from verifier.domain.codes import PackCode, parse

GS, RS, EOT = "\x1d", "\x1e", "\x04"

_WRAPPING = " \t\r\n\x02\x03\ufeff"  # what scanners and the clipboard put around a code
_IDENTIFIER = re.compile(r"\][A-Za-z][0-9A-Za-z]")  # ISO/IEC 15424
_LINK = re.compile(r"https?://", re.IGNORECASE)
_BEFORE_BRACKET = re.compile(rf"[\s{GS}]+(?=\()")

# Longer ones first: `^]` holds `]`, and `[GS]` does too.
_SEPARATOR = re.compile(r"\{GS\}|\[GS\]|\[F8\]|\\u001d|\\x1d|\\F|~d029|~1|\^\]|[\]|#@␝↔\x1b ]", re.IGNORECASE)
_PERHAPS_SEPARATOR = re.compile(r"<GS>", re.IGNORECASE)
_RECORD = re.compile(r"<RS>|\{RS\}|\[RS\]|\\u001e|\\x1e|~d030|\^\^|␞", re.IGNORECASE)
_END = re.compile(r"<EOT>|\{EOT\}|\[EOT\]|\\u0004|\\x04|~d004|\^D|␄", re.IGNORECASE)


def as_code(text: str, *, today: date) -> str:
    """The code that a text stands for, with U+001D as separator; an AIM identifier before it is kept.

    Digital Link addresses are left alone; bracketed text loses blanks and separators before its brackets;
    envelopes of format 05 and 06 get their RS and EOT back too.
    """
    text = text.strip(_WRAPPING)
    found = _IDENTIFIER.match(text)
    identifier = found[0] if found else ""
    data = text[len(identifier) :].lstrip(_WRAPPING)
    if _LINK.match(data):
        return identifier + data
    if data.startswith("("):
        return identifier + _BEFORE_BRACKET.sub("", data)
    if data.startswith("[)>"):
        return identifier + _envelope(data)
    return identifier + _element_string(data, identifier, today)


def _envelope(data: str) -> str:
    head, rest = data[:3], _END.sub(EOT, _RECORD.sub(RS, data[3:]))
    rest = _SEPARATOR.sub(GS, rest)
    return head + (rest if GS in rest else _PERHAPS_SEPARATOR.sub(GS, rest))


def _element_string(data: str, identifier: str, today: date) -> str:
    data = _SEPARATOR.sub(GS, data)
    if GS not in data and not _complete(identifier + data, today):
        data = _PERHAPS_SEPARATOR.sub(GS, data)
    return re.sub(f"{GS}+", GS, data).strip(GS)


def _complete(code: str, today: date) -> bool:
    pack = parse(code, today=today)
    if not isinstance(pack, PackCode) or "separator_restored" in pack.notes:
        return False
    return pack.lot is not None and pack.expiry is not None
