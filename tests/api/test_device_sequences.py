"""The number of a device's change is used once for ever at its site; a replay by key is no second use."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from problems import is_problem
from test_bulk import item, send
from world import World


def device(name: str, sequence: int) -> dict[str, Any]:
    return {"device": {"id": name, "sequence": sequence}}


def reused(answer: Any) -> bool:
    return answer.status_code == 409 and answer.json["code"] == "device_sequence_reused"


def test_a_sequence_is_one_for_all_changes_of_a_device(world: World):
    pack, one = world.pack(), device("all-changes", 1)
    assert world.corner_pharmacy.dispense(pack, **one)["code"] == "ok"
    undo = {"not_supplied_to_public": True}
    assert reused(world.corner_pharmacy.post("/v1/reactivate", pack | undo | one))
    assert reused(world.corner_pharmacy.post("/v1/decommission", world.pack() | {"reason": "sample"} | one))
    [result] = send(world.corner_pharmacy, item("dispense", world.pack(), **one))
    assert (result["code"], result["status"]) == ("device_sequence_reused", 409)
    is_problem(world.corner_pharmacy.post("/v1/dispense", pack | one), 409, "device_sequence_reused")


def test_a_sequence_stays_used_for_ever(world: World):
    one = device("for-ever", 1)
    world.corner_pharmacy.dispense(world.pack(), **one)
    with world.clock.at(world.clock() + timedelta(days=4000)):
        pack = world.pack(expiry="2060-01-01")
        assert reused(world.corner_pharmacy.post("/v1/dispense", pack | one))


def test_a_sequence_of_one_client_is_used_for_the_whole_site(world: World):
    one = device("whole-site", 1)
    world.corner_pharmacy.dispense(world.pack(), **one)
    again = world.person(world.corner_pharmacy.site.gln, world.corner_pharmacy.site.type)
    assert reused(again.post("/v1/dispense", world.pack() | one))


def test_other_sites_devices_and_cases_count_by_themselves(world: World):
    for person, name in (
        (world.corner_pharmacy, "own"), (world.other_pharmacy, "own"), (world.hospital, "own"),
        (world.corner_pharmacy, "Own"), (world.corner_pharmacy, "own."),
    ):  # fmt: skip
        assert person.dispense(world.pack(), **device(name, 5))["code"] == "ok"


def test_sequences_may_come_in_any_order(world: World):
    """A queue of two tills of one device, or what was kept back."""
    for sequence in (7, 3, 2**63 - 1, 0, 4):
        assert world.corner_pharmacy.dispense(world.pack(), **device("any-order", sequence))["code"] == "ok"
    assert reused(world.corner_pharmacy.post("/v1/dispense", world.pack() | device("any-order", 3)))


def test_a_look_takes_no_sequence(world: World):
    one = device("looks", 1)
    for _ in range(2):
        assert world.corner_pharmacy.verify(world.pack(), **one)["code"] == "ok"
        assert world.corner_pharmacy.returns_check(world.pack(), **one)["code"] == "ok"
    pack = world.pack()
    assert world.corner_pharmacy.dispense(pack, **one)["code"] == "ok"
    assert world.corner_pharmacy.verify(pack, **one)["code"] == "already_done_here"


@pytest.mark.parametrize("refusal", ["unknown", "expired", "gone", "done here"])
def test_every_refused_verdict_takes_the_sequence_too(world: World, refusal: str):
    pack, one = world.pack(), device(f"refused.{refusal.replace(' ', '-')}", 1)
    if refusal == "unknown":
        pack = world.pack(stored=False)
    elif refusal == "expired":
        pack = world.pack(expiry="2020-01-01")
    else:
        (world.other_pharmacy if refusal == "gone" else world.corner_pharmacy).dispense(pack)
    assert not world.corner_pharmacy.dispense(pack, **one)["accepted"]
    assert reused(world.corner_pharmacy.post("/v1/dispense", world.pack() | one))


@pytest.mark.parametrize(
    ("fault", "key", "code"),
    [
        ({"serial": "#"}, "new", "invalid_request"),
        ({"patient": "x"}, "new", "invalid_request"),
        ({"occurred_at": "2999-01-01T00:00:00Z"}, "new", "invalid_request"),
        ({"reason": "exported"}, "new", "not_for_this_site"),
        ({}, None, "idempotency_key_required"),
        ({}, "used", "idempotency_key_reused"),
    ],
)
def test_a_fault_takes_no_sequence(world: World, fault: dict[str, Any], key: str | None, code: str):
    one = device(uuid4().hex, 1)
    sampled = {"reason": "sample"}
    world.corner_pharmacy.post("/v1/decommission", world.pack() | sampled, key="used")
    answer = world.corner_pharmacy.post("/v1/decommission", world.pack() | sampled | one | fault, key=key)
    assert answer.json["code"] == code
    assert world.corner_pharmacy.decommission(world.pack(), "sample", **one)["code"] == "ok"


def test_an_undo_without_its_scope_takes_no_sequence(world: World):
    pack, one = world.pack(), device("scope", 1)
    world.corner_pharmacy.decommission(pack, "sample")
    till = world.person(
        world.corner_pharmacy.site.gln, world.corner_pharmacy.site.type, frozenset({"dispense"})
    )
    assert till.post("/v1/reactivate", pack | one).json["code"] == "insufficient_scope"
    assert till.dispense(world.pack(), **one)["code"] == "ok"


def test_a_replay_by_key_comes_before_the_sequence(world: World):
    pack, key = world.pack() | device("replays", 1), uuid4().hex
    first = world.corner_pharmacy.post("/v1/dispense", pack, key=key)
    second = world.corner_pharmacy.post("/v1/dispense", pack, key=key)
    assert (second.status_code, second.data) == (200, first.data)
    assert reused(world.corner_pharmacy.post("/v1/dispense", pack, key=uuid4().hex))
