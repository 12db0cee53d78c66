"""Verify, read, check a return, and every change of a pack: decide first, then write, then answer."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from verifier.domain import reasons
from verifier.domain.codes import Unreadable
from verifier.domain.journal import Claim, Fault, NewAlert, PackEvent, Replay
from verifier.domain.lifecycle import Action, Attempt, Decision, Operation, Profile, decide, identity
from verifier.domain.pack import Actor, Found, State
from verifier.domain.permissions import may_read
from verifier.domain.profiles import DEFAULT, load
from verifier.domain.scan import Context, EntryMode, Scan
from verifier.domain.verdict import AlertRef, Verdict, after, build, is_identity_miss
from verifier.services.ports import Ports, Transaction

DUPLICATE = Decision("duplicate_in_request")
TYPING_SLIPS = 5
"""Identity misses by hand that a site may have for one GTIN on one UTC day before they raise an alert."""


@dataclass(frozen=True, slots=True)
class Judged:
    """An attempt and what became of it, from which alert, verdict and event are made.

    `found` is what the rules decided on; `now` what is stored afterwards.
    """

    event_id: UUID
    actor: Actor
    operation: Operation
    scan: Scan
    attempt: Attempt
    profile: Profile
    found: Found
    decision: Decision
    now: Found

    @property
    def gtin(self) -> str:
        """The GTIN under which the product stands, also when its PPN or NTIN was sent; else as sent."""
        return self.found.standing(self.scan.code.gtin)


@dataclass(frozen=True, slots=True)
class Order:
    """A change that is asked for: which, on what, under which idempotency key and digest.

    `duplicate`: the same pack with the same operation stood in this request before.
    """

    operation: Operation
    action: Action
    scan: Scan
    key: str
    digest: bytes
    not_supplied_to_public: bool = False
    duplicate: bool = False


def look(ports: Ports, actor: Actor, operation: Operation, scan: Scan, *, duplicate: bool = False) -> Verdict:
    """What is this pack? Never changes it; recorded, and may raise an alert, except when only read.

    Art. 11, 36(a) for verify; Art. 36(f) for read. `duplicate`: it stood in this request before.
    """
    found = ports.reader.find(scan.code)
    profile = profile_of(found)
    attempt = attempt_of(ports, actor, Action.LOOK, scan)
    decision = DUPLICATE if duplicate else decide(profile, attempt, found)
    judged = Judged(ports.new_id(), actor, operation, scan, attempt, profile, found, decision, found)
    if not decision.accepted:
        return ports.store.run(lambda tx: conclude(tx, ports, judged))
    verdict = verdict_of(judged, None)
    ports.scans.record(event_of(judged), verdict)
    return verdict


def change(ports: Ports, actor: Actor, order: Order) -> Verdict | Replay | Fault:
    """Dispense, decommission, reactivate: exactly once for its key, recorded also when it is refused.

    The answer is given only when the change is durable and no reader can see the state before it.
    """
    scan = order.scan
    declared = order.not_supplied_to_public
    attempt = attempt_of(ports, actor, order.action, scan, not_supplied_to_public=declared)
    event_id = ports.new_id()
    claim = Claim(actor.client_id, order.key, order.digest, event_id, attempt.now)

    def work(tx: Transaction) -> Verdict | Replay | Fault:
        taken = tx.claim(claim, scan.code, scan.code.gtin)
        if taken is not None:
            return taken
        device = scan.context.device
        if device is not None and not tx.claim_device(actor.site.gln, device, event_id):
            return Fault(
                "device_sequence_reused", "This device has used this sequence number before; count on."
            )
        found, profile, decision = settle(tx, actor, attempt, scan, duplicate=order.duplicate)
        if order.action is Action.REACTIVATE:
            fault = undo_scope(actor, found, decision)
            if fault is not None:
                return fault
        now = after(found, attempt, decision.target) if decision.target else found
        judged = Judged(event_id, actor, order.operation, scan, attempt, profile, found, decision, now)
        return conclude(tx, ports, judged)

    return ports.store.run(work)


def conclude(tx: Transaction, ports: Ports, judged: Judged) -> Verdict:
    """Raise the alert, write the attempt down, and say what to answer."""
    silent = judged.operation is Operation.READ
    verdict = verdict_of(judged, None if silent else raise_alert(tx, ports, judged))
    tx.record(event_of(judged), verdict)
    return verdict


def verdict_of(judged: Judged, alert: AlertRef | None) -> Verdict:
    """What to answer."""
    return build(
        event_id=str(judged.event_id),
        operation=judged.operation,
        profile=judged.profile,
        attempt=judged.attempt,
        found=judged.now,
        decision=judged.decision,
        scan=judged.scan,
        alert=alert,
    )


def settle(
    tx: Transaction, actor: Actor, attempt: Attempt, scan: Scan, *, duplicate: bool
) -> tuple[Found, Profile, Decision]:
    """Decide on what is stored and move the pack by compare-and-set; decide again when somebody was first."""
    while True:
        found = tx.find(scan.code)
        profile = profile_of(found)
        decision = DUPLICATE if duplicate else decide(profile, attempt, found)
        if decision.target is None or found.pack is None:
            return found, profile, decision
        if undo_scope(actor, found, decision) and attempt.action is Action.REACTIVATE:
            return found, profile, decision
        if tx.move(found.pack, decision.target, actor.site.gln, attempt.now):
            return found, profile, decision


def undo_scope(actor: Actor, found: Found, decision: Decision) -> Fault | None:
    """An undo needs the scope of the change that it undoes."""
    if found.pack is None or is_identity_miss(decision) or found.pack.state is State.ACTIVE:
        return None
    needed = "dispense" if found.pack.state is State.DISPENSED else "decommission"
    if needed in actor.scopes:
        return None
    return Fault("insufficient_scope", needed)


def profile_of(found: Found) -> Profile:
    """The regulation of the product; the default one while the product is unknown."""
    return load(found.product.profile if found.product else DEFAULT)


def missing_elements(ports: Ports, scan: Scan) -> tuple[str, ...]:
    """Which elements beside product code and serial the product's regulation asks for and the code lacks."""
    if scan.code.lot is not None and scan.code.expiry is not None:
        return ()
    needed = profile_of(ports.reader.find(scan.code)).needed
    return tuple(name for name in needed if getattr(scan.code, name) is None)


