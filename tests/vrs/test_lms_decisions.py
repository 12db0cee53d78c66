"""The decision table A to E over HTTP: every disposition with every choice, and that choices hold."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from lms_partner import REQ_GLN, ask, ask_connectivity, data, events_of, told
from sqlalchemy import text
from world import MANUFACTURER, World

from verifier.domain.lms_policy import RULES, WAYS, Choice, Disposition
from verifier.domain.lms_rules import Entry, Mark, block_entry, choice_entry, mark_entry
from verifier.storage.responder import Ledger

US = "us_dscsa"
D, C = Disposition, Choice
pytestmark = pytest.mark.parametrize("world", ["off"], indirect=True, scope="module")
IN_A_YEAR = date.today() + timedelta(days=365)  # noqa: DTZ011


def write(world: World, *entries: Entry) -> None:
    for entry in entries:
        Ledger(world.service.engine).change(entry, who="test", why="test", at=datetime.now(UTC))
    world.service.control.refresh()


def of_state(state: str) -> Callable[[World], dict[str, Any]]:
    def make(world: World) -> dict[str, Any]:
        pack = world.pack(profile=US)
        if state == "dispensed":
            assert world.corner_pharmacy.dispense(pack)["accepted"]
        else:
            assert world.manufacturer.decommission(pack, state)["accepted"]
        return pack

    return make


def marked(mark: Mark, until: date | None = None, **about: Any) -> Callable[[World], dict[str, Any]]:
    def make(world: World) -> dict[str, Any]:
        pack = world.pack(profile=US, **about)
        write(world, mark_entry(pack["gtin"], pack["lot"], mark, until=until))
        return pack

    return make


def commanded(command: str) -> Callable[[World], dict[str, Any]]:
    def make(world: World) -> dict[str, Any]:
        pack = world.pack(profile=US)
        body = {"gtin": pack["gtin"], "reason": "test"}
        body |= {} if "products" in command else {"lot": pack["lot"]}
        assert world.regulator.post(f"/v1/{command}", body).status_code == 200
        return pack

    return make


def alerted(world: World) -> dict[str, Any]:
    pack = world.pack(profile=US)
    assert world.corner_pharmacy.verify(pack, seal="broken")["alert"]["code"] == "SUSPECT"
    return pack


def expired(world: World) -> dict[str, Any]:
    return world.pack(profile=US, expiry="2023-07-28")


# fmt: off
KNOWN = [
    # disposition        made so
    (D.ILLEGITIMATE,     marked(Mark.ILLEGITIMATE)),
    (D.STOLEN,           of_state("stolen")),
    (D.SUSPECT,          alerted),
    (D.SUSPECT,          commanded("batches/hold")),
    (D.SUSPECT,          marked(Mark.SUSPECT)),
    (D.LOCKED,           of_state("locked")),
    (D.RECALLED,         commanded("batches/recall")),
    (D.RECALLED,         commanded("products/withdraw")),
    (D.DESTROYED,        of_state("destroyed")),
    (D.DISPENSED,        of_state("dispensed")),
    (D.EXPORTED,         of_state("exported")),
    (D.SAMPLE,           of_state("sample")),
    (D.FREE_SAMPLE,      of_state("free_sample")),
    (D.CHECKED_OUT,      of_state("checked_out")),
    (D.EXPIRED,          expired),
    (D.EXPIRED,          marked(Mark.EXPIRY_EXTENDED, date(2024, 7, 28), expiry="2023-07-28")),
    (D.EXPIRY_EXTENDED,  marked(Mark.EXPIRY_EXTENDED, IN_A_YEAR, expiry="2023-07-28")),
    (D.EXPIRY_EXTENDED,  marked(Mark.EXPIRY_EXTENDED, IN_A_YEAR)),
]
SAYS = {
    # choice                 failure reason               is the fact told?
    C.IGNORE:                (None,                        False),   # A
    C.VERIFIED:              (None,                        True),    # A2, B1
    C.REFUSED:               ("Manufacturer_policy",       True),    # B2
    C.UNFIT:                 ("Not_for_re-distribution",   True),    # C1.1, C1.2
    C.SILENT:                ("Manufacturer_policy",       False),   # C2
}
INFO = {
    D.ILLEGITIMATE: "Illegitimate", D.STOLEN: "Illegitimate", D.SUSPECT: "Suspect", D.LOCKED: "Suspect",
    D.RECALLED: "Recalled", D.EXPIRED: "Expired", D.EXPIRY_EXTENDED: "ExpirationExtended",
}
DEFAULT = {
    D.ILLEGITIMATE: C.UNFIT, D.STOLEN: C.UNFIT, D.SUSPECT: C.UNFIT, D.LOCKED: C.UNFIT, D.RECALLED: C.REFUSED,
    D.DESTROYED: C.SILENT, D.DISPENSED: C.SILENT, D.EXPORTED: C.SILENT, D.SAMPLE: C.SILENT,
    D.FREE_SAMPLE: C.SILENT, D.CHECKED_OUT: C.SILENT, D.EXPIRED: C.REFUSED, D.EXPIRY_EXTENDED: C.VERIFIED,
}
# fmt: on


def says(choice: Choice, disposition: Disposition) -> dict[str, Any]:
    reason, tells = SAYS[choice]
    return told(reason, INFO.get(disposition) if tells else None)


@pytest.mark.usefixtures("world")
def test_the_tables_of_this_test_are_about_all_of_it():
    assert {disposition for disposition, _ in KNOWN} == set(RULES) - {D.MISMATCH}
    assert SAYS.keys() == WAYS.keys()


def test_case_a_nothing_is_known(world: World):
    assert data(ask(world.wholesaler, world.pack(profile=US))) == told()


@pytest.mark.parametrize(("disposition", "make"), KNOWN)
def test_what_is_known_is_answered_by_default_and_by_each_choice_that_is_allowed(
    world: World, disposition: Disposition, make: Callable[[World], dict[str, Any]]
):
    pack = make(world)
    assert data(ask(world.wholesaler, pack)) == says(DEFAULT[disposition], disposition)
    for choice in RULES[disposition].allowed:
        write(world, choice_entry(disposition, choice, None))
        assert data(ask(world.wholesaler, pack)) == says(choice, disposition), choice
    write(world, choice_entry(disposition, None, None))
    assert data(ask(world.wholesaler, pack)) == says(DEFAULT[disposition], disposition)


# fmt: off
MISMATCHES = [
    ({"serial": "OTHER"},                                     "No_match_GTIN_Serial"),
    ({"serial": "OTHER", "lot": "O", "expiry": "2031-01-01"}, "No_match_GTIN_Serial"),
    ({"lot": "OTHER"},                                        "No_match_GTIN_Serial_Lot"),
    ({"expiry": "2031-01-01"},                                "No_match_GTIN_Serial_Expiry"),
    ({"lot": "OTHER", "expiry": "2031-01-01"},                "No_match_GTIN_Serial_Lot_Expiry"),
]
# fmt: on


@pytest.mark.parametrize(("change", "reason"), MISMATCHES)
def test_cases_d_and_e_a_mismatch_says_which_or_not(world: World, change: dict[str, str], reason: str):
    pack = world.pack(profile=US) | change
    assert data(ask(world.wholesaler, pack)) == told(reason)
    write(world, choice_entry(D.MISMATCH, C.SILENT, None))
    assert data(ask(world.wholesaler, pack)) == told("No_reason_provided")
    write(world, choice_entry(D.MISMATCH, C.SAY_WHICH, None))
    assert data(ask(world.wholesaler, pack)) == told(reason)


def test_a_mismatch_tells_nothing_else_that_is_known(world: World):
    pack = commanded("batches/recall")(world)
    assert data(ask(world.wholesaler, pack, exp="310101")) == told("No_match_GTIN_Serial_Expiry")


def test_of_several_facts_the_first_that_makes_it_false_decides(world: World):
    pack = of_state("dispensed")(world)
    write(world, mark_entry(pack["gtin"], pack["lot"], Mark.SUSPECT))
    assert data(ask(world.wholesaler, pack)) == says(C.UNFIT, D.SUSPECT)
    write(world, choice_entry(D.SUSPECT, C.VERIFIED, None))
    assert data(ask(world.wholesaler, pack)) == says(C.SILENT, D.DISPENSED)
    write(world, choice_entry(D.DISPENSED, C.IGNORE, None))
    assert data(ask(world.wholesaler, pack)) == told(None, "Suspect")
    write(world, choice_entry(D.SUSPECT, None, None), choice_entry(D.DISPENSED, None, None))


def test_a_manufacturers_own_choice_is_for_its_products_only(world: World):
    own, others = expired(world), world.pack(profile=US, expiry="2023-07-28", manufacturer="4000002000004")
    write(world, choice_entry(D.EXPIRED, C.VERIFIED, MANUFACTURER))
    assert data(ask(world.wholesaler, own)) == told(None, "Expired")
    assert data(ask(world.wholesaler, others)) == says(C.REFUSED, D.EXPIRED)
    write(world, choice_entry(D.EXPIRED, None, MANUFACTURER))
    assert data(ask(world.wholesaler, own)) == says(C.REFUSED, D.EXPIRED)


def test_what_a_stranger_asks_wrongly_is_an_alert_but_makes_nobodys_pack_suspect(world: World):
    pack = world.pack(profile=US)
    for _ in range(2):
        assert data(ask(world.wholesaler, pack | {"lot": "OTHER"}))["verified"] is False
    assert data(ask(world.wholesaler, pack)) == told()
    (alert,) = world.manufacturer.get("/v1/alerts", gtin=pack["gtin"]).json["alerts"]
    assert (alert["code"], alert["cause"], alert["count"], alert["site"]) == ("LMS", "lot_mismatch", 2, None)


@pytest.mark.parametrize(
    ("slip", "cause"),
    [
        ({"lot": "OTHER"}, "lot_mismatch"),
        ({"expiry": "2031-01-01"}, "expiry_mismatch"),
    ],
)
def test_what_a_site_mistypes_is_an_alert_but_makes_nobodys_pack_suspect(
    world: World, slip: dict[str, str], cause: str
):
    pack = world.pack(profile=US)
    assert world.corner_pharmacy.verify(pack | slip)["alert"]["cause"] == cause
    assert data(ask(world.wholesaler, pack)) == told()


def test_a_second_dispense_makes_a_pack_suspect_also_after_the_first_was_undone(world: World):
    pack = world.pack(profile=US)
    assert world.corner_pharmacy.dispense(pack)["accepted"]
    assert world.other_pharmacy.dispense(pack)["alert"]["cause"] == "already_dispensed"
    assert data(ask(world.wholesaler, pack)) == says(C.UNFIT, D.SUSPECT)
    assert world.corner_pharmacy.reactivate(pack)["accepted"]
    assert data(ask(world.wholesaler, pack)) == says(C.UNFIT, D.SUSPECT)


def test_a_slip_earlier_on_the_day_hides_no_suspicion(world: World):
    """A site's alerts of a day are one alert, which then is about the attempt that met the pack."""
    pack = world.pack(profile=US)
    slip = world.corner_pharmacy.verify(pack | {"lot": "OTHER"})["alert"]
    broken = world.corner_pharmacy.verify(pack, seal="broken")
    assert broken["alert"] == slip | {"cause": "seal_broken", "count": 2}
    assert world.corner_pharmacy.verify(pack | {"lot": "OTHER"})["alert"]["cause"] == "seal_broken"
    alert = world.corner_pharmacy.get(f"/v1/alerts/{slip['id']}").json
    assert (alert["event_id"], alert["lot"], alert["count"]) == (broken["event_id"], pack["lot"], 3)
    assert data(ask(world.wholesaler, pack)) == says(C.UNFIT, D.SUSPECT)


