"""The values that reading a pack code gives: what the pack says, or why it could not be read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from verifier.domain.expiry import Expiry

SEPARATOR_RESTORED = "separator_restored"
UNKNOWN_AI = "unknown_ai"


class Reason(StrEnum):
    """Why a code or an element could not be read; the words of the HTTP contract."""

    MISSING_SERIAL = "missing_serial"
    MISSING_GTIN = "missing_gtin"
    MISSING_LOT = "missing_lot"
    MISSING_EXPIRY = "missing_expiry"
    BAD_CHECK_DIGIT = "bad_check_digit"
    MISSING_SEPARATOR = "missing_separator"
    BAD_DATE = "bad_date"
    BAD_CHARACTER = "bad_character"
    TOO_LONG = "too_long"
    REPEATED_ELEMENT = "repeated_element"
    UNKNOWN_AI = "unknown_ai"
    COMPRESSED_LINK = "compressed_link"
    NOT_A_PACK_CODE = "not_a_pack_code"


@dataclass(frozen=True, slots=True)
class PackCode:
    """What a pack says about itself.

    Attributes:
        gtin: 14 digits with a right check digit; of a PPN its NTIN.
        serial: 1 to 20 characters of GS1 set 82, as printed.
        lot: the same, or None where the code has none.
        expiry: the date as printed, or None where the code has none.
        ppn: 12 digits, only when a PPN was sent.
        notes: `separator_restored` and `unknown_ai`, in this order.
    """

    gtin: str
    serial: str
    lot: str | None
    expiry: Expiry | None
    ppn: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a code was refused, in a code and in a sentence that never quotes a serial.

    `gtin` (14 digits, perhaps with a wrong check digit) and `serial` hold what could be recognised
    nevertheless, so that the attempt can be recorded.
    """

    reason: str
    detail: str
    gtin: str | None = None
    serial: str | None = None


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one element of a request."""

    field: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a code or an element, before it is known where it came from."""

    reason: Reason
    detail: str
