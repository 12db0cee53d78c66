"""The look-up directory: which verification service answers for a GTIN, by the expiry date of the pack.

Several entries a GTIN are allowed, after a merger or a change of provider; their spans of expiry dates never
overlap (GS1 US guideline for LMS, clause 6.1).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from verifier.domain.expiry import Expiry
from verifier.domain.gs1 import GTIN_LENGTH, gtin_fault

FIRST, LAST = 0, 99991231
"""YYYYMMDD for a span that is open at its beginning or its end."""
FIELDS = ("gtin", "url", "start_exp_date", "end_exp_date", "owner_gln", "contact",
          "external", "resolver", "removed")  # fmt: skip
IGNORED = frozenset({"updated_at"})
LONGEST_URL = 500
LONGEST_CONTACT = 200

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# servers take such steps for a way up or leave them out: the address would not begin with what it shows
_ODD_STEP = re.compile(r"(?i)/(?:\.|%2e){1,2}(?=[/;]|$)|//|\\|%2f|%5c")
_BOOL = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}
_GLN_DIGITS = 13


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the directory; (gtin, start) is its key.

    Attributes:
        gtin: 14 digits.
        url: where the service is, without the path of the standard; https, or http on the loopback.
        start: the first expiry date of the span, YYYYMMDD; FIRST when open.
        end: the last one, likewise; LAST when open.
        owner_gln: whose product it is.
        contact: whom to call when the service does not answer.
        external: served by another provider, not by ourselves.
        resolver: the address is a resolver's, which redirects to the service.
        removed: no longer in force; kept, so that whoever pulls changes learns of it.
        updated_at: when it became so here.
    """

    gtin: str
    url: str
    start: int = FIRST
    end: int = LAST
    owner_gln: str | None = None
    contact: str | None = None
    external: bool = True
    resolver: bool = False
    removed: bool = False
    updated_at: datetime | None = None

    def covers(self, expiry: Expiry) -> bool:
        """Is a pack of this expiry date this entry's? Day 00 is the month's last day."""
        return self.start <= int(expiry.last_day().strftime("%Y%m%d")) <= self.end

    def fields(self) -> dict[str, Any]:
        """As it is exported: `start_exp_date` and `end_exp_date` as YYYY-MM-DD or None."""
        return {
            "gtin": self.gtin,
            "url": self.url,
            "start_exp_date": _iso(self.start) if self.start != FIRST else None,
            "end_exp_date": _iso(self.end) if self.end != LAST else None,
            "owner_gln": self.owner_gln,
            "contact": self.contact,
            "external": self.external,
            "resolver": self.resolver,
            "removed": self.removed,
            "updated_at": self.updated_at,
        }


def choose(entries: Iterable[Entry], expiry: Expiry) -> Entry | None:
    """The entry in force for a pack of this expiry date."""
    return next((entry for entry in entries if not entry.removed and entry.covers(expiry)), None)


def overlap(entries: Iterable[Entry], new: Entry) -> Entry | None:
    """The entry in force that stands in the way of a new one; the one that it replaces does not."""
    if new.removed:
        return None
    for entry in entries:
        other = entry.gtin == new.gtin and entry.start != new.start and not entry.removed
        if other and entry.start <= new.end and new.start <= entry.end:
            return entry
    return None


def read_entry(fields: Mapping[str, Any], *, loopback: bool = False) -> Entry | str:
    """An entry from the fields of a line, texts or JSON values; or a sentence about what is wrong.

    Args:
        fields: those of FIELDS; `gtin` and `url` are needed, None and "" stand for nothing.
        loopback: may the address be http on the loopback?
    """
    given = {name: value for name, value in fields.items() if value not in (None, "")}
    if unknown := sorted(set(given) - {*FIELDS, *IGNORED}):
        return f"unknown field {unknown[0]}"
    wrong = [name for name in FIELDS if not isinstance(given.get(name, ""), str | bool)]
    if wrong:
        return f"{wrong[0]} must be text"
    texts = {name: str(value).strip() for name, value in given.items() if name not in IGNORED}
    start, end = _number(texts, "start_exp_date", FIRST), _number(texts, "end_exp_date", LAST)
    flags = {name: _BOOL.get(texts.get(name, "").lower()) for name in ("external", "resolver", "removed")}
    if "external" not in texts:
        flags["external"] = True
    fault = (
        _code_fault(texts)
        or url_fault(texts.get("url", ""), loopback=loopback)
        or (None if start is not None else "start_exp_date is not a day, YYYY-MM-DD")
        or (None if end is not None else "end_exp_date is not a day, YYYY-MM-DD")
        or next((f"{name} is true or false" for name, flag in flags.items() if flag is None), None)
        or _contact_fault(texts.get("contact", ""))
    )
    if fault is not None or start is None or end is None:
        return fault or "no such day"
    if start > end:
        return "start_exp_date lies after end_exp_date"
    return Entry(
        gtin=texts["gtin"].rjust(GTIN_LENGTH, "0"),
        url=texts["url"].rstrip("/"),
        start=start,
        end=end,
        owner_gln=texts.get("owner_gln"),
        contact=texts.get("contact"),
        external=bool(flags["external"]),
        resolver=bool(flags["resolver"]),
        removed=bool(flags["removed"]),
    )


def url_fault(url: str, *, loopback: bool = False) -> str | None:
    """What is wrong with the address of a service, or None."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "url is no address"
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > LONGEST_URL or not host:
        return f"url is no address of at most {LONGEST_URL} characters"
    if "@" in parts.netloc:
        return "url holds a name or a password; credentials belong into the file of the requestor"
    if parts.query or parts.fragment or "?" in url or "#" in url:
        return "url has a query or a fragment"
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback and is_loopback(host)):
        return "url must be https, or http on this machine where the requestor's file says loopback"
    odd = "\\" in parts.netloc or _ODD_STEP.search(parts.path)
    return "url has a step of its path that is empty, of dots, or with a slash in it" if odd else None


def is_loopback(host: str) -> bool:
    """Is this literal address the machine's own?"""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _code_fault(texts: Mapping[str, str]) -> str | None:
    fault = gtin_fault(texts["gtin"]) if texts.get("gtin") else None
    if fault is not None or not texts.get("gtin"):
        return fault.detail if fault else "gtin is missing"
    if "owner_gln" in texts and gtin_fault(texts["owner_gln"], lengths=(_GLN_DIGITS,)):
        return "owner_gln is not 13 digits with a right check digit"
    return None


def _contact_fault(contact: str) -> str | None:
    if len(contact) > LONGEST_CONTACT or not contact.isprintable():
        return f"contact is not printable text of at most {LONGEST_CONTACT} characters"
    return None


def _number(texts: Mapping[str, str], name: str, otherwise: int) -> int | None:
    text = texts.get(name)
    if text is None:
        return otherwise
    try:
        day = date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None
    return int(day.strftime("%Y%m%d")) if day is not None else None


def _iso(number: int) -> str:
    return Expiry.from_number(number).iso()
