"""The comparison of cache and database: a stale value is found, a change under way is none."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from instances import Doing, Gate, Process, Processes, behind, new_pack, until
from own_redis import OwnRedis
from redis_fleet import Cluster, Watched
from sqlalchemy import text
from traffic import Traffic, in_use, passed, running, was_right

from verifier.domain.codes import PackCode
from verifier.domain.pack import Pack, State
from verifier.storage import cache_sampler
from verifier.storage.cache_sampler import CacheSampler

NEW = (State.DISPENSED, 1)


@pytest.fixture(params=["one server", "Sentinels", "a cluster"])
def redis_of_each_kind(request: pytest.FixtureRequest) -> Iterator[str]:
    kinds = {"one server": OwnRedis, "Sentinels": Watched, "a cluster": Cluster}
    with kinds[request.param].started() as started:
        yield started.url


class Sampled:
    """A sampler beside a process. On its clock the permission time costs nothing."""

    def __init__(self, processes: Processes, process: Process) -> None:
        self.outcomes: Counter[str] = Counter()
        self._sleep = processes.sleep
        self.sampler = sampler_of(process, self.outcomes)

    def __call__(self) -> Counter[str]:
        """What one round says."""
        self.outcomes.clear()
        self.sampler.compare(self._sleep)
        return self.outcomes


def sampler_of(process: Process, outcomes: Counter[str]) -> CacheSampler:
    def count(outcome: str) -> None:
        outcomes[outcome] += 1

    return CacheSampler(process.engine, process.control, process.link, process.cache, count)


def planted(process: Process, pack: PackCode) -> None:
    """The value from before a dispense that was acknowledged, as if the protocol had a hole."""
    process.warm(pack)
    key, value = process.key(pack), process.held(pack)
    assert process.dispense(pack) == "ok"
    process.redis("SET", key, value)


def test_a_stale_value_is_found_wherever_it_is(
    processes: Processes, redis_of_each_kind: str, caplog: pytest.LogCaptureFixture
):
    process = processes(redis_of_each_kind)
    until(lambda: "uns" not in (process.link.probe() or "uns"), "a Redis that can be used")
    processes.admit()
    pack = new_pack(process)
    planted(process, pack)
    process.control.refresh()
    assert process.find(pack) == (State.ACTIVE, 0), "it is answered; without this the test shows nothing"
    with caplog.at_level(logging.ERROR):
        said = Sampled(processes, process)()
        for _ in range(20):  # of a cluster another master may have been asked
            if not said:
                said = Sampled(processes, process)()
    assert said == {"different": 1}
    assert "holds version 0 of a pack" in caplog.text
    assert pack.serial not in caplog.text
    assert pack.gtin not in caplog.text


def test_a_difference_turns_the_switch_off_and_the_cache_begins_anew(processes: Processes):
    (process,) = processes.admitted(1)
    pack = new_pack(process)
    planted(process, pack)
    process.control.refresh()
    assert Sampled(processes, process)()["different"] == 1
    assert not process.control.refresh().cache_on
    processes.admit()
    assert process.find(pack) == NEW


def test_every_pack_that_is_held_comes_up_and_agrees(processes: Processes):
    (process,) = processes.admitted(1)
    for number in range(5):
        pack = new_pack(process)
        if number % 2:
            assert process.dispense(pack) == "ok"
        process.warm(pack)
    seen: set[str] = set()
    sampled = Sampled(processes, process)
    agrees = sampled.sampler._agrees

    def noted(pack: Pack) -> bool:
        seen.add(pack.serial)
        return agrees(pack)

    sampled.sampler._agrees = noted  # type: ignore[method-assign]
    total: Counter[str] = Counter()
    for _ in range(25):
        process.control.refresh()
        total += sampled()
    assert len(seen) == 5
    assert total.keys() == {"same"}


def test_leases_fences_and_what_is_not_of_this_admission_are_no_samples(processes: Processes):
    (process,) = processes.admitted(1)
    pack = new_pack(process)
    key = process.key(pack)
    sampled = Sampled(processes, process)
    for value in (b"L:0123456789abcdef", b"F:1"):
        process.redis("SET", key, value)
        assert not sampled()
    process.redis("DEL", key)
    process.warm(pack)
    value = process.held(pack)
    process.redis("DEL", key)
    process.redis("SET", key.replace(":{", "9:{"), value)
    assert not sampled()
    assert process.dispense(pack) == "ok"
    assert not sampled()


def test_a_change_that_is_settled_by_the_second_look_is_no_difference(processes: Processes):
    writer, process = processes.admitted(2)
    pack = new_pack(writer)
    process.warm(pack)
    gate, sampled = Gate(), Sampled(processes, process)
    with behind(gate, sampled.sampler, "_agrees", before=True):
        looking = Doing(sampled)
        gate.wait()  # the cache was read, the database was not
        assert writer.dispense(pack) == "ok"
        gate.open()
        assert looking.result() == {"gone": 1}
    assert process.control.refresh().cache_on


def test_a_switch_that_is_off_at_the_second_look_makes_it_no_difference(processes: Processes):
    writer, process = processes.admitted(2)
    planted(writer, new_pack(writer))
    process.control.refresh()
    sampled = Sampled(processes, process)
    writer.control.turn_off(writer.control.refresh().epoch)
    assert sampled() == {"gone": 1}


def test_without_a_permission_nothing_is_compared(processes: Processes):
    (process,) = processes.admitted(1)
    planted(process, new_pack(process))
    processes.sleep(1.0)
    assert not Sampled(processes, process)()


@pytest.mark.parametrize(("expiry", "outcome"), [(20240131, "same"), (20990131, "different")])
def test_a_pack_that_the_database_does_not_have_is_a_difference_unless_it_is_long_expired(
    processes: Processes, expiry: int, outcome: str
):
    """As after a restore from a backup; and as after `verifier clean`."""
    (process,) = processes.admitted(1)
    pack = new_pack(process)
    run(process, "UPDATE packs SET expiry = :expiry", expiry=expiry)
    process.warm(pack)
    run(process, "DELETE FROM packs")
    process.control.refresh()
    assert Sampled(processes, process)() == {outcome: 1}


def run(process: Process, statement: str, **values: int) -> None:
    with process.engine.begin() as connection:
        connection.execute(text(statement), values)


def test_beside_traffic_it_never_finds_a_difference(
    new_database: Callable[[], str], own_redis: OwnRedis, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cache_sampler, "EVERY_S", 0.005)
    with running(new_database(), own_redis.url) as live:
        in_use(*live)
        outcomes: Counter[str] = Counter()
        samplers = [sampler_of(process, outcomes) for process in live for _ in range(2)]
        for sampler in samplers:
            sampler.start()
        with Traffic(live, packs=8) as traffic:
            passed(traffic, 60)
            until(lambda: outcomes["same"] > 100, "enough comparisons")
        for sampler in samplers:
            sampler.stop()
    was_right(traffic)
    assert outcomes["different"] == 0
