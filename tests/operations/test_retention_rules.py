"""How long records are kept, clock by clock."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.domain.expiry import Expiry
from verifier.domain.profiles import load, names
from verifier.domain.retention import (
    REPLAYABLE,
    UNKNOWN_PACK,
    Clock,
    Life,
    RecordClass,
    Start,
    cutoff,
    is_over,
    keep_until,
    years_later,
)

EU, US = load("eu_fmd").retention, load("us_dscsa").retention
RETENTIONS = {**{name: load(name).retention for name in names()}, "unknown pack": UNKNOWN_PACK}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def life(expiry: int | None = None, **instants: str) -> Life:
    read = {name: at(text) for name, text in instants.items()}
    return Life(Expiry.from_number(expiry) if expiry else None, **read)


OLD = {"released": "2010-01-01", "last_event": "2010-02-01"}

# fmt: off
KEPT = [
    # clocks  the pack                                                              kept until
    (EU, life(20271231, released="2025-03-01"),                                     "2030-03-01"),
    (EU, life(20301231, released="2025-03-01"),                                     "2031-12-31"),
    (EU, life(20291100, released="2020-03-01"),                                     "2030-11-30"),
    (EU, life(20280200, released="2020-03-01"),                                     "2029-03-01"),
    (EU, life(20280229, released="2020-03-01"),                                     "2029-03-01"),
    (EU, life(20270228, released="2020-03-01"),                                     "2028-02-28"),
    (EU, life(20200101, released="2024-02-29"),                                     "2029-03-01"),
    (EU, life(20200101, released="2020-01-01", last_event="2026-06-01"),            "2026-08-30"),
    (EU, life(20200101, released="2020-01-01", concluded="2026-06-01"),             "2025-01-01"),
    (EU, life(20200101, released="2020-01-01", disposed="2026-06-01"),              "2025-01-01"),
    (EU, life(99991231, released="2020-01-01"),                                     "9999-12-31"),
    (US, life(20250630, released="2020-03-01"),                                     "2026-03-01"),
    (US, life(20350630, released="2020-03-01"),                                     "2035-06-30"),
    (US, life(20250630, released="2020-03-01", last_event="2024-05-05"),            "2030-05-05"),
    (US, life(20250630, **OLD, concluded="2021-07-07"),                             "2027-07-07"),
    (US, life(20250630, **OLD, disposed="2022-08-08"),                              "2028-08-08"),
    (US, life(20250630, **OLD, disposed="2022-08-08", concluded="2024-02-29"),      "2030-03-01"),
    (UNKNOWN_PACK, life(last_event="2020-05-05"),                                   "2026-05-05"),
    (UNKNOWN_PACK, life(last_event="2020-05-05", concluded="2022-01-01"),           "2028-01-01"),
]
# fmt: on


@pytest.mark.parametrize(("clocks", "pack", "until"), KEPT)
def test_the_last_clock_decides(clocks: tuple[Clock, ...], pack: Life, until: str):
    assert keep_until(clocks, pack) == date.fromisoformat(until)


@pytest.mark.parametrize("name", RETENTIONS)
def test_while_an_alert_is_open_nothing_goes(name: str):
    pack = life(20000101, released="1999-01-01", last_event="1999-02-01", concluded="1999-03-01")
    assert keep_until(RETENTIONS[name], pack) is not None
    assert keep_until(RETENTIONS[name], replace(pack, open_alerts=True)) is None


@pytest.mark.parametrize("name", RETENTIONS)
def test_where_no_clock_runs_nothing_goes(name: str):
    assert keep_until(RETENTIONS[name], Life()) is None
    assert keep_until((), life(20000101, released="1999-01-01")) is None


def test_the_us_statute_has_a_clock_for_each_class_of_records():
    assert {clock.keeps for clock in US} == set(RecordClass)
    assert {clock.start for clock in US if clock.keeps is RecordClass.INVESTIGATION} == {Start.CONCLUSION}


def test_every_clock_has_its_clause():
    assert all(clock.basis for clocks in RETENTIONS.values() for clock in clocks)


@pytest.mark.parametrize(
    ("now", "over"),
    [
        ("2030-03-01T23:59:59", False),  # the day itself
        ("2030-03-02T11:59:59", False),  # the same day still on Baker Island, UTC-12
        ("2030-03-02T23:59:59", False),
        ("2030-03-03T00:00:00", True),
    ],
)
def test_the_day_has_to_end_everywhere(now: str, *, over: bool):
    assert is_over(date(2030, 3, 1), at(now)) is over
    assert not is_over(None, at(now))


@pytest.mark.parametrize(
    ("years", "now", "before"),
    [
        (5, "2026-11-21T12:00", "2021-11-20"),
        (1, "2024-03-01T00:00", "2023-02-28"),
        (4, "2024-03-01T00:00", "2020-02-29"),
        (0, "2026-11-21T00:00", "2026-11-20"),
    ],
)
def test_a_cutoff_is_so_many_years_before_the_day_that_ended_last(years: int, now: str, before: str):
    assert cutoff(years, at(now)) == date.fromisoformat(before)


days = st.dates(date(1990, 1, 1), date(2060, 12, 31))
instants = st.datetimes(datetime(1990, 1, 1), datetime(2060, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
expiries = st.builds(
    lambda day, whole: Expiry(day.year, day.month, 0 if whole else day.day), days, st.booleans()
)
lives = st.builds(
    Life,
    expiry=st.none() | expiries,
    released=st.none() | instants,
    last_event=st.none() | instants,
    concluded=st.none() | instants,
    disposed=st.none() | instants,
)
retentions = st.sampled_from(list(RETENTIONS.values()))


@given(retentions, lives)
def test_nothing_is_kept_shorter_than_any_clock_that_runs(clocks: tuple[Clock, ...], pack: Life):
    kept = keep_until(clocks, pack)
    for clock in clocks:
        started = pack.starts(clock.start)
        if started is not None:
            assert kept is not None
            assert kept.year - started.year >= clock.years
            assert (kept.year - clock.years, kept.month, kept.day) >= (
                started.year,
                started.month,
                started.day,
            )


@given(retentions, lives, instants)
def test_nothing_goes_whose_answer_may_be_replayed(clocks: tuple[Clock, ...], pack: Life, now: datetime):
    if is_over(keep_until(clocks, pack), now) and pack.last_event is not None:
        assert now - pack.last_event > REPLAYABLE


@given(st.sampled_from([load(name).retention for name in names()]), lives, instants)
def test_a_pack_in_date_is_kept(clocks: tuple[Clock, ...], pack: Life, now: datetime):
    if pack.expiry is not None and is_over(keep_until(clocks, pack), now):
        assert pack.expiry.last_day() < now.date()


@given(retentions, lives, st.sampled_from(["released", "last_event", "concluded", "disposed"]), instants)
def test_what_happens_later_never_shortens(clocks: tuple[Clock, ...], pack: Life, name: str, later: datetime):
    before, after = keep_until(clocks, pack), keep_until(clocks, replace(pack, **{name: later}))
    if before is not None and (getattr(pack, name) or datetime.min.replace(tzinfo=UTC)) <= later:
        assert after is not None
        assert after >= before


@given(days)
def test_a_day_00_is_the_end_of_its_month(day: date):
    month = Expiry(day.year, day.month, 0)
    last = month.last_day()
    assert keep_until(EU, Life(month)) == keep_until(EU, Life(Expiry(last.year, last.month, last.day)))


@given(days, st.integers(0, 10), instants)
def test_what_started_before_the_cutoff_is_over_and_of_the_rest_only_a_leap_day_is(
    day: date, years: int, now: datetime
):
    over = is_over(years_later(day, years), now)
    if day < cutoff(years, now):
        assert over
    else:
        assert not over or abs(day - cutoff(years, now)) <= timedelta(days=1)


def test_the_table_in_the_documents_is_the_one_that_decides():
    page = (Path(__file__).parents[2] / "docs" / "retention.md").read_text("utf-8")
    rows = {tuple(cell.strip() for cell in line.strip("|").split("|")) for line in page.splitlines()}
    told = {row for row in rows if row[0] in RETENTIONS}
    assert told == {
        (name, clock.keeps, clock.start, str(clock.years), clock.basis)
        for name, clocks in RETENTIONS.items()
        for clock in clocks
    }
