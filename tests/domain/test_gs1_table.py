"""The table of Application Identifiers: what its lengths say agrees with what its patterns take."""

import pytest

from verifier.domain.gs1 import APPLICATION_IDENTIFIERS, fits_when_cut

DATES = {"11", "12", "13", "15", "16", "17"}
PREDEFINED = sorted(code for code, ai in APPLICATION_IDENTIFIERS.items() if ai.length is not None)


def test_the_elements_without_a_separator_are_those_of_figure_7_8_5_2():
    beginnings = {code[:2] for code in PREDEFINED}
    # 04, 14, 18 and 19 are set aside there and belong to no identifier; 03 is of a later edition
    assert beginnings - {"03"} == {
        "00", "01", "02", "11", "12", "13", "15", "16", "17", "20", "31", "32", "33", "34", "35", "36", "41",
    }  # fmt: skip


@pytest.mark.parametrize("code", PREDEFINED)
def test_a_predefined_length_is_the_only_one_that_the_pattern_takes(code: str):
    ai = APPLICATION_IDENTIFIERS[code]
    value = "260101" if code in DATES else "0" * (ai.length or 0)
    assert len(value) == ai.length
    assert ai.accepts(value)
    assert not ai.accepts(value + "0")
    assert not ai.accepts(value[:-1])


@pytest.mark.parametrize(
    ("code", "value", "fits"),
    [
        ("91", "A\x1f", True),
        ("91", "\x1fA", False),
        ("91", "A", False),
        ("91", "A" * 90 + "\x1f", True),
        ("20", "123", True),
        ("30", "1A", True),
        ("20", "1A3", False),
    ],
)
def test_a_value_with_too_much_behind_it_is_told_from_a_wrong_one(code: str, value: str, fits: bool):  # noqa: FBT001
    assert fits_when_cut(APPLICATION_IDENTIFIERS[code], value) is fits
