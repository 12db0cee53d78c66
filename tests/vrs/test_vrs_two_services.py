"""Our own service on both sides: one asks, another one that has the pack answers as the manufacturer."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from vrs_world import ask, asking_world, enter, foreign, served
from world import World

Pack = dict[str, str]


@pytest.fixture(scope="module")
def manufacturer(
    new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    made = asking_world(tmp_path_factory.mktemp("manufacturer"), new_database())
    yield made
    made.service.close()


@pytest.fixture(scope="module")
def address(manufacturer: World) -> Iterator[str]:
    with served(manufacturer) as url:
        yield url


@pytest.fixture(scope="module")
def world(
    new_database: Callable[[], str],
    tmp_path_factory: pytest.TempPathFactory,
    manufacturer: World,
    address: str,
) -> Iterator[World]:
    """The one that asks, with a token of the other one's for the wholesaler."""
    credentials = {address: {"bearer": manufacturer.wholesaler.token}}
    home = tmp_path_factory.mktemp("wholesaler")
    made = asking_world(home, new_database(), credentials=credentials, seconds=5, try_seconds=3)
    yield made
    made.service.close()


CHANGES: list[tuple[Pack, tuple[str, Any]]] = [
    ({}, ("ok", None)),
    ({"serial": "NEVER"}, ("mismatch", "No_match_GTIN_Serial")),
    ({"lot": "OTHER"}, ("mismatch", "No_match_GTIN_Serial_Lot")),
    ({"expiry": "2029-01-31"}, ("mismatch", "No_match_GTIN_Serial_Expiry")),
    ({"lot": "OTHER", "expiry": "2029-01-31"}, ("mismatch", "No_match_GTIN_Serial_Lot_Expiry")),
]


@pytest.mark.parametrize(("change", "said"), CHANGES)
def test_what_the_manufacturer_has_and_what_it_has_not(
    world: World, manufacturer: World, address: str, change: Pack, said: tuple[str, str | None]
):
    pack = manufacturer.pack(profile="us_dscsa", lot="L/1", serial=f"A/{manufacturer.serial()}")
    enter(world, pack["gtin"], address)
    told = ask(world.wholesaler, pack | change)
    assert (told["code"], told["failureReason"]) == said
    assert told["responderGLN"] == manufacturer.manufacturer.site.gln


def test_a_recall_at_the_manufacturer_is_no_resale_at_the_wholesaler(
    world: World, manufacturer: World, address: str
):
    pack = manufacturer.pack(profile="us_dscsa")
    enter(world, pack["gtin"], address)
    assert ask(world.wholesaler, pack)["resale"] == "yes"
    body = {"gtin": pack["gtin"], "lot": pack["lot"], "reason": "Quality defect"}
    assert manufacturer.manufacturer.post("/v1/batches/recall", body).status_code == 200
    told = ask(world.wholesaler, pack)
    assert (told["resale"], told["code"], told["additionalInfo"]) == ("no", "recalled", "Recalled")


def test_a_product_that_the_manufacturer_does_not_have_is_unknown_and_no_suspicion(
    world: World, address: str
):
    pack = foreign(world, gtin=world.new_gtin("0599999"))
    enter(world, pack["gtin"], address)
    told = ask(world.wholesaler, pack)
    assert (told["asked"], told["resale"], told["detail"]) == ("unknown_gtin", "pending", "status_404")


def test_the_connection_is_checked(world: World, manufacturer: World, address: str):
    pack = manufacturer.pack(profile="us_dscsa")
    enter(world, pack["gtin"], address)
    [service] = world.wholesaler.get("/v1/vrs/connectivity", gtin=pack["gtin"]).json["services"]
    assert (service["reachable"], service["responder_gln"]) == (True, manufacturer.manufacturer.site.gln)
