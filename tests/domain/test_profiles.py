"""Every regulation that is found is walked through: what it answers, and what it must never do."""

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cases import ELSEWHERE, HERE, NOW, attempt, found, judge, pack
from hypothesis import given
from hypothesis import strategies as st

from verifier.domain import profiles
from verifier.domain.lifecycle import OK, Action, Decision, decide
from verifier.domain.machine import Row, Table
from verifier.domain.pack import State
from verifier.domain.reasons import REASONS, named
from verifier.domain.verdict import after

A, S = Action, State
ALL = [profiles.load(name) for name in profiles.names()]
every_profile = pytest.mark.parametrize("profile", ALL, ids=lambda profile: profile.code)

# Independent of the code: Delegated Regulation (EU) 2016/161 Art. 13, 16, 22, 23, 25, 40, 41 and the pack
# states of the European system; 21 U.S.C. 360eee knows dispositions only and is mapped onto the same states.
# fmt: off
LEADS_TO = {
    (S.ACTIVE,      A.LOOK):        S.ACTIVE,
    (S.ACTIVE,      A.DISPENSE):    S.DISPENSED,
    (S.ACTIVE,      A.EXPORT):      S.EXPORTED,
    (S.ACTIVE,      A.DESTROY):     S.DESTROYED,
    (S.ACTIVE,      A.SAMPLE):      S.SAMPLE,
    (S.ACTIVE,      A.FREE_SAMPLE): S.FREE_SAMPLE,
    (S.ACTIVE,      A.STEAL):       S.STOLEN,
    (S.ACTIVE,      A.LOCK):        S.LOCKED,
    (S.ACTIVE,      A.CHECK_OUT):   S.CHECKED_OUT,
    (S.LOCKED,      A.DESTROY):     S.DESTROYED,
    (S.LOCKED,      A.STEAL):       S.STOLEN,
    (S.DISPENSED,   A.REACTIVATE):  S.ACTIVE,
    (S.EXPORTED,    A.REACTIVATE):  S.ACTIVE,
    (S.SAMPLE,      A.REACTIVATE):  S.ACTIVE,
    (S.FREE_SAMPLE, A.REACTIVATE):  S.ACTIVE,
    (S.CHECKED_OUT, A.REACTIVATE):  S.ACTIVE,
    (S.LOCKED,      A.REACTIVATE):  S.ACTIVE,
}
# fmt: on
FINAL = {S.DESTROYED, S.STOLEN}
UNDOABLE = [s for s in S if (s, A.REACTIVATE) in LEADS_TO]

PAIRS = [(state, action) for state in S for action in A]

every_pair = pytest.mark.parametrize(("state", "action"), PAIRS)
refused_by_state = pytest.mark.parametrize(
    ("state", "action"), [pair for pair in PAIRS if pair not in LEADS_TO and pair[1] is not A.REACTIVATE]
)


def refusal(state: State, action: Action, *, here: bool) -> str:
    """What the contract says to an action that this state does not know."""
    if action is A.REACTIVATE:
        return "undo_state_mismatch" if state is S.ACTIVE else "undo_not_possible"
    return "already_done_here" if here and state not in FINAL else f"already_{state}"


def test_the_two_regulations_of_the_contract_are_there_and_the_default_is_one_of_them():
    assert {"eu_fmd", "us_dscsa"} <= set(profiles.names())
    assert profiles.DEFAULT == "eu_fmd"


@every_profile
@every_pair
def test_each_state_answers_each_action_by_the_table(profile, state, action):
    target = LEADS_TO.get((state, action))
    decided = judge(profile, action, pack(state))
    if target is None:
        assert decided == Decision(refusal(state, action, here=True))
    else:
        assert decided == Decision(OK, None if action is A.LOOK else target)


@every_profile
@refused_by_state
def test_a_state_that_another_site_made_is_told_by_its_name(profile, state, action):
    stored = pack(state, state_site=ELSEWHERE.gln)
    assert judge(profile, action, stored).code == refusal(state, action, here=False)


@every_profile
@refused_by_state
def test_an_offline_change_that_lost_to_another_site_is_a_replay_conflict(profile, state, action):
    stored = pack(state, state_site=ELSEWHERE.gln)
    decided = judge(profile, action, stored, offline=True)
    assert decided.code == ("replay_conflict" if action is not A.LOOK else f"already_{state}")


@every_profile
def test_the_table_has_these_rows_and_no_others_each_with_its_source(profile):
    assert {(row.source, row.action): row.target for row in profile.table} == LEADS_TO
    assert all(row.basis.strip() for row in profile.table)


@every_profile
def test_every_change_starts_from_the_market_and_a_decommission_is_named_by_where_it_leads(profile):
    for row in profile.table:
        if row.action not in (A.LOOK, A.REACTIVATE):
            assert row.target.value == row.action.value
            assert row.source in (S.ACTIVE, S.LOCKED)


@every_profile
def test_destroyed_and_stolen_are_final(profile):
    assert not {row.source for row in profile.table} & FINAL


@every_profile
@pytest.mark.parametrize("state", UNDOABLE)
def test_an_undo_is_for_the_site_that_made_the_change_only(profile, state):
    assert judge(profile, A.REACTIVATE, pack(state, state_site=ELSEWHERE.gln)).code == "undo_other_site"


@pytest.mark.parametrize("state", [s for s in UNDOABLE if s is not S.LOCKED])
def test_in_the_union_an_undo_has_ten_times_24_hours_that_instant_included(state):
    fmd = profiles.load("eu_fmd")
    limit = timedelta(days=10)
    assert judge(fmd, A.REACTIVATE, pack(state, state_since=NOW - limit)).accepted
    late = pack(state, state_since=NOW - limit - timedelta(microseconds=1))
    assert judge(fmd, A.REACTIVATE, late).code == "undo_too_late"


