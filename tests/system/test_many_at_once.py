"""Sixty-four clients at several sites want the same five hundred packs at once."""

import os
from collections import Counter, defaultdict
from functools import partial
from random import Random
from urllib.request import urlopen

from callers import Answer, Caller, all_at_once
from history import Traffic
from running import Running, new_packs, until

CLIENTS, PACKS = 64, 500
FULL = os.environ.get("SYSTEM_TEST_FULL") == "1"
"""Every client asks for every pack; otherwise each asks for every fourth, so that each pack has sixteen."""
SITES = {
    "4012345000016": "pharmacy",
    "4012345000023": "pharmacy",
    "4012345000030": "hospital",
    "4012345000047": "wholesaler",
}


def wanted(client: int) -> list[int]:
    packs = [pack for pack in range(PACKS) if FULL or (pack + client) % 4 == 0]
    Random(client).shuffle(packs)  # noqa: S311
    return packs


def test_each_pack_is_dispensed_once_and_every_other_attempt_is_refused_recorded_and_alerted_on(
    service: Running,
):
    callers = [service.caller(gln, kind) for gln, kind in SITES.items()]
    regulator = service.caller("4012345000061", "authority")
    packs = new_packs(PACKS)
    service.load(packs)
    answers: dict[int, list[tuple[str, Answer]]] = defaultdict(list)

    def work(client: int) -> None:
        caller: Caller = callers[client // 4 % len(callers)]
        for number in wanted(client):
            answers[number].append((caller.site, caller.dispense(packs[number])))

    seconds = all_at_once(partial(work, client) for client in range(CLIENTS))
    total = sum(map(len, answers.values()))
    print(f"{total} dispense attempts in {seconds:.1f} s: {total / seconds:.0f} a second")  # noqa: T201
    assert total == sum(len(wanted(client)) for client in range(CLIENTS))
    assert {answer.status for given in answers.values() for _, answer in given} == {200, 409}

    for number, given in answers.items():
        accepted = [answer for _, answer in given if answer.status == 200]
        assert [answer.code for answer in accepted] == ["ok"], packs[number]
        assert all(answer.body["accepted"] == (answer.status == 200) for _, answer in given)
        winner = next(site for site, answer in given if answer.status == 200)
        for site, answer in given:
            if answer.status == 409:
                assert answer.code == ("already_done_here" if site == winner else "already_dispensed")

    recorded = dict(
        service.rows("SELECT serial, count(*) FROM events WHERE operation = 'dispense' GROUP BY 1")
    )
    assert recorded == {packs[number]["serial"]: len(given) for number, given in answers.items()}
    accepted_events = service.rows("SELECT serial FROM events WHERE version IS NOT NULL")
    assert sorted(serial for (serial,) in accepted_events) == [pack["serial"] for pack in packs]

    raised: Counter[tuple[str, str, str]] = Counter()
    for number, given in answers.items():
        for site, answer in given:
            if alert := answer.body.get("alert"):
                raised[packs[number]["serial"], site, alert["code"]] += 1
    alerts = service.rows("SELECT serial, site_gln, code, count FROM alerts")
    assert {(serial, site, code): count for serial, site, code, count in alerts} == raised
    assert len(alerts) == len(raised), "one alert for the same pack, site and code"
    refused_elsewhere = sum(
        answer.code == "already_dispensed" for given in answers.values() for _, answer in given
    )
    assert sum(count for (_, _, code), count in raised.items() if code == "A7") == refused_elsewhere

    sample = packs[7]
    shown = regulator.get(f"/v1/packs/events?gtin={sample['gtin']}&serial={sample['serial']}").body["events"]
    assert sorted(event["event_id"] for event in shown) == sorted(
        answer.body["event_id"] for _, answer in answers[7]
    )
    assert service.rows("SELECT cache_on FROM control") == [(True,)]


def test_nobody_sees_a_pack_active_after_somebody_saw_it_dispensed(service: Running):
    callers = [service.caller("4012345000085", "pharmacy"), service.caller("4012345000092", "hospital")]
    packs = new_packs(120, product=2)
    service.load(packs)
    with Traffic(callers, packs) as traffic:
        traffic.passed(len(packs))
    assert not traffic.errors
    assert not traffic.history.stale()
    assert not traffic.history.backwards()
    assert traffic.history.statuses == {200: sum(map(len, traffic.history.entries.values()))}
    assert hits(service) > 0, "the cache was in use"


def test_every_verify_is_recorded_within_two_seconds(service: Running):
    caller = service.caller("4012345000108", "pharmacy")
    packs = new_packs(200, product=3)
    service.load(packs)

    def look(client: int) -> None:
        order = Random(client).choices(packs, k=100)  # noqa: S311
        assert {caller.verify(pack).code for pack in order} == {"ok"}

    seconds = all_at_once(partial(look, client) for client in range(16))
    print(f"1600 verifies in {seconds:.1f} s: {1600 / seconds:.0f} a second")  # noqa: T201
    count = "SELECT count(*) FROM events WHERE operation = 'verify' AND site_gln = %s"
    until(lambda: service.rows(count, caller.site) == [(1600,)], "every scan in the database")


def hits(service: Running) -> float:
    """Look-ups that all workers together have answered from the cache."""
    with urlopen(f"http://127.0.0.1:{service.port}/metrics") as page:
        lines = page.read().decode().splitlines()
    return sum(
        float(line.split()[1])
        for line in lines
        if line.startswith('verifier_cache_lookups_total{outcome="hit"')
    )
