"""One answer or one reason for whatever a scanner sends or a request says about a pack.

`parse` takes a raw code of any syntax that medicine packs carry, `from_elements` the elements of a request,
and `element_string` writes what `parse` reads. None of them raises on any text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.domain.digital_link import is_link, parse_link
from verifier.domain.elements import EMPTY_EXPIRY
from verifier.domain.envelope import is_envelope, parse_envelope
from verifier.domain.expiry import Expiry, parse_expiry
from verifier.domain.gs1 import GS, GTIN_LENGTH, GTIN_LENGTHS, gtin_fault, is_digits, text_fault
from verifier.domain.gs1_message import parse_bracketed, parse_message
from verifier.domain.pack_code import Fault, FieldError, PackCode, Reason, Unreadable
from verifier.domain.ppn import ppn_fault, ppn_to_ntin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

__all__ = [
    "Expiry", "FieldError", "PackCode", "Reason", "Unreadable",
    "element_string", "from_elements", "parse", "parse_expiry",
]  # fmt: skip

MAX_CODE = 4096
_PREFIX_LENGTH = 3
_GS1_CARRIERS = frozenset({"]d2", "]Q3", "]C1", "]e0", "]J1"})
_LINK_CARRIERS = frozenset({"]d1", "]Q1"})
_ENVELOPE_CARRIERS = frozenset({"]d1"})
_SURELY_GS1 = frozenset({Reason.BAD_CHARACTER, Reason.REPEATED_ELEMENT, Reason.MISSING_SEPARATOR})

_BAD_EXPIRY = Fault(Reason.BAD_DATE, "The expiry is neither YYMMDD nor YYYY-MM-DD of a day that exists.")
_NOT_A_PACK_CODE = Unreadable(
    Reason.NOT_A_PACK_CODE,
    "This is not the code of a medicine pack. Scan the two-dimensional code with the serial.",
)
_ENDLESS = Unreadable(
    Reason.TOO_LONG, f"The code has more than {MAX_CODE} characters. Scan one pack at a time."
)


def parse(raw: str, *, today: date) -> PackCode | Unreadable:
    """Read a raw code: GS1 element string, bracketed text, Digital Link, or IFA format 05 or 06.

    Lot and expiry may be missing, since the regulation decides whether they are needed. `today` chooses the
    century of the expiry.
    """
    if len(raw) > MAX_CODE:
        return _ENDLESS
    if raw.startswith("]"):
        return _parse_prefixed(raw[:_PREFIX_LENGTH], raw[_PREFIX_LENGTH:], today=today)
    if is_link(raw):
        return parse_link(raw, today=today)
    if is_envelope(raw):
        return parse_envelope(raw, today=today)
    if raw.startswith("("):
        return parse_bracketed(raw, today=today)
    return _parse_bare(raw, today=today)


def _parse_prefixed(aim: str, body: str, *, today: date) -> PackCode | Unreadable:
    """The symbology identifier (ISO/IEC 15424) says which syntaxes the body may have."""
    if aim in _GS1_CARRIERS:
        return parse_message(body, today=today)
    if aim in _LINK_CARRIERS and is_link(body):
        return parse_link(body, today=today)
    if aim in _ENVELOPE_CARRIERS and is_envelope(body):
        return parse_envelope(body, today=today)
    return _NOT_A_PACK_CODE


def _parse_bare(raw: str, *, today: date) -> PackCode | Unreadable:
    """An element string without its AIM prefix, told apart from an EAN number or any other text.

    Digits of an EAN-13 may parse (`95…` is an internal AI), so what shows no product code is no pack code.
    """
    if (
        not raw
        or (is_digits(raw) and len(raw) in GTIN_LENGTHS)
        or ("!" <= raw[0] <= "~" and not is_digits(raw[0]))
    ):
        return _NOT_A_PACK_CODE
    code = parse_message(raw, today=today)
    if not isinstance(code, Unreadable) or code.gtin is not None or code.reason in _SURELY_GS1:
        return code
    return code if code.serial is not None and not is_digits(raw) else _NOT_A_PACK_CODE


def from_elements(
    *, gtin: str | None, ppn: str | None, serial: str, lot: str | None, expiry: str | None, today: date
) -> PackCode | tuple[FieldError, ...]:
    """The pack that the elements of a request name, or everything that is wrong with them at once.

    Exactly one of `gtin` (8, 12, 13 or 14 digits) and `ppn`; `expiry` as YYMMDD or YYYY-MM-DD. A missing
    lot or expiry is no error here.
    """
    read_expiry = None if expiry is None else parse_expiry(expiry, today=today)
    product = ppn_to_ntin(ppn) if ppn is not None else (gtin or "").zfill(GTIN_LENGTH)
    faults = dict(_product_faults(gtin, ppn))
    faults["serial"] = text_fault(serial, name="serial", missing=Reason.MISSING_SERIAL)
    if lot is not None:
        faults["lot"] = text_fault(lot, name="lot", missing=Reason.MISSING_LOT)
    if expiry is not None and read_expiry is None:
        faults["expiry"] = _BAD_EXPIRY if expiry else EMPTY_EXPIRY
    errors = tuple(FieldError(field, fault.reason, fault.detail) for field, fault in faults.items() if fault)
    if errors or product is None:
        return errors
    return PackCode(gtin=product, serial=serial, lot=lot, expiry=read_expiry, ppn=ppn, notes=())


def _product_faults(gtin: str | None, ppn: str | None) -> Iterator[tuple[str, Fault | None]]:
    if gtin is None and ppn is None:
        yield "gtin", Fault(Reason.MISSING_GTIN, "Send the gtin or the ppn of the pack.")
    if gtin is not None:
        yield "gtin", gtin_fault(gtin)
    if ppn is not None:
        yield "ppn", ppn_fault(ppn)
    if gtin is not None and ppn is not None:
        yield "ppn", Fault(Reason.REPEATED_ELEMENT, "Send either the gtin or the ppn, not both.")


def element_string(code: PackCode, *, separator: str = GS) -> str:
    """The GS1 element string of a pack with its AIM prefix: 01, 17, 10, 21.

    Where lot or expiry is missing a separator closes the code, so that the serial is not searched for them.
    """
    complete = code.lot is not None and code.expiry is not None
    return "".join(
        (
            f"]d201{code.gtin}",
            f"17{code.expiry.yymmdd()}" if code.expiry else "",
            f"10{code.lot}{separator}" if code.lot is not None else "",
            f"21{code.serial}" + ("" if complete else separator),
        )
    )
