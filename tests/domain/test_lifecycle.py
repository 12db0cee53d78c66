"""One decision: identity, seal, overlays, state, guards, in this order. By the contract's table."""

from datetime import UTC, date, datetime, timedelta
from itertools import product as every
from zoneinfo import ZoneInfo

import pytest
from cases import ELSEWHERE, GTIN, HERE, NOW, PRODUCT, attempt, code, found, judge, pack

from verifier.domain.expiry import Expiry
from verifier.domain.lifecycle import DECOMMISSION_REASONS, OK, Action, Attempt, Decision, Seal, decide
from verifier.domain.pack import Batch, Found, Product, State
from verifier.domain.profiles import load, names
from verifier.domain.reasons import REASONS

A, S = Action, State
PROFILES = [load(name) for name in names()]
FMD = load("eu_fmd")
every_profile = pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.code)

IN_TRADE = [A.LOOK, A.DISPENSE, A.EXPORT, A.SAMPLE, A.FREE_SAMPLE, A.CHECK_OUT]
OUT_OF_TRADE = [A.DESTROY, A.STEAL, A.LOCK]

OVERLAYS = ["withdrawn", "recalled", "expired", "on_hold"]


def overlaid(*names: str, state: State = S.ACTIVE) -> tuple[Found, date]:
    """A pack under these overlays, and the day at the site."""
    product = Product(GTIN, "Painaway", withdrawn="withdrawn" in names)
    known = found(pack(state), product, recalled="recalled" in names, on_hold="on_hold" in names)
    return known, date(2028, 1, 1) if "expired" in names else NOW.date()


def decided(profile, action, *names, state=S.ACTIVE, **changed) -> str:
    known, today = overlaid(*names, state=state)
    return decide(profile, attempt(action, today=today, **changed), known).code


# Identity.


@pytest.mark.parametrize("action", A)
@pytest.mark.parametrize(
    ("sent", "known", "answer"),
    [
        (code(), Found(None), "unknown_product"),
        (code(), Found(PRODUCT, lot_known=True), "unknown_serial"),
        (code(), Found(PRODUCT, lot_known=False), "unknown_batch"),
        (code(lot="ABC124"), found(pack()), "lot_mismatch"),
        (code(lot="abc123"), found(pack()), "lot_mismatch"),
        (code(lot="ABC124", expiry=Expiry(2029, 1, 1)), found(pack()), "lot_mismatch"),
        (code(expiry=Expiry(2027, 12, 30)), found(pack()), "expiry_mismatch"),
        (code(expiry=Expiry(2026, 12, 31)), found(pack()), "expiry_mismatch"),
        (code(expiry=Expiry(2027, 11, 0)), found(pack()), "expiry_mismatch"),
    ],
)
def test_a_pack_that_is_not_the_stored_one_is_told_before_anything_else(action, sent, known, answer):
    assert decide(FMD, attempt(action, code=sent, seal=Seal.BROKEN), known) == Decision(answer)


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        (Expiry(2027, 12, 0), Expiry(2027, 12, 31)),
        (Expiry(2027, 12, 31), Expiry(2027, 12, 0)),
        (Expiry(2027, 12, 0), Expiry(2027, 12, 0)),
        (None, Expiry(2027, 12, 31)),
    ],
)
def test_a_day_00_on_either_side_compares_the_month_and_what_was_not_sent_is_not_compared(sent, stored):
    asked = attempt(A.LOOK, code=code(expiry=sent))
    assert decide(FMD, asked, found(pack(expiry=stored))).accepted


def test_a_lot_that_was_not_sent_is_not_compared():
    assert decide(FMD, attempt(A.LOOK, code=code(lot=None)), found(pack())).accepted


def test_a_stored_pack_without_a_batch_row_counts_as_neither_recalled_nor_held():
    assert decide(FMD, attempt(A.LOOK), Found(PRODUCT, pack())).accepted


# Seal and overlays.


@every_profile
@pytest.mark.parametrize("action", IN_TRADE)
@pytest.mark.parametrize("state", S)
def test_a_broken_seal_is_told_before_overlays_and_state(profile, action, state):
    assert decided(profile, action, *OVERLAYS, state=state, seal=Seal.BROKEN) == "seal_broken"


@pytest.mark.parametrize("seal", [Seal.INTACT, Seal.NOT_CHECKED])
def test_a_seal_that_is_intact_or_was_not_checked_is_no_reason(seal):
    assert decided(FMD, A.DISPENSE, seal=seal) == OK


@every_profile
@pytest.mark.parametrize("action", IN_TRADE)
@pytest.mark.parametrize("first", range(4))
def test_overlays_are_told_before_the_state_the_first_of_withdrawn_recalled_expired_on_hold(
    profile, action, first
):
    for state in S:
        assert decided(profile, action, *OVERLAYS[first:], state=state) == OVERLAYS[first]


@every_profile
@pytest.mark.parametrize("action", OUT_OF_TRADE)
def test_what_takes_a_pack_out_of_trade_looks_at_neither_seal_nor_overlays(profile, action):
    assert decided(profile, action, *OVERLAYS, seal=Seal.BROKEN) == OK


def test_every_reason_of_a_decommission_is_either_in_trade_or_out_of_it():
    assert {*IN_TRADE, *OUT_OF_TRADE} - {A.LOOK, A.DISPENSE} == DECOMMISSION_REASONS


# The end of the expiry day.


