"""One instance is cut off from a server, and the other is not."""

import os
import signal
import time

import pytest
from crowd import Crowd
from instances import Doing
from premise import premise
from running import until
from stage import Stage, permission_over, with_sql

PERMISSION = with_sql("cache_on", "FROM control")
HOW = ["cut", "swallow"]
OFF = {"between fence and commit", "between commit and settling"}


def cut_off(proxy: object, how: str) -> None:
    getattr(proxy, how)()


@pytest.mark.parametrize("how", HOW)
def test_a_writer_is_cut_off_from_redis_and_the_readers_are_not(stage: Stage, how: str):
    pack, epoch = stage.warm_pack(), stage.epoch()
    cut_off(stage.a.redis_proxy, how)
    writing = Doing(stage.a.pharmacy.dispense, pack)
    while not writing.done:
        stage.b.other.look(pack)
    assert writing.result().code == "ok"
    premise(stage.is_held(pack, b"V:0:"), "the old value is there to be read")
    assert stage.seen(pack) == {"dispensed"}
    assert stage.epoch() > epoch


@pytest.mark.parametrize("place", sorted(OFF))
@pytest.mark.parametrize("how", HOW)
def test_a_writer_is_cut_off_from_redis_in_the_middle_of_a_change(stage: Stage, how: str, place: str):
    pack, epoch = stage.warm_pack(), stage.epoch()
    stage.a.haunt(place, "wait")
    writing = Doing(stage.a.pharmacy.dispense, pack)
    until(stage.a.someone_there, "a writer in the middle")
    cut_off(stage.a.redis_proxy, how)
    stage.evict(pack)
    stage.warm(pack, stage.b)
    stage.a.go()
    while not writing.done:
        stage.b.other.look(pack)
    assert writing.result().code == "ok"
    assert stage.seen(pack) == {"dispensed"}
    assert stage.epoch() > epoch


@pytest.mark.parametrize("how", HOW)
def test_readers_are_cut_off_from_redis_and_the_writer_is_not(stage: Stage, how: str):
    pack = stage.warm_pack()
    cut_off(stage.b.redis_proxy, how)
    assert stage.a.pharmacy.dispense(pack).code == "ok"
    assert stage.seen(pack) == {"dispensed"}
    assert stage.a.pharmacy.undo(pack).code == "ok"
    assert stage.seen(pack) == {"active"}


def test_an_instance_comes_and_goes_ten_times_a_second(stage: Stage):
    with Crowd(stage) as crowd:
        for _ in range(15):
            stage.a.redis_proxy.cut()
            time.sleep(0.1)
            stage.a.redis_proxy.mend()
            time.sleep(0.1)
        crowd.passed()


def test_an_instance_cut_off_from_the_database_says_so_and_shows_nothing_old(stage: Stage):
    pack, kept = stage.warm_pack(), stage.warm_pack()
    stage.a.database_proxy.cut()
    assert stage.b.pharmacy.dispense(pack).code == "ok"
    answers = [stage.a.other.look(one, fresh=True) for one in (pack, kept) * 8]
    assert {answer.status for answer in answers} <= {200, 503}
    permission_over()
    for one in (pack, kept):
        assert stage.a.other.look(one, fresh=True).status == 503
    assert stage.a.pharmacy.dispense(kept).status == 503
    assert stage.b.pharmacy.dispense(kept).code == "ok"
    stage.a.database_proxy.mend()
    until(lambda: stage.a.other.look(pack, fresh=True).status == 200, "an answer again")
    assert stage.seen(pack) == {"dispensed"}
    assert stage.seen(kept) == {"dispensed"}


def test_an_instance_cut_off_from_both_says_so(stage: Stage):
    pack = stage.warm_pack()
    stage.a.database_proxy.cut()
    stage.a.redis_proxy.cut()
    assert stage.b.pharmacy.dispense(pack).code == "ok"
    for _ in range(6):
        assert stage.a.other.look(pack, fresh=True).status == 503
    stage.a.calm()
    until(lambda: stage.a.other.look(pack, fresh=True).status == 200, "an answer again")
    assert stage.seen(pack) == {"dispensed"}


