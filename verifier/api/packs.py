"""Verify, dispense, decommission, reactivate, check a return, read: one pack a request."""

from flask import Response
from flask_smorest import Blueprint

from verifier.api import operations, schemas
from verifier.api.bodies import convert, idempotency_key, json_body, parameters
from verifier.api.openapi import body, faults, query, verdict
from verifier.api.problems import of_fault
from verifier.api.runtime import language, ports
from verifier.api.scans import elements_of
from verifier.api.security import secured
from verifier.domain.journal import Fault, Replay
from verifier.domain.pack import Actor
from verifier.domain.scan import Context, Scan
from verifier.domain.verdict import ReturnsVerdict, Verdict
from verifier.services import packs

blueprint = Blueprint("packs", __name__, url_prefix="/v1", description="One pack, one answer.")


@blueprint.post("/verify")
@body(schemas.PackIn)
@verdict(Verdict, "What this pack is; green only when it is genuine, active and free to go on.")
@faults(400, 401, 403, 413, 415, 422)
@secured(*operations.VERIFY.scopes)
def verify(actor: Actor) -> Response:
    """What is this pack?"""
    return respond(actor, operations.VERIFY)


@blueprint.post("/returns/check")
@body(schemas.PackIn)
@verdict(ReturnsVerdict, "The verdict, and whether the pack may be resold.")
@faults(400, 401, 403, 413, 415, 422)
@secured(*operations.RETURNS_CHECK.scopes, types=operations.RETURNS_CHECK.types)
def returns_check(actor: Actor) -> Response:
    """May this returned pack be resold?"""
    return respond(actor, operations.RETURNS_CHECK)


@blueprint.post("/dispense")
@body(schemas.PackIn, keyed=True)
@verdict(Verdict, "Supplied to a patient.", refused=True)
@faults(400, 401, 403, 413, 415, 422)
@secured(*operations.DISPENSE.scopes, types=operations.DISPENSE.types)
def dispense(actor: Actor) -> Response:
    """Record the supply to a patient."""
    return respond(actor, operations.DISPENSE)


@blueprint.post("/decommission")
@body(schemas.DecommissionIn, keyed=True)
@verdict(Verdict, "Out of the supply chain.", refused=True)
@faults(400, 401, 403, 413, 415, 422)
@secured(*operations.DECOMMISSION.scopes)
def decommission(actor: Actor) -> Response:
    """Take a pack out of the supply chain."""
    return respond(actor, operations.DECOMMISSION)


@blueprint.post("/reactivate")
@body(schemas.ReactivateIn, keyed=True)
@verdict(Verdict, "Active again.", refused=True)
@faults(400, 401, 403, 413, 415, 422)
@secured(*operations.REACTIVATE.scopes)
def reactivate(actor: Actor) -> Response:
    """Undo the site's own change."""
    return respond(actor, operations.REACTIVATE)


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
    return operations.answer(verdict)


def respond(actor: Actor, row: operations.Row) -> Response:
    """The operation on the pack in this request's body."""
    outcome = operations.run(actor, row, json_body(), idempotency_key)
    return operations.replay(outcome) if isinstance(outcome, Replay) else operations.answer(outcome)
