"""PPN and NTIN are one product: by either its packs, their history, alerts, commands and data are found."""

from typing import Any

import pytest
from situations import Pack, command, new_ppn
from world import Person, World

BATCH_COMMANDS = {"batches/recall": "recalled", "batches/hold": "on_hold"}


@pytest.fixture
def named(world: World) -> tuple[Pack, Pack, Pack]:
    """A pack of a product under a GTIN of its own: by that, by its NTIN, by its PPN."""
    ppn, ntin = new_ppn(world)
    own = world.pack(stored=False)
    world.load(own, ppn=ppn)
    rest = {name: value for name, value in own.items() if name != "gtin"}
    return own, own | {"gtin": ntin}, rest | {"ppn": ppn}


def told(person: Person, path: str, **query: str) -> Any:
    answer = person.get(path, **query)
    assert answer.status_code == 200, answer.text
    return answer.json


def test_a_read_finds_the_pack_by_the_ntin(world: World, named: tuple[Pack, Pack, Pack]):
    own, by_ntin, _ = named
    for pack in (own, by_ntin):
        assert told(world.corner_pharmacy, "/v1/packs", **pack)["pack"]["gtin"] == own["gtin"]


@pytest.mark.parametrize("who", ["corner_pharmacy", "manufacturer", "regulator"])
def test_the_history_is_the_same_by_gtin_and_ntin(world: World, named: tuple[Pack, Pack, Pack], who: str):
    for pack in named:
        world.corner_pharmacy.verify(pack)
    histories = [
        told(getattr(world, who), "/v1/packs/events", gtin=pack["gtin"], serial=pack["serial"])["events"]
        for pack in named[:2]
    ]
    assert histories[0] == histories[1]
    assert [event["operation"] for event in histories[0]] == ["verify"] * 3


def test_a_pack_that_nobody_has_scanned_is_known_by_the_ntin(world: World, named: tuple[Pack, Pack, Pack]):
    _, by_ntin, _ = named
    asked = {"gtin": by_ntin["gtin"], "serial": by_ntin["serial"]}
    assert told(world.manufacturer, "/v1/packs/events", **asked) == {"events": []}


def test_what_was_scanned_before_the_product_was_known_stays_in_the_history(world: World):
    ppn, ntin = new_ppn(world)
    own = world.pack(stored=False)
    by_ntin = own | {"gtin": ntin}
    world.corner_pharmacy.verify(by_ntin)
    world.load(own, ppn=ppn)
    world.corner_pharmacy.dispense(own)
    events = told(world.regulator, "/v1/packs/events", gtin=ntin, serial=own["serial"])["events"]
    assert [event["code"] for event in events] == ["unknown_product", "ok"]


@pytest.mark.parametrize("who", ["corner_pharmacy", "manufacturer", "regulator"])
def test_alerts_are_found_by_gtin_and_ntin(world: World, named: tuple[Pack, Pack, Pack], who: str):
    own, by_ntin, _ = named
    for number, pack in enumerate(named):
        world.corner_pharmacy.verify(pack | {"serial": f"NEVER{number}"})
    lists = [told(getattr(world, who), "/v1/alerts", gtin=pack["gtin"])["alerts"] for pack in (own, by_ntin)]
    assert lists[0] == lists[1]
    assert [alert["serial"] for alert in lists[0]] == ["NEVER2", "NEVER1", "NEVER0"]


@pytest.mark.parametrize("who", ["manufacturer", "regulator"])
@pytest.mark.parametrize(("name", "status"), BATCH_COMMANDS.items())
def test_a_batch_is_commanded_by_the_ntin(
    world: World, named: tuple[Pack, Pack, Pack], who: str, name: str, status: str
):
    own, by_ntin, _ = named
    answer = command(world, getattr(world, who), name, by_ntin["gtin"], own["lot"])
    assert answer == {"gtin": own["gtin"], "lot": own["lot"], "status": status}
    assert {world.corner_pharmacy.verify(pack)["code"] for pack in named} == {status}


