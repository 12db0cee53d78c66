"""Questions to the network and what is kept of them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from verifier.domain.codes import PackCode
from verifier.domain.directory import Entry
from verifier.domain.lms import LmsAnswer
from verifier.domain.resale import ANSWER_DUE, Asked, Asking, Resale
from verifier.domain.verdict import AlertRef

UNSENT = frozenset({"unknown_host", "address_not_allowed", "no_token"})
"""Faults of an exchange in which the question has not left us: no clock of the peer begins with it."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question about one pack; `code` has its lot and its expiry date."""

    code: PackCode
    entry: Entry
    context: str
    req_gln: str
    corr_uuid: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request to a peer and what came back, as evidence.

    Attributes:
        number: 1 for the first try.
        request_line: method and target as sent, with scheme and host.
        sent_at: by our clock.
        milliseconds: until the answer was read, or given up.
        status: of the answer, None when there was none.
        body: of the answer, cut at the limit.
        fault: in a few words why this is no answer, None when it is one.
    """

    number: int
    request_line: str
    sent_at: datetime
    milliseconds: float
    status: int | None = None
    body: str | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of a question for a pack that is to be sold again, with the alert that it has raised."""

    asking: Asking
    resale: Resale
    alert: AlertRef | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a question; `answer` only when a peer answered by the standard."""

    asked: Asked
    answer: LmsAnswer | None = None
    responder_gln: str | None = None
    detail: str | None = None
    exchanges: tuple[Exchange, ...] = ()

    @property
    def sent(self) -> bool:
        """Has the question left us?"""
        return any(exchange.fault not in UNSENT for exchange in self.exchanges)


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question with its outcome, as it is written down."""

    question_id: UUID
    code: PackCode
    context: str
    site_gln: str
    client_id: str
    asking: Asking
    resale: Resale
    exchanges: tuple[Exchange, ...]


@dataclass(frozen=True, slots=True)
class Pending:
    """A pack that a site has asked about without an answer.

    The answer is due at `due_at`, 24 hours after the first question that was sent to anybody; where nobody
    is listed for the GTIN nobody was asked, and nothing is due.
    """

    gtin: str
    serial: str
    lot: str
    expiry: str
    code: str
    times: int
    first_asked_at: datetime
    last_asked_at: datetime
    due_at: datetime | None
    detail: str | None


def due_at(first_sent_at: datetime | None) -> datetime | None:
    """When the answer is due; None while nothing was sent."""
    return None if first_sent_at is None else first_sent_at + ANSWER_DUE
