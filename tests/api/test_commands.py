"""Recall, hold, release, withdraw, master data: known at every site at once, done only by those who may."""

from typing import Any

import pytest
from situations import Pack, command, new_ppn, together
from world import Person, World

BUYERS = ("corner_pharmacy", "other_pharmacy", "hospital", "wholesaler")
COMMANDS = ("batches/recall", "batches/hold", "batches/release", "products/withdraw")
OWNERS = ("manufacturer", "regulator", "operator")


def body_of(name: str, pack: Pack) -> dict[str, str]:
    lot = {"lot": pack["lot"]} if name.startswith("batches") else {}
    return {"gtin": pack["gtin"], "reason": "quality defect"} | lot


def codes(world: World, pack: Pack) -> set[str]:
    """What every site is told at once, of a verify and of a dispense."""
    people: list[Person] = [getattr(world, name) for name in BUYERS]
    return {person.verify(pack)["code"] for person in people} | {
        person.dispense(pack)["code"] for person in people
    }


@pytest.mark.parametrize(
    ("commander", "name", "code"),
    [
        ("regulator", "batches/recall", "recalled"),
        ("manufacturer", "batches/hold", "on_hold"),
        ("operator", "products/withdraw", "withdrawn"),
    ],
)
def test_every_site_knows_before_the_answer_leaves(world: World, commander: str, name: str, code: str):
    pack, other_lot = world.pack(lot="LOTA"), world.pack(lot="LOTB")
    assert world.corner_pharmacy.verify(pack)["code"] == "ok"
    person: Person = getattr(world, commander)
    answer = person.post(f"/v1/{name}", body_of(name, pack))
    told = {name: value for name, value in body_of(name, pack).items() if name != "reason"}
    assert (answer.status_code, answer.json) == (200, told | {"status": code})
    assert codes(world, pack) == {code}
    assert world.corner_pharmacy.verify(other_lot)["code"] == "ok"


def test_only_the_lot_that_was_named_is_recalled_and_only_of_its_product(world: World):
    pack = world.pack(lot="SAME")
    beside = world.pack(gtin=pack["gtin"], lot="OTHER")
    elsewhere = world.pack(lot="SAME")
    command(world, world.regulator, "batches/recall", pack["gtin"], "SAME")
    found = [world.hospital.verify(each)["code"] for each in (pack, beside, elsewhere)]
    assert found == ["recalled", "ok", "ok"]


@pytest.mark.parametrize(("name", "code"), [("batches/recall", "recalled"), ("batches/hold", "on_hold")])
def test_an_unknown_lot_is_created_so_that_packs_loaded_later_are_covered(world: World, name: str, code: str):
    known = world.pack()
    command(world, world.regulator, name, known["gtin"], "LATER")
    later = world.pack(gtin=known["gtin"], lot="LATER")
    assert world.corner_pharmacy.verify(later)["code"] == code
    unknown = later | {"serial": "NEVER"}
    assert world.corner_pharmacy.verify(unknown)["code"] == "unknown_serial"


def test_packs_loaded_later_of_a_withdrawn_product_are_covered(world: World):
    known = world.pack()
    command(world, world.regulator, "products/withdraw", known["gtin"])
    assert world.corner_pharmacy.verify(world.pack(gtin=known["gtin"]))["code"] == "withdrawn"


