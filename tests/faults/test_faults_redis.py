"""Redis itself dies, freezes, forgets, comes back with old values, is replaced, filled up or reconfigured."""

import shutil
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis
from crowd import Crowd
from instances import Doing
from own_redis import OwnRedis
from premise import premise
from running import Pack, until
from stage import Stage


def ask(stage: Stage, *command: Any) -> Any:
    with stage.redis.client() as client:
        return client.execute_command(*command)


def off_and_on(stage: Stage, epoch: int) -> None:
    until(lambda: stage.epoch() > epoch and stage.is_on(), "the cache admitted again")


def kind_of_cache(stage: Stage) -> str:
    return str(stage.rows("SELECT cache_identity FROM control")[0][0]).partition(":")[0]


def test_redis_stands_still_in_the_middle_of_traffic_and_goes_on(stage: Stage):
    epoch = stage.epoch()
    with Crowd(stage) as crowd:
        crowd.passed()
        stage.redis.freeze()
        crowd.passed()
        stage.redis.thaw()
        crowd.passed()
        off_and_on(stage, epoch)
        crowd.passed()


def test_redis_is_killed_and_comes_back_empty(stage: Stage):
    epoch = stage.epoch()
    with Crowd(stage) as crowd:
        crowd.passed()
        stage.redis.kill()
        (stage.folder / "dump.rdb").unlink(missing_ok=True)
        crowd.passed()
        stage.redis.start()
        off_and_on(stage, epoch)
        crowd.passed()


def sold_behind_its_back(stage: Stage, saved: Callable[[], None]) -> Pack:
    """A pack that is active in what was saved, and dispensed since."""
    pack = stage.warm_pack()
    saved()
    assert stage.a.pharmacy.dispense(pack).code == "ok"
    return pack


def holds(client: Any, pack: Pack) -> bool:
    return any(pack["serial"].encode() in key for key in client.scan_iter())


def test_redis_comes_back_with_a_dump_of_old_values_and_is_not_believed(stage: Stage):
    pack = sold_behind_its_back(stage, lambda: ask(stage, "SAVE"))
    stage.redis.kill()
    stage.redis.start()
    premise(stage.is_held(pack, b"V:0:"), "the old value is there to be read")
    assert stage.seen(pack) == {"dispensed"}
    stage.well()
    assert stage.held(pack) == {} or stage.is_held(pack, b"V:1:")
    assert stage.seen(pack) == {"dispensed"}


def test_a_copy_that_lags_behind_takes_over_and_is_not_believed(stage: Stage):
    with OwnRedis.started() as copy:

        def copied() -> None:
            """As a replica that has lost its master for a moment, and is then promoted."""
            ask(stage, "SAVE")
            copy.kill()
            shutil.copy(stage.folder / "dump.rdb", copy.folder)
            copy.start()

        pack = sold_behind_its_back(stage, copied)
        with copy.client() as client:
            premise(holds(client, pack), "the old value is there to be read")
        for instance in stage.both:
            instance.redis_proxy.retarget(copy.socket)
        assert stage.seen(pack) == {"dispensed"}
        until(stage.is_on, "the copy admitted, emptied")
        assert stage.b.pharmacy.undo(pack).code == "ok"
        assert stage.seen(pack) == {"active"}
        for instance in stage.both:
            instance.redis_proxy.retarget(stage.redis.socket)
        assert stage.seen(pack) == {"active"}
        stage.well()


def test_a_replica_of_the_same_server_promoted_with_the_values_is_not_believed(stage: Stage):
    """By replication itself: it lags because it was cut off before the change."""
    stage.redis.listen()
    with OwnRedis.started() as replica, replica.client() as client:

        def copied() -> None:
            client.execute_command("REPLICAOF", "127.0.0.1", stage.redis.port)
            stage.redis.wait_for_replica()
            until(lambda: client.info("replication")["master_link_status"] == "up", "a whole replica")
            client.execute_command("REPLICAOF", "NO", "ONE")

        pack = sold_behind_its_back(stage, copied)
        premise(holds(client, pack), "the old value is there to be read")
        for instance in stage.both:
            instance.redis_proxy.retarget(replica.socket)
        assert stage.seen(pack) == {"dispensed"}
        for instance in stage.both:
            instance.redis_proxy.retarget(stage.redis.socket)
        stage.well()
        assert stage.seen(pack) == {"dispensed"}


def test_a_redis_that_is_given_its_first_replica_is_another_cache(
    stage: Stage,
):
    epoch = stage.epoch()
    stage.redis.kill()  # a new one has no backlog of an earlier replica
    (stage.folder / "dump.rdb").unlink(missing_ok=True)
    stage.redis.start()
    stage.redis.listen()
    off_and_on(stage, epoch)
    pack, epoch = stage.warm_pack(), stage.epoch()
    assert kind_of_cache(stage) == "alone"
    with OwnRedis.started() as replica, replica.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", stage.redis.port)
        off_and_on(stage, epoch)
        assert kind_of_cache(stage) == "replicated"
        assert not holds(client, pack)
        assert stage.a.pharmacy.dispense(pack).code == "ok"
        assert stage.seen(pack) == {"dispensed"}
    stage.well()
    assert stage.seen(pack) == {"dispensed"}


