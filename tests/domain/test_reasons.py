"""The contract's table of codes, row by row, and the words for people."""

from dataclasses import replace

import pytest
from cases import attempt

from verifier.domain.lifecycle import Action
from verifier.domain.pack import State
from verifier.domain.profiles import load
from verifier.domain.reasons import LANGUAGES, REASONS, alert_code, repeat_alert_code, words

FMD, DSCSA = load("eu_fmd"), load("us_dscsa")
ALREADY = ["dispensed", "exported", "sample", "free_sample", "stolen", "locked", "checked_out"]

# fmt: off
TABLE = {
    # code                     signal   alert
    "ok":                      ("green", None),
    "unknown_product":         ("amber", None),
    "unknown_serial":          ("red",   "A3"),
    "unknown_batch":           ("red",   "A2"),
    "lot_mismatch":            ("red",   "A68"),
    "expiry_mismatch":         ("red",   "A52"),
    "seal_broken":             ("red",   "ATD"),
    "withdrawn":               ("red",   None),
    "recalled":                ("red",   None),
    "expired":                 ("red",   None),
    "on_hold":                 ("red",   None),
    "already_destroyed":       ("red",   "DES"),
    "already_done_here":       ("amber", None),
    "undo_state_mismatch":     ("red",   "A24"),
    "undo_not_possible":       ("red",   None),
    "undo_other_site":         ("red",   None),
    "undo_too_late":           ("red",   None),
    "undo_expired":            ("red",   None),
    "undo_recalled":           ("red",   None),
    "undo_supplied_to_public": ("red",   None),
    "duplicate_in_request":    ("red",   "DUP"),
    "replay_conflict":         ("red",   "A24"),
} | {f"already_{state}":       ("red",   "A24") for state in ALREADY}
# fmt: on


def test_the_codes_are_those_of_the_contract():
    assert set(REASONS) == set(TABLE)
    assert all(code == reason.code for code, reason in REASONS.items())


@pytest.mark.parametrize("code", TABLE)
def test_each_code_has_its_signal_and_its_alert(code):
    signal, alert = TABLE[code]
    assert REASONS[code].signal == signal
    assert alert_code(FMD, attempt(Action.LOOK), code, State.ACTIVE) == alert
    assert alert_code(DSCSA, attempt(Action.LOOK), code, State.ACTIVE) == ("SUSPECT" if alert else None)


@pytest.mark.parametrize("state", ALREADY)
@pytest.mark.parametrize("action", Action)
def test_just_that_state_asked_for_is_a7_any_other_a24(state, action):
    raised = alert_code(FMD, attempt(action), f"already_{state}", State(state))
    assert raised == ("A7" if action.value == state else "A24")


def test_a_destroyed_pack_that_comes_back_is_des_whatever_was_asked():
    for action in Action:
        assert alert_code(FMD, attempt(action), "already_destroyed", State.DESTROYED) == "DES"


def test_only_a_repeat_at_the_own_site_turns_into_an_alert_when_it_goes_on():
    assert repeat_alert_code(FMD, "already_done_here") == "A24"
    assert repeat_alert_code(DSCSA, "already_done_here") == "SUSPECT"
    assert FMD.quiet_repeats == DSCSA.quiet_repeats == 3
    others = set(REASONS) - {"already_done_here"}
    assert {repeat_alert_code(FMD, code) for code in others} == {None}


def test_a_market_may_have_a_refused_undo_raise_its_alert():
    strict = replace(FMD, undo_alerts={"undo_too_late": "A4"})
    asked = attempt(Action.REACTIVATE)
    assert alert_code(strict, asked, "undo_too_late", State.DISPENSED) == "A4"
    assert alert_code(strict, asked, "undo_other_site", State.DISPENSED) is None
    assert alert_code(FMD, asked, "undo_too_late", State.DISPENSED) is None


def test_an_unknown_product_names_its_hub_code_and_raises_nothing():
    assert REASONS["unknown_product"].quiet_code == "A1"


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_accepted_operation_says_what_was_done_and_a_refused_one_what_is_wrong(language):
    operations = ("dispense", "decommission", "reactivate", "verify")
    assert len({words("ok", operation, language)[0] for operation in operations}) == 4
    assert len({words("expired", operation, language) for operation in operations}) == 1
