"""Where other patterns fail, each by a counterexample that is found: the search does find what there is."""

import re
from dataclasses import replace

import pytest
from cache_search import search
from cache_world import DISPENSE, UNDO, Protocol, World

ASIDE = Protocol(
    before="", after="DEL", acknowledge="anyway", lease=False, fill="SET", switch=False, identity=""
)
BUILT = Protocol()

# fmt: off
COLUMNS = {
    "none":     frozenset(),
    "evict":    frozenset({"eviction"}),
    "restart":  frozenset({"restart"}),
    "failover": frozenset({"failover"}),
    "cut off":  frozenset({"writer cut off before", "writer cut off after"}),
    "crash":    frozenset({"crash"}),
    "switch":   frozenset({"switch"}),
}
PATTERNS = {
    "commit, DEL; plain fill":      ASIDE,
    "DEL, commit, DEL":             replace(ASIDE, before="DEL"),
    "write-through":                replace(ASIDE, after="SET"),
    "asynchronous DEL":             replace(ASIDE, acknowledge="at once"),
    "version compare-and-set only": replace(ASIDE, after="SET NEWER", fill="SET NEWER"),
    "lease, DEL before the answer": replace(ASIDE, lease=True, fill="FILL"),
    "fence too, no switch":         Protocol(switch=False, identity=""),
    "no identity":                  Protocol(identity=""),
    "no number in the key":         Protocol(numbered_keys=False),
    "permission at the answer":     Protocol(permission="at the answer"),
    "a fence is enough":            Protocol(acknowledge="fenced"),
    "off counts at once":           Protocol(off_waits=False),
    "on again at once":             Protocol(admission_waits=False),
    "a value after the commit":     Protocol(after="SET NEWER"),
    "a fill without its lease":     Protocol(fill="SET"),
    "no fence":                     Protocol(before=""),
    "as built":                     BUILT,
}
# One dispense. S: no read after the acknowledgement shows the state before. L: no read does after one of the
# state after. An ordinary end of a value or a lease is no fault.
TABLE = """
                              none  evict  restart  failover  cut off  crash  switch
commit, DEL; plain fill       -     -      -        -         -        -      -
DEL, commit, DEL              -     -      -        -         -        -      -
write-through                 -     -      -        -         -        -      -
asynchronous DEL              -     -      -        -         -        -      -
version compare-and-set only  -     -      -        -         -        -      -
lease, DEL before the answer  S     S      S        -         -        S      S
fence too, no switch          SL    S      S        -         -        SL     S
no identity                   SL    S      S        -         S        SL     S
no number in the key          SL    S      S        S         S        SL     -
permission at the answer      SL    S      S        S         -        SL     -
a fence is enough             SL    -      -        -         -        SL     -
off counts at once            SL    S      -        -         -        SL     -
on again at once              SL    S      S        S         S        SL     -
a value after the commit      SL    S      S        S         S        SL     S
a fill without its lease      -     -      -        -         -        -      -
no fence                      S     S      S        S         S        S      S
as built                      SL    S      S        S         S        SL     S
"""
# fmt: on


@pytest.mark.parametrize("row", TABLE.strip().splitlines()[1:], ids=lambda row: row[:28].strip())
def test_what_each_pattern_keeps_under_each_fault(row: str):
    protocol = PATTERNS[row[:30].strip()]
    found = []
    for faults in COLUMNS.values():
        worlds = {promise: World(protocol, faults, promise, DISPENSE) for promise in "SL"}
        kept = [promise for promise, world in worlds.items() if search(world).counterexample is None]
        found.append("".join(kept) or "-")
    assert found == row[30:].split()


def test_the_table_is_of_these_patterns_and_faults():
    first, *rows = TABLE.splitlines()[1:]
    assert [row[:30].strip() for row in rows] == list(PATTERNS)
    assert re.split(r"\s{2,}", first.strip()) == list(COLUMNS)


def broken(protocol: Protocol, *faults: str, **sizes: int) -> tuple[str, ...]:
    """The shortest way to an answer that is older than what was acknowledged."""
    sizes = {"changes": UNDO, **sizes}
    way = search(World(protocol, frozenset(faults), **sizes), alike=False).counterexample
    assert way is not None
    assert "was acknowledged" in way[-1]
    return way


