"""Returns sessions: what is expected back, what came, what each pack may do next. Pure values.

A pack is counted once in a session, whoever scans it and however often. Nothing but a counted pack is ever
saleable: a duplicate, a refused case and a closed session answer no.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from verifier.domain.expiry import Expiry
from verifier.domain.lifecycle import Seal
from verifier.domain.resale import ANSWER_DUE, CODES, Asked, Asking, Resale
from verifier.domain.scan import Scan
from verifier.domain.verdict import AlertRef

MOST_PACKS = 10_000
"""In one session; its summary has a line for each."""
MOST_IN_A_CASE = 500
"""A case is counted in one transaction, which has to end soon."""
SUMMARY_TYPE = "returns-summary+jws"
"""`typ` of a signed summary (RFC 7515 section 4.1.9): nothing that asks for an access token takes it."""


class TransactionData(StrEnum):
    """Is the return associated with its transaction information and statement (360eee-1(g)(1)(F))?"""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"

    @property
    def associated(self) -> bool | None:
        """None when nobody said."""
        return None if self is TransactionData.UNKNOWN else self is TransactionData.YES


class Outcome(StrEnum):
    """What became of a scan."""

    COUNTED = "counted"
    DUPLICATE = "duplicate"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ReturnsLine:
    """A line of the list: one pack by its serial, or so many packs of a lot."""

    gtin: str
    serial: str | None
    lot: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Session:
    """A return at one site. `expected` is the number of packs on its list, None without a list."""

    id: UUID
    site_gln: str
    client_id: str
    reference: str
    counterparty_gln: str
    transaction_data: TransactionData
    expected: int | None
    opened_at: datetime
    closed_at: datetime | None = None
    closed_by: str | None = None


@dataclass(frozen=True, slots=True)
class ReturnedPack:
    """A pack that was counted, and what is known of its resale.

    Attributes:
        lot: as stored, or as it was sent for a pack that is not stored or does not match; so is `expiry`.
        sscc: of the case whose label was scanned in its place.
        listed: does it, or its lot, stand on the list? None without a list.
        verdict: the code of our own verdict; None where the network alone was heard.
        asked: what came of asking the network.
        event_id: of the scan that counted it.
        asked_at: when the resale was last decided.
        due_at: of one that waits for an answer, the end of the 24 hours.
    """

    gtin: str
    serial: str
    lot: str | None
    expiry: str | None
    sscc: str | None
    listed: bool | None
    resale: str
    code: str
    next_step: str
    verdict: str | None
    asked: Asked
    corr_uuid: str | None
    responder_gln: str | None
    event_id: UUID
    scanned_at: datetime
    client_id: str
    user: str | None
    asked_at: datetime
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class CasePack:
    """A pack that is stored with the SSCC of its case. `gone`: it has left the supply chain."""

    gtin: str
    serial: str
    lot: str
    expiry: Expiry
    gone: bool


@dataclass(frozen=True, slots=True)
class ReturnsTotals:
    """How a session stands.

    `scanned` = `saleable` + `refused` + `pending` packs. With a list, `scanned` = `matched` + `extra` and
    `expected` = `matched` + `missing`; without one these four are null. `overdue`: without an answer for more
    than 24 hours. `duplicate`: scans of what was counted. `refused_cases`: labels that stood for nothing.
    """

    expected: int | None
    matched: int | None
    extra: int | None
    missing: int | None
    scanned: int
    saleable: int
    refused: int
    pending: int
    overdue: int
    duplicate: int
    refused_cases: int


@dataclass(frozen=True, slots=True)
class FirstScan:
    """Who was first to scan this pack or case in the session."""

    event_id: UUID
    scanned_at: datetime
    client_id: str
    user: str | None


@dataclass(frozen=True, slots=True)
class ReturnsScan:
    """The answer to a scan: of a pack, its resale; of a case, the strictest of its packs'."""

    event_id: UUID
    outcome: Outcome
    resale: str
    code: str
    next_step: str
    title: str
    advice: str
    sscc: str | None
    packs: tuple[ReturnedPack, ...]
    first: FirstScan | None
    alerts: tuple[AlertRef, ...]


