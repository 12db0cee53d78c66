"""The tables of the regulations, row by row, as the law was read: from, action, to, only if, clause."""

import pytest

from verifier.domain.lifecycle import Action, Profile
from verifier.domain.profiles import load

IN_TRADE = "seal_intact not_withdrawn not_recalled in_date not_on_hold"
EU_UNDO = "same_site within(days=10) undo_in_date undo_not_recalled"
EU_UNDO_SUPPLY = f"{EU_UNDO} not_supplied_to_public"
EU_UNDO_LOCK = US_UNDO = "same_site undo_in_date undo_not_recalled"

# fmt: off
EU_ROWS = [
    # from         action         to             only if         basis
    ("active",      "look",        "active",      "",             "Art. 10, 11"),
    ("active",      "dispensed",   "dispensed",   "",             "Art. 23, 25(1)"),
    ("active",      "exported",    "exported",    "",             "Art. 22(a)"),
    ("active",      "destroyed",   "destroyed",   "",             "Art. 22(b), 22(c), 25, 40"),
    ("active",      "sample",      "sample",      "",             "Art. 22(d), 25"),
    ("active",      "free_sample", "free_sample", "",             "Art. 41"),
    ("active",      "stolen",      "stolen",      "",             "Art. 40"),
    ("active",      "locked",      "locked",      "",             "EMVS pack states"),
    ("active",      "checked_out", "checked_out", "",             "Art. 16"),
    ("locked",      "destroyed",   "destroyed",   "",             "Art. 22(c), 40"),
    ("locked",      "stolen",      "stolen",      "",             "Art. 40"),
    ("dispensed",   "reactivate",  "active",      EU_UNDO_SUPPLY, "Art. 13(1)"),
    ("exported",    "reactivate",  "active",      EU_UNDO,        "Art. 13(1)"),
    ("sample",      "reactivate",  "active",      EU_UNDO,        "Art. 13(1)"),
    ("free_sample", "reactivate",  "active",      EU_UNDO,        "Art. 13(1)"),
    ("checked_out", "reactivate",  "active",      EU_UNDO,        "Art. 13(1)"),
    ("locked",      "reactivate",  "active",      EU_UNDO_LOCK,   "EMVS: no time limit for a lock"),
]
US_ROWS = [
    # from         action         to             only if  basis
    ("active",      "look",        "active",      "",      "360eee(28)"),
    ("active",      "dispensed",   "dispensed",   "",      "360eee-1(d)"),
    ("active",      "exported",    "exported",    "",      "360eee(4), disposition"),
    ("active",      "destroyed",   "destroyed",   "",      "360eee(4), disposition"),
    ("active",      "sample",      "sample",      "",      "360eee-1(c)(4)(B)(i), (d)(4)(B)(i)"),
    ("active",      "free_sample", "free_sample", "",      "360eee(4), disposition"),
    ("active",      "stolen",      "stolen",      "",      "360eee(21)(A)"),
    ("active",      "locked",      "locked",      "",      "360eee(15), quarantine"),
    ("active",      "checked_out", "checked_out", "",      "360eee-1(e), repackager"),
    ("locked",      "destroyed",   "destroyed",   "",      "360eee(4), disposition"),
    ("locked",      "stolen",      "stolen",      "",      "360eee(21)(A)"),
    ("dispensed",   "reactivate",  "active",      US_UNDO, "correction by the site that erred"),
    ("exported",    "reactivate",  "active",      US_UNDO, "correction by the site that erred"),
    ("sample",      "reactivate",  "active",      US_UNDO, "correction by the site that erred"),
    ("free_sample", "reactivate",  "active",      US_UNDO, "correction by the site that erred"),
    ("checked_out", "reactivate",  "active",      US_UNDO, "correction by the site that erred"),
    ("locked",      "reactivate",  "active",      US_UNDO, "360eee-1(c)(4)(A)(ii), (d)(4)(A)(iii)"),
]
EU_CLOCKS = [
    # keeps          from          years  basis
    ("transaction",   "expiry",     1,     "Art. 33(4), 35(1)(g)"),
    ("transaction",   "release",    5,     "Art. 33(4), 35(1)(g)"),
]
US_CLOCKS = [
    # keeps          from          years  basis
    ("transaction",   "expiry",     0,     "360eee-1(b)(4)(C), (c)(4)(D): answers"),
    ("transaction",   "release",    6,     "360eee-1(c)(1)(A)(v)"),
    ("transaction",   "last event", 6,     "360eee-1(c)(1)(A)(v)"),
    ("investigation", "conclusion", 6,     "360eee-1(c)(4)(A)(iii), (d)(4)(A)(iv)"),
    ("disposition",   "disposal",   6,     "360eee-1(c)(4)(B)(v), (d)(4)(B)(v)"),
]
# fmt: on


def names(guards) -> str:
    return " ".join(guard.__name__.replace("within_days", "within") for guard in guards)


def rows(profile: Profile) -> list[tuple[str, ...]]:
    return [(row.source, row.action, row.target, names(row.guards), row.basis) for row in profile.table]


def clocks(profile: Profile) -> list[tuple[str, str, int, str]]:
    return [(clock.keeps, clock.start, clock.years, clock.basis) for clock in profile.retention]


@pytest.mark.parametrize(("code", "law"), [("eu_fmd", EU_ROWS), ("us_dscsa", US_ROWS)])
def test_the_life_cycle_is_the_laws_row_by_row(code: str, law: list[tuple[str, ...]]):
    assert rows(load(code)) == law


@pytest.mark.parametrize(("code", "law"), [("eu_fmd", EU_CLOCKS), ("us_dscsa", US_CLOCKS)])
def test_the_records_are_kept_as_long_as_the_law_says(code: str, law: list[tuple[str, str, int, str]]):
    assert clocks(load(code)) == law


@pytest.mark.parametrize("code", ["eu_fmd", "us_dscsa"])
def test_what_stays_in_trade_must_be_fit_for_trade_and_what_leaves_it_need_not(code: str):
    asked = {action: names(guards) for action, guards in load(code).checks.items()}
    in_trade = ("look", "dispensed", "exported", "sample", "free_sample", "checked_out")
    assert asked == dict.fromkeys(map(Action, in_trade), IN_TRADE)


@pytest.mark.parametrize(("code", "alert_as"), [("eu_fmd", None), ("us_dscsa", "SUSPECT")])
def test_the_rest_of_a_regulation_is_as_the_contract_says(code: str, alert_as: str | None):
    profile = load(code)
    assert (profile.code, profile.alert_as) == (code, alert_as)
    assert (profile.needed, profile.quiet_repeats, profile.undo_alerts) == (("lot", "expiry"), 3, {})