def attempt_of(
    ports: Ports, actor: Actor, action: Action, scan: Scan, *, not_supplied_to_public: bool = False
) -> Attempt:
    """The attempt with its one clock reading."""
    now = ports.clock()
    return Attempt(
        action=action,
        code=scan.code,
        site=actor.site,
        now=now,
        today=ports.local_date(now, actor.site.timezone),
        seal=scan.context.seal,
        offline=scan.context.offline,
        not_supplied_to_public=not_supplied_to_public,
    )


def raise_alert(tx: Transaction, ports: Ports, judged: Judged) -> AlertRef | None:
    """The alert of this decision, after a site's own repeats and typing slips are counted out."""
    pack, code, profile = judged.found.pack, judged.decision.code, judged.profile
    site, scan, attempt = judged.actor.site.gln, judged.scan, judged.attempt
    alert = reasons.alert_code(profile, attempt, code, pack.state if pack else None)
    if code == "already_done_here" and attempt.action is not Action.LOOK and pack is not None:
        repeats = tx.count(site, f"repeat:{pack.gtin}:{pack.serial}:{pack.version}")
        if repeats > profile.quiet_repeats:
            alert = reasons.repeat_alert_code(profile, code)
    if alert is None:
        return None
    if scan.context.entry_mode is EntryMode.MANUAL and is_identity_miss(judged.decision):
        slips = tx.count(site, f"slip:{judged.gtin}:{attempt.now.date()}")
        if slips <= TYPING_SLIPS:
            return None
    return tx.raise_alert(
        NewAlert(
            alert_id=ports.new_id(),
            gtin=judged.gtin,
            serial=scan.code.serial,
            lot=scan.code.lot,
            expiry=scan.code.expiry,
            site_gln=site,
            client_id=judged.actor.client_id,
            code=alert,
            cause=code,
            operation=judged.operation,
            event_id=judged.event_id,
            raised_at=attempt.now,
            details=details_of(scan.context),
        )
    )


def event_of(judged: Judged) -> PackEvent:
    """The attempt as it is written down: who, when, what was scanned, what was found and decided."""
    before, now = judged.found.pack, judged.now.pack
    attempt, scan, decision = judged.attempt, judged.scan, judged.decision
    return PackEvent(
        event_id=judged.event_id,
        gtin=judged.gtin,
        serial=scan.code.serial,
        operation=judged.operation,
        reason=attempt.action.value if judged.operation is Operation.DECOMMISSION else None,
        code=decision.code,
        accepted=decision.accepted,
        version=now.version if now and decision.target else None,
        state_before=before.state if before else None,
        state_after=now.state if now else None,
        site_gln=judged.actor.site.gln,
        client_id=judged.actor.client_id,
        received_at=attempt.now,
        occurred_at=scan.context.occurred_at,
        details=details_of(scan.context) | sent(scan),
    )


def sent(scan: Scan) -> dict[str, Any]:
    """The elements as they were sent, for whoever compares them with the print."""
    expiry = scan.code.expiry.iso() if scan.code.expiry else None
    return {"lot": scan.code.lot, "expiry": expiry, "ppn": scan.code.ppn}


def details_of(context: Context) -> dict[str, Any]:
    """The circumstances that were given; what is absent is left out."""
    device = context.device
    given: dict[str, Any] = {
        "entry_mode": context.entry_mode,
        "seal": context.seal,
        "offline": context.offline or None,
        "device": {"id": device.id, "sequence": device.sequence} if device else None,
        "user": context.user,
        "reference": context.reference,
        "raw": context.raw,
    }
    return {name: value for name, value in given.items() if value is not None}


def record_unreadable(
    ports: Ports, actor: Actor, operation: Operation, unreadable: Unreadable, context: Context
) -> None:
    """Write down an attempt whose code could not be read, when a product code and a serial could.

    Refusing to look must not hide a falsification.
    """
    if unreadable.gtin is None or unreadable.serial is None:
        return
    event = PackEvent(
        event_id=ports.new_id(),
        gtin=unreadable.gtin,
        serial=unreadable.serial,
        operation=operation,
        reason=str(unreadable.reason),
        code="unreadable_code",
        accepted=False,
        version=None,
        state_before=None,
        state_after=None,
        site_gln=actor.site.gln,
        client_id=actor.client_id,
        received_at=ports.clock(),
        occurred_at=context.occurred_at,
        details=details_of(context),
    )
    ports.store.run(lambda tx: tx.record(event, None))


def read(ports: Ports, actor: Actor, scan: Scan) -> Verdict | Fault:
    """Read without an alert (Art. 36(f)).

    Only owner, authority and operator may leave out lot and expiry, and are told which element does not
    match; for the others a mismatch is the same `not_found` as an unknown pack.
    """
    nothing = Fault("not_found", "No pack is known by these elements.")
    found = ports.reader.find(scan.code)
    if found.product is None or found.pack is None:
        return nothing
    matches = identity(scan.code, found) is None
    full = scan.code.lot is not None and scan.code.expiry is not None
    if not may_read(actor.site, found.product, all_elements=full and matches):
        return nothing
    return look(ports, actor, Operation.READ, scan)
