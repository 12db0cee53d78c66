"""What may be asked about a pack: one row an operation, and the one way from a body to an answer."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import msgspec
from flask import Response, g

from verifier import metrics
from verifier.api.bodies import convert, digest
from verifier.api.problems import Problem, of_fault
from verifier.api.runtime import language, ports
from verifier.api.scans import scan_of
from verifier.api.schemas import DecommissionIn, PackIn, ReactivateIn
from verifier.api.security import lacks_scope
from verifier.domain import permissions
from verifier.domain.journal import Fault, Replay
from verifier.domain.lifecycle import Action
from verifier.domain.lifecycle import Operation as Op
from verifier.domain.pack import Actor, SiteType
from verifier.domain.permissions import ACTIONS
from verifier.domain.scan import Scan
from verifier.domain.verdict import Verdict
from verifier.services import packs
from verifier.services.standing import standing_gtin

_LOOKS = frozenset({Op.VERIFY, Op.READ, Op.RETURNS_CHECK})
_UNDO = ("dispense", "decommission")


@dataclass(frozen=True, slots=True)
class Row:
    """An operation: its route, the scopes of which one is needed, the site types, the body."""

    operation: Op
    path: str
    scopes: tuple[str, ...]
    types: Collection[SiteType] | None
    body: type[PackIn]


_RETURNS, _SUPPLY = permissions.RETURNS_CHECK, ACTIONS[Action.DISPENSE]
# fmt: off
VERIFY        = Row(Op.VERIFY,        "/v1/verify",        ("verify",),       None,     PackIn)
RETURNS_CHECK = Row(Op.RETURNS_CHECK, "/v1/returns/check", ("returns",),      _RETURNS, PackIn)
DISPENSE      = Row(Op.DISPENSE,      "/v1/dispense",      ("dispense",),     _SUPPLY,  PackIn)
DECOMMISSION  = Row(Op.DECOMMISSION,  "/v1/decommission",  ("decommission",), None,     DecommissionIn)
REACTIVATE    = Row(Op.REACTIVATE,    "/v1/reactivate",    _UNDO,             None,     ReactivateIn)
# fmt: on
OPERATIONS = {row.operation: row for row in (VERIFY, RETURNS_CHECK, DISPENSE, DECOMMISSION, REACTIVATE)}
Met = set[tuple[Op, str, str]]
"""Operation, GTIN and serial of what was answered before in a request for several packs."""


def run(
    actor: Actor, row: Row, sent: Any, key: Callable[[], str], met: Met | None = None
) -> Verdict | Replay:
    """One operation on one pack.

    Args:
        actor: who asks, with scope and site type already checked.
        row: the operation.
        sent: the parsed body.
        key: gives the idempotency key, asked for after the body was found right.
        met: for several packs in one request; this one is noted down unless it is a fault.

    Raises:
        Problem: every fault of the request.
    """
    wanted = convert(sent, row.body)
    action = action_of(row.operation, wanted)
    if not permissions.may(actor.site, action):
        detail = f"A site of type {actor.site.type} may not record a pack as {action}."
        raise Problem("not_for_this_site", detail)
    scan = scan_of(actor, row.operation, wanted)
    pack = None if met is None else named(row.operation, scan)
    duplicate = met is not None and pack in met
    outcome: Verdict | Replay | Fault
    if row.operation in _LOOKS:
        outcome = packs.look(ports(), actor, row.operation, scan, duplicate=duplicate)
    else:
        order = packs.Order(
            operation=row.operation,
            action=action,
            scan=scan,
            key=key(),
            digest=digest(row.path, sent),
            not_supplied_to_public=isinstance(wanted, ReactivateIn) and wanted.not_supplied_to_public,
            duplicate=duplicate,
        )
        outcome = packs.change(ports(), actor, order)
    if isinstance(outcome, Fault):
        raise lacks_scope(outcome.detail) if outcome.code == "insufficient_scope" else of_fault(outcome)
    if met is not None and pack is not None:
        met.add(pack)
    return outcome


def named(operation: Op, scan: Scan) -> tuple[Op, str, str]:
    """The same for every way of naming the same pack."""
    code = scan.code
    return operation, standing_gtin(ports(), code.gtin, code.serial), code.serial


def action_of(operation: Op, wanted: PackIn) -> Action:
    """The row of the life cycle that is asked for."""
    if operation in _LOOKS:
        return Action.LOOK
    if isinstance(wanted, DecommissionIn):
        return Action(wanted.reason.value)
    return Action.REACTIVATE if operation is Op.REACTIVATE else Action.DISPENSE


def count(verdict: Verdict) -> None:
    """In the metrics."""
    metrics.of(metrics.SCANS, verdict.operation, verdict.code).inc()
    if verdict.alert is not None:
        metrics.ALERTS.labels(verdict.alert.code).inc()


def answer(verdict: Verdict) -> Response:
    """The verdict over HTTP."""
    count(verdict)
    seconds = time.perf_counter() - g.started
    metrics.of(metrics.SCAN_LATENCY, verdict.operation, verdict.signal).observe(seconds)
    looked = verdict.operation in _LOOKS
    status = 200 if looked or verdict.accepted else 409
    response = Response(msgspec.json.encode(verdict), status, content_type="application/json")
    response.headers["Content-Language"] = language()
    return response


def replay(stored: Replay) -> Response:
    """What was answered the first time, word for word."""
    response = Response(stored.answer, 200 if stored.accepted else 409, content_type="application/json")
    response.headers["Idempotency-Replayed"] = "true"
    return response