def test_in_the_union_a_lock_may_be_lifted_after_any_time():
    stored = pack(S.LOCKED, state_since=NOW - timedelta(days=400))
    assert judge(profiles.load("eu_fmd"), A.REACTIVATE, stored).accepted


@pytest.mark.parametrize("state", UNDOABLE)
def test_in_the_states_an_undo_has_no_deadline_and_needs_no_declaration(state):
    stored = pack(state, state_since=NOW - timedelta(days=400))
    assert judge(profiles.load("us_dscsa"), A.REACTIVATE, stored, not_supplied_to_public=False).accepted


@pytest.mark.parametrize("state", UNDOABLE)
def test_in_the_union_only_an_undone_dispense_needs_the_declaration(state):
    decided = judge(profiles.load("eu_fmd"), A.REACTIVATE, pack(state), not_supplied_to_public=False)
    assert decided.code == ("undo_supplied_to_public" if state is S.DISPENSED else OK)


def test_in_the_states_every_alert_is_a_suspect_product():
    dscsa = profiles.load("us_dscsa")
    raised = {named(dscsa, reason.alert) for reason in REASONS.values() if reason.alert}
    assert raised == {"SUSPECT"}


@every_profile
def test_lot_and_expiry_are_asked_for(profile):
    assert profile.needed == ("lot", "expiry")


sites = st.sampled_from([HERE, ELSEWHERE])
steps = st.lists(
    st.tuples(st.sampled_from(A), sites, st.integers(0, 12 * 24), st.booleans(), st.booleans()), max_size=40
)


@pytest.mark.parametrize("profile", ALL, ids=lambda profile: profile.code)
@given(steps)
def test_a_random_walk_never_leaves_the_table(profile, walk):
    """Whoever asks for what, and when: version, site and time of the state follow the accepted changes."""
    stored, now = pack(), NOW
    for action, site, hours, declared, offline in walk:
        now += timedelta(hours=hours)
        asked = attempt(
            action, site=site, now=now, offline=offline, not_supplied_to_public=declared, today=NOW.date()
        )
        known = found(stored)
        decided = decide(profile, asked, known)
        assert decided.code in REASONS
        assert decided.accepted is (decided.code == OK)
        if decided.target is None:
            assert not decided.accepted or action is A.LOOK
            continue
        assert LEADS_TO[stored.state, action] is decided.target
        moved = after(known, asked, decided.target).pack
        assert moved == replace(
            stored,
            state=decided.target,
            version=stored.version + 1,
            state_since=now,
            state_site=site.gln,
        )
        assert stored.state not in FINAL
        assert action is not A.REACTIVATE or stored.state_site == site.gln
        stored = moved


NEW_REGULATION = """
from dataclasses import replace

from verifier.domain.lifecycle import Action
from verifier.domain.machine import Table
from verifier.domain.pack import State
from verifier.domain.profiles import eu_fmd

ROWS = [row for row in eu_fmd.PROFILE.table if row.source is not State.SAMPLE]
PROFILE = replace(eu_fmd.PROFILE, code="xx_new", title="A third one", table=Table(*ROWS))
"""


@pytest.fixture
def new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a file into the folder of the regulations, as far as Python can tell."""
    monkeypatch.setattr(profiles, "__path__", [*profiles.__path__, str(tmp_path)])

    def write(name: str, source: str) -> None:
        (tmp_path / f"{name}.py").write_text(source)
        profiles.names.cache_clear()
        profiles.load.cache_clear()
        monkeypatch.delitem(sys.modules, f"verifier.domain.profiles.{name}", raising=False)

    yield write
    monkeypatch.undo()
    profiles.names.cache_clear()
    profiles.load.cache_clear()


def test_a_third_regulation_is_one_new_file(new_file):
    new_file("xx_new", NEW_REGULATION)
    assert profiles.names() == ("eu_fmd", "us_dscsa", "xx_new")
    profile = profiles.load("xx_new")
    assert profile.title == "A third one"
    assert judge(profile, A.DISPENSE, pack()).target is S.DISPENSED


def test_what_a_regulation_does_not_let_undo_is_final_there_also_for_the_own_site(new_file):
    new_file("xx_new", NEW_REGULATION)
    profile = profiles.load("xx_new")
    assert judge(profile, A.REACTIVATE, pack(S.SAMPLE)).code == "undo_not_possible"
    assert judge(profile, A.DISPENSE, pack(S.SAMPLE)).code == "already_sample"


def test_a_file_that_defines_a_regulation_of_another_name_is_refused(new_file):
    new_file("xx_new", NEW_REGULATION.replace('"xx_new"', '"xx_old"'))
    with pytest.raises(ValueError, match=r"profiles/xx_new\.py defines a profile named xx_old"):
        profiles.load("xx_new")


@pytest.mark.parametrize("name", ["", "eu", "eu_fmd ", "EU_FMD", "../eu_fmd", "__init__", "reasons"])
def test_no_other_name_is_a_regulation(name):
    with pytest.raises(KeyError):
        profiles.load(name)


def test_a_regulation_with_two_rows_for_one_pair_fails_when_it_is_loaded():
    rows = list(profiles.load("eu_fmd").table)
    with pytest.raises(ValueError, match="two rows"):
        Table(*rows, Row(S.ACTIVE, A.DISPENSE, S.EXPORTED, (), "a slip"))
