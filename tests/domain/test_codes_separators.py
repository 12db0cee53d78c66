from datetime import date

import pytest

from verifier.domain.codes import Expiry, PackCode, Reason, Unreadable, parse

TODAY = date(2026, 11, 21)
GS, RS = "\x1d", "\x1e"
GTIN = "05012345678900"
EXPIRY = Expiry(2027, 12, 31)
FIRST = f"01{GTIN}17271231"
IFA = f"[)>{RS}06{GS}9N111234567842"


def restored(serial, lot, *more, gtin=GTIN, ppn=None):
    return PackCode(gtin, serial, lot, EXPIRY, ppn, ("separator_restored", *more))


def refused(raw):
    code = parse(raw, today=TODAY)
    assert isinstance(code, Unreadable)
    return code.reason, code.gtin, code.serial


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (f"]d2{FIRST}10ABC12321S1", restored("S1", "ABC123")),
        (f"{FIRST}10ABC12321S1", restored("S1", "ABC123")),
        (f"]d2{FIRST}10ABCDEFGHIJKLMN21STUVWXYZ", restored("STUVWXYZ", "ABCDEFGHIJKLMN")),
        (f"]d2{FIRST}21SERIAL10LOT7", restored("SERIAL", "LOT7")),
        (f"]d201{GTIN}21SERIAL1727123110LOT7", restored("SERIAL", "LOT7")),
        (f"]d201{GTIN}10LOT71727123121SERIAL", restored("SERIAL", "LOT7")),
        (f"]d201{GTIN}10LOT7{GS}21SERIAL17271231", restored("SERIAL", "LOT7")),
        (f"]d221SERIAL10LOT7{FIRST}", restored("SERIAL", "LOT7")),
        (f"]d2{FIRST}21SERIAL10LOT771012345678", None),
        (f"]d2{FIRST}10LOT721SERIAL{GS}71012345678", restored("SERIAL", "LOT7")),
        (f"]d2{FIRST}10LOT721SERIAL{GS}8999X", restored("SERIAL", "LOT7", "unknown_ai")),
        (f"]d2{FIRST}{GS}8999X{GS}10LOT721SERIAL", restored("SERIAL", "LOT7", "unknown_ai")),
        (f"]d2{FIRST}01{GTIN}10LOT721SERIAL", restored("SERIAL", "LOT7")),
        (f"]d2{FIRST}42227610LOT7{GS}21SERIAL", restored("SERIAL", "LOT7")),
        (f"]d2{FIRST}10LOT7{GS}21{'X' * 20}240PART", restored("X" * 20, "LOT7")),
        (f"[)>{RS}05{GS}{FIRST}10ABC12321S1", restored("S1", "ABC123")),
        (f"{IFA}SSERIAL1TLOT7D271231", restored("SERIAL", "LOT7", gtin="04150123456782", ppn="111234567842")),
        (f"{IFA}{GS}S42101TLOT7D271231", restored("4210", "LOT7", gtin="04150123456782", ppn="111234567842")),
    ],
)  # fmt: skip
def test_the_only_split_that_fits_is_taken_with_a_note(raw, expected):
    code = parse(raw, today=TODAY)
    if expected is None:
        assert refused(raw) == (Reason.MISSING_SEPARATOR, GTIN, None)
    else:
        assert code == expected


@pytest.mark.parametrize(
    ("raw", "gtin"),
    [
        (f"]d2{FIRST}10A21B21C", GTIN),
        (f"]d2{FIRST}10A2121B", GTIN),
        (f"]d2{FIRST}21A10B10C", GTIN),
        (f"]d2{FIRST}10{'2110' * 9}", GTIN),
        (f"]d2{FIRST}10A21B10C21D", GTIN),
        (f"]d2{FIRST}{'10' * 20}{'21' * 20}", GTIN),
        (f"{IFA}{GS}SA1TB1TCD271231", "04150123456782"),
        # bare, the product swallowed with the rest: still surely a GS1 code
        (f"10A10A10A01{GTIN}1727123121S1", None),
        (f"{'10' * 10}01{GTIN}172712312110", None),
    ],
)
def test_several_splits_are_refused(raw, gtin):
    assert refused(raw) == (Reason.MISSING_SEPARATOR, gtin, None)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        # all four are there: what looks like another element is data
        (f"]d2{FIRST}10LOT7{GS}21SERIAL240X", PackCode(GTIN, "SERIAL240X", "LOT7", EXPIRY, None, ())),
        (
            f"]d2{FIRST}10LOT21X{GS}21SER10X17271231",
            PackCode(GTIN, "SER10X17271231", "LOT21X", EXPIRY, None, ()),
        ),
        # no lot and none hidden
        (f"]d2{FIRST}21ABCDEFGHIJKLMNOPQRST", PackCode(GTIN, "ABCDEFGHIJKLMNOPQRST", None, EXPIRY, None, ())),
        (f"]d2{FIRST}2110ABC", PackCode(GTIN, "10ABC", None, EXPIRY, None, ())),
        (f"]d2{FIRST}21ABC10", PackCode(GTIN, "ABC10", None, EXPIRY, None, ())),
        # a closing separator: the serial is complete
        (f"]d2{FIRST}21SERIAL10LOT7{GS}", PackCode(GTIN, "SERIAL10LOT7", None, EXPIRY, None, ())),
    ],
)
def test_no_element_is_invented(raw, expected):
    assert parse(raw, today=TODAY) == expected


@pytest.mark.parametrize(
    "raw", [f"]d201{GTIN}21SERIAL10LOT7{GS}17271231", f"]d2{FIRST}21SERIAL10LOT7{GS}240X"]
)
def test_a_value_ended_by_a_separator_is_neither_cut_nor_believed(raw):
    assert refused(raw) == (Reason.MISSING_SEPARATOR, GTIN, None)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (f"]d2{FIRST}21{'X' * 21}10", (Reason.TOO_LONG, GTIN, None)),
        (f"]d201{GTIN}1727133110ABC12321S1", (Reason.BAD_DATE, GTIN, None)),
        ("]d2010501234567890117271231" + "10ABC12321S1", (Reason.BAD_CHECK_DIGIT, "05012345678901", None)),
        (f"]d2{FIRST}10ABC12321S 1", (Reason.BAD_CHARACTER, GTIN, None)),
        (f"]d2{FIRST}10{'L' * 21}21S1", (Reason.TOO_LONG, GTIN, None)),
        (f"]d2{FIRST}1727120010LOT721SERIAL", (Reason.REPEATED_ELEMENT, GTIN, None)),
        (f"{IFA}SSERIAL", (Reason.BAD_CHARACTER, None, None)),
        (f"{IFA}{GS}1T{'LOT' * 5}D271231", (Reason.TOO_LONG, "04150123456782", None)),
        # the product of the content is there: no product of its own may be cut out of the serial
        (f"]d202{GTIN}1727123110LOT7{GS}21S01{GTIN}", (Reason.MISSING_GTIN, None, f"S01{GTIN}")),
        (f"]d2{FIRST}02{GTIN}10{'L' * 19}21S1", (Reason.TOO_LONG, GTIN, None)),
    ],
)
def test_where_no_split_fits_the_first_fault_is_told(raw, expected):
    assert refused(raw) == expected