def test_a_hold_by_the_gtin_is_lifted_by_the_ntin(world: World, named: tuple[Pack, Pack, Pack]):
    own, by_ntin, _ = named
    command(world, world.regulator, "batches/hold", own["gtin"], own["lot"])
    command(world, world.regulator, "batches/release", by_ntin["gtin"], own["lot"])
    assert {world.corner_pharmacy.verify(pack)["code"] for pack in named} == {"ok"}


def test_a_product_is_withdrawn_by_the_ntin(world: World, named: tuple[Pack, Pack, Pack]):
    own, by_ntin, _ = named
    answer = command(world, world.manufacturer, "products/withdraw", by_ntin["gtin"])
    assert answer == {"gtin": own["gtin"], "status": "withdrawn"}
    assert {world.corner_pharmacy.verify(pack)["code"] for pack in named} == {"withdrawn"}


def test_a_command_by_the_ntin_is_replayed(world: World, named: tuple[Pack, Pack, Pack]):
    _, by_ntin, _ = named
    body = {"gtin": by_ntin["gtin"], "reason": "quality defect"}
    path, key = "/v1/products/withdraw", f"withdraw-{by_ntin['gtin']}"
    first, again = (world.regulator.post(path, body, key=key) for _ in range(2))
    assert (again.status_code, again.data) == (200, first.data)
    assert again.headers["Idempotency-Replayed"] == "true"


def test_another_manufacturer_commands_nothing_by_the_ntin_either(
    world: World, named: tuple[Pack, Pack, Pack]
):
    body = {"gtin": named[1]["gtin"], "reason": "quality defect"}
    answer = world.other_manufacturer.post("/v1/products/withdraw", body)
    assert (answer.status_code, answer.json["code"]) == (403, "not_your_product")


@pytest.mark.parametrize("who", ["manufacturer", "regulator"])
def test_master_data_sent_under_the_ntin_is_that_of_the_product_which_is_there(
    world: World, named: tuple[Pack, Pack, Pack], who: str
):
    own, by_ntin, by_ppn = named
    answer = getattr(world, who).put(f"/v1/products/{by_ntin['gtin']}", {"name": "Aspirette"})
    assert answer.status_code == 200, answer.text
    written = answer.json
    assert (written["gtin"], written["name"], written["strength"]) == (own["gtin"], "Aspirette", "500 mg")
    assert written["ppn"] == by_ppn["ppn"]
    for pack in named:
        verdict = world.corner_pharmacy.verify(pack)
        assert (verdict["code"], verdict["pack"]["product"]["name"]) == ("ok", "Aspirette")


def test_an_ntin_of_no_product_is_not_found_and_may_become_a_product_of_its_own(world: World):
    _, ntin = new_ppn(world)
    answer = world.regulator.post("/v1/products/withdraw", {"gtin": ntin, "reason": "quality defect"})
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    assert told(world.regulator, "/v1/alerts", gtin=ntin) == {"alerts": []}
    assert world.regulator.put(f"/v1/products/{ntin}", {"name": "New"}).json["gtin"] == ntin


def test_the_ppn_of_a_product_that_stands_under_its_ntin_is_not_given_to_another(world: World):
    ppn, ntin = new_ppn(world)
    own, other = world.pack(gtin=ntin), world.pack()
    answer = world.regulator.put(f"/v1/products/{other['gtin']}", {"ppn": ppn})
    assert (answer.status_code, answer.json["code"]) == (422, "invalid_request")
    assert answer.json["errors"] == {"ppn": ["Another product has this PPN."]}
    assert world.regulator.put(f"/v1/products/{ntin}", {"ppn": ppn}).json["ppn"] == ppn
    assert world.corner_pharmacy.verify(own)["pack"]["gtin"] == ntin
