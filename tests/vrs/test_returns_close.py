"""A close judges again what our own repository knows better by now, and a session has an end."""

from collections.abc import Callable
from typing import Any

import pytest
from returning import Network, new_key, open_session, with_network
from world import World

from verifier.services import returned, returns

Pack = dict[str, Any]


def batch(command: str) -> Callable[[World, Pack], None]:
    def change(world: World, pack: Pack) -> None:
        body = {"gtin": pack["gtin"], "lot": pack["lot"], "reason": "Quality defect"}
        assert world.regulator.post(f"/v1/batches/{command}", body).status_code == 200

    return change


def withdraw(world: World, pack: Pack) -> None:
    body = {"gtin": pack["gtin"], "reason": "Withdrawn"}
    assert world.regulator.post("/v1/products/withdraw", body).status_code == 200


def dispense(world: World, pack: Pack) -> None:
    assert world.corner_pharmacy.dispense(pack)["accepted"]


def of(summary: dict[str, Any], pack: Pack) -> dict[str, Any]:
    return next(each for each in summary["packs"] if each["serial"] == pack["serial"])


@pytest.mark.parametrize(
    ("change", "resale", "code"),
    [
        (batch("recall"), "no", "recalled"),
        (batch("hold"), "pending", "on_hold"),
        (withdraw, "no", "recalled"),
        (dispense, "no", "own_state"),
    ],
    ids=["recall", "hold", "withdraw", "dispense"],
)
def test_what_became_known_after_the_scan_is_in_the_summary(
    world: World, change: Callable[[World, Pack], None], resale: str, code: str
):
    hit, spared = (world.pack(profile="us_dscsa") for _ in range(2))
    desk = open_session(world.wholesaler)
    assert [each["resale"] for each in desk.scan_all([hit, spared])] == ["yes", "yes"]
    change(world, hit)
    summary = desk.close().json["summary"]
    assert (of(summary, hit)["resale"], of(summary, hit)["code"]) == (resale, code)
    assert of(summary, spared)["resale"] == "yes"
    assert (summary["totals"]["scanned"], summary["totals"]["saleable"]) == (2, 1)


def test_a_recall_of_many_packs_is_judged_part_by_part(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(returns, "JUDGED_AT_ONCE", 2)
    gtin = world.new_gtin()
    packs = [world.pack(gtin=gtin, profile="us_dscsa") for _ in range(5)]
    desk = open_session(world.wholesaler)
    desk.scan_all(packs)
    batch("recall")(world, packs[0])
    assert desk.close().json["summary"]["totals"]["refused"] == 5


def test_a_pack_that_the_network_vouched_for_keeps_its_evidence_when_our_own_data_refuse_it(world: World):
    network = Network()
    desk = open_session(with_network(world, network)(world.wholesaler))
    ours = world.pack(profile="us_dscsa")
    pack = world.pack(stored=False, gtin=ours["gtin"], lot="THEIRS")
    network.says[pack["serial"]] = "ok"
    assert desk.scan(pack)["resale"] == "yes"
    withdraw(world, ours)
    told = of(desk.close().json["summary"], pack)
    assert (told["resale"], told["code"], told["asked"]) == ("no", "recalled", "verified")
    assert told["responder_gln"] == "0321012345676"


def test_a_full_session_takes_no_more_packs_also_not_in_the_same_request(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(returned, "MOST_PACKS", 2)
    desk = open_session(world.wholesaler)
    packs = [world.pack(profile="us_dscsa") for _ in range(3)]
    results = desk.send(*packs).json["results"]
    assert [each.get("outcome", each.get("code")) for each in results] == [
        "counted",
        "counted",
        "session_full",
    ]
    assert desk.totals()["scanned"] == 2


def test_a_pack_about_which_nobody_was_asked_waits_as_before(world: World, monkeypatch: pytest.MonkeyPatch):
    network = Network()
    desk = open_session(with_network(world, network)(world.wholesaler))
    pack = world.pack(stored=False)
    network.says[pack["serial"]] = "refused"
    assert desk.scan(pack)["code"] == "refused"
    [waiting] = desk.look()["pending"]
    monkeypatch.setattr(returned.Hurry, "may_ask", False)
    assert desk.recheck(key=new_key()).json["packs"] == []
    assert desk.look()["pending"] == [waiting]
