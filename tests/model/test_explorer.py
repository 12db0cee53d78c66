"""The search itself finds what there is to find: on two small algorithms whose truth is known."""

from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any

import pytest
from explorer import BROKEN, Explorer, Process, Step

Wants = tuple[bool, bool]


def peterson(me: int, *, gives_way: bool) -> Callable[[Any, Any], Iterator[Step]]:
    """Mutual exclusion of two; none without giving way. Shared: who wants, whose turn, how many inside."""

    def steps(where: str, shared: tuple[Wants, int, int]) -> Iterator[Step]:
        wants, turn, inside = shared
        mine = (True, wants[1]) if me == 0 else (wants[0], True)
        not_mine = (False, wants[1]) if me == 0 else (wants[0], False)
        if where == "away":
            yield "wants", "wanting", (mine, turn, inside)
        elif where == "wanting":
            yield "gives way", "waiting", (wants, 1 - me if gives_way else me, inside)
        elif where == "waiting" and (not wants[1 - me] or turn == me):
            yield "enters", "inside", BROKEN if inside else (wants, turn, inside + 1)
        elif where == "inside":
            yield "leaves", "away", (not_mine, turn, inside - 1)

    return steps


@pytest.mark.parametrize(("gives_way", "holds"), [(True, True), (False, False)])
def test_mutual_exclusion_is_told_from_what_only_looks_like_it(gives_way: bool, holds: bool):  # noqa: FBT001
    processes = [Process(f"{me}", "away", peterson(me, gives_way=gives_way)) for me in (0, 1)]
    found = Explorer(((False, False), 0, 0), processes).search()
    assert (found.counterexample is None) == holds


def test_the_counterexample_is_a_shortest_one_and_can_be_followed():
    processes = [Process(f"{me}", "away", peterson(me, gives_way=False)) for me in (0, 1)]
    found = Explorer(((False, False), 0, 0), processes).search()
    assert found.counterexample is not None
    steps = [words.partition(" ") for words in found.counterexample]
    assert len(steps) == 6
    for me in "01":
        assert [did for who, _, did in steps if who == me] == ["wants", "gives way", "enters"]


def loses_updates(*, atomic: bool) -> Callable[[Any, Any], Iterator[Step]]:
    """Each reads a counter and writes one more; the last one to write must have made it their number."""

    def steps(read: int | None, shared: tuple[int, int, int]) -> Iterator[Step]:
        counter, written, wanted = shared
        if read == -1:
            return
        if read is None and not atomic:
            yield "reads", counter, shared
        else:
            value = (counter if read is None else read) + 1
            lost = written + 1 == wanted and value != wanted
            yield "writes", -1, BROKEN if lost else (value, written + 1, wanted)

    return steps


@pytest.mark.parametrize("twins", [0, 3])
@pytest.mark.parametrize("atomic", [True, False])
def test_interchangeable_processes_change_no_verdict(atomic: bool, twins: int):  # noqa: FBT001
    processes = [Process(name, None, loses_updates(atomic=atomic)) for name in "abc"]
    found = Explorer((0, 0, 3), processes, twins).search()
    assert (found.counterexample is None) == atomic


def test_interchangeable_processes_make_fewer_states():
    processes = [Process(name, None, loses_updates(atomic=True)) for name in "abc"]
    assert Explorer((0, 0, 3), processes).search().states == 8  # who has written
    assert Explorer((0, 0, 3), processes, 3).search().states == 4  # how many have


def test_what_twins_own_in_the_shared_state_is_exchanged_with_them():
    """Each takes one seat, once; the states are the numbers of seats that are taken, by whomever."""

    def sitter(me: int) -> Callable[[Any, Any], Iterator[Step]]:
        def steps(where: str, seats: tuple[int, ...]) -> Iterator[Step]:
            for seat, owner in enumerate(seats):
                if where == "standing" and owner == 0:
                    yield f"takes {seat}", "seated", (*seats[:seat], me, *seats[seat + 1 :])

        return steps

    def exchanged(seats: tuple[int, ...], number: int) -> tuple[int, ...]:
        owners = {number + 1: number + 2, number + 2: number + 1}
        return tuple(owners.get(owner, owner) for owner in seats)

    processes = [Process(f"{me}", "standing", sitter(me)) for me in (1, 2)]
    told_apart = 1 + 2 * 3 + len(list(permutations(range(3), 2)))
    assert Explorer((0, 0, 0), processes).search().states == told_apart
    assert Explorer((0, 0, 0), processes, 2, exchanged).search().states == 1 + 3 + 3
