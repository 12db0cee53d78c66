"""The protocol of the status cache under each fault alone, with one pack and with two."""

from functools import cache

import pytest
from cache_search import CHANGES, FAULTS, READERS, search
from cache_world import DISPENSE, DISPENSE_AGAIN, Protocol, World
from explorer import Search

EVERY_COMMAND = Protocol(identity="with every command")
TWO_PACKS = ((0, 1), (1, 1))

# By hand, with hundreds of thousands of states and more, are the others.
SMALL_FAULTS = ("none", "eviction", "restart", "failover", "demotion", "readers cut off", "crash")
# Where nobody reads active after somebody read dispensed, all the time or until a cache is admitted anew.
L_HOLDS = {"none", "crash", "readers cut off"}
L_UNTIL_ADMISSION = L_HOLDS | {"restart", "failover", "demotion"}


def protocol(fault: str) -> Protocol:
    """A server that may be demoted under a living connection says who it is with every command."""
    return EVERY_COMMAND if fault == "demotion" else Protocol()


@cache
def searched(fault: str) -> Search:
    return search(World(protocol(fault), frozenset({fault}), changes=CHANGES, readers=READERS))


@pytest.mark.parametrize("fault", ["none", *FAULTS])
def test_no_read_after_the_acknowledgement_shows_the_state_before(fault: str):
    assert searched(fault).counterexample is None


@pytest.mark.parametrize("fault", SMALL_FAULTS)
def test_nor_after_dispense_undo_dispense(fault: str):
    world = World(protocol(fault), frozenset({fault}), changes=DISPENSE_AGAIN)
    assert search(world).counterexample is None


@pytest.mark.parametrize("fault", ["none", *FAULTS])
@pytest.mark.parametrize(("last_turn", "holding"), [(1, L_UNTIL_ADMISSION), (3, L_HOLDS)])
def test_nobody_reads_what_was_before_what_somebody_read(fault: str, last_turn: int, holding: set[str]):
    world = World(protocol(fault), frozenset({fault}), promise="L", last_turn=last_turn)
    assert (search(world).counterexample is None) == (fault in holding)


@pytest.mark.parametrize("fault", [*SMALL_FAULTS, "writer cut off before", "writer cut off after", "switch"])
def test_a_change_of_another_pack_breaks_nothing(fault: str):
    world = World(protocol(fault), frozenset({fault}), changes=TWO_PACKS, readers=1)
    assert search(world).counterexample is None


@pytest.mark.parametrize("fault", ["none", "crash", "eviction", "failover", "switch"])
def test_of_two_who_dispense_one_is_accepted(fault: str):
    rivals = World(faults=frozenset({fault}), changes=DISPENSE * 2)
    assert search(rivals).counterexample is None


@pytest.mark.parametrize("decide", ["look first", "ask the cache"])
def test_both_are_where_not_the_database_alone_decides(decide: str):
    rivals = World(Protocol(decide=decide), changes=DISPENSE * 2)
    assert "commits a second time" in (search(rivals, alike=False).counterexample or ("nothing found",))[-1]


def test_two_who_admit_at_once_break_nothing():
    world = World(faults=frozenset({"two masters"}), changes=DISPENSE, readers=1, last_turn=5, upkeepers=2)
    assert search(world).counterexample is None


HAPPENS = {
    "none": ["answers version 2", "FILL of version 1 under 0 arrives", "value 0 runs out"],
    "eviction": ["fence 1 is evicted", "lease 1 is evicted", "value 2 is evicted"],
    "restart": ["server 2 restarts as 3", "turns on 2 with server 2", "waited since 1, acknowledges"],
    "failover": ["server 2 comes instead of 1", "turns on 2 with server 2", "SETTLE 2 under 2, acknowledges"],
    "two masters": ["meets server 2 and turns off", "turns on 2 with server 1", "turns on 2 with server 2"],
    "demotion": ["which becomes its replica", "turns on 2 with server 2"],
    "writer cut off before": [
        "FENCE 1 under 0, not confirmed",
        "its commit turns off",
        "learns with reading 2",
    ],
    "writer cut off after": [
        "SETTLE 1 under 0, not confirmed",
        "turns off 0",
        "SETTLE 2 under 2, acknowledges",
    ],
    "readers cut off": ["LEASE under 0, not confirmed", "reads the database"],
    "crash": ["dies before its commit", "dies after its commit"],
    "switch": ["somebody turns off", "decides with reading 1", "learns with reading 2", "turns on 2", "dies"],
    "late": ["FENCE 1 under 0 arrives late", "FENCE 2 under 2 arrives late", "is emptied late"],
}


@pytest.mark.parametrize("fault", ["none", *FAULTS])
def test_what_a_fault_is_about_happens(fault: str):
    happened = searched(fault).happened
    assert [words for words in HAPPENS[fault] if not any(words in step for step in happened)] == []


SMALL = {"last_turn": 2, "readers": 1, "changes": DISPENSE}
VARIANTS = {
    "built": Protocol(),
    "every command": EVERY_COMMAND,
    "no number": Protocol(numbered_keys=False),
    "no wait": Protocol(off_waits=False),
    "fenced": Protocol(acknowledge="fenced"),
    "a fill without its lease": Protocol(fill="SET"),
}


@pytest.mark.parametrize("promise", ["S", "L"])
@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("fault", ["none", *FAULTS])
def test_what_is_left_out_makes_no_difference(fault: str, name: str, promise: str):
    sizes = {"faults": frozenset({fault}), "promise": promise, **SMALL}
    whole, reduced = (search(World(VARIANTS[name], reduced=less, **sizes)) for less in (False, True))
    assert (whole.counterexample is None) == (reduced.counterexample is None)
    assert whole.counterexample or whole.states > reduced.states
