"""The verdict: what a person and a program are told about a pack, built from a decision. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from verifier.domain.lifecycle import (
    DECOMMISSION_REASONS,
    Action,
    Attempt,
    Decision,
    Operation,
    Profile,
    decide,
)
from verifier.domain.pack import Found, Pack, Product, State
from verifier.domain.permissions import may
from verifier.domain.ppn import ntin_to_ppn
from verifier.domain.reasons import IDENTITY_MISSES, REASONS, Signal, words
from verifier.domain.scan import Scan

EXPIRES_SOON = timedelta(days=30)
_REASONS = sorted(DECOMMISSION_REASONS)


@dataclass(frozen=True, slots=True)
class AlertRef:
    """The alert behind a verdict; `count` is how often it was raised at this site on this UTC day."""

    id: str
    code: str
    cause: str
    count: int


@dataclass(frozen=True, slots=True)
class ProductView:
    """Of the product, what the person at the counter can compare with the pack."""

    name: str | None
    strength: str | None = None
    form: str | None = None
    pack_size: str | None = None


@dataclass(frozen=True, slots=True)
class PackView:
    """The pack: as stored when the code matches, else only what was sent. `expiry` may lack the day."""

    gtin: str
    ppn: str | None
    serial: str
    lot: str | None
    expiry: str | None
    state: State | None
    state_since: datetime | None
    product: ProductView | None
    profile: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of every pack route; the contract's section 5."""

    event_id: str
    operation: Operation
    accepted: bool
    signal: Signal
    code: str
    title: str
    advice: str
    notes: tuple[str, ...]
    pack: PackView
    allowed: tuple[Operation, ...]
    alert: AlertRef | None
    received_at: datetime


@dataclass(frozen=True, slots=True)
class ReturnsVerdict(Verdict):
    """The verdict of a returns check: `resale` yes, pending or no, and what to do next."""

    resale: str
    next_step: str


# fmt: off
RESALE: dict[str, tuple[str, str]] = {
    "ok":              ("yes",     "restock"),
    "unknown_product": ("pending", "ask_manufacturer"),
    "unknown_batch":   ("pending", "wait_for_data"),
    "on_hold":         ("pending", "wait_for_release"),
    "withdrawn":       ("no",      "return_to_supplier"),
    "recalled":        ("no",      "return_to_supplier"),
    "expired":         ("no",      "destroy"),
}
# fmt: on
NO_RESALE = ("no", "quarantine")


def build(
    *,
    event_id: str,
    operation: Operation,
    profile: Profile,
    attempt: Attempt,
    found: Found,
    decision: Decision,
    scan: Scan,
    alert: AlertRef | None,
) -> Verdict:
    """The verdict on `found` as it is after the decision."""
    code = decision.code
    title, advice = words(code, operation, scan.context.language)
    verdict = Verdict(
        event_id=event_id,
        operation=operation,
        accepted=decision.accepted,
        signal=REASONS[code].signal,
        code=code,
        title=title,
        advice=advice,
        notes=notes(attempt, found, scan),
        pack=view(profile, found, scan),
        allowed=allowed(profile, attempt, found),
        alert=alert,
        received_at=attempt.now,
    )
    if operation is not Operation.RETURNS_CHECK:
        return verdict
    resale, next_step = RESALE.get(code, NO_RESALE)
    fields = {name: getattr(verdict, name) for name in Verdict.__dataclass_fields__}
    return ReturnsVerdict(**fields, resale=resale, next_step=next_step)


def after(found: Found, attempt: Attempt, target: State) -> Found:
    """What the repository knows once the change is done."""
    assert found.pack is not None  # noqa: S101 - only a stored pack changes
    changed = replace(
        found.pack,
        state=target,
        version=found.pack.version + 1,
        state_since=attempt.now,
        state_site=attempt.site.gln,
    )
    return replace(found, pack=changed)


def matching_pack(found: Found, scan: Scan) -> Pack | None:
    """The stored pack when every element that was sent is its own."""
    pack, code = found.pack, scan.code
    if pack is None or (code.lot is not None and code.lot != pack.lot):
        return None
    return pack if code.expiry is None or code.expiry.same(pack.expiry) else None


def view(profile: Profile, found: Found, scan: Scan) -> PackView:
    """Of a pack that matches, what is stored; else what was sent, and of the product only the name."""
    pack, product, code = matching_pack(found, scan), found.product, scan.code
    if pack is None or product is None:
        return PackView(
            gtin=code.gtin,
            ppn=code.ppn,
            serial=code.serial,
            lot=code.lot,
            expiry=code.expiry.iso() if code.expiry else None,
            state=None,
            state_since=None,
            product=ProductView(product.name) if product else None,
            profile=profile.code,
        )
    return PackView(
        gtin=pack.gtin,
        ppn=product_ppn(product),
        serial=pack.serial,
        lot=pack.lot,
        expiry=pack.expiry.iso(),
        state=pack.state,
        state_since=pack.state_since,
        product=ProductView(product.name, product.strength, product.form, product.pack_size),
        profile=profile.code,
    )


def product_ppn(product: Product) -> str | None:
    """The PPN of the master data, or the one that the product's NTIN stands for."""
    return product.ppn or ntin_to_ppn(product.gtin)


def notes(attempt: Attempt, found: Found, scan: Scan) -> tuple[str, ...]:
    """What is worth knowing beside the code."""
    result = list(scan.code.notes)
    pack = matching_pack(found, scan)
    if pack is not None:
        left = pack.expiry.last_day() - attempt.today
        if timedelta(0) <= left <= EXPIRES_SOON:
            result.append("expires_soon")
    if attempt.offline:
        result.append("offline")
    return tuple(result)


def allowed(profile: Profile, attempt: Attempt, found: Found) -> tuple[Operation, ...]:
    """What this site may do with the pack as it is now."""

    def possible(action: Action) -> bool:
        if not may(attempt.site, action):
            return False
        asked = Attempt(
            action=action,
            code=attempt.code,
            site=attempt.site,
            now=attempt.now,
            today=attempt.today,
            seal=attempt.seal,
            offline=False,
            not_supplied_to_public=True,
        )
        return decide(profile, asked, found).accepted

    if found.pack is None:
        return ()
    result: list[Operation] = []
    if possible(Action.DISPENSE):
        result.append(Operation.DISPENSE)
    if any(possible(reason) for reason in _REASONS):
        result.append(Operation.DECOMMISSION)
    if possible(Action.REACTIVATE):
        result.append(Operation.REACTIVATE)
    return tuple(result)


def is_identity_miss(decision: Decision) -> bool:
    """Was some element of the code not the stored one?"""
    return decision.code in IDENTITY_MISSES