@pytest.mark.parametrize(
    ("expiry", "last_day"),
    [
        (Expiry(2027, 12, 31), date(2027, 12, 31)),
        (Expiry(2027, 11, 0), date(2027, 11, 30)),
        (Expiry(2028, 2, 0), date(2028, 2, 29)),
        (Expiry(2027, 2, 0), date(2027, 2, 28)),
    ],
)
@every_profile
def test_a_pack_is_in_date_through_its_last_day_and_expired_on_the_next(profile, expiry, last_day):
    sent = code(expiry=expiry)
    for today, answer in ((last_day, OK), (last_day + timedelta(days=1), "expired")):
        asked = attempt(A.DISPENSE, code=sent, today=today)
        assert decide(profile, asked, found(pack(expiry=expiry))).code == answer


@pytest.mark.parametrize(
    ("timezone", "answer"), [("Pacific/Kiritimati", "expired"), ("Europe/Berlin", "expired"), ("UTC", OK)]
)
def test_the_day_is_that_of_the_site(timezone, answer):
    now = datetime(2027, 12, 31, 23, 30, tzinfo=UTC)
    today = now.astimezone(ZoneInfo(timezone)).date()
    assert judge(FMD, A.DISPENSE, pack(), now=now, today=today).code == answer


# The way back.


@pytest.mark.parametrize("count", range(1, 6))
def test_the_guards_of_an_undo_are_asked_in_the_order_of_the_contract(count):
    """From all five broken down to the last one."""
    broken = ["undo_other_site", "undo_too_late", "undo_expired", "undo_recalled", "undo_supplied_to_public"]
    left = broken[-count:]
    stored = pack(
        S.DISPENSED,
        state_site=ELSEWHERE.gln if "undo_other_site" in left else HERE.gln,
        state_since=NOW - timedelta(days=11 if "undo_too_late" in left else 1),
    )
    asked = attempt(
        A.REACTIVATE,
        today=date(2028, 1, 1) if "undo_expired" in left else NOW.date(),
        not_supplied_to_public="undo_supplied_to_public" not in left,
    )
    assert decide(FMD, asked, found(stored, recalled="undo_recalled" in left)).code == left[0]


@every_profile
@pytest.mark.parametrize("state", [row.source for row in FMD.table if row.action is A.REACTIVATE])
@pytest.mark.parametrize(
    ("overlay", "answer"),
    [
        ("expired", "undo_expired"),
        ("recalled", "undo_recalled"),
        ("withdrawn", "undo_recalled"),
        ("on_hold", OK),
    ],
)
def test_an_expired_recalled_or_withdrawn_pack_stays_out_and_one_on_hold_comes_back(
    profile, state, overlay, answer
):
    assert decided(profile, A.REACTIVATE, overlay, state=state) == answer


@every_profile
def test_a_broken_seal_is_no_matter_of_an_undo(profile):
    assert decided(profile, A.REACTIVATE, state=S.DISPENSED, seal=Seal.BROKEN) == OK


def test_a_lock_has_no_time_limit_but_the_other_guards():
    stored = pack(S.LOCKED, state_since=NOW - timedelta(days=99), state_site=ELSEWHERE.gln)
    assert judge(FMD, A.REACTIVATE, stored).code == "undo_other_site"


# The whole of it.


def all_decisions():
    """Every state, action and circumstance that the rules tell apart."""
    whos = [HERE.gln, ELSEWHERE.gln]
    for profile, action, state, who, offline in every(PROFILES, A, S, whos, (False, True)):
        stored = pack(state, state_site=who, state_since=NOW - timedelta(days=1))
        late = pack(state, state_site=who, state_since=NOW - timedelta(days=11))
        for overlay in ((), *((name,) for name in OVERLAYS)):
            known, today = overlaid(*overlay, state=state)
            for old, declared, seal in every((stored, late), (False, True), (Seal.INTACT, Seal.BROKEN)):
                batch = known.batch or Batch(GTIN, old.lot)
                asked = attempt(
                    action, offline=offline, today=today, seal=seal, not_supplied_to_public=declared
                )
                yield (
                    profile,
                    asked,
                    Found(known.product, old, batch),
                    decide(profile, asked, Found(known.product, old, batch)),
                )
    for known in (Found(None), Found(PRODUCT, lot_known=True), Found(PRODUCT)):
        asked = attempt(A.LOOK)
        yield FMD, asked, known, decide(FMD, asked, known)
    for sent in (code(lot="X"), code(expiry=Expiry(2030, 1, 1))):
        asked = attempt(A.LOOK, code=sent)
        yield FMD, asked, found(pack()), decide(FMD, asked, found(pack()))


def test_the_rules_give_every_code_of_the_contract_and_no_other():
    given = {decision.code for *_, decision in all_decisions()}
    assert given == set(REASONS) - {"duplicate_in_request"}  # that one is told by the bulk request itself


def test_a_change_is_due_exactly_when_an_action_other_than_looking_is_accepted():
    for _, asked, known, decision in all_decisions():
        due = decision.accepted and asked.action is not A.LOOK
        assert (decision.target is not None) is due
        if due:
            assert known.pack is not None
            assert decision.target is not known.pack.state


def test_an_attempt_that_says_no_more_claims_nothing():
    plain = Attempt(A.REACTIVATE, code(), HERE, NOW, NOW.date())
    assert (plain.seal, plain.offline, plain.not_supplied_to_public) == (Seal.NOT_CHECKED, False, False)
    assert decide(FMD, plain, found(pack(S.DISPENSED))).code == "undo_supplied_to_public"
