"""Packs that are not our own at the returns desk: asked about, pending, asked about again."""

from collections import Counter
from datetime import timedelta

import pytest
from returning import SAID, Desk, Network, dispensed, loaded, new_key, open_session, recalled, with_network
from world import World


@pytest.mark.parametrize(("said", "resale"), SAID.items())
def test_of_a_pack_that_is_not_ours_the_network_is_asked_once(world: World, said: str, resale: str):
    network = Network()
    person = with_network(world, network)(world.wholesaler)
    desk, pack = open_session(person), world.pack(stored=False)
    network.says[pack["serial"]] = said
    told = desk.scan(pack)
    assert (told["outcome"], told["resale"], told["code"]) == ("counted", resale, said)
    assert told["packs"][0]["responder_gln"] == "0321012345676"
    assert told["packs"][0]["verdict"] is None
    assert desk.scan(pack)["outcome"] == "duplicate"
    assert network.asked == [(pack["serial"], "dscsaSaleableReturn", True)]


def test_a_pack_of_our_own_is_asked_of_nobody(world: World):
    network = Network()
    desk = open_session(with_network(world, network)(world.wholesaler))
    desk.scan_all([loaded(world), dispensed(world), loaded(world) | {"serial": "NEVER"}])
    assert network.asked == []


def test_a_pending_pack_is_asked_again_until_it_is_answered(world: World):
    network = Network()
    desk = open_session(with_network(world, network)(world.wholesaler))
    packs = [world.pack(stored=False) for _ in range(3)]
    desk.scan_all(packs)
    network.says |= {packs[0]["serial"]: "ok", packs[1]["serial"]: "mismatch"}
    told = desk.recheck().json
    assert Counter(pack["resale"] for pack in told["packs"]) == {"yes": 1, "no": 1, "pending": 1}
    assert desk.totals() == {"scanned": 3, "saleable": 1, "refused": 1, "pending": 1}
    network.asked.clear()
    assert [pack["serial"] for pack in desk.recheck().json["packs"]] == [packs[2]["serial"]]
    assert [serial for serial, _, _ in network.asked] == [packs[2]["serial"]]


def test_a_recheck_repeated_with_its_key_asks_nobody(world: World):
    network = Network()
    desk = open_session(with_network(world, network)(world.wholesaler))
    desk.scan(world.pack(stored=False))
    key = new_key()
    first = desk.recheck(key=key)
    network.asked.clear()
    again = desk.recheck(key=key)
    assert again.data == first.data
    assert network.asked == []


def test_a_hold_that_is_lifted_makes_the_pack_saleable_at_the_next_recheck(world: World):
    desk, pack = open_session(world.wholesaler), recalled(world, "hold")
    desk.scan(pack)
    body = {"gtin": pack["gtin"], "lot": "BAD", "reason": "Cleared"}
    assert world.regulator.post("/v1/batches/release", body).status_code == 200
    assert [each["resale"] for each in desk.recheck().json["packs"]] == ["yes"]


def test_after_24_hours_a_pending_pack_is_overdue(world: World):
    desk = open_session(with_network(world, Network())(world.wholesaler))
    desk.scan(world.pack(stored=False))
    [waiting] = desk.look()["pending"]
    assert desk.look()["totals"]["overdue"] == 0
    world.clock.moved = timedelta(hours=24, seconds=1)
    try:
        desk.person._token = None
        assert desk.look()["totals"]["overdue"] == 1
        assert desk.look()["pending"][0]["due_at"] == waiting["due_at"]
    finally:
        world.clock.moved = timedelta(0)
        world.wholesaler._token = None


def test_a_scan_that_loses_while_the_network_is_asked_is_a_duplicate(world: World):
    network = Network()
    desk = open_session(with_network(world, network)(world.wholesaler))
    pack = world.pack(stored=False)
    other = desk.as_(world.wholesaler)
    network.says[pack["serial"]] = "ok"
    network.meanwhile = lambda: other.scan(pack, user="ben")
    told = desk.scan(pack, user="anna")
    assert (told["outcome"], told["resale"], told["first"]["user"]) == ("duplicate", "no", "ben")
    assert desk.totals() == {"scanned": 1, "pending": 1, "duplicate": 1}


def test_a_session_that_closes_while_the_network_is_asked_counts_the_pack_no_more(world: World):
    network = Network()
    desk = open_session(with_network(world, network)(world.wholesaler))
    pack = world.pack(stored=False)
    network.says[pack["serial"]] = "ok"
    network.meanwhile = lambda: desk.as_(world.wholesaler).close()
    assert desk.scan(pack)["code"] == "session_closed"
    assert desk.totals() == {}


def no_is_heard_late(world: World) -> tuple[Desk, Desk, dict[str, str], Network]:
    """Two people at a session: the one hears yes while the other still waits for a no."""
    quick, slow = Network(), Network()
    early = open_session(with_network(world, quick)(world.wholesaler))
    late = early.as_(with_network(world, slow)(world.wholesaler))
    pack = world.pack(stored=False)
    quick.says[pack["serial"]], slow.says[pack["serial"]] = "ok", "mismatch"
    return early, late, pack, slow


def test_a_no_that_is_heard_after_the_pack_was_counted_with_a_yes_counts(world: World):
    early, late, pack, slow = no_is_heard_late(world)
    slow.meanwhile = lambda: early.scan(pack)
    told = late.scan(pack)
    assert (told["outcome"], told["resale"], told["code"]) == ("duplicate", "no", "mismatch")
    assert early.totals() == {"scanned": 1, "refused": 1, "duplicate": 1}


def test_a_no_that_a_recheck_hears_after_another_one_has_heard_a_yes_counts(world: World):
    early, late, pack, slow = no_is_heard_late(world)
    slow.says[pack["serial"]] = "no_answer"
    late.scan(pack)
    slow.says[pack["serial"]] = "mismatch"
    slow.meanwhile = early.recheck
    [told] = late.recheck().json["packs"]
    assert (told["resale"], told["code"]) == ("no", "mismatch")
    assert early.totals() == {"scanned": 1, "refused": 1}


def test_of_two_rechecks_at_once_the_first_answer_stays(world: World):
    network = Network()
    desk = open_session(with_network(world, network)(world.wholesaler))
    pack = world.pack(stored=False)
    desk.scan(pack)

    def other() -> None:
        network.meanwhile = lambda: None
        network.says[pack["serial"]] = "mismatch"
        assert [each["resale"] for each in desk.recheck().json["packs"]] == ["no"]
        network.says[pack["serial"]] = "ok"

    network.meanwhile = other
    assert desk.recheck().json["packs"] == []
    assert desk.totals() == {"scanned": 1, "refused": 1}
