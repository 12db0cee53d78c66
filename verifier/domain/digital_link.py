"""GS1 Digital Link URIs, uncompressed: path /01/{gtin}[/22/…][/10/…][/21/…], all else in the query.

GS1 Digital Link Standard: URI Syntax, clauses 4.5 to 4.11.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from verifier.domain.elements import GTIN, LOT, SERIAL, assemble
from verifier.domain.gs1 import APPLICATION_IDENTIFIERS, GTIN_LENGTH, is_digits
from verifier.domain.pack_code import Fault, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from verifier.domain.elements import Element
    from verifier.domain.pack_code import PackCode, Unreadable

_VARIANT = "22"
_PATH_ORDER = (GTIN, _VARIANT, LOT, SERIAL)

_LINK = re.compile(
    r"https?://[^/?#]+(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?(?:#.*)?", re.IGNORECASE | re.DOTALL
)
_OUTSIDE_URI = re.compile(r"[^!-~]")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_BASE64URL = re.compile(r"[0-9A-Za-z_-]{10,}")
_MIXED_CASE = re.compile(r"[0-9a-z][A-Z]")

_BAD_CHARACTER = Fault(
    Reason.BAD_CHARACTER,
    "The link has a character that no pack code holds. Scan again or use the pack's DataMatrix.",
)
_WRONG_ORDER = Fault(
    Reason.NOT_A_PACK_CODE,
    "The path of the link is not /01/, then /22/, /10/ and /21/ in this order, all else in the query. "
    "Use the pack's DataMatrix.",
)
_COMPRESSED_LINK = Fault(
    Reason.COMPRESSED_LINK, "The link is compressed, which is not read here. Use the pack's DataMatrix."
)
_NO_PRODUCT = Fault(
    Reason.NOT_A_PACK_CODE,
    "The link names no product. Scan the two-dimensional code with the serial on the pack.",
)


def is_link(text: str) -> bool:
    """Whether the text begins as a web address, the scheme in either case."""
    return text[:8].lower().startswith(("http://", "https://"))


def parse_link(uri: str, *, today: date) -> PackCode | Unreadable:
    """Read a Digital Link URI; path segments of the domain's own may stand before /01/."""
    link = _LINK.fullmatch(uri)
    segments = (link["path"] or "").split("/")[1:] if link else []
    start = _find_gtin(segments)
    outside = _BAD_CHARACTER if _OUTSIDE_URI.search(uri) else None
    if start is None:
        compressed = bool(segments) and _is_compressed(segments[-1])
        return assemble([], fault=outside or (_COMPRESSED_LINK if compressed else _NO_PRODUCT), today=today)
    in_path, path_fault = _read_path(segments[start:])
    in_query, query_fault, unknown_ai = _read_query((link and link["query"]) or "", in_path)
    fault = outside or path_fault or query_fault
    return assemble([*in_path, *in_query], fault=fault, unknown_ai=unknown_ai, today=today)


def _find_gtin(segments: Sequence[str]) -> int | None:
    """Where the pack's own path begins: the last 01 before 14 digits, else the first before any digits."""
    followed = {
        i: following
        for i in range(len(segments) - 1)
        if segments[i] == GTIN and (following := _decode(segments[i + 1])) and is_digits(following)
    }
    full = [i for i, following in followed.items() if len(following) == GTIN_LENGTH]
    return full[-1] if full else next(iter(followed), None)


def _read_path(segments: Sequence[str]) -> tuple[list[Element], Fault | None]:
    elements: list[Element] = []
    fault = None
    for ai, segment in zip(segments[::2], segments[1::2], strict=False):
        value = _decode(segment)
        if ai not in _PATH_ORDER:
            fault = fault or _WRONG_ORDER
        elif value is None:
            fault = fault or _BAD_CHARACTER
        else:
            elements.append((ai, value))
    places = [_PATH_ORDER.index(ai) for ai, _ in elements]
    if len(segments) % 2:
        fault = fault or (_COMPRESSED_LINK if _is_compressed(segments[-1]) else _WRONG_ORDER)
    if places != sorted(set(places)):
        fault = fault or _WRONG_ORDER
    return elements, fault


def _read_query(query: str, in_path: list[Element]) -> tuple[list[Element], Fault | None, bool]:
    """The query's elements, what is wrong with it, and whether an unknown AI was skipped."""
    elements: list[Element] = []
    fault = None
    unknown_ai = False
    for parameter in re.split("[&;]", query):
        ai, _, escaped = parameter.partition("=")
        value = _decode(escaped)
        if not is_digits(ai):
            continue  # an extension of the link, such as linkType
        if ai not in APPLICATION_IDENTIFIERS:
            unknown_ai = True
        elif value is None:
            fault = fault or _BAD_CHARACTER
        else:
            if ai in _PATH_ORDER and ai not in dict(in_path):
                fault = fault or _WRONG_ORDER
            elements.append((ai, value))
    return elements, fault, unknown_ai


def _decode(segment: str) -> str | None:
    """Percent-decoded ASCII; None for anything else."""
    if not segment.isascii() or _BROKEN_ESCAPE.search(segment):
        return None
    try:
        return unquote_to_bytes(segment).decode("ascii")
    except UnicodeDecodeError:
        return None


def _is_compressed(segment: str) -> bool:
    """Base64url text such as GS1's compression makes: long, upper case in the middle of a word."""
    return bool(_BASE64URL.fullmatch(segment) and _MIXED_CASE.search(segment))
