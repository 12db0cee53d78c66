"""From elements to a pack code: the rules that every syntax shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.domain.expiry import parse_expiry
from verifier.domain.gs1 import (
    APPLICATION_IDENTIFIERS,
    GTIN_LENGTH,
    fits_when_cut,
    gtin_fault,
    is_digits,
    text_fault,
)
from verifier.domain.pack_code import UNKNOWN_AI, Fault, PackCode, Reason, Unreadable
from verifier.domain.ppn import ppn_fault, ppn_to_ntin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

Element = tuple[str, str]
"""(AI, value). What has no AI of its own comes under its data identifier: 9N and 16D."""

GTIN, CONTENT, LOT, EXPIRY, SERIAL = "01", "02", "10", "17", "21"
PPN, PRODUCTION = "9N", "16D"

EMPTY_EXPIRY = Fault(
    Reason.MISSING_EXPIRY, "The expiry is empty. Scan the pack again or type the expiry as printed."
)

_DATES = frozenset({"11", "12", "13", "15", "16"})


def assemble(
    elements: Iterable[Element], *, fault: Fault | None = None, unknown_ai: bool = False, today: date
) -> PackCode | Unreadable:
    """One pack code out of the elements of one symbol, or the first thing that is wrong with them.

    `fault` is what the syntax already found wrong; the elements then serve to recognise the pack.
    """
    values: dict[str, str] = {}
    repeated: dict[str, Fault] = {}
    for ai, value in elements:
        if values.setdefault(ai, value) != value:
            repeated[ai] = Fault(
                Reason.REPEATED_ELEMENT,
                f"The code has ({ai}) twice with different values. Make sure that one pack only is scanned.",
            )
    bad = {ai: found for ai, value in values.items() if (found := value_fault(ai, value, today=today))}
    product = ppn_to_ntin(values[PPN]) if PPN in values else values.get(GTIN)
    serial = values.get(SERIAL)

    faults = [
        *([fault] if fault else []),
        *repeated.values(),
        *bad.values(),
        *_set_faults(values, product, serial),
    ]
    if faults or product is None or serial is None:
        return Unreadable(
            faults[0].reason,
            faults[0].detail,
            gtin=product if _has_gtin_shape(product) and not {GTIN, PPN} & repeated.keys() else None,
            serial=serial if SERIAL not in bad and SERIAL not in repeated else None,
        )
    return PackCode(
        gtin=product,
        serial=serial,
        lot=values.get(LOT),
        expiry=parse_expiry(values[EXPIRY], today=today) if EXPIRY in values else None,
        ppn=values.get(PPN),
        notes=(UNKNOWN_AI,) if unknown_ai else (),
    )


def value_fault(ai: str, value: str, *, today: date) -> Fault | None:
    """What is wrong with the value of one element, or None."""
    match ai:
        case "01":
            return gtin_fault(value, lengths=(GTIN_LENGTH,))
        case "10":
            return text_fault(value, name="lot", missing=Reason.MISSING_LOT)
        case "21":
            return text_fault(value, name="serial", missing=Reason.MISSING_SERIAL)
        case "17" | "16D":
            return _date_fault(ai, value, today=today)
        case "9N":
            return ppn_fault(value)
        case _:
            return _other_value_fault(ai, value)


def _other_value_fault(ai: str, value: str) -> Fault | None:
    known = APPLICATION_IDENTIFIERS[ai]
    if known.accepts(value):
        return None
    if ai in _DATES:
        return _bad_date(f"date of element ({ai})", "YYMMDD")
    if fits_when_cut(known, value):
        return Fault(
            Reason.TOO_LONG, f"Element ({ai}) is longer than allowed. Let the scanner send its separators."
        )
    return Fault(
        Reason.BAD_CHARACTER, f"The value of element ({ai}) does not have its form. Scan the pack again."
    )


def _date_fault(element: str, value: str, *, today: date) -> Fault | None:
    if element == PRODUCTION:
        iso = f"{value[:4]}-{value[4:6]}-{value[6:]}"
        return None if parse_expiry(iso, today=today) else _bad_date("production date", "YYYYMMDD")
    if not value:
        return EMPTY_EXPIRY
    is_short = "-" not in value
    return None if is_short and parse_expiry(value, today=today) else _bad_date("expiry", "YYMMDD")


def _bad_date(name: str, form: str) -> Fault:
    return Fault(
        Reason.BAD_DATE, f"The {name} is no day of the form {form}. Compare it with the print on the pack."
    )


def _set_faults(values: dict[str, str], product: str | None, serial: str | None) -> Iterator[Fault]:
    if GTIN in values and CONTENT in values:
        yield Fault(
            Reason.REPEATED_ELEMENT,
            "The code names its own product (01) and that of its content (02). Scan the pack alone.",
        )
    if product is None:
        yield Fault(
            Reason.MISSING_GTIN, "The code has no product code. Scan the two-dimensional code of the pack."
        )
    if serial is None:
        yield Fault(
            Reason.MISSING_SERIAL, "The code has no serial. Scan the two-dimensional code of the pack."
        )


def _has_gtin_shape(product: str | None) -> bool:
    return product is not None and len(product) == GTIN_LENGTH and is_digits(product)
