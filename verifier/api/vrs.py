"""Ask the network about a pack, see what has no answer yet, and the look-up directory."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from flask import Response
from flask_smorest import Blueprint
from msgspec import Meta, Struct, field

from verifier import metrics
from verifier.api import schemas
from verifier.api.bodies import convert, invalid, json_body, parameters
from verifier.api.commands import encoded, identify
from verifier.api.openapi import answers, body, faults, query
from verifier.api.pages import cursor, gtin, instant, position
from verifier.api.problems import Problem
from verifier.api.runtime import language, ports
from verifier.api.scans import scan_of
from verifier.api.security import secured
from verifier.domain.directory import FIRST, LAST, Entry
from verifier.domain.lifecycle import Operation
from verifier.domain.lms import AdditionalInfo, FailureReason
from verifier.domain.pack import Actor
from verifier.domain.permissions import RETURNS_CHECK
from verifier.domain.questions import Pending
from verifier.domain.resale import Asked, words
from verifier.services import vrs
from verifier.services.ports_vrs import Position

blueprint = Blueprint("vrs", __name__, url_prefix="/v1/vrs", description="The network of verification.")
PAGE = 200
STANDINGS = ("removed", "in force")
"""Of an entry of the directory, in the order of a page."""
TIME = "This is no time by RFC 3339, such as 2026-11-21T00:00:00Z."


class VrsVerifyIn(schemas.PackIn, forbid_unknown_fields=True, kw_only=True):
    """A pack with its lot and expiry, the purpose, and whether the return has its transaction data."""

    context: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    associated: bool | None = None


class VrsVerdict(Struct, kw_only=True):
    """What the network said, and whether the pack may be sold again. camelCase is the standard's."""

    asked: Asked
    verified: bool | None
    failure_reason: FailureReason | None = field(name="failureReason")
    additional_info: AdditionalInfo | None = field(name="additionalInfo")
    responder_gln: str | None = field(name="responderGLN")
    corr_uuid: str | None = field(name="corrUUID")
    resale: str
    code: str
    next_step: str
    title: str
    advice: str
    detail: str | None
    asked_at: datetime | None


@dataclass(frozen=True, slots=True)
class PendingOut(Pending):
    """A pack without an answer. `age_seconds` since it was first asked; `overdue` after 24 hours."""

    age_seconds: int
    overdue: bool


@dataclass(frozen=True, slots=True)
class PendingPage:
    """The longest waiting first; the header Link leads to the next page."""

    pending: list[PendingOut]


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """One entry of the look-up directory; `removed` ones are told so that copies follow."""

    gtin: str
    url: str
    start_exp_date: str | None
    end_exp_date: str | None
    owner_gln: str | None
    contact: str | None
    external: bool
    resolver: bool
    removed: bool
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class DirectoryPage:
    """Oldest change first; the header Link leads to the next page."""

    entries: list[DirectoryEntry]


@dataclass(frozen=True, slots=True)
class Service:
    """A service of the directory: does it answer, and who does it say that it is?"""

    url: str
    start_exp_date: str | None
    end_exp_date: str | None
    reachable: bool
    asked: Asked
    responder_gln: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class Services:
    """Those that the directory names for the GTIN."""

    services: list[Service]


@blueprint.post("/verify")
@body(VrsVerifyIn)
@answers(VrsVerdict, "What the network said of this pack, and what to do.")
@faults(400, 401, 403, 413, 415, 422)
@secured("vrs", "returns", types=RETURNS_CHECK)
def verify(actor: Actor) -> Response:
    """Ask the manufacturer's verification service about a pack."""
    wanted = convert(json_body(), VrsVerifyIn)
    scan = scan_of(actor, Operation.RETURNS_CHECK, wanted)
    missing = [name for name in ("lot", "expiry") if getattr(scan.code, name) is None]
    if missing:
        errors = {name: ["The network needs this element."] for name in missing}
        raise Problem("invalid_request", f"The network needs {' and '.join(missing)}.", errors=errors)
    contexts = ports().vrs.contexts
    context = wanted.context or contexts[0]
    if context not in contexts:
        raise invalid("context", f"Known purposes are {', '.join(contexts)}.")
    heard = vrs.ask(ports(), actor, scan, context=context, associated=wanted.associated)
    asking, resale = heard.asking, heard.resale
    metrics.QUESTIONS.labels(asking.asked).inc()
    if heard.alert:
        metrics.ALERTS.labels(heard.alert.code).inc()
    title, advice = words(resale.code, language())
    answer = asking.answer
    response = encoded(
        VrsVerdict(
            asked=asking.asked,
            verified=answer.verified if answer else None,
            failure_reason=answer.failure_reason if answer else None,
            additional_info=answer.additional_info if answer else None,
            responder_gln=asking.responder_gln,
            corr_uuid=asking.corr_uuid,
            resale=resale.resale,
            code=resale.code,
            next_step=resale.next_step,
            title=title,
            advice=advice,
            detail=asking.detail,
            asked_at=asking.at,
        )
    )
    response.headers["Content-Language"] = language()
    return response


