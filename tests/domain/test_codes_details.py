"""What a refusal says of the element that is wrong, for the person who holds the pack."""

from datetime import date

import pytest

from verifier.domain.codes import Reason, Unreadable, from_elements, parse

TODAY = date(2026, 11, 21)
PACK = {"gtin": "05012345678900", "ppn": None, "serial": "S1", "lot": "L1", "expiry": "271231"}


def refused(raw: str) -> Unreadable:
    read = parse(raw, today=TODAY)
    assert isinstance(read, Unreadable), read
    return read


@pytest.mark.parametrize("ai", ["11", "12", "13", "15", "16"])
def test_a_date_that_does_not_exist_is_named_whatever_it_is_of(ai: str):
    read = refused(f"]d20105012345678900{ai}261332\x1d17271231\x1d10L1\x1d21S1")
    assert read.reason == Reason.BAD_DATE
    assert f"({ai})" in read.detail
    assert "of the form YYMMDD." in read.detail


def test_an_expiry_that_does_not_exist_is_named_with_its_form():
    read = refused("]d20105012345678900\x1d17271332\x1d10L1\x1d21S1")
    assert read.reason == Reason.BAD_DATE
    assert "The expiry is" in read.detail
    assert "of the form YYMMDD." in read.detail


def test_a_production_date_that_does_not_exist_is_named_with_its_form():
    read = refused("[)>\x1e06\x1d9N111234567842\x1d16D20261332\x1d1TL\x1dD271231\x1dSS\x1e\x04")
    assert read.reason == Reason.BAD_DATE
    assert "The production date is no day of the form YYYYMMDD." in read.detail


@pytest.mark.parametrize(("ai", "name"), [("10", "lot"), ("21", "serial")])
@pytest.mark.parametrize("value", ["", "A" * 21])
def test_the_text_that_is_wrong_is_named(ai: str, name: str, value: str):
    other = {"10": "(21)S1", "21": "(10)L1"}[ai]
    assert f"The {name} " in refused(f"(01)05012345678900(17)271231{other}({ai}){value}").detail


@pytest.mark.parametrize("name", ["serial", "lot"])
@pytest.mark.parametrize("value", ["", "A" * 21, "A#"])
def test_the_field_that_is_wrong_is_named(name: str, value: str):
    [error] = from_elements(**(PACK | {name: value}), today=TODAY)
    assert error.field == name
    assert f"The {name} " in error.detail
