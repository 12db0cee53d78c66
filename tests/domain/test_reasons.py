"""The contract's table of codes, row by row, and the words for people."""

from dataclasses import replace

import pytest
from cases import attempt

from verifier.domain.lifecycle import Action, Operation
from verifier.domain.pack import State
from verifier.domain.profiles import load
from verifier.domain.reasons import LANGUAGES, REASONS, WORDS, Signal, alert_code, repeat_alert_code, words

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
@pytest.mark.parametrize("code", TABLE)
def test_every_code_has_words_in_every_language(language, code):
    for operation in Operation:
        title, advice = words(code, operation, language)
        for sentence in (title, advice):
            assert sentence == sentence.strip()
            assert sentence[0].isupper()
            assert "  " not in sentence
        assert advice.endswith(".")
        assert not title.endswith(".")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_belongs_to_a_code_and_a_special_one_to_an_operation(language):
    for key in WORDS[language]:
        code, _, operation = key.partition(":")
        assert code in REASONS
        assert not operation or operation in set(Operation)


def test_the_contract_asks_for_three_languages_english_first():
    assert LANGUAGES == ("en", "de", "fr")


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_no_word_is_missing_in_translation(language):
    assert set(WORDS[language]) == set(WORDS["en"])
    assert not {key for key in WORDS["en"] if WORDS[language][key] == WORDS["en"][key]}


def test_a_red_verdict_on_a_pack_says_what_not_to_do():
    for code, reason in REASONS.items():
        advice = words(code, "verify", "en")[1].lower()
        if reason.signal is Signal.RED and not code.startswith(("undo_", "duplicate_", "replay_")):
            assert "do not" in advice


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_accepted_operation_says_what_was_done(language):
    titles = {words("ok", op, language)[0] for op in ("dispense", "decommission", "reactivate", "verify")}
    assert len(titles) == 4
