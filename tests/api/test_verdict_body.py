"""The verdict: its exact shape, what it shows of a pack and what it never shows, what it says beside."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from situations import OVERLAYS, bring_to, command, new_ppn
from world import World

from verifier.domain.codes import element_string, from_elements
from verifier.domain.gs1 import check_digit

GS = "\x1d"
VERDICT = {
    "event_id", "operation", "accepted", "signal", "code", "title", "advice", "notes", "pack", "allowed",
    "alert", "received_at",
}  # fmt: skip
PACK = {"gtin", "ppn", "serial", "lot", "expiry", "state", "state_since", "product", "profile"}
PRODUCT = {"name", "strength", "form", "pack_size"}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def test_the_shape_is_the_contracts_for_every_operation(world: World):
    pack = world.pack()
    pharmacy = world.corner_pharmacy
    read = pharmacy.get("/v1/packs", **pack).json
    verdicts = {
        "verify": pharmacy.verify(pack),
        "read": read,
        "dispense": pharmacy.dispense(pack),
        "reactivate": pharmacy.reactivate(pack, not_supplied_to_public=True),
        "decommission": pharmacy.decommission(pack, "sample"),
        "returns_check": pharmacy.returns_check(pack),
    }
    for operation, verdict in verdicts.items():
        more = {"resale", "next_step"} if operation == "returns_check" else set()
        assert set(verdict) == VERDICT | more
        assert set(verdict["pack"]) == PACK
        assert set(verdict["pack"]["product"]) == PRODUCT
        assert verdict["operation"] == operation
        assert INSTANT.fullmatch(verdict["received_at"])
        assert INSTANT.fullmatch(verdict["pack"]["state_since"])
    assert len({verdict["event_id"] for verdict in verdicts.values()}) == len(verdicts)


def test_an_alert_is_named_with_its_id_code_cause_and_count(world: World):
    pack = world.pack(stored=True) | {"serial": "NEVER"}
    alert = world.corner_pharmacy.verify(pack)["alert"]
    assert set(alert) == {"id", "code", "cause", "count"}
    assert (alert["code"], alert["cause"], alert["count"]) == ("A3", "unknown_serial", 1)
    again = world.corner_pharmacy.verify(pack)["alert"]
    assert (again["id"], again["count"]) == (alert["id"], 2)


def test_a_pack_that_matches_is_shown_as_stored(world: World):
    pack = world.pack(expiry="2031-05-17")
    shown = world.corner_pharmacy.verify(pack | {"expiry": "310500"})["pack"]
    assert {name: shown[name] for name in pack} == pack
    assert shown["product"] == {"name": "Painaway", "strength": "500 mg", "form": None, "pack_size": None}
    assert (shown["state"], shown["profile"], shown["ppn"]) == ("active", "eu_fmd", None)


@pytest.mark.parametrize("stored", ["2031-05-00", "310500"])
def test_a_stored_day_00_is_shown_as_a_month(world: World, stored: str):
    pack = world.pack(expiry=stored) | {"expiry": "2031-05-31"}
    assert world.corner_pharmacy.verify(pack)["pack"]["expiry"] == "2031-05"


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ({"serial": "NEVER"}, {"serial": "NEVER"}),
        ({"serial": "NEVER", "lot": "ELSE"}, {"serial": "NEVER", "lot": "ELSE"}),
        ({"lot": "ELSE"}, {"lot": "ELSE"}),
        ({"expiry": "320131"}, {"expiry": "2032-01-31"}),
        ({"expiry": "320100"}, {"expiry": "2032-01"}),
    ],
)
@pytest.mark.parametrize("operation", ["verify", "returns_check", "dispense", "reactivate"])
def test_a_pack_that_does_not_match_is_shown_as_sent_and_of_the_product_only_the_name(
    world: World, operation: str, sent: dict[str, str], shown: dict[str, str]
):
    pack = world.pack(lot="SECRETLOT", expiry="2031-05-17")
    given = pack | sent
    verdict = getattr(world.corner_pharmacy, operation)(given)
    assert verdict["pack"] == given | shown | {
        "ppn": None,
        "state": None,
        "state_since": None,
        "product": {"name": "Painaway", "strength": None, "form": None, "pack_size": None},
        "profile": "eu_fmd",
    }
    assert verdict["allowed"] == []


def test_nothing_is_shown_of_a_product_that_is_not_there(world: World):
    pack = world.pack(stored=False)
    shown = world.corner_pharmacy.verify(pack)["pack"]
    assert shown == pack | dict.fromkeys(("ppn", "state", "state_since", "product")) | {"profile": "eu_fmd"}


def test_the_raw_code_answers_as_the_elements_do(world: World):
    pack = world.pack(expiry="2031-05-17")
    code = from_elements(**pack, ppn=None, today=date(2026, 1, 1))
    by_code = world.corner_pharmacy.verify({"code": element_string(code)})
    by_elements = world.corner_pharmacy.verify(pack)
    own = ("event_id", "received_at")
    assert [by_code.pop(name) for name in own] != [by_elements.pop(name) for name in own]
    assert by_code == by_elements


def test_every_syntax_of_a_code_finds_the_pack(world: World):
    pack = world.pack(expiry="2031-05-17", lot="A/1")
    gtin, serial = pack["gtin"], pack["serial"]
    codes = [
        f"]d201{gtin}21{serial}{GS}17310517{'10A/1'}",
        f"01{gtin}17310517{'10A/1'}{GS}21{serial}",
        f"(01){gtin}(21){serial}(17)310517(10)A/1",
        f"https://id.example/01/{gtin}/10/A%2F1/21/{serial}?17=310517",
        f"[)>\x1e06\x1d8P{gtin}\x1d1TA/1\x1dD310517\x1dS{serial}\x1e\x04",
    ]
    assert [world.corner_pharmacy.verify({"code": code})["code"] for code in codes] == ["ok"] * len(codes)


def test_a_gtin_of_8_12_or_13_digits_is_shown_with_14(world: World):
    for payload in ("1234567", "12345678901", "123456789012"):
        gtin = payload + check_digit(payload)
        pack = world.pack(gtin=gtin.zfill(14))
        assert world.corner_pharmacy.verify(pack | {"gtin": gtin})["pack"]["gtin"] == gtin.zfill(14)


@pytest.mark.parametrize("own_gtin", [False, True])
def test_ppn_ntin_and_gtin_find_one_pack(world: World, own_gtin: bool):  # noqa: FBT001
    ppn, ntin = new_ppn(world)
    gtin = world.new_gtin() if own_gtin else ntin
    pack = world.pack(gtin=gtin, stored=False)
    world.load(pack, ppn=ppn if own_gtin else None)
    rest = {name: value for name, value in pack.items() if name != "gtin"}
    for sent in ({"ppn": ppn}, {"gtin": ntin}, {"gtin": gtin}):
        verdict = world.corner_pharmacy.verify(sent | rest)
        assert (verdict["code"], verdict["pack"]["gtin"], verdict["pack"]["ppn"]) == ("ok", gtin, ppn)
    assert world.corner_pharmacy.dispense({"ppn": ppn} | rest)["code"] == "ok"
    assert world.other_pharmacy.dispense({"gtin": gtin} | rest)["code"] == "already_dispensed"


def test_what_was_sent_by_ppn_is_echoed_by_ppn_and_recorded_with_the_product(world: World):
    ppn, _ = new_ppn(world)
    pack = world.pack(stored=False)
    world.load(pack, ppn=ppn)
    sent = {name: value for name, value in pack.items() if name != "gtin"} | {"ppn": ppn, "serial": "NEVER"}
    verdict = world.corner_pharmacy.dispense(sent)
    assert (verdict["code"], verdict["pack"]["ppn"]) == ("unknown_serial", ppn)
    listed = world.manufacturer.get("/v1/alerts", gtin=pack["gtin"]).json["alerts"]
    assert [alert["serial"] for alert in listed] == ["NEVER"]
    told = world.corner_pharmacy.get("/v1/packs/events", gtin=pack["gtin"], serial="NEVER").json["events"]
    assert [event["event_id"] for event in told] == [verdict["event_id"]]


@pytest.mark.parametrize(
    ("days", "noted"), [(-1, False), (0, True), (1, True), (30, True), (31, False), (400, False)]
)
def test_the_last_30_days_are_noted(world: World, days: int, noted: bool):  # noqa: FBT001
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    pack = world.pack(expiry=(now + timedelta(days=days)).date().isoformat())
    with world.clock.at(now):
        assert ("expires_soon" in world.corner_pharmacy.verify(pack)["notes"]) is noted


def test_an_offline_change_is_noted_and_keeps_both_times(world: World):
    pack = world.pack()
    claimed = (datetime.now(UTC) - timedelta(hours=3)).replace(microsecond=0)
    verdict = world.corner_pharmacy.dispense(pack, offline=True, occurred_at=claimed.isoformat())
    assert verdict["notes"] == ["offline"]
    events = world.corner_pharmacy.get("/v1/packs/events", gtin=pack["gtin"], serial=pack["serial"]).json
    assert events["events"][0]["occurred_at"] == claimed.isoformat().replace("+00:00", "Z")
    assert events["events"][0]["received_at"] == verdict["received_at"]


def test_what_reading_the_code_had_to_do_is_noted(world: World):
    pack = world.pack(serial="SERIAL-WITHOUT-END")
    head = f"]d201{pack['gtin']}21{pack['serial']}"
    tail = f"17{pack['expiry'].replace('-', '')[2:]}10{pack['lot']}"
    assert world.corner_pharmacy.verify({"code": f"{head}{GS}{tail}"})["notes"] == []
    restored = world.corner_pharmacy.verify({"code": f"{head}{tail}"})
    assert (restored["code"], restored["notes"]) == ("ok", ["separator_restored"])
    skipped = world.corner_pharmacy.verify({"code": f"{head}{GS}{tail}{GS}05123"})
    assert (skipped["code"], skipped["notes"]) == ("ok", ["unknown_ai"])


ACTIVE = {
    "corner_pharmacy": ["dispense", "decommission"],
    "hospital": ["dispense", "decommission"],
    "wholesaler": ["dispense", "decommission"],
    "manufacturer": ["decommission"],
    "regulator": ["decommission"],
    "operator": ["decommission"],
}


@pytest.mark.parametrize(("person", "expected"), ACTIVE.items())
def test_what_is_allowed_depends_on_the_type_of_the_site(world: World, person: str, expected: list[str]):
    assert getattr(world, person).verify(world.pack())["allowed"] == expected


@pytest.mark.parametrize(
    ("state", "own", "others"),
    [
        ("dispensed", ["reactivate"], []),
        ("exported", ["reactivate"], []),
        ("sample", ["reactivate"], []),
        ("free_sample", ["reactivate"], []),
        ("checked_out", ["reactivate"], []),
        ("locked", ["decommission", "reactivate"], ["decommission"]),
        ("destroyed", [], []),
        ("stolen", [], []),
    ],
)
def test_what_is_allowed_depends_on_the_state_and_on_who_brought_it_about(
    world: World, state: str, own: list[str], others: list[str]
):
    pack = world.pack()
    who = bring_to(world, state, pack)
    assert who.verify(pack)["allowed"] == own
    assert world.other_pharmacy.verify(pack)["allowed"] == others


def test_what_is_allowed_after_a_change_is_told_with_the_change(world: World):
    pack = world.pack()
    assert world.corner_pharmacy.dispense(pack)["allowed"] == ["reactivate"]
    undone = world.corner_pharmacy.reactivate(pack, not_supplied_to_public=True)
    assert undone["allowed"] == ["dispense", "decommission"]


def test_a_recalled_pack_may_only_be_taken_away(world: World):
    pack = world.pack()
    command(world, world.regulator, "batches/recall", pack["gtin"], pack["lot"])
    assert world.corner_pharmacy.verify(pack)["allowed"] == ["decommission"]


@pytest.mark.parametrize(
    ("sent", "resale", "code"),
    [
        ({}, "yes", "ok"),
        ({"serial": "NEVER", "lot": "NEVER"}, "pending", "unknown_batch"),
        ({"serial": "NEVER"}, "no", "unknown_serial"),
        ({"lot": "NEVER"}, "no", "lot_mismatch"),
        ({"expiry": "320131"}, "no", "expiry_mismatch"),
        ({"seal": "broken"}, "no", "seal_broken"),
    ],
)
def test_a_returned_pack_may_be_resold_or_waits_or_may_not(
    world: World, sent: dict[str, Any], resale: str, code: str
):
    verdict = world.wholesaler.returns_check(world.pack() | sent)
    assert (verdict["resale"], verdict["code"]) == (resale, code)
    assert verdict["next_step"]


def test_a_returned_pack_of_an_unknown_product_waits(world: World):
    verdict = world.wholesaler.returns_check(world.pack(stored=False))
    assert (verdict["resale"], verdict["code"]) == ("pending", "unknown_product")


@pytest.mark.parametrize("overlay", [name for name in OVERLAYS if name != "expired"])
def test_a_returned_pack_under_an_overlay_waits_only_for_a_hold(world: World, overlay: str):
    pack = world.pack()
    name = {"withdrawn": "products/withdraw", "recalled": "batches/recall", "on_hold": "batches/hold"}[
        overlay
    ]
    command(world, world.regulator, name, pack["gtin"], None if overlay == "withdrawn" else pack["lot"])
    verdict = world.wholesaler.returns_check(pack)
    assert (verdict["code"], verdict["resale"]) == (overlay, "pending" if overlay == "on_hold" else "no")
