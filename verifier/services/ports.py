"""What the use cases need of the world. Storage satisfies these by shape."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

from verifier.domain.codes import PackCode
from verifier.domain.expiry import Expiry
from verifier.domain.journal import (
    Alert,
    AlertQuery,
    Claim,
    Fault,
    NewAlert,
    PackEvent,
    ReferenceEvent,
    Replay,
)
from verifier.domain.lms import LmsAnswer
from verifier.domain.pack import Actor, Found, Pack, Product, State
from verifier.domain.questions import AskedQuestion, Heard
from verifier.domain.resale import Noted
from verifier.domain.returns import (
    CasePack,
    ReturnedPack,
    ReturnsEvent,
    ReturnsLine,
    ReturnsTotals,
    Session,
    SessionQuery,
)
from verifier.domain.scan import Device, Scan
from verifier.domain.verdict import AlertRef
from verifier.services.ports_vrs import Vrs

Result = TypeVar("Result")
Answer = Any
"""A frozen dataclass that the contract shows: a Verdict or the answer of a command."""


class Reader(Protocol):
    """Scan-time look-ups. May answer from a cache, but never with less than the last acknowledged change."""

    def find(self, code: PackCode) -> Found:
        """What is known of this code, now."""


class Returns(Protocol):
    """Returns sessions, in a transaction."""

    def claim(self, claim: Claim) -> Replay | Fault | None:
        """Take the idempotency key; the stored answer when it was used before, None when it is ours now."""

    def stored(self, claim: Claim) -> Replay | Fault | None:
        """The stored answer, None when the key was not used before; nothing is taken."""

    def open(self, session: Session, lines: Sequence[ReturnsLine]) -> None:
        """Write it down with its list."""

    def read(self, session_id: UUID) -> tuple[Session, str | None] | None:
        """The session, and its summary once it is closed."""

    def hold(self, session_id: UUID) -> Session | None:
        """The session, that nobody closes before the end of this transaction."""

    def associate(self, session_id: UUID) -> None:
        """From now on the return has its transaction data."""

    def seize(self, session_id: UUID) -> Session | None:
        """The session for ourselves alone, after every scan that is under way."""

    def close(self, session: Session, answer: Answer) -> None:
        """For ever, with the answer that it got."""

    def page(self, query: SessionQuery) -> Sequence[Session]:
        """Newest first."""

    def is_listed(self, session_id: UUID, gtin: str, serial: str, lot: str | None) -> bool:
        """Does the pack, or its lot, stand on the list?"""

    def count(self, session_id: UUID, pack: ReturnedPack, expiry: Expiry | None) -> bool:
        """Count it; False when somebody was first, who has committed by now."""

    def counted(self, session_id: UUID) -> int:
        """How many packs were."""

    def lock(self, session_id: UUID, gtin: str, serial: str) -> ReturnedPack | None:
        """A pack that was counted; nobody renews it before the end of this transaction."""

    def answer(self, pack: ReturnedPack) -> LmsAnswer | None:
        """What the network has said of a pack, where it is written down."""

    def renew(self, session_id: UUID, pack: ReturnedPack) -> None:
        """What is known of a pack by now."""

    def doubtful(self, session_id: UUID, since: datetime, today: date, limit: int) -> list[ReturnedPack]:
        """Saleable ones, judged before `since`, against which our own repository has something by now."""

    def case(self, session_id: UUID, sscc: str) -> tuple[list[CasePack], int]:
        """The packs that are stored with this SSCC, and how many of them are counted already."""

    def pending(self, session_id: UUID, limit: int) -> list[ReturnedPack]:
        """Those that were asked about longest ago."""

    def packs(self, session_id: UUID) -> list[ReturnedPack]:
        """All that were counted."""

    def missing(self, session_id: UUID, limit: int | None = None) -> list[ReturnsLine]:
        """What of the list has not come."""

    def totals(self, session_id: UUID, now: datetime) -> ReturnsTotals:
        """How the session stands."""

    def record(self, event: ReturnsEvent, answer: Answer) -> None:
        """Write the step down, with its answer."""


class Transaction(Protocol):
    """One database transaction: all of it or nothing."""

    @property
    def returns(self) -> Returns:
        """The returns sessions."""

    def claim(self, claim: Claim, code: PackCode | None, gtin: str) -> Replay | Fault | None:
        """Take the idempotency key for a pack, or without a code for a command on a product.

        The stored answer when the key was used before, None when it is ours now.
        """

    def claim_device(self, site_gln: str, device: Device, event_id: UUID) -> bool:
        """Take the device's sequence number at this site; False when it was used before."""

    def find(self, code: PackCode) -> Found:
        """What is known of this code, from the database itself."""

    def move(self, pack: Pack, target: State, site_gln: str, now: datetime) -> bool:
        """Compare-and-set on the pack's version; False when somebody was first."""

    def count(self, site_gln: str, scope: str) -> int:
        """Count one more, and say how many there are now."""

    def raise_alert(self, alert: NewAlert) -> AlertRef:
        """Raise it, or count once more the one that is there."""

    def record(self, event: PackEvent, answer: Answer | None) -> None:
        """Write the attempt down, with the answer that it got."""

    def product(self, gtin: str) -> Product | None:
        """The product of that GTIN; locked until the end of the transaction."""

    def mark_batch(self, gtin: str, lot: str, *, recalled: bool | None, on_hold: bool | None) -> str:
        """Set the overlays that are given, creating the batch when unknown; its status word."""

    def put_product(self, product: Product) -> bool:
        """Write the master data, new or changed; False when another product has its PPN."""

    def record_reference(self, event: ReferenceEvent, answer: Answer) -> None:
        """Write the command down, with its answer; every process forgets its copies before the answer."""

    def noted(self, code: PackCode, found: Found) -> Noted:
        """What is written down about the lot and the pack, beside what was found."""

    def record_question(self, question: AskedQuestion) -> None:
        """Keep a question to the network with all that was exchanged; it stays pending, or no longer."""


