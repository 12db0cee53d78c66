"""Recall, hold, release, withdraw, and the master data of a product."""

from datetime import date
from typing import Any

import msgspec
from flask import Response, request
from flask_smorest import Blueprint

from verifier.api import schemas
from verifier.api.bodies import convert, digest, idempotency_key, invalid, json_body
from verifier.api.openapi import answers, body, faults
from verifier.api.operations import replay
from verifier.api.problems import of_fault
from verifier.api.runtime import ports
from verifier.api.security import secured
from verifier.domain.codes import PackCode, from_elements
from verifier.domain.journal import Fault, Replay
from verifier.domain.pack import Actor, Product, SiteType
from verifier.domain.ppn import ppn_to_ntin
from verifier.domain.profiles import names
from verifier.services import commands

blueprint = Blueprint("commands", __name__, url_prefix="/v1", description="Batches and products.")
COMMANDERS = {SiteType.MANUFACTURER, SiteType.AUTHORITY, SiteType.OPERATOR}


@blueprint.post("/batches/recall")
@body(schemas.BatchIn, keyed=True)
@answers(commands.BatchStatus, "Recalled; every worker knows.")
@faults(400, 401, 403, 404, 409, 413, 415, 422)
@secured("recalls:write", types=COMMANDERS)
def recall(actor: Actor) -> Response:
    """Recall a batch."""
    return batch(actor, "recall")


@blueprint.post("/batches/hold")
@body(schemas.BatchIn, keyed=True)
@answers(commands.BatchStatus, "On hold; every worker knows.")
@faults(400, 401, 403, 404, 409, 413, 415, 422)
@secured("recalls:write", types=COMMANDERS)
def hold(actor: Actor) -> Response:
    """Hold a batch while something is looked into."""
    return batch(actor, "hold")


@blueprint.post("/batches/release")
@body(schemas.BatchIn, keyed=True)
@answers(commands.BatchStatus, "The hold is lifted; a recall is not.")
@faults(400, 401, 403, 404, 409, 413, 415, 422)
@secured("recalls:write", types=COMMANDERS)
def release(actor: Actor) -> Response:
    """Lift a hold."""
    return batch(actor, "release")


@blueprint.post("/products/withdraw")
@body(schemas.ProductReasonIn, keyed=True)
@answers(commands.ProductStatus, "Withdrawn; every worker knows.")
@faults(400, 401, 403, 404, 409, 413, 415, 422)
@secured("recalls:write", types=COMMANDERS)
def withdraw(actor: Actor) -> Response:
    """Withdraw a product from the market."""
    sent = json_body()
    wanted = convert(sent, schemas.ProductReasonIn)
    gtin = identify(wanted.gtin).gtin
    return run(actor, "withdraw", gtin=gtin, lot=None, reason=wanted.reason, sent=sent)


@blueprint.put("/products/<gtin>")
@body(schemas.ProductIn)
@answers(Product, "The master data as it is now.")
@faults(400, 401, 403, 413, 415, 422)
@secured("packs:write", types=COMMANDERS)
def put_product(actor: Actor, gtin: str) -> Response:
    """Write a product's master data; what is left out stays as it is."""
    product = identify(gtin).gtin
    sent = json_body()
    convert(sent, schemas.ProductIn)
    if "profile" in sent and sent["profile"] not in names():
        raise invalid("profile", f"Known regulations are {', '.join(names())}.")
    if sent.get("ppn") is not None and ppn_to_ntin(sent["ppn"]) is None:
        raise invalid("ppn", "This is no PPN: 11, eight digits of the PZN, two check digits.")
    outcome = commands.put_product(ports(), actor, product, sent)
    if isinstance(outcome, Fault):
        raise of_fault(outcome)
    return encoded(outcome)


def batch(actor: Actor, name: str) -> Response:
    """A command on a batch."""
    sent = json_body()
    wanted = convert(sent, schemas.BatchIn)
    code = identify(wanted.gtin, wanted.lot)
    return run(actor, name, gtin=code.gtin, lot=wanted.lot, reason=wanted.reason, sent=sent)


def run(actor: Actor, name: str, *, gtin: str, lot: str | None, reason: str, sent: Any) -> Response:
    """The command under the request's idempotency key."""
    order = commands.Command(name, gtin, lot, reason, idempotency_key(), digest(request.path, sent))
    outcome = commands.command(ports(), actor, order)
    if isinstance(outcome, Fault):
        raise of_fault(outcome)
    if isinstance(outcome, Replay):
        return replay(outcome)
    return encoded(outcome)


def identify(gtin: str, lot: str | None = None) -> PackCode:
    """GTIN and lot by the rules of a pack code.

    Raises:
        Problem: 422 naming the element.
    """
    code = from_elements(gtin=gtin, ppn=None, serial="0", lot=lot, expiry=None, today=date.min)
    if isinstance(code, PackCode):
        return code
    raise invalid(code[0].field, code[0].detail)


def encoded(value: Any) -> Response:
    """200 with this value."""
    return Response(msgspec.json.encode(value), content_type="application/json")
