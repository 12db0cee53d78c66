"""The machine of an instance: no room for its files, a clock that jumps, an instance that is killed whole."""

import resource
from pathlib import Path

import pytest
from crowd import Crowd
from running import until
from stage import Stage

HOUR = 3600.0
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


def test_a_disk_that_takes_no_more_scans_they_are_recorded_in_the_database(stage: Stage):
    pack = stage.warm_pack()
    workers = stage.a.workers()
    for pid in workers:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    told = [stage.a.pharmacy.look(pack, fresh=True) for _ in range(20)]
    assert {answer.status for answer in told} == {200}
    recorded = "SELECT event_id::text FROM events WHERE serial = %s AND operation = 'verify'"
    at_once = {event for (event,) in stage.rows(recorded, pack["serial"])}
    assert {answer.body["event_id"] for answer in told} <= at_once, "before the answer, not some time later"
    assert stage.a.pharmacy.dispense(pack).code == "ok"
    for pid in workers:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, UNLIMITED)
    assert stage.seen(pack) == {"dispensed"}
    told = [stage.a.other.look(stage.known, fresh=True) for _ in range(10)]
    until(
        lambda: (
            {answer.body["event_id"] for answer in told}
            <= {event for (event,) in stage.rows(recorded, stage.known["serial"])}
        ),
        "scans by the file again",
    )


@pytest.mark.parametrize("hours", [2, -2, 30, -30])
def test_the_clock_of_one_instance_jumps(stage: Stage, hours: int):
    pack, other = stage.warm_pack(), stage.warm_pack()
    stage.a.move_clock(hours * HOUR)
    for caller in (stage.a.pharmacy.caller, stage.a.other.caller):
        caller.log_in()
    try:
        assert stage.a.pharmacy.dispense(pack).code == "ok"
        assert stage.seen(pack) == {"dispensed"}
        assert stage.b.pharmacy.undo(pack).code == "ok"
        assert stage.seen(pack) == {"active"}
        assert stage.b.pharmacy.dispense(other).code == "ok"
        assert stage.seen(other) == {"dispensed"}
        with Crowd(stage, packs=2, readers=2) as crowd:
            crowd.passed(changes=4, looks=10)
            stage.a.redis_proxy.cut()
            crowd.passed(changes=4, looks=10)
            stage.a.redis_proxy.mend()
            crowd.passed(changes=4, looks=10)
    finally:
        stage.a.move_clock(0)
        for caller in (stage.a.pharmacy.caller, stage.a.other.caller):
            caller.log_in()
    assert stage.seen(pack) == {"active"}


def test_a_clock_that_jumps_to_and_fro_all_the_time(stage: Stage):
    """By less than what a token allows, so that nobody has to log in again."""
    with Crowd(stage, packs=2) as crowd:
        for number in range(10):
            stage.a.move_clock(4.0 if number % 2 else -4.0)
            crowd.passed(changes=2, looks=6)


def test_a_worker_killed_in_the_middle_of_traffic(stage: Stage):
    with Crowd(stage) as crowd:
        for _ in range(3):
            crowd.passed(changes=3, looks=10)
            stage.a.kill_one()
        crowd.passed()


def test_a_whole_instance_killed_in_the_middle_of_traffic_and_started_again(stage: Stage):
    with Crowd(stage) as crowd:
        crowd.passed()
        stage.a.kill_everything()
        crowd.passed()
        stage.a.start()
        crowd.passed()
    spool = Path(stage.a.home / "spool")
    until(lambda: len(list(spool.glob("*.scans"))) == 2, "what the dead left is shipped")


def test_a_whole_instance_is_told_to_end_in_the_middle_of_traffic(stage: Stage):
    with Crowd(stage) as crowd:
        crowd.passed()
        stage.a.stop()
        crowd.passed()
        stage.a.start()
        crowd.passed()
