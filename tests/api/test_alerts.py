"""Alerts: one for the same pack, site, code and UTC day; who is spared one; who may see which."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from situations import Pack
from world import MANUFACTURER, Person, World

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
FIELDS = {
    "id", "code", "cause", "count", "status", "gtin", "serial", "lot", "expiry", "operation", "site",
    "client_id", "raised_at", "last_at", "event_id", "details",
}  # fmt: skip
MISSES = {
    "unknown_serial": {"serial": "NEVER"},
    "unknown_batch": {"serial": "NEVER", "lot": "NEVER"},
    "lot_mismatch": {"lot": "NEVER"},
    "expiry_mismatch": {"expiry": "311231"},
}


def listed(person: Person, **filters: str) -> list[dict[str, Any]]:
    answer = person.get("/v1/alerts", **filters)
    assert answer.status_code == 200, answer.text
    return answer.json["alerts"]


def missed(world: World, **more: Any) -> Pack:
    """A pack of a known product whose serial is not in the repository."""
    return world.pack(**more) | {"serial": world.serial()}


def test_the_same_pack_site_code_and_day_is_one_alert_with_a_count(world: World):
    pack = missed(world)
    with world.clock.at(NOON):
        first = world.corner_pharmacy.verify(pack)
    with world.clock.at(NOON + timedelta(hours=1)):
        again = [world.corner_pharmacy.verify(pack), world.corner_pharmacy.dispense(pack)]
    assert [verdict["alert"]["count"] for verdict in (first, *again)] == [1, 2, 3]
    assert len({verdict["alert"]["id"] for verdict in (first, *again)}) == 1
    [alert] = listed(world.corner_pharmacy, gtin=pack["gtin"])
    assert set(alert) == FIELDS
    assert alert | pack == alert
    assert (alert["code"], alert["cause"], alert["count"]) == ("A3", "unknown_serial", 3)
    assert (alert["status"], alert["operation"]) == ("new", "verify")
    assert (alert["raised_at"], alert["last_at"]) == ("2026-11-21T12:00:00Z", "2026-11-21T13:00:00Z")
    assert (alert["site"], alert["event_id"]) == (world.corner_pharmacy.site.gln, first["event_id"])


def test_another_pack_site_code_or_day_is_another_alert(world: World):
    pack = missed(world)
    other_pack = pack | {"serial": world.serial()}
    other_code = pack | {"lot": "NEVER"}
    midnight = datetime(2026, 11, 22, tzinfo=UTC)
    with world.clock.at(midnight - timedelta(microseconds=1)):
        verdicts = [world.corner_pharmacy.verify(sent) for sent in (pack, other_pack, other_code)]
        verdicts.append(world.other_pharmacy.verify(pack))
    with world.clock.at(midnight):
        verdicts.append(world.corner_pharmacy.verify(pack))
    assert len({verdict["alert"]["id"] for verdict in verdicts}) == len(verdicts)
    assert {verdict["alert"]["count"] for verdict in verdicts} == {1}


@pytest.mark.parametrize(("code", "change"), MISSES.items())
def test_the_first_five_typing_slips_raise_nothing_and_the_sixth_does(
    world: World, code: str, change: dict[str, str]
):
    pack = world.pack() | change
    verdicts = [world.corner_pharmacy.verify(pack, entry_mode="manual") for _ in range(6)]
    assert {verdict["code"] for verdict in verdicts} == {code}
    assert [verdict["alert"] for verdict in verdicts[:5]] == [None] * 5
    assert verdicts[5]["alert"]["count"] == 1
    assert [alert["cause"] for alert in listed(world.corner_pharmacy, gtin=pack["gtin"])] == [code]


@pytest.mark.parametrize("entry_mode", ["scanned", "image"])
@pytest.mark.parametrize(("code", "change"), MISSES.items())
def test_what_was_not_typed_raises_an_alert_at_once(
    world: World, entry_mode: str, code: str, change: dict[str, str]
):
    verdict = world.corner_pharmacy.verify(world.pack() | change, entry_mode=entry_mode)
    assert verdict["alert"]["cause"] == code


def test_slips_are_counted_by_site_gtin_and_day_whatever_the_miss_or_operation(world: World):
    pack = world.pack()
    slips = [pack | change for change in MISSES.values()]
    with world.clock.at(NOON):
        for slip in slips:
            assert world.corner_pharmacy.verify(slip, entry_mode="manual")["alert"] is None
        fifth = world.corner_pharmacy.dispense(slips[0], entry_mode="manual")
        assert fifth["alert"] is None
        assert world.other_pharmacy.verify(slips[0], entry_mode="manual")["alert"] is None
        assert world.corner_pharmacy.verify(missed(world), entry_mode="manual")["alert"] is None
        assert world.corner_pharmacy.verify(slips[0], entry_mode="manual")["alert"]["code"] == "A3"
    with world.clock.at(NOON + timedelta(hours=12)):
        assert world.corner_pharmacy.verify(slips[0], entry_mode="manual")["alert"] is None


def test_a_scan_between_slips_is_no_slip(world: World):
    pack = missed(world)
    for _ in range(6):
        world.corner_pharmacy.verify(pack)
    assert world.corner_pharmacy.verify(pack, entry_mode="manual")["alert"] is None


def test_what_is_no_miss_is_not_forgiven_by_typing(world: World):
    pack = world.pack()
    world.other_pharmacy.dispense(pack)
    assert world.corner_pharmacy.dispense(pack, entry_mode="manual")["alert"]["code"] == "A7"
    assert (
        world.corner_pharmacy.verify(world.pack(), entry_mode="manual", seal="broken")["alert"]["code"]
        == "ATD"
    )


def test_an_own_repeat_raises_an_alert_from_the_fourth_on(world: World):
    pack = world.pack()
    codes = [world.corner_pharmacy.dispense(pack) for _ in range(7)]
    assert [verdict["code"] for verdict in codes] == ["ok"] + ["already_done_here"] * 6
    assert [verdict["alert"] and verdict["alert"]["count"] for verdict in codes] == [None] * 4 + [1, 2, 3]
    assert codes[-1]["signal"] == "amber"
    assert codes[-1]["alert"]["code"] == "A24"
    assert codes[-1]["allowed"] == ["reactivate"]


def test_looking_at_an_own_change_is_no_repeat(world: World):
    pack = world.pack()
    world.corner_pharmacy.dispense(pack)
    assert {world.corner_pharmacy.verify(pack)["alert"] is None for _ in range(6)} == {True}
    assert world.corner_pharmacy.dispense(pack)["alert"] is None


def test_after_an_undo_repeats_are_counted_anew(world: World):
    pack = world.pack()
    for _ in range(2):
        verdicts = [world.corner_pharmacy.dispense(pack) for _ in range(4)]
        assert [verdict["alert"] for verdict in verdicts] == [None] * 4
        world.corner_pharmacy.reactivate(pack, not_supplied_to_public=True)


def test_an_alert_keeps_what_was_sent_with_the_scan(world: World):
    pack = missed(world)
    world.corner_pharmacy.verify(pack, user="u-17", reference="R1", device={"id": "till", "sequence": 3})
    [alert] = listed(world.corner_pharmacy, gtin=pack["gtin"])
    assert alert["details"] == {
        "entry_mode": "scanned", "seal": "not_checked", "user": "u-17", "reference": "R1",
        "device": {"id": "till", "sequence": 3},
    }  # fmt: skip


def test_alerts_are_found_by_gtin_lot_code_and_status(world: World):
    pack = missed(world, lot="LOTX")
    world.corner_pharmacy.verify(pack)
    world.corner_pharmacy.verify(pack | {"lot": "LOTY"})
    gtin = pack["gtin"]
    for filters, lots in (
        ({"lot": "LOTX"}, ["LOTX"]),
        ({"lot": "LOTY"}, ["LOTY"]),
        ({"lot": "LOTZ"}, []),
        ({"code": "A3"}, ["LOTX"]),
        ({"code": "A2"}, ["LOTY"]),
        ({"code": "A7"}, []),
        ({"status": "new"}, ["LOTY", "LOTX"]),
        ({"status": "closed"}, []),
        ({}, ["LOTY", "LOTX"]),
    ):
        found = listed(world.corner_pharmacy, gtin=gtin, **filters)
        assert [alert["lot"] for alert in found] == lots
    assert len(listed(world.corner_pharmacy, gtin=gtin.removeprefix("0"))) == 2


def test_pages_follow_each_other_newest_first_without_gap_or_repeat(world: World):
    pack = missed(world)
    serials = [f"PAGED{number:03}" for number in range(103)]
    for serial in serials:
        world.hospital.verify(pack | {"serial": serial})
    address = f"/v1/alerts?gtin={pack['gtin']}&code=A3"
    seen: list[str] = []
    sizes = []
    while address:
        answer = world.http.get(address, headers=world.hospital.headers())
        page = answer.json["alerts"]
        sizes.append(len(page))
        seen += [alert["serial"] for alert in page]
        link = re.fullmatch(r'<([^>]+)>; rel="next"', answer.headers.get("Link", ""))
        address = link[1] if link else ""
    assert seen == serials[::-1]
    assert sizes == [50, 50, 3]


def test_a_page_is_not_moved_by_what_is_raised_meanwhile(world: World):
    pack = missed(world)
    for number in range(51):
        world.wholesaler.verify(pack | {"serial": f"STILL{number}"})
    first = world.wholesaler.get("/v1/alerts", gtin=pack["gtin"])
    world.wholesaler.verify(pack | {"serial": "LATER"})
    world.wholesaler.verify(pack | {"serial": "STILL0"})
    following = re.search("<(.+)>", first.headers["Link"])[1]
    answer = world.http.get(following, headers=world.wholesaler.headers())
    assert [alert["serial"] for alert in answer.json["alerts"]] == ["STILL0"]


SEES_ALL = ("regulator", "operator")
SEES_NONE = ("other_pharmacy", "hospital", "wholesaler", "other_manufacturer")


def test_a_site_sees_its_own_alerts_and_nobody_elses(world: World):
    pack = missed(world)
    alert = world.corner_pharmacy.verify(pack)["alert"]
    assert [found["id"] for found in listed(world.corner_pharmacy, gtin=pack["gtin"])] == [alert["id"]]
    assert (
        world.corner_pharmacy.get(f"/v1/alerts/{alert['id']}").json["site"] == world.corner_pharmacy.site.gln
    )
    for name in SEES_NONE:
        person: Person = getattr(world, name)
        assert listed(person, gtin=pack["gtin"]) == []
        answer = person.get(f"/v1/alerts/{alert['id']}")
        assert (answer.status_code, answer.json["code"]) == (404, "not_found")


def test_a_site_that_filters_by_another_site_sees_nothing(world: World):
    pack = missed(world)
    world.corner_pharmacy.verify(pack)
    own = world.corner_pharmacy.site.gln
    assert listed(world.other_pharmacy, gtin=pack["gtin"], site=own) == []
    assert len(listed(world.corner_pharmacy, gtin=pack["gtin"], site=own)) == 1


def test_a_manufacturer_sees_the_alerts_of_its_products_without_any_site(world: World):
    pack = missed(world)
    sent = {"user": "u-17", "reference": "R1", "device": {"id": "till", "sequence": 9}}
    alert = world.corner_pharmacy.verify(pack, **sent)["alert"]
    [found] = listed(world.manufacturer, gtin=pack["gtin"])
    one = world.manufacturer.get(f"/v1/alerts/{alert['id']}").json
    assert found == one
    assert found["id"] == alert["id"]
    assert (found["serial"], found["code"]) == (pack["serial"], "A3")
    assert (found["site"], found["client_id"], found["details"]) == (None, None, {})
    assert world.corner_pharmacy.site.gln not in str(one)


@pytest.mark.parametrize("maker", [MANUFACTURER, "4000002000004"])
def test_a_manufacturer_sees_its_own_alerts_with_its_site_whosever_the_product_is(world: World, maker: str):
    pack = missed(world, manufacturer=maker)
    alert = world.manufacturer.verify(pack, user="u-17")["alert"]
    [found] = listed(world.manufacturer, gtin=pack["gtin"])
    assert found == world.manufacturer.get(f"/v1/alerts/{alert['id']}").json
    assert (found["id"], found["site"]) == (alert["id"], MANUFACTURER)
    assert (found["client_id"], found["details"]["user"]) == (world.manufacturer.client_id, "u-17")


def test_a_manufacturer_sees_nothing_of_others_alerts_about_others_products(world: World):
    pack = missed(world, manufacturer="4000002000004")
    world.manufacturer.verify(pack)
    alert = world.corner_pharmacy.verify(pack)["alert"]
    assert [found["site"] for found in listed(world.manufacturer, gtin=pack["gtin"])] == [MANUFACTURER]
    assert world.manufacturer.get(f"/v1/alerts/{alert['id']}").status_code == 404


def test_a_manufacturers_pages_hold_its_own_alerts_and_its_products_in_turn(world: World):
    pack = missed(world)
    serials = [f"TURN{number:03}" for number in range(60)]
    for number, serial in enumerate(serials):
        person = world.manufacturer if number % 2 else world.corner_pharmacy
        person.verify(pack | {"serial": serial})
    first = world.manufacturer.get("/v1/alerts", gtin=pack["gtin"])
    following = re.search("<(.+)>", first.headers["Link"])[1]
    second = world.http.get(following, headers=world.manufacturer.headers())
    assert "Link" not in second.headers
    seen = first.json["alerts"] + second.json["alerts"]
    assert [alert["serial"] for alert in seen] == serials[::-1]
    assert [alert["site"] for alert in seen] == [MANUFACTURER, None] * 30


@pytest.mark.parametrize("site", ["4012345000016", MANUFACTURER])
def test_a_manufacturer_may_not_filter_by_site(world: World, site: str):
    answer = world.manufacturer.get("/v1/alerts", site=site)
    assert (answer.status_code, answer.json["code"]) == (403, "not_for_this_site")


@pytest.mark.parametrize("name", SEES_ALL)
def test_authority_and_operator_see_all_with_the_site(world: World, name: str):
    pack = missed(world)
    alerts = [person.verify(pack)["alert"]["id"] for person in (world.corner_pharmacy, world.wholesaler)]
    person: Person = getattr(world, name)
    found = listed(person, gtin=pack["gtin"])
    assert [alert["id"] for alert in found] == alerts[::-1]
    assert {alert["site"] for alert in found} == {world.corner_pharmacy.site.gln, world.wholesaler.site.gln}
    by_site = listed(person, gtin=pack["gtin"], site=world.wholesaler.site.gln)
    assert [alert["id"] for alert in by_site] == alerts[1:]
    assert person.get(f"/v1/alerts/{alerts[0]}").json["site"] == world.corner_pharmacy.site.gln


def test_an_alert_that_never_was_is_not_found(world: World):
    answer = world.regulator.get(f"/v1/alerts/{uuid4()}")
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
