"""Cursors: the position after which a page begins, opaque to whoever carries it."""

import base64
import binascii
from collections.abc import Callable
from typing import TypeVar

import msgspec

from verifier.api.bodies import invalid

Position = TypeVar("Position")


def cursor(*parts: str) -> str:
    """A cursor for this position."""
    return base64.urlsafe_b64encode(msgspec.json.encode(parts)).decode()


def position(text: str | None, read: Callable[[list[str]], Position]) -> Position | None:
    """The position of a cursor, as `read` makes it of its parts; None without one.

    Raises:
        Problem: 422, when it is none of ours.
    """
    if not text:
        return None
    try:
        return read(msgspec.json.decode(base64.urlsafe_b64decode(text), type=list[str]))
    except (ValueError, TypeError, binascii.Error, msgspec.DecodeError, msgspec.ValidationError):
        raise invalid("cursor", "Take the cursor from the header Link of the page before.") from None
