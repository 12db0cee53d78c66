"""Which attempts raise an alert, what the alert says, and which are counted out first."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from desk import NOW, OTHER_PHARMACY, PHARMACY, WHOLESALER, Desk

from verifier.domain.expiry import Expiry
from verifier.domain.journal import Alert
from verifier.domain.lifecycle import Action, Seal
from verifier.domain.pack import State
from verifier.domain.pack_code import PackCode
from verifier.domain.scan import Device, EntryMode

A, S = Action, State
MANUAL = EntryMode.MANUAL
MISSES: dict[str, dict[str, Any]] = {
    "unknown_serial": {"serial": "NEVER-MADE"},
    "unknown_batch": {"serial": "NEVER-MADE", "lot": "NEVER-MADE"},
    "lot_mismatch": {"lot": "NEVER-MADE"},
    "expiry_mismatch": {"expiry": Expiry(2027, 11, 30)},
}


def stolen(desk: Desk) -> PackCode:
    return desk.pack(S.STOLEN, state_site=WHOLESALER.site.gln)


# What an alert says.


def test_an_alert_says_who_when_what_and_why(desk: Desk):
    code = stolen(desk)
    told = desk.change(code, A.DISPENSE, device=Device(code.serial, 4), user="u1", raw="]d2")
    (alert,) = desk.alerts(code.gtin)
    assert (told.alert.id, told.alert.code, told.alert.cause) == (alert.id, "A24", "already_stolen")
    assert told.alert.count == 1
    assert alert == Alert(
        id=alert.id,
        code="A24",
        cause="already_stolen",
        count=1,
        status="new",
        gtin=code.gtin,
        serial=code.serial,
        lot=code.lot,
        expiry="2027-12-31",
        operation="dispense",
        site=PHARMACY.site.gln,
        client_id=PHARMACY.client_id,
        raised_at=NOW,
        last_at=NOW,
        event_id=told.event_id,
        details={
            "entry_mode": "scanned",
            "seal": "not_checked",
            "device": {"id": code.serial, "sequence": 4},
            "user": "u1",
            "raw": "]d2",
        },
    )


def test_an_alert_of_a_look_names_the_operation_and_what_was_sent(desk: Desk):
    code = replace(desk.pack(), lot="NEVER-MADE", expiry=None)
    desk.look(code)
    (alert,) = desk.alerts(code.gtin)
    assert (alert.operation, alert.lot, alert.expiry, alert.code) == ("verify", "NEVER-MADE", None, "A68")


def test_an_alert_under_the_ppn_stands_under_the_gtin(desk: Desk):
    sent, gtin = desk.pack_with_ppn()
    assert desk.look(replace(sent, lot="NEVER-MADE")).alert.code == "A68"
    assert [alert.gtin for alert in desk.alerts(gtin)] == [gtin]
    assert desk.alerts(sent.gtin) == []


def test_it_is_one_alert_a_day_and_counts(desk: Desk):
    code = stolen(desk)
    first = desk.look(code).alert
    again = desk.change(code, A.DISPENSE).alert
    assert (again.id, again.count) == (first.id, 2)
    with desk.clock.at(NOW + timedelta(days=1)):
        tomorrow = desk.look(code).alert
    assert (tomorrow.id == first.id, tomorrow.count) == (False, 1)
    assert desk.look(code, by=OTHER_PHARMACY).alert.count == 1


@pytest.mark.parametrize(("action", "alert"), [(A.DISPENSE, "A7"), (A.LOCK, "A24"), (A.LOOK, "A24")])
def test_just_the_state_that_was_asked_for_has_its_own_alert(desk: Desk, action: Action, alert: str):
    code = desk.pack(S.DISPENSED, state_site=OTHER_PHARMACY.site.gln)
    told = desk.look(code) if action is A.LOOK else desk.change(code, action)
    assert told.alert.code == alert


def test_under_the_other_regulation_every_alert_is_a_suspect_product(desk: Desk):
    code = desk.pack(S.STOLEN, desk.product(profile="us_dscsa"))
    assert desk.look(code).alert.code == "SUSPECT"
    assert desk.look(code).alert.cause == "already_stolen"


def test_an_alert_of_slips_becomes_one_of_the_pack_and_stays_so(desk: Desk):
    code = desk.pack(S.STOLEN, desk.product(profile="us_dscsa"))
    slip = replace(code, lot="NEVER-MADE")
    first = desk.look(slip).alert
    met = desk.look(code)
    assert met.alert == replace(first, cause="already_stolen", count=2)
    assert desk.look(slip).alert.cause == "already_stolen"
    (alert,) = desk.alerts(code.gtin)
    assert (alert.event_id, alert.lot, alert.count) == (met.event_id, code.lot, 3)


@pytest.mark.parametrize("answer", ["recalled", "withdrawn"])
def test_what_is_no_sign_of_a_falsification_raises_none(desk: Desk, answer: str):
    code = desk.pack(product=desk.product(withdrawn=answer == "withdrawn"))
    desk.ports.store.run(lambda tx: tx.mark_batch(code.gtin, code.lot, recalled=True, on_hold=None))
    told = desk.change(code, A.DISPENSE)
    assert (told.code, told.alert) == (answer, None)
    assert desk.alerts(code.gtin) == []


def test_a_broken_seal_raises_one(desk: Desk):
    assert desk.look(desk.pack(), seal=Seal.BROKEN).alert.code == "ATD"


# A site repeats its own change.


def raised(attempts: int, attempt: Callable[[], Any]) -> list[tuple[str, int] | None]:
    """Code and count of the alert of each of so many attempts."""
    alerts = [attempt().alert for _ in range(attempts)]
    return [(alert.code, alert.count) if alert else None for alert in alerts]


@pytest.mark.parametrize("action", [A.DISPENSE, A.LOCK])
def test_the_fourth_repeat_of_a_site_raises_an_alert(desk: Desk, action: Action):
    code = desk.pack()
    desk.change(code, A.DISPENSE)
    expected = [None, None, None, ("A24", 1), ("A24", 2)]
    assert raised(5, lambda: desk.change(code, action)) == expected
    assert desk.change(code, action).alert.cause == "already_done_here"


def test_under_the_other_regulation_the_fourth_repeat_is_a_suspect_product(desk: Desk):
    code = desk.pack(S.DISPENSED, desk.product(profile="us_dscsa"))
    assert raised(4, lambda: desk.change(code, A.DISPENSE)) == [None, None, None, ("SUSPECT", 1)]


def test_a_look_is_no_repeat(desk: Desk):
    code = desk.pack(S.DISPENSED)
    assert raised(5, lambda: desk.look(code)) == [None] * 5
    assert raised(3, lambda: desk.change(code, A.DISPENSE)) == [None] * 3


def test_repeats_are_counted_for_each_pack_and_each_change(desk: Desk):
    product = desk.product()
    one, other = desk.pack(S.DISPENSED, product), desk.pack(S.DISPENSED, product)
    assert raised(3, lambda: desk.change(one, A.DISPENSE)) == [None] * 3
    assert raised(3, lambda: desk.change(other, A.DISPENSE)) == [None] * 3
    assert desk.change(one, A.REACTIVATE).code == "ok"
    assert desk.change(one, A.DISPENSE).code == "ok"
    assert raised(4, lambda: desk.change(one, A.DISPENSE)) == [None, None, None, ("A24", 1)]


def test_what_another_site_did_is_no_repeat(desk: Desk):
    code = desk.pack(S.DISPENSED, state_site=OTHER_PHARMACY.site.gln)
    assert raised(5, lambda: desk.change(code, A.DISPENSE)) == [("A7", count) for count in range(1, 6)]
    assert raised(3, lambda: desk.change(code, A.DISPENSE, by=OTHER_PHARMACY)) == [None] * 3


# Typing slips.


@pytest.mark.parametrize("answer", MISSES)
def test_the_sixth_slip_by_hand_raises_an_alert(desk: Desk, answer: str):
    code = replace(desk.pack(), **MISSES[answer])
    assert desk.look(code, entry_mode=MANUAL).code == answer
    alerts = raised(6, lambda: desk.look(code, entry_mode=MANUAL))
    assert [alert is not None for alert in alerts] == [False] * 4 + [True] * 2
    assert [count for _, count in filter(None, alerts)] == [1, 2]


@pytest.mark.parametrize("mode", [EntryMode.SCANNED, EntryMode.IMAGE])
@pytest.mark.parametrize("answer", MISSES)
def test_a_scanner_makes_no_slips(desk: Desk, answer: str, mode: EntryMode):
    told = desk.look(replace(desk.pack(), **MISSES[answer]), entry_mode=mode)
    assert (told.code, told.alert.count) == (answer, 1)


def test_changes_slip_too(desk: Desk):
    code = replace(desk.pack(), lot="NEVER-MADE")
    alerts = raised(6, lambda: desk.change(code, A.DISPENSE, entry_mode=MANUAL))
    assert alerts == [None] * 5 + [("A68", 1)]


def test_what_is_wrong_with_the_pack_itself_is_no_slip(desk: Desk):
    code = stolen(desk)
    assert desk.look(code, entry_mode=MANUAL).alert.code == "A24"
    assert raised(5, lambda: desk.look(replace(code, lot="X"), entry_mode=MANUAL)) == [None] * 5


def test_slips_are_counted_by_site_product_and_day(desk: Desk):
    sent, gtin = desk.pack_with_ppn()
    by_ppn, by_gtin = replace(sent, lot="X"), replace(sent, gtin=gtin, ppn=None, serial="Y")
    assert raised(3, lambda: desk.look(by_ppn, entry_mode=MANUAL)) == [None] * 3
    assert raised(2, lambda: desk.look(by_gtin, entry_mode=MANUAL)) == [None] * 2
    assert raised(5, lambda: desk.look(by_ppn, by=OTHER_PHARMACY, entry_mode=MANUAL)) == [None] * 5
    assert raised(5, lambda: desk.look(replace(desk.pack(), lot="X"), entry_mode=MANUAL)) == [None] * 5
    with desk.clock.at(NOW + timedelta(hours=12)):
        assert raised(5, lambda: desk.look(by_ppn, entry_mode=MANUAL)) == [None] * 5
    with desk.clock.at(NOW + timedelta(hours=11)):
        assert desk.look(by_ppn, entry_mode=MANUAL).alert.count == 1


def test_an_unknown_product_is_no_slip_that_counts(desk: Desk):
    code = replace(desk.pack(), gtin="05012345678900", serial=desk.pack().serial)
    assert raised(8, lambda: desk.look(code, entry_mode=MANUAL)) == [None] * 8
