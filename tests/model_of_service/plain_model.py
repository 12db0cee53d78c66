"""The contract in plain Python: dictionaries and ifs, none of the service's own code.

It says what the service must answer to a request and what must stand in a pack's history afterwards.
"""

import calendar
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Day = tuple[int, int, int]
Name = tuple[str, str]

LOOKS = ("verify", "returns_check")
COUNTER = {"pharmacy", "hospital"}
TRADE = {"wholesaler", "manufacturer"}
MISSES = {"unknown_serial": "A3", "unknown_batch": "A2", "lot_mismatch": "A68", "expiry_mismatch": "A52"}
PLAIN_ALERTS = {"seal_broken": "ATD", "already_destroyed": "DES", "undo_state_mismatch": "A24"}
PENDING = {"unknown_product", "unknown_batch", "on_hold"}
UNDOABLE = {"dispensed", "exported", "sample", "free_sample", "locked", "checked_out"}
FOR_TRADE_ONLY = {"exported", "free_sample", "checked_out"}


@dataclass(frozen=True)
class Site:
    name: str
    gln: str
    kind: str
    zone: str


@dataclass(frozen=True)
class Request:
    site: Site
    operation: str
    gtin: str
    serial: str
    lot: str
    expiry: Day
    reason: str | None = None
    seal: str = "not_checked"
    entry_mode: str = "scanned"
    offline: bool = False
    occurred_at: datetime | None = None
    declared: bool = False
    sequence: int | None = None
    key: str | None = None

    @property
    def pack(self) -> Name:
        return self.gtin, self.serial

    @property
    def changes(self) -> bool:
        return self.operation not in LOOKS

    @property
    def wanted(self) -> str | None:
        """The state that is asked for."""
        return "dispensed" if self.operation == "dispense" else self.reason


@dataclass
class Product:
    profile: str
    withdrawn: bool = False


@dataclass
class Batch:
    recalled: bool = False
    on_hold: bool = False

    @property
    def status(self) -> str:
        return "recalled" if self.recalled else "on_hold" if self.on_hold else "active"


@dataclass
class Pack:
    lot: str
    expiry: Day
    state: str = "active"
    since: datetime | None = None
    by: str | None = None
    version: int = 0
    repeats: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Expected:
    """`fault` is a problem's code; else all the rest is a verdict's."""

    status: int
    fault: str | None = None
    replayed: bool = False
    code: str | None = None
    signal: str | None = None
    accepted: bool | None = None
    alert: tuple[str, int] | None = None
    allowed: tuple[str, ...] = ()
    state: str | None = None
    notes: tuple[str, ...] = ()
    resale: str | None = None