def test_the_usual_pattern_needs_no_fault_to_fail():
    way = broken(ASIDE)
    assert [step for step in way if step.startswith("writer 1")] == [
        "writer 1 decides",
        "writer 1 commits",
        "writer 1 learns with reading 0",
        "writer 1 DEL 1 under 0, acknowledges",
    ]
    assert [step for step in way if step.startswith("reader 1")] == [
        "reader 1 begins with reading 0",
        "reader 1 GET under 0: no value",
        "reader 1 reads on",
        "reader 1 reads the database: version 0",
        "reader 1 SET of version 0 under 0 arrives",
        "reader 1 begins with reading 0",
        "reader 1 answers version 0, where 1 was acknowledged",
    ]
    assert way.index("reader 1 reads the database: version 0") < way.index("writer 1 commits")
    acknowledged = way.index("writer 1 DEL 1 under 0, acknowledges")
    assert acknowledged < way.index("reader 1 SET of version 0 under 0 arrives")


@pytest.mark.parametrize("after", ["SET", "SET NEWER"])
def test_a_value_written_after_the_commit_comes_back_after_the_undo(after: str):
    way = broken(replace(BUILT, after=after))
    assert way[-1].endswith("answers version 1, where 2 was acknowledged")
    assert way.index("writer 2 commits") < way.index(f"writer 1 {after} 1 under 0, acknowledges")


@pytest.mark.parametrize("faults", [("switch",), ("two masters",), ("writer cut off before",)])
def test_without_the_number_in_the_key_a_lease_of_before_is_filled_after(faults: tuple[str, ...]):
    way = broken(replace(BUILT, numbered_keys=False), *faults)
    fills = [step for step in way if "FILL" in step]
    assert fills[-1].endswith("under 0 arrives")
    assert any("turns on 2" in step for step in way)


def test_without_the_wait_before_on_two_admissions_are_in_use_at_once():
    way = broken(replace(BUILT, admission_waits=False), "writer cut off before")
    assert not any("permissions of turn 0 end" in step for step in way)
    assert any("turns on 2" in step for step in way)


def test_without_the_number_in_the_row_an_upkeep_that_stood_still_turns_on_without_the_wait():
    sizes = {"changes": DISPENSE, "readers": 1, "last_turn": 5, "upkeepers": 2}
    way = broken(replace(BUILT, numbered_row=False), "two masters", **sizes)
    assert any("turns on 4" in step for step in way)


def test_a_permission_that_is_looked_for_at_the_answer_only_is_of_another_admission():
    way = broken(replace(BUILT, permission="at the answer"), "switch")
    assert any("turns on 2" in step for step in way)
    assert "begins with reading 0" in way[-3]


def test_without_identity_a_lagging_replica_brings_the_state_before_back():
    way = broken(replace(BUILT, identity=""), "failover")
    assert any("comes instead of" in step for step in way)


@pytest.mark.parametrize("identity", ["on connect", "before every command"])
def test_a_server_demoted_under_a_living_connection_is_read_after_it_got_older_keys(identity: str):
    way = broken(replace(BUILT, identity=identity), "demotion")
    demoted = next(number for number, step in enumerate(way) if "becomes its replica" in step)
    acknowledged = next(number for number, step in enumerate(way) if "SETTLE 1 under 0, acknowledges" in step)
    assert acknowledged < demoted


def test_a_lease_that_is_delivered_twice_is_a_right_to_fill_that_was_taken_away():
    way = broken(BUILT, "repeated")
    assert "then LEASE 0 under 0 arrives late" in way


@pytest.mark.parametrize("fault", ["none", "eviction", "restart", "failover", "crash"])
def test_it_is_none_where_the_server_stamps_the_lease(fault: str):
    """No client, no TCP and no Redis delivers a command twice; a proxy may."""
    protocol = replace(BUILT, stamped_lease=True, identity="with every command")
    world = World(protocol, frozenset({"repeated", fault}), changes=DISPENSE)
    assert search(world).counterexample is None
