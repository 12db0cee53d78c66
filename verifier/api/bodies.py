"""Bodies and queries: read once, strictly, bodies into typed structs; wrong ones are answered by field."""

import hashlib
from typing import Any, TypeVar

import msgspec
from flask import request

from verifier.api.field_errors import explain
from verifier.api.problems import Problem

Body = TypeVar("Body", bound=msgspec.Struct)
DEPTH = 16
_LONGEST_KEY = 255


def json_body() -> Any:
    """The parsed body of this request.

    Raises:
        Problem: 415 for anything but JSON, 413 over the limit, 400 for what is not JSON or nested too deeply.
    """
    if request.mimetype != "application/json":
        raise Problem("unsupported_media_type", "Send the body as application/json.")
    data = request.get_data(cache=False)
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Problem(
            "malformed_json", "The body is empty, cut off, not JSON or nested too deeply."
        ) from None
    if _deeper_than(value, DEPTH):
        raise Problem("malformed_json", f"The body is nested more than {DEPTH} levels deep.")
    return value


def convert(value: Any, kind: type[Body]) -> Body:
    """The value as this struct.

    Raises:
        Problem: 422 `invalid_request` naming the field.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise invalid(*explain(str(error))) from None


def parameters(*known: str) -> dict[str, str]:
    """The parameters of this request's query that are not empty.

    Raises:
        Problem: 422 `invalid_request` for one that is unknown, or that no text of ours may be.
    """
    for name, value in request.args.items():
        if name not in known:
            raise invalid(name, "Unknown parameter.")
        if "\0" in value:
            raise invalid(name, "This holds a character that no text may hold.")
    return {name: value for name, value in request.args.items() if value}


def invalid(field: str, message: str) -> Problem:
    """422 for one field."""
    return Problem(
        "invalid_request", f"{field or 'The body'}: {message}", errors={field or "body": [message]}
    )


def digest(route: str, value: Any) -> bytes:
    """What an idempotency key stands for: the route and the body, whatever its order of names and blanks."""
    return hashlib.sha256(route.encode() + b"\0" + msgspec.json.encode(value, order="sorted")).digest()


def idempotency_key() -> str:
    """The request's key.

    Raises:
        Problem: 400 when it is missing or not 1 to 255 printable characters.
    """
    key = request.headers.get("Idempotency-Key", "")
    if not is_key(key):
        raise Problem(
            "idempotency_key_required",
            f"Send a header Idempotency-Key of 1 to {_LONGEST_KEY} printable characters, new each time.",
        )
    return key


def is_key(text: str) -> bool:
    """May this be an idempotency key: 1 to 255 printable ASCII characters?"""
    return 1 <= len(text) <= _LONGEST_KEY and text.isascii() and text.isprintable()


def _deeper_than(value: Any, levels: int) -> bool:
    if isinstance(value, dict):
        children: Any = value.values()
    elif isinstance(value, list):
        children = value
    else:
        return False
    return levels == 0 or any(_deeper_than(child, levels - 1) for child in children)
