"""Many packs in one request: each item like a request of its own; one bad item never stops the rest."""

from collections.abc import Callable
from typing import Any

import msgspec
from flask import Response
from flask_smorest import Blueprint
from sqlalchemy.exc import SQLAlchemyError

from verifier.api import operations, schemas
from verifier.api.bodies import invalid, is_key, json_body
from verifier.api.field_errors import NO_OBJECT, UNKNOWN
from verifier.api.openapi import answers, body, faults
from verifier.api.operations import OPERATIONS
from verifier.api.problems import Problem, database_problem, internal_problem
from verifier.api.runtime import language
from verifier.api.security import lacks_scope, secured
from verifier.domain.journal import Replay
from verifier.domain.lifecycle import Operation
from verifier.domain.pack import Actor
from verifier.domain.verdict import Verdict

blueprint = Blueprint("bulk", __name__, url_prefix="/v1", description="Many packs, an answer each.")
MOST = 1000
PATIENCE = 3
"""When the database did not answer so many items, none with success between, it is not asked for the rest."""


@blueprint.post("/bulk")
@body(schemas.BulkIn)
@answers(schemas.BulkOut, "A verdict or a problem an item, in order.")
@faults(400, 401, 403, 413, 415, 422)
@secured(*dict.fromkeys(scope for row in OPERATIONS.values() for scope in row.scopes))
def bulk(actor: Actor) -> Response:
    """Up to 1,000 packs, each with its own operation and idempotency key."""
    met: operations.Met = set()
    from_before: list[bool] = []

    def one(sent: Any) -> msgspec.Raw:
        outcome = verdict(actor, sent, met)
        from_before.append(isinstance(outcome, Replay))
        if isinstance(outcome, Replay):
            return replayed(outcome)
        return msgspec.Raw(msgspec.json.encode(outcome))

    batch = Batch(one)
    results = [batch.answer(sent) for sent in items_of(json_body(), "items", MOST)]
    response = Response(msgspec.json.encode({"results": results}), content_type="application/json")
    # A verdict from before keeps the language in which it was asked for then, and a problem has English only:
    # the header stands for the verdicts, and only where all of them were made for this request.
    if from_before and not any(from_before):
        response.headers["Content-Language"] = language()
    return response


class Batch:
    """What the items of one request share: how each is answered, the failures since the last success."""

    def __init__(self, one: Callable[[Any], msgspec.Raw]) -> None:
        self._one = one
        self._failures: list[Problem] = []

    def answer(self, sent: Any) -> msgspec.Raw | dict[str, Any]:
        """The answer to one item, or its problem."""
        if len(self._failures) >= PATIENCE:
            return self._failures[-1].body
        try:
            outcome = self._one(sent)
        except Problem as problem:
            return problem.body
        except SQLAlchemyError as error:
            self._failures.append(database_problem(error))
            return self._failures[-1].body
        except Exception as error:  # noqa: BLE001 - the others' answers must not be lost with this one
            return internal_problem(error).body
        self._failures.clear()
        return outcome


def items_of(sent: Any, field: str, most: int) -> list[Any]:
    """The items in this field; what is wrong with one of them is its own affair."""
    if not isinstance(sent, dict):
        raise invalid("", NO_OBJECT)
    for name in sent:
        if name != field:
            raise invalid(name, UNKNOWN)
    items = sent.get(field)
    if not isinstance(items, list) or not 1 <= len(items) <= most:
        raise invalid(field, f"Expected an array of 1 to {most:,} items")
    return items


def verdict(actor: Actor, sent: Any, met: operations.Met) -> Verdict | Replay:
    """One item as a request of its own: the same checks in the same order, the same digest of the key."""
    if not isinstance(sent, dict):
        raise invalid("", NO_OBJECT)
    fields = dict(sent)
    row = row_of(fields.pop("operation", None))
    key = fields.pop("idempotency_key", None)
    if actor.scopes.isdisjoint(row.scopes):
        raise lacks_scope(*row.scopes)
    if row.types is not None and actor.site.type not in row.types:
        raise Problem("not_for_this_site", f"A site of type {actor.site.type} may not do this.")

    outcome = operations.run(actor, row, fields, lambda: item_key(key), met)
    if not isinstance(outcome, Replay):
        operations.count(outcome)
    return outcome


def item_key(key: Any) -> str:
    """The idempotency key of an item.

    Raises:
        Problem: 400 when it is missing or not 1 to 255 printable characters.
    """
    if not isinstance(key, str) or not is_key(key):
        detail = "Give this item an idempotency_key of 1 to 255 printable characters."
        raise Problem("idempotency_key_required", detail)
    return key


def replayed(stored: Replay) -> msgspec.Raw:
    """What was answered the first time, and that it was."""
    return msgspec.Raw(stored.answer[:-1] + b',"replayed":true}')


def row_of(name: Any) -> operations.Row:
    """The operation of that name."""
    try:
        return OPERATIONS[Operation(name)]
    except (ValueError, KeyError):
        raise invalid("operation", f"One of {', '.join(OPERATIONS)}") from None
