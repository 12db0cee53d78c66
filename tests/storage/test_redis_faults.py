"""Redis dies, freezes, comes back, comes back with yesterday's contents: the answers stay right."""

from collections.abc import Callable, Iterator

import pytest
from cut_off import cut_off
from instances import Process, Processes, new_pack, until
from own_redis import OwnRedis
from traffic import Traffic, in_use, passed, running

from verifier.domain.pack import State


@pytest.fixture
def live(new_database: Callable[[], str], own_redis: OwnRedis) -> Iterator[list[Process]]:
    """Two processes with their upkeep running, on a Redis that a test may kill."""
    with running(new_database(), own_redis.url) as started:
        yield started


FAULTS: dict[str, tuple[Callable[[OwnRedis], None], Callable[[OwnRedis], None]]] = {
    "killed and started again": (OwnRedis.kill, OwnRedis.start),
    "frozen": (OwnRedis.freeze, OwnRedis.thaw),
    "full": (OwnRedis.fill, OwnRedis.unfill),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_redis_that_fails_in_the_middle_of_traffic(live: list[Process], own_redis: OwnRedis, fault: str):
    in_use(*live)
    fail, mend = FAULTS[fault]
    with Traffic(live) as traffic:
        passed(traffic, 20)
        epoch = live[0].control.refresh().epoch
        fail(own_redis)
        passed(traffic, 12)
        until(lambda: live[0].control.refresh().epoch > epoch, "the switch off")
        mend(own_redis)
        in_use(*live)
        passed(traffic, 20)
    assert not traffic.errors
    assert not traffic.stale
    assert all(traffic.reads[number] for number in range(len(live)))


@pytest.mark.parametrize("command", ["FLUSHALL", "SCRIPT FLUSH", "CLIENT KILL TYPE normal"])
def test_traffic_goes_on_through_what_an_operator_may_do_to_redis(
    live: list[Process], own_redis: OwnRedis, command: str
):
    in_use(*live)
    with Traffic(live) as traffic, own_redis.client() as client:
        for _ in range(5):
            passed(traffic, 10)
            client.execute_command(*command.split())
        in_use(*live)
    assert not traffic.errors
    assert not traffic.stale


def test_one_process_is_cut_off_from_redis(live: list[Process]):
    in_use(*live)
    near, far = live
    with Traffic(live) as traffic:
        passed(traffic, 10)
        cut_off(far)
        far.link.probe = lambda: None  # type: ignore[method-assign]
        passed(traffic, 10)
        del far.link.ask_all, far.link.tell, far.link.probe
        in_use(near, far)
    assert not traffic.errors
    assert not traffic.stale


def test_without_redis_at_the_start_all_is_answered_and_the_cache_comes_when_redis_does(
    own_redis: OwnRedis, new_database: Callable[[], str]
):
    own_redis.kill()
    late = Processes(new_database(), own_redis.url)
    process = late()
    process.start()
    pack = new_pack(process)
    assert process.dispense(pack) == "ok"
    assert process.find(pack) == (State.DISPENSED, 1)
    assert process.outcomes["hit"] == 0
    own_redis.start()
    in_use(process)
    assert process.find(pack) == (State.DISPENSED, 1)
    late.close()


def test_a_redis_that_comes_back_with_an_old_dump_is_not_believed(processes: Processes):
    with OwnRedis.started() as server:
        writer, reader = processes(server.url), processes(server.url)
        processes.admit()
        pack = new_pack(writer)
        reader.warm(pack)
        with server.client() as client:
            client.save()
        assert writer.dispense(pack) == "ok"
        key = writer.key(pack)
        server.kill()
        server.start()
        with server.client() as client:
            assert client.get(key).startswith(b"V:0:"), "the stale value is there to be read"
        assert reader.control.current() is not None
        assert reader.find(pack) == (State.DISPENSED, 1)
        reader.tick()
        assert not reader.control.refresh().cache_on
        processes.admit()
        assert reader.find(pack) == (State.DISPENSED, 1)
        with server.client() as client:
            assert client.get(key) is None, "what was not ours is gone"
