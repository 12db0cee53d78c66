from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.domain.gs1 import (
    APPLICATION_IDENTIFIERS,
    ai_at,
    check_digit,
    gtin_fault,
    is_digits,
    message_fault,
    text_fault,
)
from verifier.domain.pack_code import Reason

SET_82 = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    "gtin",
    [
        "05012345678900", "5012345678900", "04150123456782", "00361414567894", "09501101530003", "96385074",
        "036000291452", "10614141543219",
    ],
)  # fmt: skip
def test_published_gtins_are_right(gtin):
    assert gtin_fault(gtin) is None
    assert check_digit(gtin[:-1]) == gtin[-1]


@pytest.mark.parametrize(
    ("gtin", "reason"),
    [
        ("04150123456792", Reason.BAD_CHECK_DIGIT),
        ("05012345678901", Reason.BAD_CHECK_DIGIT),
        ("", Reason.BAD_CHECK_DIGIT),
        ("501234567891", Reason.BAD_CHECK_DIGIT),
        ("123456789", Reason.BAD_CHECK_DIGIT),
        ("005012345678900", Reason.TOO_LONG),
        ("0501234567890X", Reason.BAD_CHARACTER),
        ("\uff105012345678900", Reason.BAD_CHARACTER),
        (
            "\u0660\u0665\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669\u0660\u0660",
            Reason.BAD_CHARACTER,
        ),
        (" 5012345678900", Reason.BAD_CHARACTER),
        ("05012345678900\n", Reason.BAD_CHARACTER),
    ],
)
def test_a_wrong_gtin_has_a_reason(gtin, reason):
    fault = gtin_fault(gtin)
    assert fault is not None
    assert fault.reason is reason


def test_set_82_has_82_characters_and_no_other_ascii():
    allowed = [
        chr(c) for c in range(0x10000) if text_fault(chr(c), name="lot", missing=Reason.MISSING_LOT) is None
    ]
    assert sorted(allowed) == sorted(SET_82)
    assert len(allowed) == 82


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", Reason.MISSING_LOT),
        ("A" * 21, Reason.TOO_LONG),
        ("A B", Reason.BAD_CHARACTER),
        ("Ä", Reason.BAD_CHARACTER),
    ],
)
def test_a_wrong_lot_has_a_reason(value, reason):
    fault = text_fault(value, name="lot", missing=Reason.MISSING_LOT)
    assert fault is not None
    assert fault.reason is reason


def test_a_fault_names_the_place_and_the_code_point_only():
    fault = message_fault("10LOT 1")
    assert fault is not None
    assert "Character 6 (U+0020)" in fault.detail


@pytest.mark.parametrize(
    ("code", "length", "good", "bad"),
    [
        ("01", 14, "05012345678900", "0501234567890"),
        ("10", None, "A" * 20, "A" * 21),
        ("17", 6, "271200", "271300"),
        ("240", None, "A" * 30, "A" * 31),
        ("30", None, "12345678", "123456789"),
        ("422", None, "276", "27"),
        ("710", None, "12345678", "A" * 21),
        ("717", None, "A", ""),
        ("7003", None, "2712311200", "271231120"),
        ("8008", None, "27123112", "2712"),
        ("99", None, "A" * 90, "A" * 91),
        ("3103", 6, "000750", "00075\uff10"),
        ("414", 13, "4012345000009", "401234500000"),
    ],
)
def test_the_table_knows_form_and_length(code, length, good, bad):
    ai = APPLICATION_IDENTIFIERS[code]
    assert ai.length == length
    assert ai.accepts(good)
    assert not ai.accepts(bad)


def test_no_ai_is_the_beginning_of_another():
    codes = sorted(APPLICATION_IDENTIFIERS)
    assert not [(a, b) for a, b in pairwise(codes) if b.startswith(a)]


@pytest.mark.parametrize(
    ("text", "code"), [("0105", "01"), ("2405", "240"), ("3103", "3103"), ("8999", None), ("", None)]
)
def test_the_ai_at_a_place_is_found(text, code):
    found = ai_at(f"XX{text}", 2)
    assert (found.code if found else None) == code


@given(st.text(max_size=30))
def test_digits_are_ascii_digits_only(text):
    assert is_digits(text) == (bool(text) and all(char in "0123456789" for char in text))


@given(st.text("0123456789", min_size=13, max_size=13), st.integers(0, 13), st.integers(1, 9))
def test_one_wrong_digit_is_always_noticed(payload, place, step):
    gtin = payload + check_digit(payload)
    wrong = gtin[:place] + str((int(gtin[place]) + step) % 10) + gtin[place + 1 :]
    assert gtin_fault(gtin) is None
    assert gtin_fault(wrong) is not None