def test_a_redis_that_becomes_a_replica_refuses_writes_and_nothing_is_wrong(stage: Stage):
    epoch = stage.epoch()
    with OwnRedis.started() as other:
        other.listen()
        with Crowd(stage) as crowd:
            crowd.passed()
            ask(stage, "REPLICAOF", "127.0.0.1", other.port)
            crowd.passed()
            ask(stage, "REPLICAOF", "NO", "ONE")
            off_and_on(stage, epoch)
            crowd.passed()


def test_a_redis_without_memory_for_anything_new(stage: Stage):
    epoch = stage.epoch()
    with Crowd(stage) as crowd:
        crowd.passed()
        stage.redis.fill()
        crowd.passed()
        until(lambda: stage.epoch() > epoch, "the switch off")
        stage.redis.unfill()
        off_and_on(stage, epoch)
        crowd.passed()


def test_a_redis_that_evicts_everything_all_the_time(stage: Stage):
    ask(stage, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        with Crowd(stage) as crowd:
            crowd.passed()
            for _ in range(20):
                ask(stage, "CONFIG", "SET", "maxmemory", 1)
                crowd.passed(changes=1, looks=4)
                ask(stage, "CONFIG", "SET", "maxmemory", 0)
                crowd.passed(changes=1, looks=4)
    finally:
        ask(stage, "CONFIG", "SET", "maxmemory", 0)
    stage.well()


OPERATORS = ["FLUSHALL", "FLUSHDB ASYNC", "SCRIPT FLUSH", "CLIENT KILL TYPE normal", "CLIENT PAUSE 120"]


@pytest.mark.parametrize("command", OPERATORS)
def test_what_an_operator_may_do_to_redis_in_the_middle_of_traffic(stage: Stage, command: str):
    with Crowd(stage) as crowd:
        for _ in range(8):
            crowd.passed(changes=2, looks=10)
            ask(stage, *command.split())
        crowd.passed()


@pytest.mark.parametrize("then", ["filled before the commit", "filled after it"])
def test_a_fence_that_is_evicted_before_the_commit(stage: Stage, then: str):
    pack = stage.warm_pack()
    stage.a.haunt("between fence and commit", "wait")
    writing = Doing(stage.a.pharmacy.dispense, pack)
    until(stage.a.someone_there, "the fence")
    stage.evict(pack)
    if then == "filled before the commit":
        stage.warm(pack)
        premise(stage.is_held(pack, b"V:0:"), "the old value is there to be read")
        stage.a.go()
    else:
        stage.b.haunt("between lease and fill", "wait")
        looking = Doing(stage.b.pharmacy.look, pack)
        until(stage.b.someone_there, "a reader with the old state")
        premise(stage.is_held(pack, b"L:"), "a lease")
        stage.a.go()
    assert writing.result().code == "ok"
    assert stage.seen(pack, stage.a) == {"dispensed"}
    stage.b.go()
    if then != "filled before the commit":
        looking.result()
    assert stage.seen(pack) == {"dispensed"}


def test_a_lease_that_is_evicted_is_no_right_to_fill(stage: Stage):
    (pack,) = stage.packs(1)
    stage.b.haunt("between lease and fill", "wait")
    looking = Doing(stage.b.pharmacy.look, pack)
    until(stage.b.someone_there, "a reader with the old state")
    premise(stage.is_held(pack, b"L:"), "a lease")
    stage.evict(pack)
    assert stage.a.pharmacy.dispense(pack).code == "ok"
    stage.b.go()
    looking.result()
    assert not stage.is_held(pack, b"V:0:")
    assert stage.seen(pack) == {"dispensed"}


def test_a_redis_that_wants_a_password_all_of_a_sudden(stage: Stage):
    pack, epoch = stage.warm_pack(), stage.epoch()
    ask(stage, "CONFIG", "SET", "requirepass", "secret")
    with redis.Redis(unix_socket_path=str(stage.redis.socket), password="secret") as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert stage.a.pharmacy.dispense(pack).code == "ok"
        assert stage.seen(pack) == {"dispensed"}
        assert stage.b.pharmacy.undo(pack).code == "ok"
        assert stage.seen(pack) == {"active"}
        client.execute_command("CONFIG", "SET", "requirepass", "")
    off_and_on(stage, epoch)
    assert stage.seen(pack) == {"active"}


def test_a_redis_with_the_keys_of_another_program_is_left_alone(stage: Stage):
    pack = stage.warm_pack()
    ask(stage, "SET", "somebody:else", "1")
    stage.turn_off()
    time.sleep(2)
    assert not stage.is_on()
    assert ask(stage, "GET", "somebody:else") == b"1"
    assert stage.a.pharmacy.dispense(pack).code == "ok"
    assert stage.seen(pack) == {"dispensed"}
    ask(stage, "DEL", "somebody:else")
    until(stage.is_on, "the cache admitted")
    assert stage.seen(pack) == {"dispensed"}


def test_a_key_of_ours_that_somebody_overwrites_with_something_else(stage: Stage):
    pack = stage.warm_pack()
    (key,) = stage.held(pack)
    for make in (("SET", key, "nonsense"), ("LPUSH", key, "1"), ("HSET", key, "a", "1")):
        ask(stage, "DEL", key)
        ask(stage, *make)
        assert stage.seen(pack) == {"active"}
        assert stage.a.pharmacy.dispense(pack).code == "ok"
        assert stage.seen(pack) == {"dispensed"}
        stage.well()
        assert stage.b.pharmacy.undo(pack).code == "ok"
        assert stage.seen(pack) == {"active"}
        stage.well()
        ask(stage, "DEL", key)
