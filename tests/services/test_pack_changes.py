"""A change of a pack: what is decided, stored, written down and answered."""

from dataclasses import replace
from datetime import timedelta

import pytest
from desk import NOW, OTHER_PHARMACY, PHARMACY, UNDOABLE, WHOLESALER, Desk, new_key, plain

from verifier.domain.journal import PackEvent
from verifier.domain.lifecycle import Action, Operation, Seal
from verifier.domain.pack import State
from verifier.domain.scan import Context, Device, EntryMode, Scan
from verifier.services.packs import Order, change

A, S = Action, State
CHANGES = {
    A.DISPENSE: S.DISPENSED,
    A.EXPORT: S.EXPORTED,
    A.DESTROY: S.DESTROYED,
    A.SAMPLE: S.SAMPLE,
    A.FREE_SAMPLE: S.FREE_SAMPLE,
    A.STEAL: S.STOLEN,
    A.LOCK: S.LOCKED,
    A.CHECK_OUT: S.CHECKED_OUT,
}
AN_HOUR_AGO = NOW - timedelta(hours=1)
EVERYTHING = {
    "entry_mode": EntryMode.IMAGE,
    "seal": Seal.INTACT,
    "occurred_at": NOW - timedelta(days=1),
    "offline": True,
    "user": "u7",
    "reference": "r-9",
    "raw": "]d2...",
}


@pytest.mark.parametrize(("action", "state"), CHANGES.items())
def test_an_accepted_change_moves_the_pack_and_says_so(desk: Desk, action: Action, state: State):
    code = desk.pack()
    told = desk.change(code, action, by=WHOLESALER)
    assert (told.code, told.accepted, told.signal, told.alert) == ("ok", True, "green", None)
    assert (told.pack.state, told.pack.state_since, told.received_at) == (state, NOW, NOW)
    stored = desk.stored(code)
    assert (stored.state, stored.version) == (state, 1)
    assert (stored.state_since, stored.state_site) == (NOW, WHOLESALER.site.gln)


@pytest.mark.parametrize("state", UNDOABLE)
def test_an_undo_makes_the_pack_active_again(desk: Desk, state: State):
    code = desk.pack(state)
    told = desk.change(code, A.REACTIVATE)
    assert (told.operation, told.code, told.pack.state) == ("reactivate", "ok", S.ACTIVE)
    stored = desk.stored(code)
    assert (stored.state, stored.version, stored.state_since) == (S.ACTIVE, 2, NOW)
    event = desk.event(code)
    assert (event.operation, event.reason, event.version) == ("reactivate", None, 2)
    assert (event.state_before, event.state_after) == (state, "active")


@pytest.mark.parametrize("declared", [True, False])
def test_the_declaration_of_the_site_is_heard(desk: Desk, declared: bool):  # noqa: FBT001
    told = desk.change(desk.pack(S.DISPENSED), A.REACTIVATE, declared=declared)
    assert told.code == ("ok" if declared else "undo_supplied_to_public")


def test_an_order_that_says_no_more_is_of_one_pack_and_declares_nothing(desk: Desk):
    def order(action: Action, operation: Operation) -> Order:
        return Order(operation, action, Scan(code, Context()), new_key(), b"digest")

    code = desk.pack()
    assert change(desk.ports, PHARMACY, order(A.DISPENSE, Operation.DISPENSE)).code == "ok"
    told = change(desk.ports, PHARMACY, order(A.REACTIVATE, Operation.REACTIVATE))
    assert told.code == "undo_supplied_to_public"


# What is written down.


@pytest.mark.parametrize(
    ("action", "operation", "reason"),
    [
        (A.DISPENSE, "dispense", None),
        (A.LOCK, "decommission", "locked"),
        (A.DESTROY, "decommission", "destroyed"),
    ],
)
def test_an_accepted_change_is_written_down_whole(desk: Desk, action: Action, operation: str, reason: str):
    code = desk.pack()
    device = Device(new_key(), 7)
    told = desk.change(code, action, device=device, **EVERYTHING)
    event = desk.event(code)
    assert event == PackEvent(
        event_id=event.event_id,
        gtin=code.gtin,
        serial=code.serial,
        operation=operation,
        reason=reason,
        code="ok",
        accepted=True,
        version=1,
        state_before="active",
        state_after=CHANGES[action],
        site_gln=PHARMACY.site.gln,
        client_id=PHARMACY.client_id,
        received_at=NOW,
        occurred_at=NOW - timedelta(days=1),
        details={
            "entry_mode": "image",
            "seal": "intact",
            "offline": True,
            "device": {"id": device.id, "sequence": 7},
            "user": "u7",
            "reference": "r-9",
            "raw": "]d2...",
            "lot": code.lot,
            "expiry": "2027-12-31",
            "ppn": None,
        },
    )
    assert told.event_id == str(event.event_id)
    assert desk.answer(event) == plain(told)


