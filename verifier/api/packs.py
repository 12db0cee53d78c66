"""Verify, dispense, decommission, reactivate, check a return, read: one pack a request."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from flask import Response, request
from flask_smorest import Blueprint

from verifier import metrics
from verifier.api import schemas
from verifier.api.bodies import convert, digest, idempotency_key, invalid, json_body, parameters
from verifier.api.openapi import body, faults, query, verdict
from verifier.api.problems import Problem, of_fault
from verifier.api.runtime import language, ports
from verifier.api.security import lacks_scope, secured
from verifier.domain import permissions
from verifier.domain.codes import PackCode, Unreadable, from_elements, parse
from verifier.domain.journal import Fault, Replay
from verifier.domain.lifecycle import Action, Operation
from verifier.domain.pack import Actor
from verifier.domain.permissions import ACTIONS
from verifier.domain.scan import Context, Device, Scan
from verifier.domain.verdict import ReturnsVerdict, Verdict
from verifier.services import packs

blueprint = Blueprint("packs", __name__, url_prefix="/v1", description="One pack, one answer.")
AHEAD = timedelta(minutes=5)
RAW_LIMIT = 512
ELEMENTS = ("gtin", "ppn", "serial", "lot", "expiry")


@blueprint.post("/verify")
@body(schemas.PackIn)
@verdict(Verdict, "What this pack is; green only when it is genuine, active and free to go on.")
@faults(400, 401, 403, 413, 415, 422)
@secured("verify")
def verify(actor: Actor) -> Response:
    """What is this pack?"""
    return look(actor, Operation.VERIFY)


@blueprint.post("/returns/check")
@body(schemas.PackIn)
@verdict(ReturnsVerdict, "The verdict, and whether the pack may be resold.")
@faults(400, 401, 403, 413, 415, 422)
@secured("returns", types=permissions.RETURNS_CHECK)
def returns_check(actor: Actor) -> Response:
    """May this returned pack be resold?"""
    return look(actor, Operation.RETURNS_CHECK)


@blueprint.post("/dispense")
@body(schemas.PackIn, keyed=True)
@verdict(Verdict, "Supplied to a patient.", refused=True)
@faults(400, 401, 403, 413, 415, 422)
@secured("dispense", types=ACTIONS[Action.DISPENSE])
def dispense(actor: Actor) -> Response:
    """Record the supply to a patient."""
    sent = json_body()
    scan = scan_of(actor, Operation.DISPENSE, convert(sent, schemas.PackIn))
    return change(actor, Operation.DISPENSE, Action.DISPENSE, scan, sent)


@blueprint.post("/decommission")
@body(schemas.DecommissionIn, keyed=True)
@verdict(Verdict, "Out of the supply chain.", refused=True)
@faults(400, 401, 403, 413, 415, 422)
@secured("decommission")
def decommission(actor: Actor) -> Response:
    """Take a pack out of the supply chain."""
    sent = json_body()
    wanted = convert(sent, schemas.DecommissionIn)
    action = Action(wanted.reason.value)
    if not permissions.may(actor.site, action):
        raise Problem(
            "not_for_this_site", f"A site of type {actor.site.type} may not record a pack as {action}."
        )
    return change(actor, Operation.DECOMMISSION, action, scan_of(actor, Operation.DECOMMISSION, wanted), sent)


@blueprint.post("/reactivate")
@body(schemas.ReactivateIn, keyed=True)
@verdict(Verdict, "Active again.", refused=True)
@faults(400, 401, 403, 413, 415, 422)
@secured("dispense", "decommission")
def reactivate(actor: Actor) -> Response:
    """Undo the site's own change."""
    sent = json_body()
    wanted = convert(sent, schemas.ReactivateIn)
    scan = scan_of(actor, Operation.REACTIVATE, wanted)
    return change(
        actor,
        Operation.REACTIVATE,
        Action.REACTIVATE,
        scan,
        sent,
        not_supplied_to_public=wanted.not_supplied_to_public,
    )


@blueprint.get("/packs")
@query(gtin="GTIN", serial="Serial number", lot="Lot, unless you may read all", expiry="Expiry, likewise")
@verdict(Verdict, "The pack, read without an alert (Art. 36(f)).")
@faults(401, 403, 404, 422)
@secured("packs:read")
def read(actor: Actor) -> Response:
    """Read a pack without raising an alert."""
    code = elements_of(convert(parameters("gtin", "serial", "lot", "expiry"), schemas.PackIn))
    verdict = packs.read(ports(), actor, Scan(code, Context(language=language())))
    if isinstance(verdict, Fault):
        raise of_fault(verdict)
    return answer(verdict)


def look(actor: Actor, operation: Operation) -> Response:
    """Verify or check a return: always 200."""
    scan = scan_of(actor, operation, convert(json_body(), schemas.PackIn))
    return answer(packs.look(ports(), actor, operation, scan))


