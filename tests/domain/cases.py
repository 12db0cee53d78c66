"""Short ways to a pack, a site and an attempt, all of them in order unless a test says otherwise."""

from datetime import UTC, datetime
from typing import Any

from verifier.domain.expiry import Expiry
from verifier.domain.lifecycle import Action, Attempt, Decision, Profile, decide
from verifier.domain.pack import Batch, Found, Pack, Product, Site, SiteType, State
from verifier.domain.pack_code import PackCode
from verifier.domain.scan import Context, Scan

GTIN = "05012345678900"
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
EXPIRY = Expiry(2027, 12, 31)

HERE = Site("4012345000016", "corner pharmacy", SiteType.PHARMACY, "DE")
ELSEWHERE = Site("4012345000023", "other pharmacy", SiteType.PHARMACY, "DE")
WHOLESALER = Site("4012345000047", "wholesaler", SiteType.WHOLESALER, "DE")
MANUFACTURER = Site("4000001000005", "manufacturer", SiteType.MANUFACTURER, "DE")
AUTHORITY = Site("4012345000061", "authority", SiteType.AUTHORITY, "DE")

PRODUCT = Product(GTIN, "Painaway", "500 mg", "tablet", "20", manufacturer_gln=MANUFACTURER.gln)


def code(**changed: Any) -> PackCode:
    given = {"gtin": GTIN, "serial": "S1", "lot": "ABC123", "expiry": EXPIRY, "ppn": None, "notes": ()}
    return PackCode(**(given | changed))


def attempt(action: Action, **changed: Any) -> Attempt:
    given = {
        "code": code(),
        "site": HERE,
        "now": NOW,
        "today": changed.get("now", NOW).date(),
        "not_supplied_to_public": True,
    }
    return Attempt(action, **(given | changed))


def pack(state: State = State.ACTIVE, **changed: Any) -> Pack:
    given = {
        "gtin": GTIN,
        "serial": "S1",
        "lot": "ABC123",
        "expiry": EXPIRY,
        "state": state,
        "version": 0 if state is State.ACTIVE else 1,
        "state_since": NOW,
        "state_site": None if state is State.ACTIVE else HERE.gln,
    }
    return Pack(**(given | changed))


def found(stored: Pack | None, product: Product | None = PRODUCT, **batch: bool) -> Found:
    return Found(product, stored, Batch(GTIN, stored.lot, **batch) if stored else None, lot_known=True)


def judge(profile: Profile, action: Action, stored: Pack, **changed: Any) -> Decision:
    return decide(profile, attempt(action, **changed), found(stored))


def scan(sent: PackCode | None = None, **context: Any) -> Scan:
    return Scan(sent or code(), Context(**context))
