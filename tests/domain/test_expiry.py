from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.domain.expiry import Expiry, parse_expiry

TODAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("271231", Expiry(2027, 12, 31)),
        ("271200", Expiry(2027, 12, 0)),
        ("2027-12-31", Expiry(2027, 12, 31)),
        ("2027-12-00", Expiry(2027, 12, 0)),
        ("280229", Expiry(2028, 2, 29)),
        ("760101", Expiry(2076, 1, 1)),
        ("770101", Expiry(1977, 1, 1)),
        ("990101", Expiry(1999, 1, 1)),
        ("000101", Expiry(2000, 1, 1)),
    ],
)
def test_a_printed_date_is_read_as_printed(text, expected):
    assert parse_expiry(text, today=TODAY) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "2712", "27123", "2712310", "271331", "270001", "270230", "270229", "271232", "2027-12",
        "2027-2-01", "2027-13-01", "2027-02-30", "0000-01-01", "2027/12/31", "27-12-31", "271231\n",
        " 271231", "\uff12\uff17\uff11\uff12\uff13\uff11",
        "\u0662\u0667\u0661\u0662\u0663\u0661", "\xb271231", "2027-12-31T00:00:00Z", "abcdef",
    ],
)  # fmt: skip
def test_what_is_no_date_is_none(text):
    assert parse_expiry(text, today=TODAY) is None


@pytest.mark.parametrize(
    ("year_now", "text", "year"),
    [
        (2026, "76", 2076), (2026, "77", 1977), (1999, "49", 2049), (1999, "50", 1950),
        (2051, "00", 2100), (2049, "00", 2000), (2051, "99", 2099),
    ],
)  # fmt: skip
def test_the_century_follows_the_window_of_gs1(year_now, text, year):
    assert parse_expiry(f"{text}0101", today=date(year_now, 6, 1)) == Expiry(year, 1, 1)


def test_a_year_after_the_last_of_the_calendar_is_none():
    assert parse_expiry("000101", today=date(9999, 1, 1)) is None


@pytest.mark.parametrize(
    ("expiry", "iso", "yymmdd", "number", "last_day"),
    [
        (Expiry(2027, 12, 31), "2027-12-31", "271231", 20271231, date(2027, 12, 31)),
        (Expiry(2027, 12, 0), "2027-12", "271200", 20271200, date(2027, 12, 31)),
        (Expiry(2028, 2, 0), "2028-02", "280200", 20280200, date(2028, 2, 29)),
        (Expiry(2027, 2, 0), "2027-02", "270200", 20270200, date(2027, 2, 28)),
    ],
)
def test_every_form_of_a_date(expiry, iso, yymmdd, number, last_day):
    assert (expiry.iso(), expiry.yymmdd(), expiry.number(), expiry.last_day()) == (
        iso,
        yymmdd,
        number,
        last_day,
    )
    assert Expiry.from_number(number) == expiry


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Expiry(2027, 12, 31), Expiry(2027, 12, 31), True),
        (Expiry(2027, 12, 31), Expiry(2027, 12, 30), False),
        (Expiry(2027, 12, 31), Expiry(2027, 12, 0), True),
        (Expiry(2027, 12, 0), Expiry(2027, 12, 0), True),
        (Expiry(2027, 12, 0), Expiry(2027, 11, 0), False),
        (Expiry(2027, 12, 0), Expiry(2028, 12, 31), False),
    ],
)
def test_a_day_00_on_either_side_compares_the_month(one, other, same):
    assert one.same(other) is same
    assert other.same(one) is same


@given(st.dates(date(1977, 1, 1), date(2076, 12, 31)), st.booleans())
def test_a_date_in_the_window_reads_back(day, month_only):
    expiry = Expiry(day.year, day.month, 0 if month_only else day.day)
    assert parse_expiry(expiry.yymmdd(), today=TODAY) == expiry
    assert Expiry.from_number(expiry.number()) == expiry
    assert expiry.same(Expiry(day.year, day.month, day.day))


@given(st.text(max_size=12), st.dates())
def test_no_text_raises(text, today):
    result = parse_expiry(text, today=today)
    assert result is None or result.last_day()
