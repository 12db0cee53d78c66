"""kill -9 in the middle of traffic: of everything, of Redis, of PostgreSQL, of single workers."""

import threading
from collections import Counter
from functools import partial
from http.client import HTTPException

from callers import Answer, Caller, all_at_once, new_key
from history import Traffic
from running import Pack, Running, kill, new_packs, until

STATES = "SELECT serial, state FROM packs WHERE gtin = %s"
ACCEPTED = (
    "SELECT serial, count(*) FROM events"
    " WHERE gtin = %s AND operation = 'dispense' AND accepted GROUP BY serial"
)
EVENTS = "SELECT event_id::text FROM events"


class Shift:
    """One thread that verifies and dispenses its packs until the service is gone.

    503 is no acknowledgement: the database may die a moment before the worker that asks it.
    """

    def __init__(self, caller: Caller, packs: list[Pack]) -> None:
        self._caller = caller
        self._packs = packs
        self.scanned: list[str] = []
        self.dispensed: list[tuple[Pack, str, Answer]] = []
        self.unanswered: list[tuple[Pack, str]] = []

    def work(self, gone: threading.Event) -> None:
        for pack in self._packs:
            key = new_key()
            try:
                scan = self._caller.verify(pack)
                if scan.status == 200:
                    self.scanned.append(scan.body["event_id"])
                self.unanswered.append((pack, key))
                answer = self._caller.dispense(pack, key)
            except (OSError, HTTPException):
                assert gone.is_set()
                return
            assert {scan.status, answer.status} <= {200, 503}, (scan, answer)
            if answer.status == 200:
                self.unanswered.pop()
                self.dispensed.append((pack, key, answer))


def test_after_a_kill_of_everything_all_that_was_acknowledged_is_there(service: Running):
    caller = service.caller("4012345000016", "pharmacy")
    packs = new_packs(1500)
    service.load(packs)
    shifts = [Shift(caller, packs[number::12]) for number in range(12)]
    gone = threading.Event()

    def execute() -> None:
        until(lambda: sum(len(shift.dispensed) for shift in shifts) > 150, "enough traffic", 60)
        gone.set()
        service.kill_everything()

    all_at_once([execute, *(partial(shift.work, gone) for shift in shifts)])
    dispensed = [entry for shift in shifts for entry in shift.dispensed]
    unanswered = [entry for shift in shifts for entry in shift.unanswered]
    scanned = {event for shift in shifts for event in shift.scanned}
    assert {answer.code for _, _, answer in dispensed} == {"ok"}
    assert unanswered, "it was killed in the middle of something"

    service.start()
    caller.hang_up()
    states = dict(service.rows(STATES, int(packs[0]["gtin"])))
    assert {states[pack["serial"]] for pack, _, _ in dispensed} == {"dispensed"}
    until(lambda: scanned <= {event for (event,) in service.rows(EVENTS)}, "every acknowledged scan", 10)
    written = {event for (event,) in service.rows(EVENTS)}
    assert {answer.body["event_id"] for _, _, answer in dispensed} <= written

    for pack, key, answer in dispensed[:20]:
        again = caller.dispense(pack, key)
        assert again.body == answer.body
        assert again.headers["Idempotency-Replayed"] == "true"
    for pack, key in unanswered:
        assert caller.dispense(pack, key).code == "ok"
        assert caller.verify(pack).body["pack"]["state"] == "dispensed"
    accepted = dict(service.rows(ACCEPTED, int(packs[0]["gtin"])))
    touched = [pack["serial"] for pack, *_ in [*dispensed, *unanswered]]
    assert {accepted[serial] for serial in touched} == {1}
    assert Counter(accepted.values()).keys() == {1}


def two_pharmacies(service: Running) -> list[Caller]:
    return [service.caller("4012345000016", "pharmacy"), service.caller("4012345000023", "pharmacy")]


def test_redis_killed_twice_costs_no_answer_and_shows_no_stale_green(service: Running):
    callers = two_pharmacies(service)
    packs = new_packs(150, product=2)
    service.load(packs)
    with Traffic(callers, packs) as traffic:
        for number in (30, 60):
            traffic.passed(number)
            before = service.redis()
            kill(before)
            traffic.passed(number + 10)
            until(lambda before=before: service.redis_or_none() not in (None, before), "Redis again")
            until(lambda: service.rows("SELECT cache_on FROM control") == [(True,)], "the cache again")
        traffic.passed(100)
    assert not traffic.errors
    assert not traffic.history.stale()
    assert set(traffic.history.statuses) == {200}


def test_postgresql_killed_comes_back_and_no_answer_was_wrong(service: Running):
    callers = two_pharmacies(service)
    packs = new_packs(150, product=3)
    service.load(packs)
    with Traffic(callers, packs, insist=True) as traffic:
        traffic.passed(30)
        kill(service.postgres())
        traffic.passed(80)
    assert not traffic.errors
    assert not traffic.history.stale()
    assert set(traffic.history.statuses) == {200}
    assert set(dict(service.rows(ACCEPTED, int(packs[0]["gtin"]))).values()) == {1}


def test_a_worker_killed_is_replaced_and_its_unanswered_requests_are_made_good(service: Running):
    callers = two_pharmacies(service)
    packs = new_packs(150, product=4)
    service.load(packs)
    with Traffic(callers, packs, insist=True) as traffic:
        for number in (20, 40, 60):
            traffic.passed(number)
            victim = service.workers()[0]
            kill(victim)
            until(lambda victim=victim: victim not in service.workers(), "the worker gone")
            until(lambda: len(service.workers()) == 3, "another in its place")
        traffic.passed(80)
    assert not traffic.errors
    assert not traffic.history.stale()
    assert set(dict(service.rows(ACCEPTED, int(packs[0]["gtin"]))).values()) == {1}


def test_a_worker_that_starts_while_postgresql_is_away_does_not_end_the_service(service: Running):
    caller = service.caller("4012345000016", "pharmacy")
    packs = new_packs(2, product=5)
    service.load(packs)
    kill(service.postgres())
    for worker in service.workers():
        kill(worker)
    assert caller.insist(lambda: caller.dispense(packs[0], "key-a-worker-starts")).code == "ok"
    assert caller.insist(lambda: caller.verify(packs[1])).code == "ok"
