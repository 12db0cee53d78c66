"""The words in requests, answers and files, as the contract has them: renaming one breaks callers."""

from enum import StrEnum

import pytest

from verifier.domain.codes import Reason
from verifier.domain.lifecycle import DECOMMISSION_REASONS, Operation, Seal
from verifier.domain.pack import SiteType, State
from verifier.domain.reasons import Signal
from verifier.domain.scan import Context, EntryMode

# fmt: off
WORDS = {
    State: "active dispensed exported destroyed sample free_sample stolen locked checked_out",
    SiteType: "pharmacy hospital wholesaler manufacturer authority operator",
    Operation: "verify read returns_check dispense decommission reactivate",
    Seal: "intact broken not_checked",
    EntryMode: "scanned image manual",
    Signal: "green amber red",
    Reason: "missing_serial missing_gtin missing_lot missing_expiry bad_check_digit missing_separator "
            "bad_date bad_character too_long repeated_element unknown_ai compressed_link not_a_pack_code",
}
# fmt: on


@pytest.mark.parametrize("words", WORDS)
def test_the_words_are_those_of_the_contract(words: type[StrEnum]):
    assert {str(word) for word in words} == set(WORDS[words].split())


def test_the_reasons_of_a_decommission_are_the_states_that_it_leads_to():
    assert {str(reason) for reason in DECOMMISSION_REASONS} == set(State) - {"active", "dispensed"}


def test_a_scan_is_scanned_on_line_and_its_seal_not_checked_unless_it_says_otherwise():
    plain = Context()
    assert (plain.entry_mode, plain.seal, plain.offline) == ("scanned", "not_checked", False)
