"""What fuzzing found about the reader of pack codes, and that its seeds keep the invariants."""

import sys
from datetime import date

import pytest
from fuzz.code_invariants import SEEDS, check

from verifier.domain import elements
from verifier.domain.codes import Reason, Unreadable, parse

TODAY = date(2026, 11, 21)
MOST_TRIES = 10_000

# fmt: off
ENDLESS = {
    "a lot that could end before every D":
        ("[)>\x1e06\x1d1M\x1d1T!SSSSSSSSSSSSSSSSS06" + "D" * 118 + "\x1d9N1112", Reason.TOO_LONG),
    "a lot that could end before every S":
        ("[)>\x1e06\x1d1T" + "S" * 2000 + "\x1d9N1112", Reason.MISSING_SEPARATOR),
    "an internal element that could end before every 10":
        ("]d291" + "10" * 40 + "\x1d21S\x1d17271231\x1d0105012345678901", Reason.MISSING_SEPARATOR),
}
# fmt: on


@pytest.mark.parametrize("text", SEEDS)
def test_what_fuzzing_starts_from_keeps_what_must_hold(text: str):
    check(text)


@pytest.mark.parametrize("name", ENDLESS)
def test_a_text_with_very_many_splits_is_refused_after_a_bounded_search(name: str):
    text, reason = ENDLESS[name]
    check(text)
    tries = 0

    def count(frame, event, _):
        nonlocal tries
        tries += event == "call" and frame.f_code is elements.value_fault.__code__

    sys.setprofile(count)
    try:
        read = parse(text, today=TODAY)
    finally:
        sys.setprofile(None)
    assert isinstance(read, Unreadable)
    assert read.reason == reason
    assert tries < MOST_TRIES


def test_an_envelope_that_could_be_split_twice_and_names_no_product_is_refused_for_the_product():
    read = parse("[)>\x1e06\x1d1TAS1S2\x1dD271231", today=TODAY)
    assert isinstance(read, Unreadable)
    assert read.reason == Reason.MISSING_GTIN
