"""A return over the network: two more instances of our service hold the packs, and one of them goes away."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from returning import Desk, named, open_session
from vrs_world import ask, asking_world, enter, served
from world import World

PACKS, EACH = 500, 25
Packs = list[dict[str, Any]]


@dataclass
class Peer:
    """A manufacturer's service, which may be off."""

    world: World
    prefix: str
    url: str
    stack: ExitStack

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def go(self) -> None:
        self.stack.close()

    def come_back(self) -> None:
        self.stack.enter_context(served(self.world, self.port))

    def packs(self, count: int, **more: Any) -> Packs:
        gtin = self.world.new_gtin(self.prefix)
        made = [self.world.pack(gtin=gtin, stored=False, **more) for _ in range(count)]
        self.world.load(*made, profile="us_dscsa")
        return made


@pytest.fixture(scope="module")
def peers(
    new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Peer, Peer]]:
    made = []
    for number in range(2):
        world = asking_world(tmp_path_factory.mktemp("peer"), new_database())
        stack = ExitStack()
        made.append(Peer(world, f"031234{number}", stack.enter_context(served(world)), stack))
    yield made[0], made[1]
    for peer in made:
        peer.go()
        peer.world.service.close()


@pytest.fixture(scope="module")
def world(
    new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory, peers: tuple[Peer, Peer]
) -> Iterator[World]:
    """The distributor's, which gets its tokens from each peer by its client's secret."""
    credentials = {}
    for peer in peers:
        client = peer.world.wholesaler
        credentials[peer.url] = {
            "token_url": f"{peer.url}/oauth/token",
            "client_id": client.client_id,
            "client_secret": client.client_secret,
            "scope": "vrs",
        }
    made = asking_world(
        tmp_path_factory.mktemp("desk"), new_database(), credentials=credentials, seconds=5, try_seconds=3
    )
    yield made
    made.service.close()


def listed(world: World, peer: Peer, packs: Packs) -> Packs:
    for gtin in {pack["gtin"] for pack in packs}:
        enter(world, gtin, peer.url)
    return packs


def test_a_token_that_the_peer_takes_no_longer_is_fetched_anew(world: World, peers: tuple[Peer, Peer]):
    peer = peers[0]
    packs = listed(world, peer, peer.packs(2))
    assert ask(world.wholesaler, packs[0])["resale"] == "yes"
    [(sent, _)] = [held for grant, held in tokens(world).items() if grant.token_url.startswith(peer.url)]
    client = peer.world.wholesaler
    basic = (client.client_id, client.client_secret)
    assert peer.world.http.post("/oauth/revoke", data={"token": sent}, auth=basic).status_code == 200
    end = time.monotonic() + 20  # a revocation is known everywhere within two seconds
    while sent in {held for held, _ in tokens(world).values()}:
        assert time.monotonic() < end
        assert ask(world.wholesaler, packs[1])["resale"] == "yes"


def tokens(world: World) -> dict[Any, tuple[str, float]]:
    return world.service.ports.vrs.network._tokens._held  # type: ignore[attr-defined,no-any-return]


def scanned(desk: Desk, packs: Packs) -> Counter[str]:
    return Counter(each["code"] for each in desk.scan_all(packs))


def test_a_return_of_500_packs_ends_with_the_right_totals_though_a_responder_dies_in_the_middle(
    world: World, peers: tuple[Peer, Peer]
):
    stays, goes = peers
    past = (date.today() - timedelta(days=30)).isoformat()  # noqa: DTZ011
    good = listed(world, stays, stays.packs(125)) + listed(world, stays, stays.packs(100))
    recalled = listed(world, stays, stays.packs(EACH, lot="BAD"))
    body = {"gtin": recalled[0]["gtin"], "lot": "BAD", "reason": "Quality defect"}
    assert stays.world.manufacturer.post("/v1/batches/recall", body).status_code == 200
    expired = listed(world, stays, stays.packs(EACH, expiry=past))
    other_lot = [pack | {"lot": "OTHER"} for pack in listed(world, stays, stays.packs(EACH))]
    never = [pack | {"serial": stays.world.serial()} for pack in listed(world, stays, stays.packs(EACH))]
    nobody = [world.pack(stored=False) for _ in range(EACH)]
    late = listed(world, goes, goes.packs(100))
    late_never = [pack | {"serial": goes.world.serial()} for pack in listed(world, goes, goes.packs(EACH))]
    extra, missing = listed(world, stays, stays.packs(EACH)), stays.packs(EACH)

    expected = [*good, *recalled, *expired, *other_lot, *never, *nobody, *late, *late_never]
    assert len(expected) == PACKS - EACH
    desk = open_session(world.wholesaler, expected_packs=named(*expected, *missing))
    assert scanned(desk, [*good, *recalled, *late[:50]]) == {"ok": len(good) + 50, "recalled": EACH}

    goes.go()
    gone = scanned(
        desk, [*expired, *late[50:], *late_never, *other_lot, *never, *nobody, *extra, *good[:EACH]]
    )
    assert gone == {
        "expired": EACH, "no_answer": 50 + EACH, "mismatch": 2 * EACH, "unknown_gtin": EACH, "ok": EACH,
        "duplicate": EACH,
    }  # fmt: skip
    assert desk.totals()["pending"] == 50 + 2 * EACH

    goes.come_back()
    while {pack["code"] for pack in desk.look()["pending"]} != {"unknown_gtin"}:
        assert desk.recheck().json["packs"]
    closed = desk.close().json["summary"]
    assert closed["totals"] == {
        "expected": PACKS, "matched": PACKS - EACH, "extra": EACH, "missing": EACH, "scanned": PACKS,
        "saleable": len(good) + len(late) + EACH, "refused": 5 * EACH, "pending": EACH, "overdue": 0,
        "duplicate": EACH, "refused_cases": 0,
    }  # fmt: skip
    assert {line["serial"] for line in closed["missing"]} == {pack["serial"] for pack in missing}
    saleable = {pack["serial"] for pack in closed["packs"] if pack["resale"] == "yes"}
    assert saleable == {pack["serial"] for pack in [*good, *late, *extra]}