@dataclass(frozen=True, slots=True)
class ReturnsEvent:
    """A step of a session, for its journal."""

    session_id: UUID
    event_id: UUID
    operation: str
    code: str
    site_gln: str
    client_id: str
    received_at: datetime
    gtin: str | None = None
    serial: str | None = None
    sscc: str | None = None


@dataclass(frozen=True, slots=True)
class SessionQuery:
    """Which sessions; `before` is the position after which to go on, `limit` the length of a page."""

    limit: int
    site: str | None = None
    status: str | None = None
    reference: str | None = None
    before: tuple[datetime, UUID] | None = None


NOT_ASKED = Asking(Asked.NOT_ASKED)
WITHOUT_ANSWER = frozenset({Asked.NO_ANSWER, Asked.REFUSED, Asked.MALFORMED, Asked.UNKNOWN_GTIN})
"""What comes of a question that nobody has answered."""

# what a scan that counts nothing says, beside the codes of `resale`
# fmt: off
REFUSALS = {
    "duplicate":           Resale("no", "duplicate",           "look_at_first_scan"),
    "case_unknown":        Resale("no", "case_unknown",        "scan_each_pack"),
    "case_empty":          Resale("no", "case_empty",          "scan_each_pack"),
    "case_opened":         Resale("no", "case_opened",         "scan_each_pack"),
    "case_mixed":          Resale("no", "case_mixed",          "scan_each_pack"),
    "case_partly_scanned": Resale("no", "case_partly_scanned", "scan_each_pack"),
    "case_too_large":      Resale("no", "case_too_large",      "scan_each_pack"),
}
# fmt: on
_ORDER = list(CODES)


def case_refusal(packs: list[CasePack], scanned: int) -> str | None:
    """Why the label of a case does not stand for its packs, or None.

    Args:
        packs: all that are stored with its SSCC, or one more than a case may have.
        scanned: how many of them the session has counted already.
    """
    if not packs:
        return "case_unknown"
    if len(packs) > MOST_IN_A_CASE:
        return "case_too_large"
    if len({(pack.gtin, pack.lot) for pack in packs}) > 1:
        return "case_mixed"
    if scanned:
        return "duplicate" if scanned == len(packs) else "case_partly_scanned"
    gone = sum(pack.gone for pack in packs)
    if gone:  # whoever took some out has broken its seal: it vouches for none that is left
        return "case_empty" if gone == len(packs) else "case_opened"
    return None


def scanned_before(refusal: str) -> bool:
    """Has the session counted packs of a case whose label is refused so?"""
    return refusal in ("duplicate", "case_partly_scanned")


def due_at(resale: str, asked: Asked, corr_uuid: str | None, scanned_at: datetime) -> datetime | None:
    """When the answer for a pack is due; None when none is waited for, or no question has left us."""
    waits = resale == "pending" and asked in WITHOUT_ANSWER and corr_uuid is not None
    return scanned_at + ANSWER_DUE if waits else None


def expiry_of(pack: ReturnedPack) -> Expiry | None:
    """Of a counted pack; of a month alone the day is 0."""
    if pack.expiry is None:
        return None
    year, month, *day = map(int, pack.expiry.split("-"))
    return Expiry(year, month, *day or [0])


def contradiction(pack: ReturnedPack, again: Scan) -> str | None:
    """What a second scan of a counted pack says against it, or None.

    Two packages with one serial and different print are the sign of a copy, and a seal may be looked at late.
    """
    if again.context.seal is Seal.BROKEN:
        return "seal_broken"
    lot, expiry, counted = again.code.lot, again.code.expiry, expiry_of(pack)
    same = lot in (None, pack.lot) and (expiry is None or counted is None or expiry.same(counted))
    return None if same else "mismatch"


def strictest(packs: list[ReturnedPack]) -> Resale:
    """What holds for all of them together."""
    return CODES[min((pack.code for pack in packs), key=_ORDER.index)]