class Store(Protocol):
    """The database behind transactions."""

    def run(self, work: Callable[[Transaction], Result]) -> Result:
        """Run `work` in one transaction and commit; again when the database asks for it.

        On return the change is durable and no reader sees the state before it. When `work` returns a
        Fault, nothing is kept.
        """


class Scans(Protocol):
    """Where accepted, read-only scans are written down; they arrive in the archive within two seconds."""

    def record(self, event: PackEvent, answer: Answer) -> None:
        """Safe from a kill -9 of any process when this returns."""


class Archive(Protocol):
    """Reads of what was written down."""

    def product(self, gtin: str) -> Product | None:
        """The product of that GTIN."""

    def events(self, gtin: str, serial: str) -> Sequence[PackEvent]:
        """All attempts on this pack, oldest first."""

    def event(self, event_id: UUID) -> tuple[PackEvent, bytes | None] | None:
        """One attempt with the answer that it got; a scan on its way is waited for, a second at most."""

    def alert(self, alert_id: UUID) -> Alert | None:
        """One alert."""

    def alerts(self, query: AlertQuery) -> Sequence[Alert]:
        """Alerts, newest first."""


class Ask(Protocol):
    """Asks the network about a pack that is not ours."""

    def __call__(
        self, ports: "Ports", actor: Actor, scan: Scan, *, context: str, associated: bool | None
    ) -> Heard:
        """What it said, and what follows for a resale."""


Sign = Callable[[str, Mapping[str, Any]], str]
"""From a type and a payload to a JWS in compact form (RFC 7515), by the service's own key."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything a use case may touch.

    `local_date` gives an instant's date in an IANA time zone. `ask`: None where nobody is asked. A pack
    with fewer than `window_days` left is not sold again.
    """

    reader: Reader
    store: Store
    scans: Scans
    archive: Archive
    clock: Callable[[], datetime]
    new_id: Callable[[], UUID]
    local_date: Callable[[datetime, str], date]
    vrs: Vrs
    sign: Sign
    ask: Ask | None = None
    window_days: int = 0