class Model:
    def __init__(self, now: datetime) -> None:
        self.now = now
        self.products: dict[str, Product] = {}
        self.batches: dict[Name, Batch] = {}
        self.packs: dict[Name, Pack] = {}
        self.keys: dict[Name, Request] = {}
        self.sequences: set[tuple[str, int]] = set()
        self.alerts: Counter[tuple[str, str, str, str, date]] = Counter()
        self.slips: Counter[tuple[str, str, date]] = Counter()
        self.history: dict[Name, list[dict[str, Any]]] = {}

    def load(self, gtin: str, serial: str, lot: str, expiry: Day, profile: str) -> None:
        self.products.setdefault(gtin, Product(profile))
        self.batches.setdefault((gtin, lot), Batch())
        self.packs[gtin, serial] = Pack(lot, expiry)

    def command(self, name: str, gtin: str, lot: str) -> str:
        """Recall, hold, release, withdraw; the status that is answered."""
        if name == "withdraw":
            self.products[gtin].withdrawn = True
            return "withdrawn"
        batch = self.batches.setdefault((gtin, lot), Batch())
        if name == "recall":
            batch.recalled = True
        else:
            batch.on_hold = name == "hold"
        return batch.status

    def ask(self, request: Request) -> Expected:
        """What is answered now; all that the request changes is changed."""
        if not may(request.site.kind, request.operation, request.reason):
            return Expected(403, "not_for_this_site")
        if request.changes:
            key = (request.site.name, str(request.key))
            if key in self.keys:
                same = self.keys[key] == request
                return Expected(200, replayed=True) if same else Expected(422, "idempotency_key_reused")
            if request.sequence is not None:
                if (request.site.gln, request.sequence) in self.sequences:
                    return Expected(409, "device_sequence_reused")
                self.sequences.add((request.site.gln, request.sequence))
            self.keys[key] = request
        return self.decide(request)

    def decide(self, request: Request) -> Expected:
        pack = self.packs.get(request.pack)
        before, code = pack and pack.state, self.code(request)
        alert = self.alert(request, code)
        if code == "ok" and request.changes:
            assert pack is not None
            pack.state = "active" if request.operation == "reactivate" else str(request.wanted)
            pack.since, pack.by, pack.version = self.now, request.site.gln, pack.version + 1
            pack.repeats.clear()
        moved = code == "ok" and request.changes
        self.history.setdefault(request.pack, []).append(
            {
                "operation": request.operation,
                "reason": request.reason,
                "code": code,
                "accepted": code == "ok",
                "version": pack.version if pack and moved else None,
                "state_before": before,
                "state_after": pack and pack.state,
                "site": request.site.gln,
                "received_at": self.now,
            }
        )
        return Expected(
            status=409 if request.changes and code != "ok" else 200,
            code=code,
            signal=signal(code),
            accepted=code == "ok",
            alert=alert,
            allowed=self.allowed(request),
            state=pack.state if pack and not self.miss(request) else None,
            notes=self.notes(request),
            resale=resale(code) if request.operation == "returns_check" else None,
        )

    def miss(self, request: Request) -> str | None:
        pack = self.packs.get(request.pack)
        if request.gtin not in self.products:
            return "unknown_product"
        if pack is None:
            return "unknown_serial" if (request.gtin, request.lot) in self.batches else "unknown_batch"
        if pack.lot != request.lot:
            return "lot_mismatch"
        return None if same_day(pack.expiry, request.expiry) else "expiry_mismatch"

    def code(self, request: Request) -> str:
        return self.miss(request) or self.overlay(request) or self.by_state(request) or "ok"

    def overlay(self, request: Request) -> str | None:
        if request.operation == "reactivate" or request.reason in ("destroyed", "stolen", "locked"):
            return None
        if request.seal == "broken":
            return "seal_broken"
        product, batch = self.products[request.gtin], self.batches[request.gtin, request.lot]
        if product.withdrawn:
            return "withdrawn"
        if batch.recalled:
            return "recalled"
        if self.expired(request):
            return "expired"
        return "on_hold" if batch.on_hold else None

    def by_state(self, request: Request) -> str | None:
        pack = self.packs[request.pack]
        if request.operation == "reactivate":
            return self.undo(request)
        if pack.state == "active" or (pack.state == "locked" and request.reason in ("destroyed", "stolen")):
            return None
        own = pack.by == request.site.gln
        if own and pack.state in UNDOABLE:
            return "already_done_here"
        if request.offline and request.changes and not own:
            return "replay_conflict"
        return f"already_{pack.state}"

    def undo(self, request: Request) -> str | None:
        pack = self.packs[request.pack]
        if pack.state == "active":
            return "undo_state_mismatch"
        if pack.state not in UNDOABLE:
            return "undo_not_possible"
        refused = {
            "undo_other_site": pack.by != request.site.gln,
            "undo_too_late": self.too_late(request),
            "undo_expired": self.expired(request),
            "undo_recalled": self.batches[request.gtin, pack.lot].recalled
            or self.products[request.gtin].withdrawn,
            "undo_supplied_to_public": self.european(request)
            and pack.state == "dispensed"
            and not request.declared,
        }
        return next((code for code, holds in refused.items() if holds), None)

    def too_late(self, request: Request) -> bool:
        pack = self.packs[request.pack]
        assert pack.since is not None
        limited = self.european(request) and pack.state != "locked"
        return limited and self.now - pack.since > timedelta(hours=240)

    def european(self, request: Request) -> bool:
        return self.products[request.gtin].profile == "eu_fmd"

    def alert(self, request: Request, code: str) -> tuple[str, int] | None:
        raised = self.hub_code(request, code)
        if raised is None:
            return None
        if code in MISSES and request.entry_mode == "manual":
            slip = (request.site.gln, request.gtin, self.now.date())
            self.slips[slip] += 1
            if self.slips[slip] <= 5:
                return None
        product = self.products.get(request.gtin)
        if product and product.profile == "us_dscsa":
            raised = "SUSPECT"
        alert = (*request.pack, request.site.gln, raised, self.now.date())
        self.alerts[alert] += 1
        return raised, self.alerts[alert]

    def hub_code(self, request: Request, code: str) -> str | None:
        pack = self.packs.get(request.pack)
        if code == "already_done_here" and request.changes:
            assert pack is not None
            pack.repeats[request.site.gln] += 1
            return "A24" if pack.repeats[request.site.gln] >= 4 else None
        if code == "replay_conflict":
            return "A24"
        if code in MISSES or code in PLAIN_ALERTS:
            return MISSES.get(code) or PLAIN_ALERTS[code]
        if code.startswith("already_") and code != "already_done_here":
            return "A7" if pack and request.wanted == pack.state else "A24"
        return None

    def allowed(self, request: Request) -> tuple[str, ...]:
        """What this site could do now, the circumstances of the scan being as they are."""

        def possible(operation: str, reason: str | None = None) -> bool:
            asked = replace(request, operation=operation, reason=reason, offline=False, declared=True)
            return may(request.site.kind, operation, reason) and self.code(asked) == "ok"

        reasons = ("destroyed", "exported", "sample", "free_sample", "stolen", "locked", "checked_out")
        result = ["dispense"] if possible("dispense") else []
        result += ["decommission"] if any(possible("decommission", reason) for reason in reasons) else []
        result += ["reactivate"] if possible("reactivate") else []
        return tuple(result)

    def notes(self, request: Request) -> tuple[str, ...]:
        offline = ("offline",) if request.offline else ()
        if self.miss(request):
            return offline
        left = last_day(self.packs[request.pack].expiry) - self.today(request.site)
        return ("expires_soon", *offline) if timedelta(0) <= left <= timedelta(days=30) else offline

    def expired(self, request: Request) -> bool:
        return self.today(request.site) > last_day(self.packs[request.pack].expiry)

    def today(self, site: Site) -> date:
        return self.now.astimezone(ZoneInfo(site.zone)).date()


def may(kind: str, operation: str, reason: str | None) -> bool:
    """Section 2's second table."""
    if operation == "dispense":
        return kind in COUNTER | {"wholesaler"}
    if operation == "returns_check":
        return kind in COUNTER | TRADE
    if reason in FOR_TRADE_ONLY:
        return kind in TRADE
    return kind in TRADE | {"authority"} if reason == "stolen" else True


def signal(code: str) -> str:
    return {"ok": "green", "unknown_product": "amber", "already_done_here": "amber"}.get(code, "red")


def resale(code: str) -> str:
    return "yes" if code == "ok" else "pending" if code in PENDING else "no"


def last_day(day: Day) -> date:
    year, month, number = day
    return date(year, month, number or calendar.monthrange(year, month)[1])


def same_day(one: Day, other: Day) -> bool:
    return one[:2] == other[:2] and (one[2] == other[2] or 0 in (one[2], other[2]))


START = datetime(2027, 3, 10, 23, 30, tzinfo=UTC)
"""Half an hour before midnight, so that the sites' days differ and UTC's soon changes."""
