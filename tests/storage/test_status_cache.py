"""What the cache answers, on several processes: fast, and never less than the last acknowledged change."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from instances import Died, Processes, load, new_key, new_pack
from own_redis import OwnRedis

from verifier.domain.codes import PackCode
from verifier.domain.lifecycle import Action, Operation
from verifier.domain.pack import State
from verifier.storage import status_cache
from verifier.storage.redis_link import RedisLink


def never(*_: Any) -> Any:
    raise AssertionError("the database was asked")


def test_a_warm_pack_is_answered_without_the_database(processes: Processes):
    writer, reader = processes.admitted(2)
    pack = new_pack(writer)
    assert [reader.find(pack) for _ in range(2)] == [(State.ACTIVE, 0)] * 2
    assert reader.outcomes == {"miss": 2}  # the first learns the product, the second fills
    reader.cache._database.find = never
    assert reader.find(pack) == (State.ACTIVE, 0)
    assert reader.outcomes["hit"] == 1


def test_a_pack_that_one_process_filled_is_warm_in_the_others(processes: Processes):
    one, two = processes.admitted(2)
    pack, neighbour = (new_pack(one, gtin="00000000009999") for _ in range(2))
    one.warm(pack)
    two.warm(neighbour)  # the product and the batch
    two.cache._database.find = never
    assert two.find(pack) == (State.ACTIVE, 0)


def test_after_a_change_in_one_process_every_process_shows_it(processes: Processes):
    made = processes.admitted(3)
    pack = new_pack(made[0])
    for round_ in range(6):
        for process in made:
            process.warm(pack)
        writer = made[round_ % 3]
        state = State.DISPENSED if round_ % 2 == 0 else State.ACTIVE
        code = writer.dispense(pack) if round_ % 2 == 0 else writer.reactivate(pack)
        assert code == "ok"
        assert {process.find(pack) for process in made} == {(state, round_ + 1)}
    assert made[0].control.refresh().cache_on, "no change turned the switch off"


@pytest.mark.parametrize("action", [Action.DESTROY, Action.LOCK, Action.SAMPLE, Action.STEAL])
def test_every_kind_of_change_is_seen(processes: Processes, action: Action):
    writer, reader = processes.admitted(2)
    pack = new_pack(writer)
    reader.warm(pack)
    assert writer.change(action, Operation.DECOMMISSION, pack) == "ok"
    assert reader.find(pack) == (State(action), 1)


def test_a_refused_change_leaves_the_warm_value(processes: Processes):
    writer, reader = processes.admitted(2)
    pack = new_pack(writer)
    assert writer.dispense(pack) == "ok"
    reader.warm(pack)
    assert writer.dispense(pack) == "already_done_here"
    reader.cache._database.find = never
    assert reader.find(pack) == (State.DISPENSED, 1)


def test_that_a_pack_is_unknown_is_never_remembered(processes: Processes):
    loader, reader = processes.admitted(2)
    known = new_pack(loader)
    pack = PackCode(known.gtin, "LATER", known.lot, known.expiry, None, ())
    assert [reader.verify(pack) for _ in range(3)] == ["unknown_serial"] * 3
    load(loader, pack)
    assert reader.verify(pack) == "ok"


@pytest.mark.parametrize(
    ("names", "codes"),
    [
        (["recall"], ["recalled"]),
        (["hold", "release"], ["on_hold", "ok"]),
        (["withdraw"], ["withdrawn"]),
    ],
)
def test_every_process_knows_of_a_command_when_it_is_acknowledged(
    processes: Processes, names: list[str], codes: list[str]
):
    made = processes.admitted(3)
    pack = new_pack(made[0])
    for name, code in zip(names, codes, strict=True):
        for process in made:
            process.control.refresh()
            process.warm(pack)
        made[0].command(name, pack)
        assert [process.verify(pack) for process in made] == [code] * 3
        for process in made:  # and with a new permission, from the cache again
            process.control.refresh()
            assert [process.verify(pack) for _ in range(3)] == [code] * 3


def test_without_a_permission_the_database_is_asked_and_nothing_is_left_in_the_cache(processes: Processes):
    (process,) = processes.admitted(1)
    pack = new_pack(process)
    process.warm(pack)
    processes.sleep(1.0)
    process.outcomes.clear()
    other = new_pack(process)
    assert process.find(pack) == process.find(other) == (State.ACTIVE, 0)
    assert process.outcomes == {"bypass": 2}
    assert process.held(other) is None


def test_a_process_without_redis_turns_the_switch_off_and_is_seen_by_the_others(processes: Processes):
    (reader,) = processes.admitted(1)
    writer = processes(None)
    pack = new_pack(reader)
    reader.warm(pack)
    reader.control.refresh()
    assert writer.dispense(pack) == "ok"
    assert reader.find(pack) == (State.DISPENSED, 1)
    assert not reader.control.refresh().cache_on


def test_a_cache_that_was_left_alone_for_a_while_is_not_believed_again(processes: Processes):
    (before,) = processes.admitted(1)
    pack = new_pack(before)
    before.warm(pack)
    before.close()
    without = processes(None)
    assert without.dispense(pack) == "ok"
    again = processes()
    again.control.refresh()
    assert again.find(pack) == (State.DISPENSED, 1)


def test_with_and_without_the_cache_the_answers_are_the_same(
    processes: Processes, new_database: Callable[[], str]
):
    fast, other_fast = processes.admitted(2)
    plain = Processes(new_database(), None, processes.clock)()
    pack, twin = new_pack(fast), new_pack(plain)
    steps = [
        Action.DISPENSE,
        Action.DISPENSE,
        Action.REACTIVATE,
        Action.REACTIVATE,
        Action.LOCK,
        Action.DESTROY,
    ]
    for action in steps:
        operation = Operation(action) if action is Action.REACTIVATE else Operation.DECOMMISSION
        assert fast.change(action, operation, pack) == plain.change(action, operation, twin)
        other_fast.control.refresh()
        assert [other_fast.verify(pack) for _ in range(3)] == [plain.verify(twin)] * 3
    assert other_fast.outcomes["hit"] > 0
    plain.close()


def test_flushed_keys_and_flushed_scripts_change_no_answer(processes: Processes):
    writer, reader = processes.admitted(2)
    pack = new_pack(writer)
    reader.warm(pack)
    for command, change, state in (
        (("FLUSHDB",), writer.dispense, State.DISPENSED),
        (("SCRIPT", "FLUSH"), writer.reactivate, State.ACTIVE),
    ):
        writer.redis(*command)
        assert change(pack) == "ok"
        assert reader.find(pack)[0] is state
        reader.warm(pack)
    assert reader.control.refresh().cache_on


def values(good: bytes) -> dict[str, bytes]:
    return {
        "a value of another pack": good.replace(b'"S', b'"X'),
        "a value of another version of the program": b"V:0:[1,2]",
        "a state that is not known": good.replace(b"active", b"asleep"),
        "half a value": good[: len(good) // 2],
        "no version": b"V:",
        "nothing of ours": b"\x00\xff",
        "empty": b"",
    }


@pytest.mark.parametrize("what", values(b""))
def test_a_wrong_value_is_not_believed(processes: Processes, what: str):
    (process,) = processes.admitted(1)
    pack = new_pack(process)
    process.warm(pack)
    wrong = values(process.held(pack) or b"")[what]
    process.redis("SET", process.key(pack), wrong)
    process.outcomes.clear()
    assert process.find(pack) == (State.ACTIVE, 0)
    assert process.outcomes["hit"] == 0
    assert process.dispense(pack) == "ok"
    assert process.find(pack) == (State.DISPENSED, 1)


def test_a_key_of_another_kind_turns_the_switch_off_at_the_next_change(processes: Processes):
    writer, reader = processes.admitted(2)
    pack = new_pack(writer)
    reader.warm(pack)
    key = writer.key(pack)
    writer.redis("DEL", key)
    writer.redis("LPUSH", key, "x")
    assert reader.find(pack) == (State.ACTIVE, 0)
    assert writer.dispense(pack) == "ok"  # the fence replaces whatever is there
    assert reader.find(pack) == (State.DISPENSED, 1)


def test_two_services_on_one_redis_never_read_each_others_packs(
    processes: Processes, new_database: Callable[[], str], redis_url: str
):
    (mine,) = processes.admitted(1)
    others = Processes(new_database(), redis_url, processes.clock)
    (theirs,) = others.admitted(1)
    pack = new_pack(mine)
    load(theirs, pack)
    assert mine.control.refresh().epoch == theirs.control.refresh().epoch
    mine.warm(pack)
    theirs.warm(pack)
    assert theirs.dispense(pack) == "ok"
    assert (mine.find(pack)[0], theirs.find(pack)[0]) == (State.ACTIVE, State.DISPENSED)
    others.close()


@pytest.mark.parametrize("foreign", ["cart:1", "verify", "zzz"])
def test_a_redis_database_of_another_program_is_left_alone(
    processes: Processes, own_redis: OwnRedis, caplog: pytest.LogCaptureFixture, foreign: str
):
    with own_redis.client() as client:
        client.set(foreign, "theirs")
        process = processes(own_redis.url)
        with caplog.at_level(logging.ERROR):
            for _ in range(3):
                process.tick()
                processes.sleep(1.0)
        assert not process.control.refresh().cache_on
        assert [record.getMessage().split(":")[0] for record in caplog.records] == ["status cache not used"]
        assert client.get(foreign) == b"theirs"
        pack = new_pack(process)
        assert process.dispense(pack) == "ok"
        assert process.verify(pack) == "already_done_here"
        client.delete(foreign)
        process.tick()
        assert process.control.refresh().cache_on


def test_a_foreign_key_is_found_among_many_of_our_own(own_redis: OwnRedis):
    with own_redis.client() as client:
        client.mset({f"{status_cache.PREFIX}x:1:{n}": "V" for n in range(30_000)})
        client.set("session:7", "theirs")
        link = RedisLink(own_redis.url)
        identity = link.probe()
        assert identity is not None
        assert not link.empty(identity, status_cache.PREFIX)
        client.delete("session:7")
        assert link.empty(identity, status_cache.PREFIX)
        assert client.dbsize() == 0
        link.close()


def test_another_number_of_the_database_is_another_cache(redis_url: str):
    links = [RedisLink(redis_url), RedisLink(redis_url.partition("?")[0] + "?db=15")]
    assert links[0].probe() != links[1].probe()
    for link in links:
        link.close()


def test_more_threads_than_connections_are_no_reason_to_give_the_cache_up(processes: Processes):
    process = processes(connections=3)
    processes.admit()
    packs = [new_pack(process) for _ in range(3)]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(process.find, packs * 60))
    assert set(found) == {(State.ACTIVE, 0)}
    assert not process.link.broken


def test_a_process_that_dies_before_it_answers_has_told_nobody_and_the_retry_makes_it_good(
    processes: Processes,
):
    first, second = processes.admitted(2)
    pack, key = new_pack(first), new_key()
    second.warm(pack)

    def die(*_: Any) -> None:
        raise Died

    first.cache.settle = die
    with pytest.raises(Died):
        first.dispense(pack, key)
    assert second.find(pack)[0] is State.DISPENSED  # the fence sends everybody to the database
    assert second.dispense(pack, key) == "replay"
    assert (second.held(pack) or b"")[:1] != b"F"
    second.warm(pack)
    assert second.find(pack) == (State.DISPENSED, 1)
