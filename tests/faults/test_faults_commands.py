"""One command between a process and Redis is lost, late, held up, repeated or answered by something else."""

import time

import pytest
from callers import new_key
from instances import Doing
from premise import premise
from running import Pack, until
from stage import Instance, Stage, of_kind

LATE_S = 0.08
"""Longer than the service waits for Redis."""
JUST_S = 0.035
"""Shorter, but not by much; some is left for a busy machine."""
MOST_IN_A_ROW = 8
PATIENCE_S = 20


def learned(stage: Stage, instance: Instance) -> Pack:
    """A fresh pack that nothing is held for; the instance's processes know its product and batch."""
    (pack,) = stage.packs(1)
    for _ in range(8):
        instance.other.look(stage.known, fresh=True)
    return pack


def look_until(instance: Instance, pack: Pack, met: object) -> None:
    until(lambda: instance.other.look(pack, fresh=True) and met.is_set(), "a look that meets the rule")  # type: ignore[attr-defined]


def test_an_answer_that_comes_too_late_is_not_taken_for_that_to_another_question(stage: Stage):
    pack, sold = stage.warm_pack(), stage.warm_pack()
    assert stage.b.pharmacy.dispense(sold).code == "ok"
    stage.warm(sold)
    rule = stage.a.redis_proxy.rule("late", of_kind("look", pack), times=6, seconds=LATE_S)
    end = time.monotonic() + 4
    while rule.seen < rule.times and time.monotonic() < end:
        for one in (pack, sold, sold):
            shown = stage.a.pharmacy.look(one).body["pack"]
            assert (shown["serial"], shown["state"]) == (
                one["serial"],
                "dispensed" if one is sold else "active",
            )
    premise(rule.seen >= 2, "late answers")


