import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.domain.gs1 import gtin_fault
from verifier.domain.pack_code import Reason
from verifier.domain.ppn import ntin_to_ppn, ppn_fault, ppn_to_ntin


@pytest.mark.parametrize(
    ("ppn", "ntin"),
    [
        ("111234567842", "04150123456782"),
        ("111234568408", "04150123456843"),
        ("110375286414", "04150037528643"),
        ("112097776020", "04150209777602"),
    ],
)
def test_ppn_and_ntin_are_one_product(ppn, ntin):
    assert ppn_to_ntin(ppn) == ntin
    assert ntin_to_ppn(ntin) == ppn


@pytest.mark.parametrize(
    ("ppn", "reason"),
    [
        ("111234567843", Reason.BAD_CHECK_DIGIT),
        ("111234567940", Reason.BAD_CHECK_DIGIT),
        ("11123456784", Reason.BAD_CHECK_DIGIT),
        ("1112345678420", Reason.TOO_LONG),
        ("11123456784X", Reason.BAD_CHARACTER),
        ("11123456784\uff12", Reason.BAD_CHARACTER),
        ("121234567842", Reason.NOT_A_PACK_CODE),
        ("AB1234567842", Reason.NOT_A_PACK_CODE),
        ("", Reason.NOT_A_PACK_CODE),
    ],
)
def test_a_wrong_ppn_has_a_reason_and_no_ntin(ppn, reason):
    fault = ppn_fault(ppn)
    assert fault is not None
    assert fault.reason is reason
    assert ppn_to_ntin(ppn) is None


@pytest.mark.parametrize(
    "gtin",
    [
        "04150123456792",  # wrong check digit, from a vendor's page
        "05012345678900",  # another GTIN
        "4150123456782",  # not 14 digits
        "",
    ],
)
def test_what_is_no_ntin_has_no_ppn(gtin):
    assert ntin_to_ppn(gtin) is None


def test_an_ntin_with_a_pzn_that_cannot_exist_has_no_ppn():
    assert gtin_fault("04150123456799") is None
    assert ntin_to_ppn("04150123456799") is None


@given(st.integers(0, 9_999_999))
def test_every_pzn_goes_both_ways(number):
    payload = f"{number:07}"
    check = sum(int(d) * w for w, d in enumerate(payload, 1)) % 11
    body = f"11{payload}{check}"
    ppn = body + f"{sum(ord(c) * w for w, c in enumerate(body, 2)) % 97:02}"
    ntin = ppn_to_ntin(ppn)
    if check == 10:
        assert ntin is None
    else:
        assert ntin is not None
        assert gtin_fault(ntin, lengths=(14,)) is None
        assert ntin_to_ppn(ntin) == ppn


@given(st.text(max_size=30))
def test_no_text_raises(text):
    assert ppn_to_ntin(text) is None or not ppn_fault(text)
    assert ntin_to_ppn(text) is None or text.startswith("04150")