def test_a_release_lifts_a_hold_and_not_a_recall(world: World):
    held, recalled, both = world.pack(), world.pack(), world.pack()

    def story(pack: Pack, *names: str) -> list[str]:
        return [
            command(world, world.regulator, f"batches/{n}", pack["gtin"], pack["lot"])["status"]
            for n in names
        ]

    told = together(
        [
            lambda: story(held, "hold", "release"),
            lambda: story(recalled, "recall", "release"),
            lambda: story(both, "hold", "recall", "release"),
        ]
    )
    assert [statuses[:-1] for statuses in told] == [["on_hold"], ["recalled"], ["on_hold", "recalled"]]
    assert [statuses[-1] for statuses in told] == ["active", "recalled", "recalled"]
    found = [world.corner_pharmacy.verify(pack)["code"] for pack in (held, recalled, both)]
    assert found == ["ok", "recalled", "recalled"]
    assert world.corner_pharmacy.dispense(held)["code"] == "ok"


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("person", BUYERS)
def test_who_buys_packs_commands_nothing(world: World, person: str, name: str):
    pack = world.pack()
    answer = getattr(world, person).post(f"/v1/{name}", body_of(name, pack))
    assert (answer.status_code, answer.json["code"]) == (403, "not_for_this_site")
    assert world.corner_pharmacy.verify(pack)["code"] == "ok"


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("stored", [True, False])
def test_a_manufacturer_commands_its_own_products_only(world: World, name: str, stored: bool):  # noqa: FBT001
    pack = world.pack(stored=stored)
    answer = world.other_manufacturer.post(f"/v1/{name}", body_of(name, pack))
    assert (answer.status_code, answer.json["code"]) == (403, "not_your_product")
    assert world.corner_pharmacy.verify(pack)["code"] == ("ok" if stored else "unknown_product")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_on_a_product_that_is_not_there_is_not_found(world: World, name: str):
    answer = world.regulator.post(f"/v1/{name}", body_of(name, world.pack(stored=False)))
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")


def test_a_replayed_command_is_done_once(world: World):
    """The hold came in between, and the replay does not undo it."""
    pack = world.pack()
    body = body_of("batches/release", pack)
    first = world.regulator.post("/v1/batches/release", body, key="command-once")
    command(world, world.regulator, "batches/hold", pack["gtin"], pack["lot"])
    again = world.regulator.post("/v1/batches/release", body, key="command-once")
    assert (again.status_code, again.data) == (200, first.data)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert world.corner_pharmacy.verify(pack)["code"] == "on_hold"
    other = world.regulator.post("/v1/batches/hold", body, key="command-once")
    assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")


# The master data.

FULL = {
    "name": "Aspirette", "strength": "100 mg", "form": "tablet", "pack_size": "20", "nhrn": "12345678",
    "profile": "us_dscsa", "manufacturer_gln": "4000001000005",
}  # fmt: skip


@pytest.fixture
def product(world: World) -> tuple[str, Pack]:
    """The address of a product, and a pack of it."""
    pack = world.pack()
    return f"/v1/products/{pack['gtin']}", pack


@pytest.mark.parametrize("person", OWNERS)
def test_what_is_sent_of_a_product_is_kept_and_shown(world: World, product: tuple[str, Pack], person: str):
    address, pack = product
    answer = getattr(world, person).put(address, FULL)
    expected = FULL | {"gtin": pack["gtin"], "ppn": None, "withdrawn": False}
    assert (answer.status_code, answer.json) == (200, expected)
    shown = world.corner_pharmacy.verify(pack)["pack"]
    assert shown["product"] == {name: FULL[name] for name in ("name", "strength", "form", "pack_size")}
    assert shown["profile"] == "us_dscsa"


def test_what_is_left_out_stays_and_null_empties(world: World, product: tuple[str, Pack]):
    address, _ = product
    assert world.regulator.put(address, {"form": "tablet", "nhrn": "1"}).json["name"] == "Painaway"
    emptied = world.regulator.put(address, {"nhrn": None, "strength": None}).json
    assert (emptied["form"], emptied["nhrn"], emptied["strength"]) == ("tablet", None, None)


def test_a_change_of_master_data_does_not_lift_a_withdrawal(world: World, product: tuple[str, Pack]):
    address, pack = product
    command(world, world.regulator, "products/withdraw", pack["gtin"])
    assert world.manufacturer.put(address, {"name": "New name"}).json["withdrawn"] is True
    assert world.corner_pharmacy.verify(pack)["code"] == "withdrawn"


def test_another_regulation_holds_from_the_answer_on(world: World, product: tuple[str, Pack]):
    address, pack = product
    unknown = pack | {"serial": "NEVER"}
    assert world.corner_pharmacy.verify(unknown)["alert"]["code"] == "A3"
    world.manufacturer.put(address, {"profile": "us_dscsa"})
    assert world.corner_pharmacy.verify(unknown)["alert"]["code"] == "SUSPECT"


