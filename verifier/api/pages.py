"""Cursors: the position after which a page begins, opaque to whoever carries it.

Anybody can make one, so each part is read strictly: what no row can have must not reach the database.
"""

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

import msgspec

from verifier.api.bodies import invalid
from verifier.domain.gs1 import GTIN_LENGTH, is_digits

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


def instant(text: str) -> datetime:
    """A time with its zone, such as every calendar has it.

    Raises:
        ValueError: it is none.
    """
    try:
        told = datetime.fromisoformat(text)
        if told.tzinfo is None:
            raise ValueError("a time without its zone")
        return told.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time beyond the calendar") from None


def gtin(text: str) -> str:
    """14 digits.

    Raises:
        ValueError: it is none.
    """
    if len(text) != GTIN_LENGTH or not is_digits(text):
        raise ValueError("no GTIN")
    return text


def by_instant(parts: list[str]) -> tuple[datetime, UUID]:
    """The position in a list by time, the id beside it.

    Raises:
        ValueError: it is none.
    """
    at, named = parts
    return instant(at), UUID(named)
