"""GS1 lightweight messaging, the responder's two routes. Only 200 carries the message.

The standard gives other answers no body; the problem details there are an extension of ours.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import msgspec
import structlog
from flask import Response, current_app, g, request
from flask.blueprints import BlueprintSetupState
from flask_smorest import Blueprint
from msgspec import UNSET, Meta, Struct, UnsetType

from verifier import metrics
from verifier.api.openapi import answers, faults, query
from verifier.api.problems import Problem, of_fault
from verifier.api.raw_target import values
from verifier.api.runtime import ports
from verifier.api.security import authenticate, denied, secured
from verifier.domain.journal import Fault
from verifier.domain.lms import (
    CORR_UUID_PATTERN,
    GLN_PATTERN,
    OPERATION,
    AdditionalInfo,
    FailureReason,
    LmsRequest,
    RequestRules,
    read_connectivity,
    read_verification,
)
from verifier.domain.pack import Actor
from verifier.oauth.credentials import Credentials, Message
from verifier.oauth.protector import AccessRefused
from verifier.oauth.proxy import ProxyIdentity
from verifier.oauth.vrs_file import Version
from verifier.services import responder

blueprint = Blueprint("lms", __name__, description="GS1 lightweight messaging, as the responder.")
CACHE_CONTROL = "private, no-cache"
BROKEN = "Its percent-encoding or its UTF-8 is broken."
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Setup:
    """How messages are read and answered. `required`: a credential that is refused refuses the message."""

    responder: responder.Responder
    rules: RequestRules
    version: Version
    proxy: ProxyIdentity | None
    credentials: Credentials | None
    required: bool


GLN = Annotated[str, Meta(pattern=f"^{GLN_PATTERN.pattern}$")]


class VerificationData(Struct, kw_only=True):
    """`verified` says that the identifiers correspond; whether a pack may be resold is in both others too."""

    verified: bool
    verification_failure_reason: FailureReason | UnsetType = msgspec.field(
        name="verificationFailureReason", default=UNSET
    )
    additional_info: AdditionalInfo | UnsetType = msgspec.field(name="additionalInfo", default=UNSET)


class VerificationOut(Struct, kw_only=True):
    """The verification response."""

    verification_timestamp: str = msgspec.field(name="verificationTimestamp")
    responder_gln: GLN = msgspec.field(name="responderGLN")
    corr_uuid: Annotated[str, Meta(pattern=f"^{CORR_UUID_PATTERN.pattern}$")] = msgspec.field(name="corrUUID")
    data: VerificationData


class ConnectivityOut(Struct, kw_only=True):
    """The connectivity response."""

    responder_gln: GLN = msgspec.field(name="responderGLN")


def identify() -> Actor:
    """Who sends the message: by token, or where it is set so by the TLS proxy."""
    proxy = setup().proxy
    if proxy is None:
        return authenticate()
    try:
        actor = proxy.authenticate(request.environ.get("REMOTE_ADDR"), request.headers.get)
    except AccessRefused as refused:
        raise denied(refused) from None
    g.actor = actor  # as `authenticate` does, for the request log
    return actor


@blueprint.get("/verify/gtin/<gtin>/lot/<lot>/ser/<ser>")
@query(
    required=("exp", "linkType", "context", "reqGLN", "corrUUID"),
    exp="Expiry as YYMMDD; day 00 is the month's last",
    linkType="verificationService",
    context="dscsaSaleableReturn, and what else is set up here",
    reqGLN="GLN of the requestor, 13 digits",
    corrUUID="UUID of version 4; comes back unchanged",
)
@answers(VerificationOut, "Whether the identifiers correspond.")
@faults(400, 401, 403, 404)
@secured("vrs", identify=identify)
def verify(actor: Actor, gtin: str, lot: str, ser: str) -> Response:
    """Does this product identifier correspond to one that was assigned?"""
    chosen, now = setup(), ports().clock()
    check_version(chosen.version)
    texts = path_of(gtin=gtin, lot=lot, ser=ser)
    asked = read_verification(
        gtin=texts["gtin"],
        lot=texts["lot"],
        serial=texts["ser"],
        query=sent(),
        rules=chosen.rules,
        today=now.date(),
    )
    if not isinstance(asked, LmsRequest):
        raise malformed(asked)
    asked = with_credential(chosen, actor, asked)
    if asked.credential and chosen.required:
        outcome: responder.Answered | Fault = responder.turn_away(ports(), actor, asked, "credential_refused")
    else:
        outcome = responder.verify(ports(), chosen.responder, actor, asked)
    metrics.of(metrics.SCANS, OPERATION, outcome.code).inc()
    if isinstance(outcome, Fault):
        raise refused(outcome, asked)
    return message(outcome.body)


@blueprint.get("/checkConnectivity")
@query(
    required=("gtin", "reqGLN", "linkType", "context"),
    gtin="GTIN",
    reqGLN="GLN of the requestor, 13 digits",
    linkType="verificationService",
    context="as of a verification",
)
@answers(ConnectivityOut, "This service answers for the product.")
@faults(400, 401, 403, 404)
@secured("vrs", identify=identify)
def check_connectivity(actor: Actor) -> Response:
    """Does this service answer for a product?"""
    chosen = setup()
    check_version(chosen.version)
    asked = read_connectivity(sent(), chosen.rules)
    if isinstance(asked, dict):
        raise malformed(asked)
    outcome = responder.connectivity(ports(), chosen.responder, actor, asked)
    if isinstance(outcome, Fault):
        raise of_fault(outcome)
    return message({"responderGLN": outcome})


def get_only(state: BlueprintSetupState) -> None:
    """The standard knows GET alone, where Flask answers HEAD and OPTIONS for it: those are 405 too."""
    for rule in state.app.url_map.iter_rules():
        if rule.endpoint.startswith(f"{blueprint.name}."):
            rule.methods = {"GET"}


blueprint.record(get_only)


def setup() -> Setup:
    """Of this application."""
    return current_app.extensions["verifier"].lms  # type: ignore[no-any-return]


def path_of(**routed: str) -> dict[str, str]:
    """The path's values, decoded.

    Raises:
        Problem: 400 for one whose encoding is broken.
    """
    texts = dict(zip(routed, values(request.environ, list(routed.values())), strict=True))
    broken = {name: BROKEN for name, text in texts.items() if text is None}
    if broken:
        raise malformed(broken)
    return {name: text for name, text in texts.items() if text is not None}


def sent() -> Mapping[str, list[str]]:
    """The query, every value of each parameter."""
    return dict(request.args.lists())


def message(body: Mapping[str, Any]) -> Response:
    """200 as the standard says."""
    response = Response(msgspec.json.encode(body), content_type="application/json")
    response.headers["Cache-Control"] = CACHE_CONTROL
    return response


def malformed(wrong: Mapping[str, str]) -> Problem:
    """400 naming the parameters."""
    detail = " ".join(f"{name}: {sentence}" for name, sentence in wrong.items())
    return Problem("bad_request", detail, errors={name: [sentence] for name, sentence in wrong.items()})


def refused(fault: Fault, asked: LmsRequest) -> Problem:
    """404 or 403; of a credential with its error codes."""
    if fault.code != "credential_refused":
        return of_fault(fault)
    return Problem(fault.code, fault.detail, reason=" ".join(asked.credential or ()))


def check_version(version: Version) -> None:
    """The version header, where one is sent or needed.

    Raises:
        Problem: 400.
    """
    named = request.headers.get(version.header)
    if named is None and version.required:
        raise malformed({version.header: "Missing."})
    if named is not None and named not in version.accepted:
        raise malformed({version.header: f"None of: {', '.join(version.accepted)}."})


def with_credential(chosen: Setup, actor: Actor, asked: LmsRequest) -> LmsRequest:
    """The request with what is wrong with the trading partner's credential, counted and logged."""
    if chosen.credentials is None:
        return asked
    about = (actor.client_id, asked.code, asked.context, asked.req_gln, asked.corr_uuid)
    presented = request.headers.get(chosen.credentials.header)
    meant = Message(asked.corr_uuid, asked.req_gln, hashlib.sha256(repr(about).encode()).digest())
    errors = chosen.credentials.check(presented, meant, ports().clock())
    for code in errors or ("ok",):
        metrics.of(metrics.CREDENTIALS, code).inc()
    if errors:
        _log.warning(
            "credential_refused",
            errors=list(errors),
            req_gln=asked.req_gln,
            corr_uuid=asked.corr_uuid,
            client_id=actor.client_id,
            refused=chosen.required,
        )
    return replace(asked, credential=errors)