ANSWERS = {
    "that of another pack": None,
    "half of one": b'$12\r\nV:0:["0501234\r\n',
    "none of our making": b"$5\r\nhello\r\n",
    "a number": b":7\r\n",
    "an error": b"-ERR nonsense\r\n",
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_that_cannot_be_right_is_not_believed(stage: Stage, answer: str):
    pack, sold = stage.warm_pack(), stage.warm_pack()
    assert stage.b.pharmacy.dispense(sold).code == "ok"
    stage.warm(sold)
    (value,) = stage.held(sold).values()
    wrong = ANSWERS[answer] or b"$%d\r\n%s\r\n" % (len(value), value)
    rule = stage.a.redis_proxy.rule("instead", of_kind("look", pack), times=8, instead=lambda _true: wrong)
    assert stage.seen(pack, stage.a) == {"active"}
    premise(rule.seen, "a wrong answer")


@pytest.mark.parametrize("then", ["nothing is there", "another look has filled it"])
def test_a_fill_that_arrives_after_the_change_is_refused(stage: Stage, then: str):
    pack = learned(stage, stage.a)
    fill = stage.a.redis_proxy.rule("hold", of_kind("fill", pack))
    look_until(stage.a, pack, fill.met)
    assert stage.b.pharmacy.dispense(pack).code == "ok"
    if then != "nothing is there":
        until(lambda: stage.seen(pack, stage.b) and stage.is_held(pack, b"V:1:"), "the new state filled")
    before, epoch = stage.held(pack), stage.epoch()
    fill.release()
    time.sleep(0.05)
    after = stage.held(pack)
    premise(stage.epoch() == epoch, "no admission meanwhile")
    assert after == before
    assert stage.seen(pack) == {"dispensed"}


def test_a_fill_that_arrives_between_fence_and_commit_is_refused(stage: Stage):
    pack = learned(stage, stage.a)
    fill = stage.a.redis_proxy.rule("hold", of_kind("fill", pack))
    look_until(stage.a, pack, fill.met)
    stage.b.haunt("between fence and commit", "wait")
    writing = Doing(stage.b.pharmacy.dispense, pack)
    until(stage.b.someone_there, "the fence")
    premise(stage.is_held(pack, b"F:1"), "a fence")
    fill.release()
    time.sleep(0.05)
    assert stage.is_held(pack, b"F:1")
    stage.b.go()
    assert writing.result().code == "ok"
    assert stage.seen(pack) == {"dispensed"}


def test_whoever_was_refused_because_of_a_change_sees_it_also_before_it_is_acknowledged(stage: Stage):
    pack, key = stage.warm_pack(), new_key()
    stage.a.haunt("between fence and commit", "wait")
    writing = Doing(stage.a.pharmacy.dispense, pack)
    until(stage.a.someone_there, "the fence")
    stage.evict(pack)
    stage.warm(pack)  # a look before the commit has filled the key with the old state
    stage.a.go_and_haunt("between commit and settling", "wait")
    until(stage.a.someone_there, "the commit")
    premise(stage.is_held(pack, b"V:0:"), "the old value is there to be read")
    assert stage.b.other.dispense(pack, key).code == "already_dispensed"
    assert stage.seen(pack) == {"dispensed"}
    assert not writing.done
    assert stage.b.other.dispense(pack, key).headers["Idempotency-Replayed"] == "true"
    stage.a.go()
    assert writing.result().code == "ok"


UNCONFIRMED = [
    ("fence", "drop"), ("fence", "lose"), ("fence", "cut"), ("settle", "drop"), ("settle", "lose"),
    ("settle", "cut"), ("settle", "cut after"), ("settle", "half"), ("settle", "late"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "deed"), UNCONFIRMED)
def test_a_step_that_redis_does_not_confirm_turns_the_cache_off_before_the_answer(
    stage: Stage, command: str, deed: str
):
    pack, epoch = stage.warm_pack(), stage.epoch()
    rule = stage.a.redis_proxy.rule(deed, of_kind(command, pack), seconds=LATE_S)
    writing = Doing(stage.a.pharmacy.dispense, pack)
    while not writing.done:
        stage.b.other.look(pack)
    assert writing.result().code == "ok"
    assert stage.seen(pack) == {"dispensed"}
    assert stage.epoch() > epoch
    premise(rule.met.is_set(), "the step")


@pytest.mark.parametrize("command", ["fence", "settle"])
def test_a_step_that_arrives_after_the_next_admission_does_nothing(stage: Stage, command: str):
    pack = stage.warm_pack()
    rule = stage.a.redis_proxy.rule("hold", of_kind(command, pack))
    assert stage.a.pharmacy.dispense(pack).code == "ok"
    assert stage.b.pharmacy.undo(pack).code == "ok"
    until(stage.is_on, "the next admission")
    premise(rule.met.is_set(), "the step")
    stage.warm(pack)
    epoch = stage.epoch()
    rule.release()
    time.sleep(0.05)
    kept = stage.is_held(pack, b"V:2:")
    premise(stage.epoch() == epoch, "no admission meanwhile")
    assert kept
    assert stage.seen(pack) == {"active"}
    assert stage.b.pharmacy.dispense(pack).code == "ok"
    assert stage.seen(pack) == {"dispensed"}


@pytest.mark.parametrize("command", ["fence", "settle", "fill", "lease"])
def test_a_command_that_arrives_again_after_an_undo_brings_nothing_old_back(stage: Stage, command: str):
    pack = learned(stage, stage.a)
    rule = stage.a.redis_proxy.rule("repeat", of_kind(command, pack), seconds=0.5)
    if command in ("fill", "lease"):
        look_until(stage.a, pack, rule.met)
    assert stage.a.pharmacy.dispense(pack).code == "ok"
    assert stage.b.pharmacy.undo(pack).code == "ok"
    assert stage.b.pharmacy.dispense(pack).code == "ok"
    premise(rule.met.is_set(), "the command")
    end = time.monotonic() + 0.7
    while time.monotonic() < end:
        assert stage.b.other.state(pack) == "dispensed"
    assert stage.seen(pack) == {"dispensed"}
    assert stage.a.pharmacy.undo(pack).code == "ok"
    assert stage.seen(pack) == {"active"}


@pytest.mark.parametrize("deed", ["drop", "lose", "cut"])
@pytest.mark.parametrize("command", ["lease", "fill", "info"])
def test_a_reader_whose_command_is_lost_still_answers(stage: Stage, command: str, deed: str):
    pack = learned(stage, stage.a)
    wanted = of_kind(command, None if command == "info" else pack)
    rule = stage.a.redis_proxy.rule(deed, wanted, times=2)
    look_until(stage.a, pack, rule.met)
    assert stage.seen(pack) == {"active"}
    assert stage.b.pharmacy.dispense(pack).code == "ok"
    assert stage.seen(pack) == {"dispensed"}


def test_an_emptying_that_arrives_after_the_admission_costs_no_more_than_the_values(stage: Stage):
    pack = stage.warm_pack()
    held = [one.redis_proxy.rule("hold", of_kind("flushdb"), times=99) for one in stage.both]
    stage.turn_off()
    until(lambda: any(rule.met.is_set() for rule in held), "somebody who empties it")
    for rule in held:
        rule.times = 0
    until(stage.is_on, "admitted by another emptying")
    stage.warm(pack)
    for rule in held:
        rule.release()
    until(lambda: not stage.held(pack), "emptied once more")
    assert stage.b.pharmacy.dispense(pack).code == "ok"
    assert stage.seen(pack) == {"dispensed"}


def test_connections_that_are_half_closed_are_not_used_again(stage: Stage):
    pack = stage.warm_pack()
    for one in stage.both:
        one.redis_proxy.half_close()
    assert stage.seen(pack) == {"active"}
    assert stage.a.pharmacy.dispense(pack).code == "ok"
    assert stage.seen(pack) == {"dispensed"}


def longest_run(stage: Stage, seconds: float) -> int:
    """How many looks in a row ask a Redis whose answers have been that slow for a while.

    The upkeep beside them may have found it slow already, so it may be a while until a look asks at all.
    """
    pack = stage.warm_pack()
    stage.a.redis_proxy.delay(seconds)
    rule = stage.a.redis_proxy.rule("note", of_kind("look", pack), times=9999)
    runs, run, number, end = [], 0, 0, time.monotonic() + PATIENCE_S
    while number < 120 or (not rule.seen and time.monotonic() < end):
        number += 1
        before = rule.seen
        stage.a.pharmacy.look(pack)
        run = run + 1 if rule.seen > before else 0
        if number > 40:
            runs.append(run)
    assert rule.seen, "it was asked at all"
    return max(runs)


def test_a_redis_whose_answers_always_come_too_late_is_soon_not_asked_any_more(stage: Stage):
    assert longest_run(stage, LATE_S) <= MOST_IN_A_ROW


def test_a_redis_whose_answers_always_take_nearly_the_limit_is_soon_not_asked_any_more(stage: Stage):
    assert longest_run(stage, JUST_S) <= MOST_IN_A_ROW
