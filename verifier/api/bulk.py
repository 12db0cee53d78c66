"""Many packs in one request: each item like a request of its own; one bad item never stops the rest."""

from typing import Any

import msgspec
import structlog
from flask import Response
from flask_smorest import Blueprint
from sqlalchemy.exc import SQLAlchemyError

from verifier.api import operations, schemas
from verifier.api.bodies import invalid, is_key, json_body
from verifier.api.openapi import answers, body, faults
from verifier.api.operations import OPERATIONS
from verifier.api.problems import Problem, database_problem
from verifier.api.security import lacks_scope, secured
from verifier.domain.journal import Replay
from verifier.domain.lifecycle import Operation
from verifier.domain.pack import Actor
from verifier.domain.scan import Scan

blueprint = Blueprint("bulk", __name__, url_prefix="/v1", description="Many packs, an answer each.")
MOST = 1000
_log = structlog.get_logger(__name__)


@blueprint.post("/bulk")
@body(schemas.BulkIn)
@answers(schemas.BulkOut, "A verdict or a problem an item, in order.")
@faults(400, 401, 403, 413, 415, 422)
@secured(*dict.fromkeys(scope for row in OPERATIONS.values() for scope in row.scopes))
def bulk(actor: Actor) -> Response:
    """Up to 1,000 packs, each with its own operation and idempotency key."""
    items = items_of(json_body())
    seen = Once()
    results = [item(actor, sent, seen) for sent in items]
    return Response(msgspec.json.encode({"results": results}), content_type="application/json")


class Once:
    """Which packs were met with which operation in this request."""

    def __init__(self) -> None:
        self._met: set[tuple[Operation, str, str]] = set()

    def __call__(self, operation: Operation, scan: Scan) -> bool:
        """True from the second time on."""
        pack = (operation, scan.code.gtin, scan.code.serial)
        if pack in self._met:
            return True
        self._met.add(pack)
        return False


def items_of(sent: Any) -> list[Any]:
    """The items; what is wrong with one of them is its own affair."""
    if not isinstance(sent, dict):
        raise invalid("", "Expected `object`")
    for name in sent:
        if name != "items":
            raise invalid(name, "Object contains unknown field")
    items = sent.get("items")
    if not isinstance(items, list) or not 1 <= len(items) <= MOST:
        raise invalid("items", f"Expected an array of 1 to {MOST:,} items")
    return items


def item(actor: Actor, sent: Any, seen: operations.Seen) -> msgspec.Raw | dict[str, Any]:
    """The verdict of one item, or its problem."""
    try:
        return verdict(actor, sent, seen)
    except Problem as problem:
        return problem.body
    except SQLAlchemyError as error:
        return database_problem(error).body


def verdict(actor: Actor, sent: Any, seen: operations.Seen) -> msgspec.Raw:
    """One item as a request of its own: the same checks in the same order, the same digest of the key."""
    if not isinstance(sent, dict):
        raise invalid("", "Expected `object`")
    fields = dict(sent)
    row = row_of(fields.pop("operation", None))
    key = fields.pop("idempotency_key", None)
    if actor.scopes.isdisjoint(row.scopes):
        raise lacks_scope(" ".join(row.scopes))
    if row.types is not None and actor.site.type not in row.types:
        raise Problem("not_for_this_site", f"A site of type {actor.site.type} may not do this.")

    def needed_key() -> str:
        if not isinstance(key, str) or not is_key(key):
            detail = "Give this item an idempotency_key of 1 to 255 printable characters."
            raise Problem("idempotency_key_required", detail)
        return key

    outcome = operations.run(actor, row, fields, needed_key, seen)
    if isinstance(outcome, Replay):
        return msgspec.Raw(outcome.answer[:-1] + b',"replayed":true}')
    operations.count(outcome)
    return msgspec.Raw(msgspec.json.encode(outcome))


def row_of(name: Any) -> operations.Row:
    """The operation of that name."""
    try:
        return OPERATIONS[Operation(name)]
    except (ValueError, KeyError):
        raise invalid("operation", f"One of {', '.join(OPERATIONS)}") from None