def test_a_refused_change_is_written_down_and_changes_nothing(desk: Desk):
    code = desk.pack(S.DISPENSED, state_site=OTHER_PHARMACY.site.gln)
    told = desk.change(code, A.LOCK)
    assert (told.code, told.accepted, told.pack.state) == ("already_dispensed", False, S.DISPENSED)
    event = desk.event(code)
    assert (event.code, event.accepted, event.version) == ("already_dispensed", False, None)
    assert (event.state_before, event.state_after) == ("dispensed", "dispensed")
    assert event.details == {
        "entry_mode": "scanned",
        "seal": "not_checked",
        "lot": code.lot,
        "expiry": "2027-12-31",
        "ppn": None,
    }
    assert desk.answer(event) == plain(told)
    stored = desk.stored(code)
    assert (stored.version, stored.state_since) == (1, AN_HOUR_AGO)


def test_a_change_of_a_pack_that_nobody_knows_is_written_down_too(desk: Desk):
    code = replace(desk.pack(), serial="NEVER-MADE", expiry=None)
    assert desk.change(code, A.DISPENSE).code == "unknown_serial"
    event = desk.event(code)
    assert (event.state_before, event.state_after, event.version) == (None, None, None)
    assert event.details["expiry"] is None


def test_a_change_under_the_ppn_is_written_down_under_the_gtin(desk: Desk):
    sent, gtin = desk.pack_with_ppn()
    told = desk.change(sent, A.DISPENSE)
    assert (told.code, told.pack.gtin, told.pack.ppn) == ("ok", gtin, sent.ppn)
    event = desk.event(replace(sent, gtin=gtin))
    assert (event.gtin, event.details["ppn"]) == (gtin, sent.ppn)


def test_one_look_at_the_clock_decides_and_stands_everywhere(desk: Desk):
    code = desk.pack()
    with desk.clock.going():
        told = desk.change(code, A.DISPENSE)
    now = NOW + timedelta(seconds=1)
    assert (told.received_at, told.pack.state_since) == (now, now)
    assert desk.event(code).received_at == now
    assert desk.stored(code).state_since == now


@pytest.mark.parametrize(
    ("zone", "answer"),
    [("UTC", "ok"), ("Pacific/Honolulu", "ok"), ("Pacific/Auckland", "expired")],
)
def test_a_pack_expires_by_the_date_at_the_site(desk: Desk, zone: str, answer: str):
    site = replace(PHARMACY.site, timezone=zone)
    code = desk.pack()
    with desk.clock.at(NOW.replace(year=2027, month=12, day=31)):
        assert desk.change(code, A.DISPENSE, by=replace(PHARMACY, site=site)).code == answer


def test_the_circumstances_of_the_scan_are_judged(desk: Desk):
    elsewhere = desk.pack(S.DISPENSED, state_site=OTHER_PHARMACY.site.gln)
    assert desk.change(elsewhere, A.LOCK, offline=True).code == "replay_conflict"
    assert desk.change(desk.pack(), A.DISPENSE, seal=Seal.BROKEN).code == "seal_broken"


@pytest.mark.parametrize(
    ("overlay", "answer"), [({"recalled": True}, "recalled"), ({"on_hold": True}, "on_hold")]
)
def test_the_batch_of_the_pack_is_judged(desk: Desk, overlay: dict[str, bool], answer: str):
    code = desk.pack()
    desk.ports.store.run(
        lambda tx: tx.mark_batch(code.gtin, code.lot, **({"recalled": None, "on_hold": None} | overlay))
    )
    assert desk.change(code, A.DISPENSE).code == answer
    assert desk.change(code, A.DESTROY).code == "ok"


def test_a_product_is_judged_by_its_own_regulation(desk: Desk):
    told = desk.change(desk.pack(S.DISPENSED, desk.product(profile="us_dscsa")), A.REACTIVATE, declared=False)
    assert (told.code, told.pack.profile) == ("ok", "us_dscsa")
    unknown = replace(desk.pack(), gtin="05012345678900")
    assert desk.change(unknown, A.DISPENSE).pack.profile == "eu_fmd"


def test_the_second_time_in_one_request_is_refused_without_a_change(desk: Desk):
    code = desk.pack()
    told = desk.change(code, A.DISPENSE, duplicate=True)
    assert (told.code, told.alert.code, told.pack.state) == ("duplicate_in_request", "DUP", S.ACTIVE)
    assert desk.stored(code).version == 0
