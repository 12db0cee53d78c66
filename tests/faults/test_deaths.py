"""kill -9 of a worker at every labelled place between a request and its answer; its client asks again."""

from http.client import HTTPException

import pytest
from callers import new_key
from instances import Doing
from premise import premise
from running import Pack, kill, until
from stage import Instance, Stage

GONE = (OSError, HTTPException)
CHANGES = {
    "before the fence": "active",
    "between fence and commit": "active",
    "between commit and settling": "dispensed",
    "between settling and answer": "dispensed",
}
ADMISSION = {
    "after the switch went off": True,
    "before the cache is emptied": False,
    "after the cache was emptied": False,
    "before the switch goes on": False,
    "after the switch went on": False,
}
"""The places of an admission; True where the cache was on before."""
SHIPPING = ("between copy and commit", "between shipping and removal", "between removal and end")


def one_died(instance: Instance, before: list[int]) -> None:
    until(lambda: len(set(before) - set(instance.workers())) == 1, "one worker gone")
    until(lambda: len(instance.workers()) == len(before), "another one in its place")


@pytest.mark.parametrize("place", CHANGES)
def test_a_worker_killed_in_a_change_the_retry_finishes_it_and_everybody_shows_it(stage: Stage, place: str):
    pack, key = stage.warm_pack(), new_key()
    before = stage.a.workers()
    stage.a.haunt(place, "die")
    with pytest.raises(GONE):
        stage.a.pharmacy.dispense(pack, key)
    assert stage.a.someone_there()
    one_died(stage.a, before)
    assert stage.seen(pack) == {CHANGES[place]}

    again = stage.b.pharmacy.dispense(pack, key)
    assert again.code == "ok"
    assert ("Idempotency-Replayed" in again.headers) == (CHANGES[place] == "dispensed")
    assert stage.seen(pack) == {"dispensed"}
    assert stage.a.other.dispense(pack).code == "already_dispensed"
    assert stage.accepted(pack) == ["dispense"]


def test_the_retry_settles_what_the_dead_writer_left_although_its_fence_was_evicted(stage: Stage):
    pack, key = stage.warm_pack(), new_key()
    stage.a.haunt("between fence and commit", "wait")
    writing = Doing(stage.a.pharmacy.dispense, pack, key)
    until(stage.a.someone_there, "a writer with its fence")
    premise(stage.is_held(pack, b"F:"), "a fence")
    stage.evict(pack)
    stage.warm(pack)  # a look before the commit has filled the key with the old state
    stage.a.go_and_haunt("between commit and settling", "die")
    with pytest.raises(GONE):
        writing.result()
    premise(stage.is_held(pack, b"V:0:"), "the old value is there to be read")
    assert stage.b.pharmacy.dispense(pack, key).headers["Idempotency-Replayed"] == "true"
    assert stage.seen(pack) == {"dispensed"}


def test_a_worker_killed_between_lease_and_fill_leaves_a_lease_that_fills_nothing(stage: Stage):
    (pack,) = stage.packs(1)
    epoch, before = stage.epoch(), stage.a.workers()
    stage.a.haunt("between lease and fill", "die")
    with pytest.raises(GONE):
        stage.until_dead(stage.a, pack)
    one_died(stage.a, before)
    premise(stage.is_held(pack, b"L:"), "a lease")
    assert stage.seen(pack) == {"active"}
    kept = stage.is_held(pack, b"L:")
    assert stage.b.pharmacy.dispense(pack).code == "ok"
    left = stage.held(pack)
    premise(stage.epoch() == epoch, "no admission meanwhile")
    assert kept, "nobody else fills under it"
    assert not left
    assert stage.seen(pack) == {"dispensed"}


@pytest.mark.parametrize("place", ADMISSION)
def test_a_process_killed_in_an_admission_the_others_finish_it(stage: Stage, place: str):
    pack = stage.warm_pack()
    before = stage.a.workers()
    stage.b.redis_proxy.swallow()  # so that `a` is the one that admits
    stage.a.haunt(place, "die")
    if ADMISSION[place]:
        stage.redis.kill()
        stage.redis.start()  # another identity: whoever sees it first turns the switch off
    else:
        stage.turn_off()
    until(stage.a.someone_there, "somebody there")
    one_died(stage.a, before)
    assert stage.b.pharmacy.dispense(pack).code == "ok"
    assert stage.seen(pack) == {"dispensed"}
    stage.b.redis_proxy.mend()
    until(stage.is_on, "the cache admitted")
    stage.warm_pack()
    assert stage.seen(pack) == {"dispensed"}


def scans(stage: Stage, pack: Pack) -> list[str]:
    query = "SELECT event_id::text FROM events WHERE serial = %s AND operation = 'verify' ORDER BY 1"
    return [event for (event,) in stage.rows(query, pack["serial"])]


@pytest.mark.parametrize("place", ["before a scan is appended", "between append and answer"])
def test_a_worker_killed_at_its_record_of_a_scan_only_the_unanswered_one_may_be_missing(
    stage: Stage, place: str
):
    pack = stage.warm_pack()
    before, earlier = stage.a.workers(), len(scans(stage, pack))
    answered = [stage.a.pharmacy.look(pack).body["event_id"] for _ in range(20)]
    stage.a.haunt(place, "die")
    with pytest.raises(GONE):
        stage.a.pharmacy.look(pack)
    one_died(stage.a, before)
    until(lambda: set(answered) <= set(scans(stage, pack)), "every acknowledged scan")
    appended = place == "between append and answer"
    until(lambda: len(scans(stage, pack)) >= earlier + 20 + appended, "the unanswered scan")
    assert len(scans(stage, pack)) == len(set(scans(stage, pack)))


@pytest.mark.parametrize("place", SHIPPING)
def test_a_worker_killed_in_shipping_its_scans_arrive_once(stage: Stage, place: str):
    pack = stage.warm_pack()
    before = stage.a.workers()
    answered = set()
    if place != "between copy and commit":  # then it is in taking over what somebody left who has gone
        answered |= {stage.a.pharmacy.look(pack, fresh=True).body["event_id"] for _ in range(20)}
        kill(before[0])
        one_died(stage.a, before)
        before = stage.a.workers()
    stage.a.haunt(place, "die")
    try:
        while not stage.a.someone_there():
            answered.add(stage.a.pharmacy.look(pack, fresh=True).body["event_id"])
    except GONE:
        pass
    until(stage.a.someone_there, "somebody shipping")
    one_died(stage.a, before)
    until(lambda: answered <= set(scans(stage, pack)), "every acknowledged scan")
    assert len(scans(stage, pack)) == len(set(scans(stage, pack)))
    spool = stage.a.home / "spool"
    until(lambda: len(list(spool.glob("*.scans"))) == len(before), "nothing left of the dead")


@pytest.mark.parametrize("place", ["between recall and wait", "between wait and answer"])
def test_a_worker_killed_in_a_recall_the_retry_finishes_it_and_everybody_shows_it(stage: Stage, place: str):
    (pack,) = stage.packs(1, lot=stage.lot())
    batch, key = {"gtin": pack["gtin"], "lot": pack["lot"], "reason": "test"}, new_key()
    stage.warm(pack)
    before = stage.a.workers()
    stage.a.haunt(place, "die")
    with pytest.raises(GONE):
        stage.a.operator.post("/v1/batches/recall", batch, key)
    one_died(stage.a, before)
    again = stage.b.operator.post("/v1/batches/recall", batch, key)
    assert (again.status, again.body["status"]) == (200, "recalled")
    assert again.headers["Idempotency-Replayed"] == "true"
    assert stage.codes(pack) == {"recalled"}
