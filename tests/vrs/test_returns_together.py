"""A large return with every kind of exception, several people at one session, and a race for each pack."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from returning import Desk, Network, load_case, named, new_sscc, open_session, with_network
from world import World

PACKS, EACH = 500, 25
Packs = list[dict[str, Any]]


def fresh(world: World, count: int, **more: Any) -> Packs:
    """Packs of one product, all loaded at once."""
    gtin = world.new_gtin()
    packs = [world.pack(gtin=gtin, stored=False, **more) for _ in range(count)]
    world.load(*packs, profile="us_dscsa")
    return packs


def unlike(packs: Packs, **more: str) -> Packs:
    return [pack | more for pack in packs]


def test_a_return_of_500_packs_with_5_percent_of_each_exception_ends_with_the_right_totals(world: World):
    network = Network()
    person = with_network(world, network)(world.wholesaler)
    past = (date.today() - timedelta(days=30)).isoformat()  # noqa: DTZ011
    extra, missing = fresh(world, EACH), fresh(world, EACH)
    dispensed, recalled = fresh(world, EACH), fresh(world, EACH, lot="BAD")
    expired, mismatch = fresh(world, EACH, expiry=past), unlike(fresh(world, EACH), lot="OTHER")
    pending = [world.pack(stored=False) for _ in range(EACH)]
    unknown = [pack | {"serial": world.serial()} for pack in fresh(world, EACH)]
    good = fresh(world, PACKS - 6 * EACH)
    for pack in dispensed:
        world.corner_pharmacy.dispense(pack)
    body = {"gtin": recalled[0]["gtin"], "lot": "BAD", "reason": "Quality defect"}
    world.regulator.post("/v1/batches/recall", body)

    listed = [*good, *dispensed, *recalled, *expired, *mismatch, *pending, *unknown]
    assert len(listed) == PACKS
    desk = open_session(person, expected_packs=named(*listed, *missing))
    told = desk.scan_all([*listed, *extra, *good[:EACH]])
    assert Counter(each["outcome"] for each in told) == {"counted": PACKS + EACH, "duplicate": EACH}
    assert Counter(each["code"] for each in told) == {
        "ok": len(good) + EACH, "own_state": EACH, "recalled": EACH, "expired": EACH, "mismatch": 2 * EACH,
        "no_answer": EACH, "duplicate": EACH,
    }  # fmt: skip
    totals = {
        "expected": PACKS + EACH, "matched": PACKS, "extra": EACH, "missing": EACH,
        "scanned": PACKS + EACH, "saleable": len(good) + EACH, "refused": 5 * EACH, "pending": EACH,
        "overdue": 0, "duplicate": EACH, "refused_cases": 0,
    }  # fmt: skip
    closed = desk.close().json["summary"]
    assert closed["totals"] == totals
    assert {line["serial"] for line in closed["missing"]} == {pack["serial"] for pack in missing}
    said = {pack["serial"]: pack["resale"] for pack in closed["packs"]}
    saleable = {serial for serial, resale in said.items() if resale == "yes"}
    assert saleable == {pack["serial"] for pack in [*good, *extra]}
    assert {said[pack["serial"]] for pack in pending} == {"pending"}


def at_once(*jobs: Callable[[], Any]) -> None:
    start = threading.Barrier(len(jobs))
    failed: list[BaseException] = []

    def run(job: Callable[[], Any]) -> None:
        start.wait()
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - told below, in the test's own thread
            failed.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def helpers(world: World, desk: Desk, count: int) -> list[Desk]:
    """The same desk for as many people, each with a connection of their own."""
    same = with_network(world, Network())
    desk.person.headers()  # one token for all
    return [desk.as_(same(desk.person)) for _ in range(count)]


def test_two_people_on_one_session_lose_no_scan(world: World):
    packs = fresh(world, 120)
    desk = open_session(world.wholesaler, expected_packs=named(*packs))
    one, two = helpers(world, desk, 2)
    at_once(
        lambda: [one.scan(pack) for pack in packs[:60]],
        lambda: [two.scan(pack) for pack in packs[60:]],
    )
    assert desk.totals() == {"expected": 120, "matched": 120, "scanned": 120, "saleable": 120}


def test_the_same_packs_scanned_by_two_at_once_count_once_and_the_loser_knows_who_was_first(world: World):
    packs = fresh(world, 60)
    desk = open_session(world.wholesaler)
    told: dict[str, list[dict[str, Any]]] = {}

    def work(name: str, own: Desk) -> None:
        told[name] = [own.scan(pack, user=name) for pack in packs]

    one, two = helpers(world, desk, 2)
    at_once(lambda: work("anna", one), lambda: work("ben", two))
    for anna, ben in zip(told["anna"], told["ben"], strict=True):
        winner, loser = (anna, ben) if anna["outcome"] == "counted" else (ben, anna)
        assert (winner["outcome"], winner["resale"]) == ("counted", "yes")
        assert (loser["outcome"], loser["resale"]) == ("duplicate", "no")
        assert loser["first"]["event_id"] == winner["event_id"]
        assert loser["first"]["user"] == winner["packs"][0]["user"]
    assert desk.totals() == {"scanned": 60, "saleable": 60, "duplicate": 60}


def test_a_case_and_its_packs_scanned_at_once_never_count_a_pack_twice(world: World):
    for _ in range(8):
        gtin, sscc = world.new_gtin(), new_sscc()
        packs = [world.pack(gtin=gtin, stored=False) for _ in range(6)]
        load_case(world, packs, sscc)
        desk = open_session(world.wholesaler)
        told: list[dict[str, Any]] = []
        one, two, three = helpers(world, desk, 3)

        def case(own: Desk, told: list[Any] = told, sscc: str = sscc) -> None:
            told.append(own.scan({"sscc": sscc}))

        def single(own: Desk, packs: Packs = packs) -> None:
            for pack in reversed(packs):
                own.scan(pack)

        at_once(
            lambda own=one: case(own), lambda own=two: single(own), lambda own=three: case(own)
        )  # fmt: skip
        assert desk.totals()["scanned"] == 6
        assert desk.totals()["saleable"] == 6
        assert sum(each["outcome"] == "counted" for each in told) <= 1


def test_whatever_is_scanned_while_a_session_closes_is_in_its_summary_or_refused(world: World):
    packs = fresh(world, 80)
    desk = open_session(world.wholesaler)
    one, two, closer = helpers(world, desk, 3)
    told: list[tuple[str, dict[str, Any]]] = []
    halfway = threading.Event()
    summary: dict[str, Any] = {}

    def work(own: Desk, mine: Packs) -> None:
        for number, pack in enumerate(mine):
            told.append((pack["serial"], own.scan(pack)))
            if number == 15:
                halfway.set()

    def finish() -> None:
        halfway.wait()
        summary.update(closer.close().json["summary"])

    at_once(lambda: work(one, packs[:40]), lambda: work(two, packs[40:]), finish)
    counted = {serial for serial, answer in told if answer.get("outcome") == "counted"}
    refused = {serial for serial, answer in told if answer["code"] == "session_closed"}
    assert counted == {pack["serial"] for pack in summary["packs"]}
    assert counted | refused == {pack["serial"] for pack in packs}
    assert refused, "it was closed in the middle"
    assert summary["totals"]["scanned"] == len(counted)
