"""The returns desk: sessions, their scans, and the signed summary at their end."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from flask import Response, request
from flask_smorest import Blueprint

from verifier import metrics
from verifier.api import bulk
from verifier.api import returns_schemas as schemas
from verifier.api.bodies import convert, digest, idempotency_key, invalid, json_body, parameters
from verifier.api.commands import encoded
from verifier.api.field_errors import NO_OBJECT
from verifier.api.openapi import answers, body, faults, query
from verifier.api.operations import replay
from verifier.api.pages import by_instant, cursor, position
from verifier.api.problems import Problem, of_fault
from verifier.api.runtime import ports
from verifier.api.scans import ELEMENTS, context_of, scan_of
from verifier.api.security import issuer, secured
from verifier.domain.codes import PackCode, Unreadable, from_elements
from verifier.domain.gs1 import check_digit
from verifier.domain.journal import Fault, Replay
from verifier.domain.lifecycle import Operation
from verifier.domain.pack import Actor
from verifier.domain.permissions import RETURNS_CHECK
from verifier.domain.resale import Asked
from verifier.domain.returns import Outcome, ReturnedPack, ReturnsLine, ReturnsScan, Session, SessionQuery
from verifier.domain.sscc import is_sscc, parse_sscc
from verifier.domain.verdict import AlertRef
from verifier.services import returned, returns
from verifier.services.hurry import Hurry

blueprint = Blueprint("returns", __name__, url_prefix="/v1", description="The returns desk.")
READERS = ("returns", "audit:read")
STATUSES = ("open", "closed")


@blueprint.post("/returns/sessions")
@body(schemas.ReturnsSessionIn, keyed=True)
@answers(returns.ReturnsSession, "The session, open.")
@faults(400, 401, 403, 409, 413, 415, 422)
@secured("returns", types=RETURNS_CHECK)
def open_session(actor: Actor) -> Response:
    """Open a session for a return."""
    sent = json_body()
    wanted = convert(sent, schemas.ReturnsSessionIn)
    if check_digit(wanted.counterparty_gln[:-1]) != wanted.counterparty_gln[-1]:
        raise invalid("counterparty_gln", "The check digit of this GLN is wrong.")
    new = returns.NewSession(
        wanted.reference, wanted.counterparty_gln, wanted.transaction_data, lines_of(wanted)
    )
    return respond(returns.open_session(ports(), actor, new, key_of(sent)))


@blueprint.get("/returns/sessions")
@query(
    required=(),
    status="open, closed",
    reference="Of the return",
    site="GLN (authority, operator)",
    cursor="From the header Link",
)
@answers(schemas.ReturnsSessions, "A page of sessions, newest first.")
@faults(401, 403, 422)
@secured(*READERS)
def sessions(actor: Actor) -> Response:
    """Sessions that you may see."""
    wanted = parameters("status", "reference", "site", "cursor")
    before = position(wanted.pop("cursor", None), by_instant)
    if wanted.get("status", "open") not in STATUSES:
        raise invalid("status", f"One of {', '.join(STATUSES)}.")
    asked = SessionQuery(limit=returns.PAGE + 1, before=before, **wanted)
    page = returns.sessions(ports(), actor, asked)
    response = encoded(schemas.ReturnsSessions(sessions=[shown(each) for each in page[: returns.PAGE]]))
    if len(page) > returns.PAGE:
        last = page[returns.PAGE - 1]
        following = urlencode(wanted | {"cursor": cursor(last.opened_at.isoformat(), str(last.id))})
        response.headers["Link"] = f'</v1/returns/sessions?{following}>; rel="next"'
    return response


@blueprint.get("/returns/sessions/<uuid:session_id>")
@answers(returns.ReturnsSession, "The session as it stands.")
@faults(401, 403, 404)
@secured(*READERS)
def session(actor: Actor, session_id: UUID) -> Response:
    """One session with its totals, what is pending and what is missing."""
    return respond(returns.session(ports(), actor, session_id))


@blueprint.post("/returns/sessions/<uuid:session_id>/scans")
@body(schemas.ReturnsScansIn)
@answers(schemas.ReturnsScansOut, "An answer or a problem a scan, in order, and the totals.")
@faults(400, 401, 403, 404, 413, 415, 422)
@secured("returns", types=RETURNS_CHECK)
def scans(actor: Actor, session_id: UUID) -> Response:
    """Up to 100 packs or cases, each with its idempotency key; each pack counts once in the session."""
    sent = bulk.items_of(json_body(), "scans", schemas.MOST_SCANS)
    before = returns.session(ports(), actor, session_id)
    if isinstance(before, Fault) or before.site != actor.site.gln:
        raise of_fault(returned.not_found())
    batch = bulk.Batch(scanner(actor, session_id))
    results = [batch.answer(each) for each in sent]
    after = returns.session(ports(), actor, session_id)
    if isinstance(after, Fault):
        raise of_fault(after)
    return encoded({"results": results, "totals": after.totals})


@blueprint.post("/returns/sessions/<uuid:session_id>/recheck")
@body(schemas.RecheckIn, keyed=True)
@answers(returns.ReturnsRecheck, "The packs that were asked about, and the totals.")
@faults(400, 401, 403, 404, 409, 413, 415, 422)
@secured("returns", types=RETURNS_CHECK)
def recheck(actor: Actor, session_id: UUID) -> Response:
    """Ask again about the packs that have been pending for longest."""
    sent = json_body()
    found = convert(sent, schemas.RecheckIn).transaction_data is not None
    outcome = returns.recheck(ports(), actor, session_id, key_of(sent), found_data=found)
    if isinstance(outcome, returns.ReturnsRecheck):
        count_asked(outcome.packs)
        count_alerts(outcome.alerts)
    return respond(outcome)


@blueprint.post("/returns/sessions/<uuid:session_id>/close")
@body(schemas.NothingIn, keyed=True)
@answers(returns.ReturnsSummary, "The summary, to read and signed.")
@faults(400, 401, 403, 404, 409, 413, 415, 422)
@secured("returns", types=RETURNS_CHECK)
def close(actor: Actor, session_id: UUID) -> Response:
    """Close the session: what is missing is named, the totals are frozen and signed."""
    return respond(returns.close(ports(), actor, session_id, key_of(nothing()), issuer=issuer()))


@blueprint.get("/returns/sessions/<uuid:session_id>/summary")
@answers(returns.ReturnsSummary, "What the close has answered, word for word.")
@faults(401, 403, 404, 409)
@secured(*READERS)
def summary(actor: Actor, session_id: UUID) -> Response:
    """The signed summary of a closed session."""
    found = returns.summary(ports(), actor, session_id)
    if isinstance(found, Fault):
        raise of_fault(found)
    return Response(found, content_type="application/json")


def scanner(actor: Actor, session_id: UUID) -> Callable[[Any], msgspec.Raw]:
    """Answers one scan after the other; together they ask the network for a bounded time."""
    hurry = Hurry(ports())

    def one(sent: Any) -> msgspec.Raw:
        if not isinstance(sent, dict):
            raise invalid("", NO_OBJECT)
        fields = dict(sent)
        given = fields.pop("idempotency_key", None)
        wanted = convert(fields, schemas.ScanIn)
        context = context_of(wanted)
        order = returned.Order(
            session_id=session_id,
            what=case_of(wanted) or scan_of(actor, Operation.RETURNS_CHECK, wanted),
            context=context,
            key=bulk.item_key(given),
            digest=digest(request.path, fields),
        )
        outcome = returned.scan(ports(), actor, order, hurry)
        if isinstance(outcome, Fault):
            raise of_fault(outcome)
        if isinstance(outcome, Replay):
            return bulk.replayed(outcome)
        count(outcome)
        return msgspec.Raw(msgspec.json.encode(outcome))

    return one


def case_of(sent: schemas.ScanIn) -> str | None:
    """The SSCC of a case, given as such or as the label's code; None for a pack.

    Raises:
        Problem: 422 for a wrong one, or one with the elements of a pack.
    """
    if sent.sscc is not None:
        for name in ("code", *ELEMENTS):
            if getattr(sent, name) is not None:
                raise invalid(name, "Send the SSCC of a case or a pack, not both.")
        if not is_sscc(sent.sscc):
            raise invalid("sscc", "This is not 18 digits with a right check digit.")
        return sent.sscc
    found = parse_sscc(sent.code) if sent.code is not None else None
    if isinstance(found, Unreadable):
        raise Problem("unreadable_code", found.detail, reason=str(found.reason))
    return found


def lines_of(sent: schemas.ReturnsSessionIn) -> tuple[ReturnsLine, ...]:
    """The list, each line of it right and there once.

    Raises:
        Problem: 422 naming the line.
    """
    if sent.expected_packs and sent.expected_lots:
        raise invalid("expected_lots", "Send a list of packs or of lots, not both.")
    field = "expected_lots" if sent.expected_lots else "expected_packs"
    lines: dict[tuple[str, str | None, str | None], ReturnsLine] = {}
    listed: list[schemas.ExpectedPackIn | schemas.ExpectedLotIn] = [
        *(sent.expected_packs or ()),
        *(sent.expected_lots or ()),
    ]
    for number, given in enumerate(listed):
        line = line_of(f"{field}[{number}]", given)
        name = line.gtin, line.serial, line.lot
        if name in lines:
            raise invalid(f"{field}[{number}]", "This stands on the list twice.")
        lines[name] = line
    return tuple(lines.values())


def line_of(place: str, given: schemas.ExpectedPackIn | schemas.ExpectedLotIn) -> ReturnsLine:
    """One line by the rules of a pack code."""
    lot = given.lot if isinstance(given, schemas.ExpectedLotIn) else None
    serial = given.serial if isinstance(given, schemas.ExpectedPackIn) else None
    code = from_elements(
        gtin=given.gtin,
        ppn=None,
        serial="0" if serial is None else serial,
        lot=lot,
        expiry=None,
        today=date.min,
    )
    if not isinstance(code, PackCode):
        raise invalid(f"{place}.{code[0].field}", code[0].detail)
    return ReturnsLine(code.gtin, serial, lot, given.count if isinstance(given, schemas.ExpectedLotIn) else 1)


def shown(session: Session) -> schemas.ReturnsSessionLine:
    """A session in a list."""
    return schemas.ReturnsSessionLine(
        id=session.id,
        status="open" if session.closed_at is None else "closed",
        site=session.site_gln,
        client_id=session.client_id,
        reference=session.reference,
        counterparty_gln=session.counterparty_gln,
        transaction_data=session.transaction_data,
        opened_at=session.opened_at,
        closed_at=session.closed_at,
    )


def key_of(sent: Any) -> returns.Key:
    """The idempotency key of this request, and what it stands for."""
    return returns.Key(idempotency_key(), digest(request.path, sent))


def nothing() -> Any:
    """The body of a step that needs no word."""
    sent = json_body()
    convert(sent, schemas.NothingIn)
    return sent


def count(scan: ReturnsScan) -> None:
    """In the metrics."""
    metrics.of(metrics.SCANS, Operation.RETURNS_CHECK, scan.code).inc()
    if scan.outcome is Outcome.COUNTED:
        count_asked(scan.packs)
    count_alerts(scan.alerts)


def count_asked(packs: Iterable[ReturnedPack]) -> None:
    """The questions to the network."""
    for pack in packs:
        if pack.asked is not Asked.NOT_ASKED:
            metrics.QUESTIONS.labels(pack.asked).inc()


def count_alerts(alerts: Iterable[AlertRef]) -> None:
    """By their codes."""
    for alert in alerts:
        metrics.ALERTS.labels(alert.code).inc()


def respond(outcome: Any) -> Response:
    """The answer of a step: new, as it was given before, or a fault."""
    if isinstance(outcome, Fault):
        raise of_fault(outcome)
    return replay(outcome) if isinstance(outcome, Replay) else encoded(outcome)