def test_an_alert_that_was_closed_makes_no_pack_suspect(world: World):
    pack = alerted(world)
    with world.service.engine.begin() as connection:
        connection.execute(
            text("UPDATE alerts SET closed_at = now() WHERE serial = :s"), {"s": pack["serial"]}
        )
    assert data(ask(world.wholesaler, pack)) == told()


def test_a_change_of_a_pack_is_answered_at_once(world: World):
    pack = world.pack(profile=US)
    assert data(ask(world.wholesaler, pack)) == told()
    world.corner_pharmacy.dispense(pack)
    assert data(ask(world.wholesaler, pack)) == says(C.SILENT, D.DISPENSED)
    world.corner_pharmacy.reactivate(pack)
    assert data(ask(world.wholesaler, pack)) == told()


def test_a_blocked_requestor_is_refused_and_that_is_written_down(world: World):
    gln = "9521234567899"
    pack = world.pack(profile=US)
    write(world, block_entry(gln, blocked=True))
    refused = ask(world.wholesaler, pack, reqGLN=gln)
    for answer in (refused, ask_connectivity(world.wholesaler, pack["gtin"], reqGLN=gln)):
        assert (answer.status_code, answer.json["code"]) == (403, "requestor_blocked")
    assert data(ask(world.wholesaler, pack)) == told()
    write(world, block_entry(gln, blocked=False))
    assert data(ask(world.wholesaler, pack, reqGLN=gln)) == told()
    events = events_of(world.wholesaler, pack)
    assert [event["code"] for event in events] == ["requestor_blocked", "ok", "ok"]
    assert [event["details"]["req_gln"] for event in events] == [gln, REQ_GLN, gln]
