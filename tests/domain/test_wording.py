"""What people are told, in every language: complete, short, one shape."""

import re
from collections import Counter

import pytest

from verifier.domain.lifecycle import Operation
from verifier.domain.profiles import load, names
from verifier.domain.reasons import LANGUAGES, REASONS, WORDS, Signal, words

ENTRIES = [(language, key) for language in LANGUAGES for key in WORDS[language]]
RED = [code for code, reason in REASONS.items() if reason.signal is Signal.RED]
FOREIGN = [language for language in LANGUAGES if language != "en"]
KEEP_BACK = {
    "en": r"\b(do not|quarantine)\b",
    "de": r"\b(nicht|weder|Quarantäne)\b",
    "fr": r"\b(ne pas|quarantaine)\b",
}
every_entry = pytest.mark.parametrize(("language", "key"), ENTRIES)


def test_the_contracts_languages_are_there_and_english_comes_first():
    assert LANGUAGES == ("en", "de", "fr")


def test_every_code_has_words_and_no_words_are_without_a_code():
    assert {key.partition(":")[0] for key in WORDS["en"]} == set(REASONS)
    assert set(REASONS) <= set(WORDS["en"])


def test_every_operation_has_its_own_words_when_it_is_accepted():
    assert {key for key in WORDS["en"] if ":" in key} == {f"ok:{operation}" for operation in Operation}


@pytest.mark.parametrize("language", FOREIGN)
def test_each_language_has_the_same_keys_in_the_same_order(language: str):
    assert list(WORDS[language]) == list(WORDS["en"])


@pytest.mark.parametrize("language", FOREIGN)
def test_no_text_was_left_in_english(language: str):
    english = {text for texts in WORDS["en"].values() for text in texts}
    assert not english & {text for texts in WORDS[language].values() for text in texts}


@every_entry
def test_a_title_is_short_and_has_no_full_stop(language: str, key: str):
    title, _ = WORDS[language][key]
    assert 3 < len(title) <= 60
    assert title[0].isupper()
    assert title[-1].isalnum()


@every_entry
def test_advice_is_short_and_ends_with_a_full_stop(language: str, key: str):
    _, advice = WORDS[language][key]
    assert 10 < len(advice) <= 200
    assert advice[0].isupper()
    assert re.search(r"[^.]\.$", advice)


@every_entry
def test_a_text_is_one_printable_line_with_single_blanks(language: str, key: str):
    for text in WORDS[language][key]:
        assert text == text.strip()
        assert "  " not in text
        assert text.isprintable()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", [code for code in RED if code != "undo_state_mismatch"])
def test_red_advice_keeps_the_pack_back(code: str, language: str):
    assert re.search(KEEP_BACK[language], words(code, "verify", language)[1], re.IGNORECASE)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_codes_have_the_same_title(language: str):
    titles = Counter(WORDS[language][code][0] for code in REASONS)
    assert [title for title, times in titles.items() if times > 1] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_has_words_for_every_operation(language: str):
    for code in REASONS:
        for operation in Operation:
            own = WORDS[language].get(f"{code}:{operation}")
            assert words(code, operation, language) == (own or WORDS[language][code])


def test_the_contracts_example_is_kept_to_the_letter():
    assert words("ok", "verify", "en") == ("Genuine and active", "May be dispensed.")


@pytest.mark.parametrize("profile", names())
def test_every_condition_of_a_regulation_says_which_code_it_answers(profile: str):
    regulation = load(profile)
    guards = {guard for checks in regulation.checks.values() for guard in checks}
    guards |= {guard for row in regulation.table for guard in row.guards}
    for guard in guards:
        said = re.findall(r"else `(\w+)`", (guard.__doc__ or "").partition("\n")[0])
        assert len(said) == 1, guard.__name__
        assert said[0] in REASONS
