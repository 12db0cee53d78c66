"""A desk at which tests act: the ports, a clock that stands, sites, and as many fresh packs as they want."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from verifier.domain.expiry import Expiry
from verifier.domain.gs1 import check_digit
from verifier.domain.journal import Alert, AlertQuery, PackEvent, ReferenceEvent
from verifier.domain.lifecycle import Action, Operation
from verifier.domain.pack import Actor, Batch, Pack, Product, Site, SiteType, State
from verifier.domain.pack_code import PackCode
from verifier.domain.ppn import ppn_fault, ppn_to_ntin
from verifier.domain.scan import Context, Scan
from verifier.domain.verdict import Verdict
from verifier.services import packs
from verifier.services.ports import Ports

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
EXPIRY = Expiry(2027, 12, 31)
SCOPES = frozenset({"verify", "dispense", "decommission", "returns", "packs:read", "recalls:write"})
UNDOABLE = [state for state in State if state not in (State.ACTIVE, State.DESTROYED, State.STOLEN)]
OPERATIONS = {Action.DISPENSE: Operation.DISPENSE, Action.REACTIVATE: Operation.REACTIVATE}


def actor(gln: str, kind: SiteType, timezone: str = "UTC") -> Actor:
    return Actor(f"client-{gln}", Site(gln, f"{kind}", kind, "DE", timezone=timezone), SCOPES)


PHARMACY = actor("4012345000016", SiteType.PHARMACY)
OTHER_PHARMACY = actor("4012345000023", SiteType.PHARMACY)
WHOLESALER = actor("4012345000047", SiteType.WHOLESALER)
MANUFACTURER = actor("4000001000005", SiteType.MANUFACTURER)
OTHER_MANUFACTURER = actor("4000002000004", SiteType.MANUFACTURER)
AUTHORITY = actor("4012345000061", SiteType.AUTHORITY)

_numbers = itertools.count(1)


def new_gtin() -> str:
    payload = f"0599{next(_numbers):09d}"
    return payload + check_digit(payload)


def new_ppn() -> str:
    """One whose check digits are right, found by trying them."""
    tried = (f"11{next(_numbers):07d}{last}{check:02d}" for last in range(10) for check in range(100))
    return next((ppn for ppn in tried if ppn_fault(ppn) is None), None) or new_ppn()


class Clock:
    """Stands at `now`, or goes on by `step` with each look."""

    def __init__(self) -> None:
        self.now, self.step = NOW, timedelta(0)

    def __call__(self) -> datetime:
        self.now += self.step
        return self.now

    @contextmanager
    def going(self) -> Iterator[None]:
        self.step = timedelta(seconds=1)
        try:
            yield
        finally:
            self.now, self.step = NOW, timedelta(0)

    @contextmanager
    def at(self, now: datetime) -> Iterator[None]:
        self.now = now
        try:
            yield
        finally:
            self.now = NOW


@dataclass(frozen=True)
class Desk:
    """`put` stores a value, `commands` gives a product's commands and their answers, `ship` sends scans."""

    ports: Ports
    clock: Clock
    put: Callable[[Product | Batch | Pack], None]
    commands: Callable[[str], list[tuple[ReferenceEvent, Any]]]
    ship: Callable[[], object]

    # What there is.

    def product(self, **changed: Any) -> Product:
        given = {"gtin": new_gtin(), "name": "Painaway", "manufacturer_gln": MANUFACTURER.site.gln} | changed
        product = Product(**given)
        self.put(product)
        return product

    def pack(self, state: State = State.ACTIVE, product: Product | None = None, **changed: Any) -> PackCode:
        """The code of a stored pack; one that is not active was changed by the pharmacy an hour ago."""
        product = product or self.product()
        active = state is State.ACTIVE
        given = {
            "gtin": product.gtin,
            "serial": f"S{next(_numbers)}",
            "lot": f"L{next(_numbers)}",
            "expiry": EXPIRY,
            "state": state,
            "version": 0 if active else 1,
            "state_since": NOW - timedelta(hours=1),
            "state_site": None if active else PHARMACY.site.gln,
        }
        stored = Pack(**given | changed)
        self.put(Batch(stored.gtin, stored.lot))
        self.put(stored)
        return PackCode(stored.gtin, stored.serial, stored.lot, stored.expiry, ppn=None, notes=())

    def pack_with_ppn(self) -> tuple[PackCode, str]:
        """A pack under a GTIN of its own, whose code shows the PPN; and that GTIN."""
        ppn = new_ppn()
        stored = self.pack(product=self.product(ppn=ppn))
        ntin = ppn_to_ntin(ppn)
        assert ntin is not None
        return replace(stored, gtin=ntin, ppn=ppn), stored.gtin

    # What is done.

    def look(
        self,
        code: PackCode,
        operation: Operation = Operation.VERIFY,
        *,
        by: Actor = PHARMACY,
        duplicate: bool = False,
        **context: Any,
    ) -> Verdict:
        return packs.look(self.ports, by, operation, Scan(code, Context(**context)), duplicate=duplicate)

    def change(
        self,
        code: PackCode,
        action: Action,
        *,
        by: Actor = PHARMACY,
        key: str | None = None,
        digest: bytes = b"digest",
        declared: bool = True,
        duplicate: bool = False,
        ports: Ports | None = None,
        **context: Any,
    ) -> Any:
        order = packs.Order(
            OPERATIONS.get(action, Operation.DECOMMISSION),
            action,
            Scan(code, Context(**context)),
            key or new_key(),
            digest,
            not_supplied_to_public=declared,
            duplicate=duplicate,
        )
        return packs.change(ports or self.ports, by, order)

    # What was written down.

    def events(self, code: PackCode) -> list[PackEvent]:
        self.ship()
        return list(self.ports.archive.events(code.gtin, code.serial))

    def event(self, code: PackCode) -> PackEvent:
        (event,) = self.events(code)
        return event

    def answer(self, event: PackEvent) -> Any:
        """What was answered, as it was written down."""
        found = self.ports.archive.event(event.event_id)
        assert found is not None
        return msgspec.json.decode(found[1] or b"null")

    def alerts(self, gtin: str) -> list[Alert]:
        return list(self.ports.archive.alerts(AlertQuery(limit=100, gtin=gtin)))

    def stored(self, code: PackCode) -> Pack | None:
        return self.ports.reader.find(code).pack


def plain(verdict: Verdict) -> Any:
    """A verdict as it is written down."""
    return msgspec.json.decode(msgspec.json.encode(verdict))


def new_key() -> str:
    return f"key-{next(_numbers)}"


def local_date(instant: datetime, timezone: str) -> Any:
    return instant.astimezone(ZoneInfo(timezone)).date()