def test_an_instance_that_cannot_learn_of_a_recall_answers_nothing_green_after_it(stage: Stage):
    (pack,) = stage.packs(1, lot=stage.lot())
    stage.warm(pack)
    stage.a.database_proxy.cut()
    batch = {"gtin": pack["gtin"], "lot": pack["lot"], "reason": "test"}
    recall = Doing(stage.b.operator.post, "/v1/batches/recall", batch, "recall-unseen")
    while not recall.done:
        stage.a.other.look(pack, fresh=True)
    assert recall.result().body["status"] == "recalled"
    for _ in range(8):
        assert stage.a.other.look(pack, fresh=True).status == 503
    stage.a.database_proxy.mend()
    until(lambda: stage.a.other.look(pack, fresh=True).status == 200, "an answer again")
    assert stage.codes(pack) == {"recalled"}


@pytest.mark.parametrize("command", ["recall", "hold"])
def test_every_process_knows_of_a_recall_before_it_is_answered(stage: Stage, command: str):
    (pack,) = stage.packs(1, lot=stage.lot())
    stage.warm(pack)
    batch = {"gtin": pack["gtin"], "lot": pack["lot"], "reason": "test"}
    answer = stage.a.operator.post(f"/v1/batches/{command}", batch, f"{command}-{pack['lot']}")
    assert answer.status == 200
    assert stage.codes(pack) == {"recalled" if command == "recall" else "on_hold"}


def test_the_permission_comes_slowly_and_runs_out_in_between(stage: Stage):
    """The reading of the control row takes longer than it is good for."""
    pack = stage.warm_pack()
    rule = stage.b.database_proxy.rule("late", PERMISSION, times=999, seconds=1.2)
    rule.wait()
    permission_over()
    with Crowd(stage, packs=2, readers=2) as crowd:
        crowd.passed(changes=4, looks=10)
        assert stage.a.pharmacy.dispense(pack).code == "ok"
        assert stage.seen(pack) == {"dispensed"}
        stage.a.redis_proxy.cut()
        assert stage.a.pharmacy.undo(pack).code == "ok"
        assert stage.seen(pack) == {"active"}
        rule.release()


def test_a_reader_that_stood_still_longer_than_its_permission(stage: Stage):
    """It wakes up with a permission that has run out, and the old value is still there."""
    pack = stage.warm_pack()
    stage.a.redis_proxy.cut()
    sleepers = stage.b.workers()
    for pid in sleepers:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert stage.a.pharmacy.dispense(pack).code == "ok"
        premise(stage.is_held(pack, b"V:0:"), "the old value is there to be read")
    finally:
        for pid in sleepers:
            os.kill(pid, signal.SIGCONT)
    assert stage.seen(pack, stage.b) == {"dispensed"}


@pytest.mark.parametrize(
    "place", ["before the fence", "between fence and commit", "between commit and settling"]
)
def test_a_writer_that_stood_still_in_a_change_holds_nobody_up_and_finishes_it(stage: Stage, place: str):
    pack = stage.warm_pack()
    stage.a.haunt(place, "wait")
    writing = Doing(stage.a.pharmacy.dispense, pack)
    until(stage.a.someone_there, "a writer in the middle")
    time.sleep(1.2)
    shown = stage.seen(pack)
    assert shown == {"dispensed" if "commit and" in place else "active"}
    stage.turn_off()
    until(stage.is_on, "another admission meanwhile")
    assert stage.seen(pack) == shown
    stage.a.go()
    assert writing.result().code == "ok"
    assert stage.seen(pack) == {"dispensed"}


def test_all_processes_admit_at_once_and_one_does(stage: Stage):
    pack = stage.warm_pack()
    for state in ("dispensed", "active") * 2:
        epoch = stage.epoch()
        for one in stage.both:
            one.haunt("before the switch goes on", "gather")
        stage.turn_off()
        until(lambda: stage.a.all_there() and stage.b.all_there(), "all about to turn it on")
        change = stage.a.pharmacy.dispense if state == "dispensed" else stage.a.pharmacy.undo
        assert change(pack).code == "ok"
        for one in stage.both:
            one.go()
        until(stage.is_on, "the cache admitted")
        assert stage.seen(pack) == {state}
        stage.warm(pack)
        assert stage.epoch() == epoch + 2, "one turn off, one turn on"
