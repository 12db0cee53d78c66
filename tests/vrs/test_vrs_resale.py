"""May it be sold again? The decision as a table, and what nobody may ever be told."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.domain.expiry import Expiry
from verifier.domain.lifecycle import Decision
from verifier.domain.lms import AdditionalInfo, FailureReason, LmsAnswer
from verifier.domain.lms_policy import LotMarks
from verifier.domain.reasons import LANGUAGES, REASONS
from verifier.domain.resale import (
    CODES,
    SUSPICIOUS,
    Asked,
    Asking,
    Noted,
    Own,
    decide_resale,
    suspicion,
    words,
)
from verifier.domain.wording.resale import WORDS

TODAY = date(2026, 11, 21)
GOOD = Expiry(2028, 12, 31)
UNASKED = [Asked.UNKNOWN_GTIN, Asked.NO_ANSWER, Asked.NOT_ASKED, Asked.REFUSED, Asked.MALFORMED]


def said(reason=None, info=None) -> Asking:
    answer = LmsAnswer(reason is None, reason and FailureReason(reason), info and AdditionalInfo(info))
    return Asking(Asked.VERIFIED if answer.verified else Asked.NEGATIVE, answer)


def decided(asking, *, own="unknown_product", expiry=GOOD, window=0, associated=None, **known):
    return decide_resale(
        Own(Decision(own), **known),
        asking,
        expiry=expiry,
        today=TODAY,
        window_days=window,
        associated=associated,
    )


# scenarios of the GS1 US guideline; the last one is what a responder in use answers
@pytest.mark.parametrize(
    ("scenario", "reason", "info", "resale", "code"),
    [
        ("A", None, None, "yes", "ok"),
        ("A2", None, "ExpirationExtended", "yes", "ok"),
        ("B1", None, "Recalled", "no", "recalled"),
        ("B1", None, "Expired", "no", "expired"),
        ("B2", "Manufacturer_policy", "Recalled", "no", "recalled"),
        ("B2", "Manufacturer_policy", "Expired", "no", "expired"),
        ("C1.1", "Not_for_re-distribution", "Suspect", "no", "suspect"),
        ("C1.2", "Not_for_re-distribution", "Illegitimate", "no", "illegitimate"),
        ("C1", "Not_for_re-distribution", None, "no", "suspect"),
        ("C2", "Manufacturer_policy", None, "no", "policy"),
        ("D", "No_reason_provided", None, "no", "mismatch"),
        ("E", "No_match_GTIN_Serial", None, "no", "mismatch"),
        ("E", "No_match_GTIN_Serial_Lot", None, "no", "mismatch"),
        ("E", "No_match_GTIN_Serial_Expiry", None, "no", "mismatch"),
        ("E", "No_match_GTIN_Serial_Lot_Expiry", None, "no", "mismatch"),
        ("E", "No_match_GTIN_Serial_Lot", "Recalled", "no", "mismatch"),
        ("-", None, "Suspect", "no", "suspect"),
        ("-", None, "Illegitimate", "no", "illegitimate"),
    ],
)
def test_both_parts_of_the_answer_decide(scenario, reason, info, resale, code):
    decision = decided(said(reason, info))
    assert (decision.resale, decision.code) == (resale, code), scenario


@pytest.mark.parametrize("asked", UNASKED)
def test_whatever_is_not_answered_is_pending(asked):
    decision = decided(Asking(asked))
    assert (decision.resale, decision.code) == ("pending", str(asked))


def test_four_things_that_are_not_the_same_have_four_next_steps_and_four_sentences():
    codes = ["no_answer", "unknown_gtin", "mismatch", "policy"]
    assert len({CODES[code].next_step for code in codes}) == 4
    for language in LANGUAGES:
        assert len({words(code, language) for code in codes}) == 4


@pytest.mark.parametrize(
    ("own", "resale", "code"),
    [
        ("ok", "yes", "ok"),
        ("unknown_product", "yes", "ok"),
        ("unknown_batch", "yes", "ok"),
        ("recalled", "no", "recalled"),
        ("withdrawn", "no", "recalled"),
        ("expired", "no", "expired"),
        ("on_hold", "pending", "on_hold"),
        ("lot_mismatch", "no", "mismatch"),
        ("already_dispensed", "no", "own_state"),
        ("already_stolen", "no", "own_state"),
    ],
)
def test_our_own_rules_count_beside_the_networks_yes(own, resale, code):
    decision = decided(said(), own=own)
    assert (decision.resale, decision.code) == (resale, code)


@pytest.mark.parametrize("own", sorted(set(REASONS) - {"ok", "unknown_product", "unknown_batch"}))
def test_no_refusal_of_our_own_rules_is_ever_outvoted(own):
    assert decided(said(), own=own).resale != "yes"


def test_our_own_repository_vouches_for_its_pack_when_nobody_was_asked():
    assert decided(Asking(Asked.NOT_ASKED), own="ok").code == "ok"
    assert decided(Asking(Asked.NOT_ASKED)).code == "not_asked"
    assert decided(Asking(Asked.NO_ANSWER), own="ok").resale == "pending"


@pytest.mark.parametrize(
    ("expiry", "window", "code"),
    [
        (Expiry(2026, 11, 20), 0, "expired"),
        (Expiry(2026, 11, 21), 0, "ok"),
        (Expiry(2026, 11, 0), 0, "ok"),
        (Expiry(2026, 10, 0), 0, "expired"),
        (Expiry(2027, 5, 19), 180, "expiry_window"),
        (Expiry(2027, 5, 20), 180, "ok"),
        (Expiry(2026, 11, 0), 10, "expiry_window"),
        (Expiry(2026, 11, 0), 9, "ok"),
        (None, 180, "ok"),
    ],
)
def test_the_printed_date_decides_with_day_00_as_the_months_last(expiry, window, code):
    assert decided(said(), expiry=expiry, window=window).code == code


def test_a_date_that_the_authority_has_extended_is_not_held_against_the_pack():
    assert decided(said(info="ExpirationExtended"), expiry=Expiry(2026, 1, 31), window=180).code == "ok"


@pytest.mark.parametrize(
    ("last", "code"), [(TODAY, "ok"), (TODAY - timedelta(days=1), "expired"), (None, "expired")]
)
def test_a_lot_whose_expiry_is_extended_here_has_not_expired_up_to_that_day(last, code):
    noted = Noted(LotMarks(extended_to=last))
    assert decided(said(), expiry=Expiry(2026, 1, 31), window=180, noted=noted).code == code


@pytest.mark.parametrize(
    ("own", "reason", "info", "known", "cause"),
    [
        ("unknown_product", "Manufacturer_policy", None, {"seal_broken": True}, "policy"),
        ("already_stolen", "Not_for_re-distribution", "Illegitimate", {}, "illegitimate"),
        ("expired", "Manufacturer_policy", None, {}, "policy"),
        ("unknown_serial", None, None, {}, "mismatch"),
        ("unknown_product", None, "Recalled", {"seal_broken": True}, None),
        ("unknown_product", None, None, {"noted": Noted(LotMarks(suspect=True), alerted=True)}, None),
    ],
)
def test_whatever_else_speaks_against_a_pack_what_its_manufacturer_says_is_a_suspicion(
    own, reason, info, known, cause
):
    assert suspicion(Own(Decision(own), **known), said(reason, info)) == cause


@pytest.mark.parametrize("asked", UNASKED)
def test_no_answer_is_no_suspicion(asked):
    assert suspicion(Own(Decision("unknown_serial")), Asking(asked)) is None


@pytest.mark.parametrize(("associated", "code"), [(True, "ok"), (None, "ok"), (False, "no_transaction_data")])
def test_a_return_without_transaction_data_waits_for_it(associated, code):
    assert decided(said(), associated=associated).code == code


@pytest.mark.parametrize(
    ("known", "code"),
    [
        ({"withdrawn": True}, "recalled"),
        ({"seal_broken": True}, "seal_broken"),
        ({"noted": Noted(LotMarks(illegitimate=True))}, "illegitimate"),
        ({"noted": Noted(LotMarks(suspect=True))}, "suspect"),
        ({"noted": Noted(alerted=True)}, "alert_open"),
        ({"noted": Noted(LotMarks(extended_to=TODAY))}, "ok"),
        ({}, "ok"),
    ],
)
@pytest.mark.parametrize("own", ["unknown_product", "unknown_batch", "ok"])
def test_what_is_known_without_the_pack_counts_beside_the_networks_yes(own, known, code):
    assert decided(said(), own=own, **known).code == code


def test_what_forbids_is_told_before_what_delays():
    asking = Asking(Asked.NO_ANSWER)
    assert decided(asking, own="already_stolen", associated=False).code == "own_state"
    assert decided(said("No_match_GTIN_Serial"), own="recalled").code == "mismatch"


answers = st.builds(
    said,
    st.none() | st.sampled_from([str(reason) for reason in FailureReason]),
    st.none() | st.sampled_from([str(info) for info in AdditionalInfo]),
)
askings = answers | st.builds(Asking, st.sampled_from(UNASKED))


@given(
    askings,
    st.none() | st.sampled_from(sorted(REASONS)),
    st.none() | st.dates(date(2026, 1, 1), date(2028, 1, 1)),
    st.integers(0, 400),
    st.none() | st.booleans(),
)
def test_yes_means_that_nothing_at_all_speaks_against_it(asking, own, day, window, associated):
    expiry = Expiry(day.year, day.month, day.day) if day else None
    decision = decided(asking, own=own, expiry=expiry, window=window, associated=associated)
    assert decision == CODES[decision.code]
    if decision.resale == "yes":
        assert associated is not False
        assert own in (None, "ok", "unknown_product", "unknown_batch")
        info = asking.answer.additional_info if asking.answer else None
        assert info in (None, AdditionalInfo("ExpirationExtended"))
        assert asking.answer.verified if asking.answer else own == "ok"
        if day is not None and info is None:
            assert day >= TODAY
            assert day - TODAY >= timedelta(days=window)


def test_a_named_recall_is_no_suspicion_and_a_mismatch_is_one():
    assert {"illegitimate", "suspect", "mismatch", "policy"} == SUSPICIOUS


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_has_its_words_in_every_language(language):
    assert list(WORDS[language]) == list(CODES)
    assert len({title for title, _ in WORDS[language].values()}) == len(CODES)
    for title, advice in WORDS[language].values():
        assert title[0].isupper()
        assert 3 < len(title) <= 60
        assert title[-1].isalnum()
        assert advice.endswith(".")
        assert 10 < len(advice) <= 200
        assert "  " not in advice


@pytest.mark.parametrize("language", [other for other in LANGUAGES if other != "en"])
def test_no_words_were_left_in_english(language):
    english = {text for texts in WORDS["en"].values() for text in texts}
    assert not english & {text for texts in WORDS[language].values() for text in texts}


KEEP_BACK = {"en": "Do not resell.", "de": "Nicht weiterverkaufen.", "fr": "Ne pas revendre."}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", CODES)
def test_only_a_no_says_do_not_resell(code, language):
    assert words(code, language)[1].startswith(KEEP_BACK[language]) is (CODES[code].resale == "no")
