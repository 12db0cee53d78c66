"""The switch in the control row: off with what Redis did not confirm, on by one admission at a time."""

from typing import Any

import pytest
from cut_off import cut_off, is_fence, is_settle
from instances import Doing, Gate, Process, Processes, behind, new_pack

from verifier.domain.pack import State
from verifier.storage.control import PERMISSION_S

OLD, NEW = (State.ACTIVE, 0), (State.DISPENSED, 1)


def test_a_fence_that_is_not_confirmed_turns_the_switch_off_with_the_change(three: list[Process]):
    writer, reader, _ = three
    pack = new_pack(writer)
    reader.warm(pack)
    cut_off(writer, is_fence)
    gate = Gate()
    with behind(gate, writer.cache, "fence"):
        dispensing = Doing(writer.dispense, pack)
        gate.wait()
        assert reader.control.refresh().cache_on, "not before the commit"
        gate.open()
        assert dispensing.result() == "ok"
    assert not reader.control.refresh().cache_on
    assert reader.find(pack) == NEW


def test_a_change_that_is_undone_by_the_database_leaves_the_switch_on(three: list[Process]):
    writer, reader, _ = three
    cut_off(writer, is_fence)

    def fail(transaction: Any) -> None:
        writer.cache.fence(transaction._session, "00000000000017", "S", 1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        writer.store.run(fail)
    assert reader.control.refresh().cache_on


def test_a_settling_that_is_not_confirmed_waits_until_no_permission_is_left(
    processes: Processes, three: list[Process]
):
    writer, reader, _ = three
    pack = new_pack(writer)
    gate, began = Gate(), processes.clock()
    with behind(gate, writer.cache, "fence"):
        dispensing = Doing(writer.dispense, pack)
        gate.wait()
        writer.redis("DEL", writer.key(pack))
        reader.warm(pack)
        cut_off(writer, is_settle)
        gate.open()
        assert dispensing.result() == "ok"
    assert processes.clock() > began + PERMISSION_S
    assert [process.find(pack) for process in three] == [NEW] * 3


def test_a_switch_that_goes_on_while_a_writer_that_saw_it_off_has_not_committed(processes: Processes):
    writer, reader = processes(), processes()
    pack = new_pack(writer)
    assert not writer.control.refresh().cache_on
    gate = Gate()
    with behind(gate, writer.cache, "fence"):
        dispensing = Doing(writer.dispense, pack)
        gate.wait()  # no fence: the switch was seen off
        reader.tick()
        processes.sleep(PERMISSION_S)
        reader.tick()
        reader.warm(pack)
        gate.open()
        assert dispensing.result() == "ok"
    assert reader.find(pack) == NEW


def test_an_admission_waits_until_no_permission_from_before_is_left(
    processes: Processes, three: list[Process]
):
    writer, other, _ = three
    writer.control.turn_off(writer.control.refresh().epoch)
    for _ in range(2):
        other.tick()
        assert not other.control.refresh().cache_on
        processes.sleep(PERMISSION_S / 2)
    other.tick()
    assert other.control.refresh().cache_on


def test_of_two_that_admit_at_once_one_is_too_late(three: list[Process]):
    writer, one, two = three
    writer.control.turn_off(writer.control.refresh().epoch)
    off = one.control.refresh()
    identity = one.link.probe()
    assert identity is not None
    assert one.control.turn_on(off.epoch, identity)
    assert not two.control.turn_on(off.epoch, identity)
    assert two.control.refresh().epoch == off.epoch + 1


def test_an_admission_that_stood_still_while_the_switch_went_on_and_off_comes_to_nothing(
    processes: Processes, three: list[Process]
):
    writer, stalled, other = three
    writer.control.turn_off(writer.control.refresh().epoch)
    seen = stalled.control.refresh()
    other.tick()
    processes.sleep(PERMISSION_S)
    gate = Gate()
    with behind(gate, stalled.link, "empty"):
        admitting = Doing(stalled.cache.upkeep, seen)
        gate.wait()
        other.tick()
        other.control.turn_off(other.control.refresh().epoch)
        gate.open()
        admitting.result()
    assert not other.control.refresh().cache_on


def test_what_an_earlier_admission_left_is_never_read_again(processes: Processes, three: list[Process]):
    writer, reader, _ = three
    pack = new_pack(writer)
    reader.warm(pack)
    key, value = reader.key(pack), reader.held(pack)
    writer.control.turn_off(writer.control.refresh().epoch)
    writer.control.refresh()
    processes.admit()
    assert writer.dispense(pack) == "ok"
    writer.redis("SET", key, value)  # as from a dump, or a command that was long on its way
    for process in three:
        process.control.refresh()
        assert process.find(pack) == NEW


def test_a_permission_counts_from_the_sending_of_its_query(processes: Processes, three: list[Process]):
    control = three[0].control
    gate = Gate()
    with behind(gate, control._engine, "connect", before=True):
        reading = Doing(control.refresh)
        gate.wait()
        processes.sleep(PERMISSION_S / 2)
        gate.open()
        reading.result()
    assert control.current() is not None
    processes.sleep(PERMISSION_S / 2)
    assert control.current() is None


def test_off_counts_from_when_it_was_seen_and_for_this_turn_only(processes: Processes, three: list[Process]):
    control, other = three[0].control, three[1].control
    other.turn_off(other.refresh().epoch)
    processes.sleep(PERMISSION_S)
    seen = control.refresh()
    assert 0 < control.until_off_counts(seen) <= PERMISSION_S
    processes.sleep(PERMISSION_S)
    assert control.until_off_counts(seen) == 0
    assert control.turn_on(seen.epoch, "alone:x")
    control.turn_off(control.refresh().epoch)
    again = control.refresh()
    assert again.epoch == seen.epoch + 2
    assert control.until_off_counts(again) > 0
    processes.sleep(PERMISSION_S)
    assert control.until_off_counts(again) == 0
    assert control.until_off_counts(seen) > 0, "what was seen of one turn says nothing about another"


def test_the_row_is_turned_off_by_whoever_saw_this_turn_only(three: list[Process]):
    control = three[0].control
    epoch = control.refresh().epoch
    control.turn_off(epoch - 2)
    assert control.refresh().cache_on
    control.turn_off(epoch)
    assert not control.refresh().cache_on