@blueprint.get("/pending")
@query(required=(), cursor="From the header Link")
@answers(PendingPage, "The site's packs without an answer, the longest waiting first.")
@faults(401, 403, 422)
@secured("vrs", "returns", types=RETURNS_CHECK)
def pending(actor: Actor) -> Response:
    """What has no answer yet, and since when."""
    after = position(parameters("cursor").get("cursor"), _pending_position)
    now = ports().clock()
    found = ports().vrs.questions.pending(actor.site.gln, after, PAGE + 1)
    page = [_waiting(item, now) for item in found[:PAGE]]
    response = encoded(PendingPage(page))
    if len(found) > PAGE:
        last = found[PAGE - 1]
        following = cursor(last.first_asked_at.isoformat(), last.gtin, last.serial)
        response.headers["Link"] = _link("pending", cursor=following)
    return response


@blueprint.get("/directory")
@query(required=(), since="RFC 3339: what changed then or later", cursor="From the header Link")
@answers(DirectoryPage, "A page of the directory, removed entries too, oldest change first.")
@faults(401, 403, 422)
@secured("vrs", "admin")
def directory(actor: Actor) -> Response:  # noqa: ARG001
    """The look-up directory, or what has changed in it."""
    asked = parameters("since", "cursor")
    since = _since(asked["since"]) if "since" in asked else None
    after = position(asked.get("cursor"), _directory_position)
    found = ports().vrs.directory.changes(since, after, PAGE + 1)
    response = encoded(DirectoryPage([_entry(item) for item in found[:PAGE]]))
    if len(found) > PAGE:
        last = found[PAGE - 1]
        at = last.updated_at.isoformat() if last.updated_at else ""
        following = cursor(at, STANDINGS[not last.removed], last.gtin, str(last.start))
        more = {"since": asked["since"]} if "since" in asked else {}
        response.headers["Link"] = _link("directory", **more, cursor=following)
    return response


@blueprint.get("/connectivity")
@query(required=("gtin",), gtin="GTIN")
@answers(Services, "Each service that the directory names for this GTIN, and whether it answers.")
@faults(401, 403, 422)
@secured("vrs", "returns", types=RETURNS_CHECK)
def connectivity(actor: Actor) -> Response:
    """Do the services for a GTIN answer us?"""
    asked = parameters("gtin")
    if "gtin" not in asked:
        raise invalid("gtin", "This parameter is missing.")
    reached = vrs.reach(ports(), actor, identify(asked["gtin"]).gtin)
    return encoded(Services([_service(each) for each in reached]))


def _service(reached: vrs.Reached) -> Service:
    shown, reply = reached.entry.fields(), reached.reply
    return Service(
        url=reached.entry.url,
        start_exp_date=shown["start_exp_date"],
        end_exp_date=shown["end_exp_date"],
        reachable=reply.asked is Asked.VERIFIED,
        asked=reply.asked,
        responder_gln=reply.responder_gln,
        detail=reply.detail,
    )


def _waiting(item: Pending, now: datetime) -> PendingOut:
    fields = {name: getattr(item, name) for name in Pending.__dataclass_fields__}
    age = int((now - item.first_asked_at).total_seconds())
    return PendingOut(**fields, age_seconds=age, overdue=item.due_at is not None and now >= item.due_at)


def _entry(entry: Entry) -> DirectoryEntry:
    return msgspec.convert(entry.fields(), DirectoryEntry)


def _since(text: str) -> datetime:
    try:
        return instant(text)
    except ValueError:
        raise invalid("since", TIME) from None


def _pending_position(parts: list[str]) -> tuple[datetime, str, str]:
    at, product, serial = parts
    if "\0" in serial:
        raise ValueError("no text of ours holds it")
    return instant(at), gtin(product), serial


def _directory_position(parts: list[str]) -> Position:
    at, standing, product, start = parts
    if not FIRST <= int(start) <= LAST:
        raise ValueError("no day of a span")
    return instant(at), STANDINGS.index(standing) == 1, gtin(product), int(start)


def _link(name: str, **parameters_: Any) -> str:
    return f'</v1/vrs/{name}?{urlencode(parameters_)}>; rel="next"'
