"""Which syntax may come in which symbol: AIM prefixes (ISO/IEC 15424) against what stands behind them."""

from datetime import date

import pytest

from verifier.domain.codes import PackCode, Reason, Unreadable, parse

TODAY = date(2026, 11, 21)
GTIN = "05012345678900"
SYNTAXES = {
    "element string": f"01{GTIN}17271231\x1d10L1\x1d21S1",
    "link": f"https://id.gs1.org/01/{GTIN}/10/L1/21/S1?17=271231",
    "envelope": "[)>\x1e06\x1d9N111234567842\x1dSS1\x1d1TL1\x1dD271231\x1e\x04",
    "in brackets": f"(01){GTIN}(17)271231(10)L1(21)S1",
}
CARRIED = {
    "": set(SYNTAXES),
    "]d2": {"element string"},
    "]Q3": {"element string"},
    "]C1": {"element string"},
    "]e0": {"element string"},
    "]J1": {"element string"},
    "]d1": {"link", "envelope"},
    "]Q1": {"link"},
}
OTHERS = ["]d0", "]D2", "]Q0", "]C0", "]E0", "]e1", "]X9"]


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("prefix", [*CARRIED, *OTHERS])
def test_a_symbol_carries_its_own_syntaxes_only(prefix: str, syntax: str):
    read = parse(prefix + SYNTAXES[syntax], today=TODAY)
    if syntax in CARRIED.get(prefix, set()):
        assert isinstance(read, PackCode)
        assert (read.serial, read.lot) == ("S1", "L1")
        return
    assert isinstance(read, Unreadable)
    if syntax == "element string" or prefix not in CARRIED:
        assert read == Unreadable(
            Reason.NOT_A_PACK_CODE,
            "This is not the code of a medicine pack. Scan the two-dimensional code with the serial.",
        )
