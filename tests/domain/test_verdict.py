"""What a person and a program are told, and what they are never told."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cases import (
    AUTHORITY,
    ELSEWHERE,
    EXPIRY,
    GTIN,
    HERE,
    MANUFACTURER,
    NOW,
    PRODUCT,
    WHOLESALER,
    attempt,
    code,
    found,
    pack,
    scan,
)

from verifier.domain.expiry import Expiry
from verifier.domain.lifecycle import Action, Decision, Operation, Seal, decide
from verifier.domain.pack import Found, State
from verifier.domain.profiles import load
from verifier.domain.reasons import REASONS
from verifier.domain.verdict import AlertRef, ReturnsVerdict, Verdict, after, build, is_identity_miss

FMD = load("eu_fmd")
A, S = Action, State


def verdict(known: Found, *, sent=None, operation=Operation.VERIFY, action=A.LOOK, alert=None, **changed):
    """The verdict on what was decided, as a use case builds it."""
    context = {key: changed[key] for key in ("seal", "offline", "language") if key in changed}
    asked = attempt(
        action,
        code=sent or code(),
        **{key: value for key, value in changed.items() if key != "language"},
    )
    decision = decide(FMD, asked, known)
    now = after(known, asked, decision.target) if decision.target else known
    return build(
        event_id="e1",
        operation=operation,
        profile=FMD,
        attempt=asked,
        found=now,
        decision=decision,
        scan=scan(asked.code, **context),
        alert=alert,
    )


def test_a_genuine_pack_is_shown_as_it_is_stored():
    told = verdict(found(pack()))
    assert (told.accepted, told.signal, told.code, told.operation) == (True, "green", "ok", "verify")
    assert (told.title, told.advice) == ("Genuine and active", "May be dispensed.")
    shown = told.pack
    assert (shown.gtin, shown.ppn, shown.serial, shown.lot) == (GTIN, None, "S1", "ABC123")
    assert (shown.expiry, shown.state, shown.state_since) == ("2027-12-31", S.ACTIVE, NOW)
    assert (shown.product.name, shown.product.strength) == ("Painaway", "500 mg")
    assert (shown.product.form, shown.product.pack_size, shown.profile) == ("tablet", "20", "eu_fmd")
    assert (told.event_id, told.alert, told.received_at, told.notes) == ("e1", None, NOW, ())


def test_a_change_shows_the_pack_after_it():
    told = verdict(found(pack()), operation=Operation.DISPENSE, action=A.DISPENSE)
    assert (told.title, told.pack.state, told.pack.state_since) == ("Dispensed", S.DISPENSED, NOW)
    assert told.allowed == (Operation.REACTIVATE,)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (code(lot="OTHER"), "lot_mismatch"),
        (code(expiry=Expiry(2030, 1, 0)), "expiry_mismatch"),
        (code(lot="OTHER", expiry=Expiry(2030, 1, 0)), "lot_mismatch"),
    ],
)
def test_a_mismatch_shows_what_was_sent_and_nothing_of_what_is_stored(sent, answer):
    told = verdict(found(pack(S.DISPENSED)), sent=sent)
    assert told.code == answer
    assert (told.pack.lot, told.pack.expiry) == (sent.lot, sent.expiry.iso())
    assert (told.pack.state, told.pack.state_since) == (None, None)
    assert told.pack.product.name == "Painaway"
    assert (told.pack.product.strength, told.pack.product.form, told.pack.product.pack_size) == (None,) * 3
    assert told.allowed == ()
    assert told.notes == ()


def test_an_unknown_serial_shows_the_name_of_the_product_and_what_was_sent():
    told = verdict(Found(PRODUCT, lot_known=True), sent=code(serial="NEW", ppn="111234567842"))
    assert (told.code, told.pack.serial, told.pack.ppn) == ("unknown_serial", "NEW", "111234567842")
    assert (told.pack.state, told.pack.product.name, told.allowed) == (None, "Painaway", ())


def test_of_an_unknown_product_there_is_nothing_to_show():
    told = verdict(Found(None))
    assert (told.code, told.pack.product, told.pack.profile) == ("unknown_product", None, "eu_fmd")
    assert (told.pack.gtin, told.pack.lot, told.pack.expiry) == (GTIN, "ABC123", "2027-12-31")


def test_what_was_not_sent_is_not_made_up():
    told = verdict(Found(None), sent=code(lot=None, expiry=None))
    assert (told.pack.lot, told.pack.expiry) == (None, None)


def test_a_matching_pack_is_shown_with_its_stored_expiry_also_when_the_print_has_only_the_month():
    told = verdict(found(pack()), sent=code(expiry=Expiry(2027, 12, 0)))
    assert told.pack.expiry == "2027-12-31"
    told = verdict(found(pack(expiry=Expiry(2027, 12, 0))))
    assert told.pack.expiry == "2027-12"


def test_the_ppn_of_a_german_product_is_shown_from_its_master_data_or_its_ntin():
    german = replace(PRODUCT, gtin="04150123456782")
    assert verdict(found(pack(), german)).pack.ppn == "111234567842"
    assert verdict(found(pack(), replace(PRODUCT, ppn="110375286414"))).pack.ppn == "110375286414"


# Notes.


@pytest.mark.parametrize(
    ("days_left", "soon"), [(31, False), (30, True), (1, True), (0, True), (-1, False), (400, False)]
)
def test_a_pack_that_expires_within_thirty_days_says_so(days_left, soon):
    today = EXPIRY.last_day() - timedelta(days=days_left)
    assert ("expires_soon" in verdict(found(pack()), today=today).notes) is soon


def test_the_notes_of_the_scan_come_first():
    sent = code(notes=("separator_restored", "unknown_ai"))
    told = verdict(found(pack()), sent=sent, today=EXPIRY.last_day(), offline=True)
    assert told.notes == ("separator_restored", "unknown_ai", "expires_soon", "offline")


# What may be done next.


@pytest.mark.parametrize(
    ("site", "state", "allowed"),
    [
        (HERE, S.ACTIVE, ["dispense", "decommission"]),
        (WHOLESALER, S.ACTIVE, ["dispense", "decommission"]),
        (MANUFACTURER, S.ACTIVE, ["decommission"]),
        (AUTHORITY, S.ACTIVE, ["decommission"]),
        (HERE, S.DISPENSED, ["reactivate"]),
        (HERE, S.LOCKED, ["decommission", "reactivate"]),
        (HERE, S.SAMPLE, ["reactivate"]),
        (HERE, S.DESTROYED, []),
        (HERE, S.STOLEN, []),
        (ELSEWHERE, S.DISPENSED, []),
        (ELSEWHERE, S.LOCKED, ["decommission"]),
    ],
)
def test_the_verdict_says_what_this_site_may_do_with_the_pack_now(site, state, allowed):
    assert list(verdict(found(pack(state)), site=site).allowed) == allowed


def test_a_broken_seal_leaves_only_what_takes_the_pack_out_of_trade():
    assert verdict(found(pack()), seal=Seal.BROKEN).allowed == (Operation.DECOMMISSION,)


def test_an_undo_that_came_too_late_is_not_offered():
    stored = pack(S.DISPENSED, state_since=NOW - timedelta(days=11))
    assert verdict(found(stored)).allowed == ()


# Returns.

# fmt: off
RESALE = {
    "ok":              ("yes",     "restock"),
    "unknown_product": ("pending", "ask_manufacturer"),
    "unknown_batch":   ("pending", "wait_for_data"),
    "on_hold":         ("pending", "wait_for_release"),
    "withdrawn":       ("no",      "return_to_supplier"),
    "recalled":        ("no",      "return_to_supplier"),
    "expired":         ("no",      "destroy"),
}
# fmt: on


@pytest.mark.parametrize("answer", REASONS)
def test_a_return_is_saleable_pending_or_not_and_says_what_comes_next(answer):
    told = build(
        event_id="e1",
        operation=Operation.RETURNS_CHECK,
        profile=FMD,
        attempt=attempt(A.LOOK),
        found=found(pack()),
        decision=Decision(answer),
        scan=scan(),
        alert=None,
    )
    assert isinstance(told, ReturnsVerdict)
    assert (told.resale, told.next_step) == RESALE.get(answer, ("no", "quarantine"))


def test_only_a_returns_check_speaks_of_resale():
    assert type(verdict(found(pack()))) is Verdict
    told = verdict(found(pack()), operation=Operation.RETURNS_CHECK)
    assert (told.resale, told.next_step, told.advice) == ("yes", "restock", "May return to saleable stock.")


# Beside.


def test_the_alert_stands_in_the_verdict():
    alert = AlertRef("a1", "A24", "already_dispensed", 2)
    assert verdict(found(pack(S.DISPENSED, state_site=ELSEWHERE.gln)), alert=alert).alert == alert


@pytest.mark.parametrize(
    ("language", "title"),
    [("en", "Genuine and active"), ("de", "Echt und aktiv"), ("fr", "Boîte authentique et active")],
)
def test_the_words_are_in_the_language_that_was_asked_for(language, title):
    assert verdict(found(pack()), language=language).title == title


@pytest.mark.parametrize("answer", REASONS)
def test_only_an_element_that_is_not_the_stored_one_is_a_typing_slip(answer):
    slips = {"unknown_serial", "unknown_batch", "lot_mismatch", "expiry_mismatch"}
    assert is_identity_miss(Decision(answer)) is (answer in slips)