def change(
    actor: Actor,
    operation: Operation,
    action: Action,
    scan: Scan,
    sent: Any,
    *,
    not_supplied_to_public: bool = False,
) -> Response:
    """A change under the request's idempotency key: 200, or 409 with the same verdict when it is refused."""
    order = packs.Order(
        operation=operation,
        action=action,
        scan=scan,
        key=idempotency_key(),
        digest=digest(request.path, sent),
        not_supplied_to_public=not_supplied_to_public,
    )
    outcome = packs.change(ports(), actor, order)
    if isinstance(outcome, Fault):
        raise lacks_scope(outcome.detail) if outcome.code == "insufficient_scope" else of_fault(outcome)
    if isinstance(outcome, Replay):
        return replay(outcome)
    return answer(outcome)


def answer(verdict: Verdict) -> Response:
    """The verdict over HTTP."""
    metrics.SCANS.labels(verdict.operation, verdict.code).inc()
    if verdict.alert is not None:
        metrics.ALERTS.labels(verdict.alert.code).inc()
    looked = verdict.operation in (Operation.VERIFY, Operation.READ, Operation.RETURNS_CHECK)
    status = 200 if looked or verdict.accepted else 409
    response = Response(msgspec.json.encode(verdict), status, content_type="application/json")
    response.headers["Content-Language"] = language()
    return response


def replay(stored: Replay) -> Response:
    """What was answered the first time, word for word."""
    response = Response(stored.answer, 200 if stored.accepted else 409, content_type="application/json")
    response.headers["Idempotency-Replayed"] = "true"
    return response


def scan_of(actor: Actor, operation: Operation, sent: schemas.PackIn) -> Scan:
    """The pack code and its circumstances.

    Raises:
        Problem: 422 `unreadable_code` (recorded when product code and serial are legible) or
            `invalid_request`.
    """
    context = context_of(sent)
    if sent.code is None:
        scan = Scan(elements_of(sent), context)
    else:
        for name in ELEMENTS:
            if getattr(sent, name) is not None:
                raise invalid(name, "Send the raw code or the elements, not both.")
        scan = Scan(code_of(actor, operation, sent.code, context), context)
    missing = packs.missing_elements(ports(), scan)
    if not missing:
        return scan
    if sent.code is None:
        raise Problem(
            "invalid_request",
            f"This product's regulation asks for {' and '.join(missing)}.",
            errors={name: ["This element is missing."] for name in missing},
        )
    lacking = Unreadable(
        f"missing_{missing[0]}",
        f"The code carries no {missing[0]}; scan the square code on the pack, or type all four elements.",
        scan.code.gtin,
        scan.code.serial,
    )
    raise unreadable(actor, operation, lacking, context)


def code_of(actor: Actor, operation: Operation, raw: str, context: Context) -> PackCode:
    """The raw code read."""
    parsed = parse(raw, today=ports().clock().date())
    if isinstance(parsed, Unreadable):
        raise unreadable(actor, operation, parsed, context)
    return parsed


def unreadable(actor: Actor, operation: Operation, what: Unreadable, context: Context) -> Problem:
    """The problem, after the attempt was written down."""
    packs.record_unreadable(ports(), actor, operation, what, context)
    metrics.SCANS.labels(operation, "unreadable_code").inc()
    return Problem("unreadable_code", what.detail, reason=str(what.reason))


def elements_of(sent: schemas.PackIn) -> PackCode:
    """The elements read; every wrong one is named."""
    code = from_elements(
        gtin=sent.gtin,
        ppn=sent.ppn,
        serial=sent.serial or "",
        lot=sent.lot,
        expiry=sent.expiry,
        today=ports().clock().date(),
    )
    if isinstance(code, PackCode):
        return code
    errors: dict[str, list[str]] = {}
    for error in code:
        errors.setdefault(error.field, []).append(error.detail)
    raise Problem("invalid_request", "The pack cannot be identified by what was sent.", errors=errors)


def context_of(sent: schemas.PackIn) -> Context:
    """The circumstances of the scan."""
    device = sent.device
    return Context(
        entry_mode=sent.entry_mode,
        seal=sent.seal,
        occurred_at=claimed_time(sent.occurred_at),
        offline=sent.offline,
        device=Device(device.id, device.sequence) if device else None,
        user=sent.user,
        reference=sent.reference,
        raw=sent.code[:RAW_LIMIT].encode("unicode_escape").decode() if sent.code is not None else None,
        language=language(),
    )


def claimed_time(given: datetime | None) -> datetime | None:
    """When it happened by the clock of the device, in UTC."""
    if given is None:
        return None
    try:
        claimed = given.astimezone(UTC)
    except OverflowError:
        raise invalid("occurred_at", "This lies before the year 1.") from None
    if claimed > ports().clock() + AHEAD:
        raise invalid("occurred_at", "This lies in the future; check the clock of the device.")
    return claimed
