"""The races that a cache beside a database has, each made to happen, and each time the right answer.

One process stands still at a place (`Gate`) while another one goes on. On one server, on a master behind
Sentinels, on a cluster.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from cut_off import cut_off, is_fence, is_fill, is_settle
from instances import (
    Died,
    Doing,
    Gate,
    Process,
    behind,
    learn,
    new_key,
    new_pack,
)
from redis_fleet import Cluster, Watched

from verifier.domain.pack import State

OLD, NEW = (State.ACTIVE, 0), (State.DISPENSED, 1)


@pytest.fixture(scope="module", params=["one server", "Sentinels", "a cluster"])
def redis_url(request: pytest.FixtureRequest, redis_url: str) -> Iterator[str]:
    if request.param == "one server":
        yield redis_url
        return
    with (Watched if request.param == "Sentinels" else Cluster).started() as started:
        yield started.url


# The reader that read before the commit and fills after it.


def test_what_was_read_before_the_commit_is_not_filled_after_the_acknowledgement(three: list[Process]):
    writer, slow, _ = three
    pack = new_pack(writer)
    learn(slow, pack)
    gate = Gate()
    with behind(gate, slow.cache._database, "find"):
        reading = Doing(slow.find, pack)
        gate.wait()  # it has read the old state, under its lease
        assert writer.dispense(pack) == "ok"
        gate.open()
        assert reading.result() == OLD  # it began before the change
    assert slow.held(pack) is None
    assert [process.find(pack) for process in three] == [NEW] * 3


def test_nor_after_another_reader_has_a_lease_or_a_value_there(three: list[Process]):
    writer, slow, other = three
    pack = new_pack(writer)
    learn(slow, pack)
    gate = Gate()
    with behind(gate, slow.cache._database, "find"):
        reading = Doing(slow.find, pack)
        gate.wait()
        assert writer.dispense(pack) == "ok"
        other.warm(pack)
        held = slow.held(pack)
        gate.open()
        reading.result()
    assert slow.held(pack) == held
    assert other.find(pack) == slow.find(pack) == NEW


@pytest.mark.parametrize("place", ["before the commit", "before the settling"])
def test_a_fill_on_its_way_meets_the_fence_and_is_refused(three: list[Process], place: str):
    writer, slow, other = three
    pack = new_pack(writer)
    learn(slow, pack)
    filling, writing = Gate(), Gate()
    where, name = (writer.cache, "fence") if place == "before the commit" else (writer.cache, "settle")
    with (
        behind(filling, slow.link, "tell", before=True, only=is_fill),
        behind(writing, where, name, before=name == "settle"),
    ):
        reading = Doing(slow.find, pack)
        filling.wait()
        dispensing = Doing(writer.dispense, pack)
        writing.wait()
        filling.open()
        assert reading.result() == OLD
        assert slow.held(pack) == b"F:1"
        assert other.find(pack) == (OLD if place == "before the commit" else NEW)
        writing.open()
        assert dispensing.result() == "ok"
    assert [process.find(pack) for process in three] == [NEW] * 3


def test_a_fill_that_is_just_before_the_fence_is_replaced_by_it(three: list[Process]):
    writer, slow, _ = three
    pack = new_pack(writer)
    gate = Gate()
    with behind(gate, writer.link, "ask", before=True, only=is_fence):
        dispensing = Doing(writer.dispense, pack)
        gate.wait()
        slow.warm(pack)
        gate.open()
        assert dispensing.result() == "ok"
    assert [process.find(pack) for process in three] == [NEW] * 3


@pytest.mark.parametrize("when", ["filled before the commit", "filled after the settling"])
def test_a_fence_that_was_evicted_within_the_transaction(three: list[Process], when: str):
    writer, slow, _ = three
    pack = new_pack(writer)
    learn(slow, pack)
    writing, filling = Gate(), Gate()
    with (
        behind(writing, writer.cache, "fence"),
        behind(filling, slow.link, "tell", before=True, only=is_fill),
    ):
        dispensing = Doing(writer.dispense, pack)
        writing.wait()
        writer.redis("DEL", writer.key(pack))
        reading = Doing(slow.find, pack)
        filling.wait()
        if when == "filled before the commit":
            filling.open()
            reading.result()
            assert (slow.held(pack) or b"").startswith(b"V:0:")
        writing.open()
        assert dispensing.result() == "ok"
        filling.open()
        assert reading.result() == OLD
    assert [process.find(pack) for process in three] == [NEW] * 3


def test_a_lease_that_was_evicted_is_no_right_to_fill(three: list[Process]):
    writer, slow, _ = three
    pack = new_pack(writer)
    learn(slow, pack)
    gate = Gate()
    with behind(gate, slow.cache._database, "find"):
        reading = Doing(slow.find, pack)
        gate.wait()
        writer.redis("DEL", writer.key(pack))
        gate.open()
        reading.result()
    assert slow.held(pack) is None


# The writer that dies between commit and cache step, and the client's retry.


def test_the_retry_settles_what_the_dead_writer_left_though_a_stale_value_was_there(three: list[Process]):
    writer, slow, other = three
    pack, key = new_pack(writer), new_key()
    learn(slow, pack)
    gate = Gate()

    def die(*_: Any) -> None:
        raise Died

    writer.cache.settle = die  # type: ignore[method-assign]
    with behind(gate, writer.cache, "fence"):
        dispensing = Doing(writer.dispense, pack, key)
        gate.wait()
        writer.redis("DEL", writer.key(pack))  # evicted
        slow.warm(pack)
        gate.open()
        with pytest.raises(Died):
            dispensing.result()
    assert slow.find(pack) == OLD, "nobody was told of the change yet; without this the test shows nothing"
    assert other.dispense(pack, key) == "replay"
    assert [process.find(pack) for process in three] == [NEW] * 3


def test_a_replay_waits_like_the_change_itself_where_redis_does_not_confirm(three: list[Process]):
    writer, reader, other = three
    pack, key = new_pack(writer), new_key()
    assert writer.dispense(pack, key) == "ok"
    cut_off(other, is_settle)
    assert other.dispense(pack, key) == "replay"
    assert not reader.control.refresh().cache_on


# Undo, dispense, undo.


def test_a_late_settling_of_an_old_change_never_brings_its_state_back(three: list[Process]):
    writer, reader, other = three
    pack = new_pack(writer)
    version = 0
    for _ in range(3):
        for change, state in ((writer.dispense, State.DISPENSED), (writer.reactivate, State.ACTIVE)):
            assert change(pack) == "ok"
            version += 1
            reader.warm(pack)
            for late in range(1, version + 1):
                other.cache.settle(pack.gtin, pack.serial, late)
                assert reader.find(pack) == other.find(pack) == (state, version)


def test_a_slow_dispense_that_settles_after_the_undo_was_seen(three: list[Process]):
    writer, second, reader = three
    pack = new_pack(writer)
    gate = Gate()
    with behind(gate, writer.cache, "settle", before=True):
        dispensing = Doing(writer.dispense, pack)
        gate.wait()
        assert second.reactivate(pack) == "ok"
        reader.warm(pack)
        gate.open()
        assert dispensing.result() == "ok"
    assert [process.find(pack) for process in three] == [(State.ACTIVE, 2)] * 3


def test_a_settling_leaves_the_fence_of_the_next_change(three: list[Process]):
    writer, second, reader = three
    pack = new_pack(writer)
    first, next_ = Gate(), Gate()
    with (
        behind(first, writer.cache, "settle", before=True),
        behind(next_, second.cache, "settle", before=True),
    ):
        dispensing = Doing(writer.dispense, pack)
        first.wait()
        undoing = Doing(second.reactivate, pack)
        next_.wait()
        first.open()
        assert dispensing.result() == "ok"
        assert reader.held(pack) == b"F:2"
        next_.open()
        assert undoing.result() == "ok"
    assert reader.held(pack) is None