def test_a_ppn_finds_the_pack_once_it_is_written(world: World, product: tuple[str, Pack]):
    address, pack = product
    ppn, ntin = new_ppn(world)
    rest = {name: value for name, value in pack.items() if name != "gtin"}
    assert world.corner_pharmacy.verify(rest | {"ppn": ppn})["code"] == "unknown_product"
    assert world.manufacturer.put(address, {"ppn": ppn}).json["ppn"] == ppn
    for sent in ({"ppn": ppn}, {"gtin": ntin}, {"gtin": pack["gtin"]}):
        assert world.corner_pharmacy.verify(rest | sent)["code"] == "ok"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            (name, value)
            for name in ("name", "strength", "form", "pack_size")
            for value in ("", "x" * 201, 1, "a\0b")
        ),
        *(("ppn", value) for value in ("", "1", "110375286415", "1103752864\0", 1, "\uff10" * 12)),
        *(("nhrn", value) for value in ("x" * 21, 1, "a\0")),
        *(("profile", value) for value in ("", "eu", "EU_FMD", None, 1, "..", "eu_fmd\0")),
        *(("manufacturer_gln", value) for value in ("", "1", "x" * 13, "4000001000005\n", "\u0664" * 13, 1)),
        ("gtin", "05012345678900"),
        ("withdrawn", False),
        ("patient", "x"),
    ],
    ids=lambda value: ascii(value)[:24],
)
def test_a_wrong_field_of_a_product_is_named(world: World, product: tuple[str, Pack], field: str, value: Any):
    address, _ = product
    answer = world.regulator.put(address, {field: value})
    assert (answer.status_code, answer.json["code"]) == (422, "invalid_request"), answer.text
    assert field in answer.json["errors"]


def test_a_ppn_belongs_to_one_product(world: World, product: tuple[str, Pack]):
    address, _ = product
    ppn, _ = new_ppn(world)
    taken = world.pack(stored=False)
    world.load(taken, ppn=ppn)
    answer = world.regulator.put(address, {"ppn": ppn})
    assert (answer.status_code, answer.json["code"]) == (422, "invalid_request"), answer.text
    assert "ppn" in answer.json["errors"]


@pytest.mark.parametrize("gtin", ["1", "05012345678901", "x", "%00", "050123456789001"])
def test_a_product_is_addressed_by_a_gtin(world: World, gtin: str):
    answer = world.regulator.put(f"/v1/products/{gtin}", {"name": "x"})
    assert (answer.status_code, answer.json["code"]) == (422, "invalid_request")
    assert "gtin" in answer.json["errors"]


def test_a_new_product_is_written_by_authority_operator_or_its_manufacturer(world: World):
    own = {"manufacturer_gln": world.manufacturer.site.gln}
    for person, fields, status in (
        (world.regulator, {}, 200),
        (world.operator, own, 200),
        (world.manufacturer, own, 200),
        (world.manufacturer, {}, 403),
        (world.other_manufacturer, own, 403),
    ):
        gtin = world.new_gtin()
        answer = person.put(f"/v1/products/{gtin}", {"name": "New"} | fields)
        assert answer.status_code == status, answer.text
        pack = world.pack(gtin=gtin, stored=False)
        found = world.corner_pharmacy.verify(pack)["code"]
        assert found == ("unknown_batch" if status == 200 else "unknown_product")


def test_a_manufacturer_neither_takes_nor_gives_a_product_away(world: World, product: tuple[str, Pack]):
    address, _ = product
    taken = world.other_manufacturer.put(address, {"manufacturer_gln": world.other_manufacturer.site.gln})
    assert (taken.status_code, taken.json["code"]) == (403, "not_your_product")
    given = world.manufacturer.put(address, {"manufacturer_gln": world.other_manufacturer.site.gln})
    assert (given.status_code, given.json["code"]) == (403, "not_your_product")
    moved = world.regulator.put(address, {"manufacturer_gln": world.other_manufacturer.site.gln})
    assert moved.status_code == 200


@pytest.mark.parametrize("person", BUYERS)
def test_who_buys_packs_writes_no_product(world: World, product: tuple[str, Pack], person: str):
    answer = getattr(world, person).put(product[0], {"name": "Mine"})
    assert (answer.status_code, answer.json["code"]) == (403, "not_for_this_site")
