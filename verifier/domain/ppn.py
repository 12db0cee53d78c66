"""Pharmacy Product Number (IFA, Germany): PPN `11` + PZN8 + 2 digits, NTIN `04150` + PZN8 + 1 digit.

IFA Coding System, "PPN-Code specification for retail packaging", and "PZN in the NTIN".
"""

from __future__ import annotations

from verifier.domain.gs1 import check_digit, gtin_fault, is_digits
from verifier.domain.pack_code import Fault, Reason

_AGENCY = "11"
_PPN_LENGTH = 12
_NTIN_PREFIX = "04150"
_PZN = slice(2, 10)
_PZN_IN_NTIN = slice(5, 13)


def ppn_to_ntin(ppn: str) -> str | None:
    """The GTIN-14 of a German PPN; None when the PPN is not valid."""
    if ppn_fault(ppn):
        return None
    payload = _NTIN_PREFIX + ppn[_PZN]
    return payload + check_digit(payload)


def ntin_to_ppn(gtin: str) -> str | None:
    """The PPN of an NTIN, 14 digits; None for every other GTIN and for a PZN that cannot exist."""
    if not gtin.startswith(_NTIN_PREFIX) or gtin_fault(gtin, lengths=(14,)):
        return None
    pzn = gtin[_PZN_IN_NTIN]
    payload = _AGENCY + pzn
    return payload + _ppn_check(payload) if _is_pzn(pzn) else None


def ppn_fault(ppn: str) -> Fault | None:
    """What is wrong with a PPN, or None."""
    if not ppn.startswith(_AGENCY):
        return Fault(
            Reason.NOT_A_PACK_CODE,
            "Only PPNs of registration agency 11 (Germany, PZN) are known here. Use the GTIN of the pack.",
        )
    if not is_digits(ppn):
        return Fault(Reason.BAD_CHARACTER, "A PPN of agency 11 has digits only. Scan the pack again.")
    if len(ppn) > _PPN_LENGTH:
        return Fault(Reason.TOO_LONG, f"A PPN of agency 11 has {_PPN_LENGTH} digits. Scan the pack again.")
    if len(ppn) < _PPN_LENGTH or _ppn_check(ppn[:-2]) != ppn[-2:] or not _is_pzn(ppn[_PZN]):
        return Fault(
            Reason.BAD_CHECK_DIGIT,
            "The check digits of the PPN are wrong. Compare it with the print on the pack.",
        )
    return None


def _ppn_check(payload: str) -> str:
    """ASCII values by weights 2, 3, 4 … from the left, modulo 97."""
    return f"{sum(ord(char) * weight for weight, char in enumerate(payload, start=2)) % 97:02}"


def _is_pzn(pzn: str) -> bool:
    """Digits by their position, modulo 11, make the eighth; a remainder of 10 is never issued."""
    return sum(int(digit) * weight for weight, digit in enumerate(pzn[:7], start=1)) % 11 == int(pzn[7])
