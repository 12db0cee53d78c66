"""The checker of histories: right ones pass, wrong ones do not, and a plain search agrees with it."""

from dataclasses import replace
from itertools import combinations, permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from linear import CHANGES, FRESH, NEVER, Kind, Operation, PackHistory, Status, after, ends, examined

LOOK, DISPENSE, UNDO, DESTROY = Kind.LOOK, Kind.DISPENSE, Kind.UNDO, Kind.DESTROY
ACTIVE, DISPENSED = Status("active", "t0"), Status("dispensed", "t1")
AGAIN = Status("active", "t2")
LOADED = frozenset({(ACTIVE, ())})


def look(called: float, returned: float, shown: Status) -> Operation:
    return Operation(LOOK, called, returned, None, shown)


def change(kind: Kind, called: float, returned: float, shown: Status, *, accepted: bool = True) -> Operation:
    return Operation(kind, called, returned, accepted, shown)


def lost(kind: Kind, called: float) -> Operation:
    return Operation(kind, called, NEVER)


dispensed = change(DISPENSE, 1, 2, DISPENSED)
undone = change(UNDO, 3, 4, AGAIN)

RIGHT = {
    "nothing": [],
    "a look before and one after": [look(0, 1, ACTIVE), dispensed, look(3, 4, DISPENSED)],
    "a look beside it shows the one": [dispensed, look(1, 3, ACTIVE)],
    "a look beside it shows the other": [dispensed, look(0, 3, DISPENSED)],
    "a refusal after it": [dispensed, change(DISPENSE, 3, 4, DISPENSED, accepted=False)],
    "two at once, one refused": [dispensed, change(DISPENSE, 1, 2, DISPENSED, accepted=False)],
    "undone": [dispensed, undone, look(5, 6, AGAIN)],
    "done again after it was undone": [dispensed, undone, change(DISPENSE, 5, 6, Status("dispensed", "t3"))],
    "unknown, and it was": [lost(DISPENSE, 1), look(5, 6, DISPENSED)],
    "unknown, and it was late": [lost(DISPENSE, 1), look(5, 6, ACTIVE), look(7, 8, DISPENSED)],
    "unknown, and it never was": [lost(DISPENSE, 1), look(5, 6, ACTIVE)],
    "unknown twice, once each": [
        lost(DISPENSE, 1),
        undone,
        lost(DISPENSE, 1),
        look(5, 6, Status("dispensed", "t4")),
    ],
}
WRONG = {
    "a stale green": ([dispensed, look(3, 4, ACTIVE)], "stale"),
    "a state from before an undo": ([dispensed, undone, look(5, 6, DISPENSED)], "stale"),
    "the same state, but of an older change": ([dispensed, undone, look(5, 6, ACTIVE)], "stale"),
    "a state that nobody has made": ([look(0, 0.5, DISPENSED), dispensed], "stale"),
    "a state of another instant": ([dispensed, look(3, 4, Status("dispensed", "t9"))], "stale"),
    "accepted twice": ([dispensed, change(DISPENSE, 1, 3, Status("dispensed", "t3"))], "impossible"),
    "accepted twice, one after the other": ([dispensed, change(DISPENSE, 3, 4, DISPENSED)], "impossible"),
    "a lost change": ([dispensed, change(DESTROY, 3, 4, ACTIVE, accepted=False)], "impossible"),
    "an undo of nothing": ([undone], "impossible"),
    "refused for a state that it never had": (
        [change(DISPENSE, 1, 2, Status("destroyed", "t1"), accepted=False)],
        "impossible",
    ),
    "unknown twice, but seen undone": (
        [lost(DISPENSE, 1), look(2, 3, DISPENSED), look(4, 5, ACTIVE)],
        "disordered",
    ),
    "seen, then not seen": (
        [change(DISPENSE, 1, 9, DISPENSED), look(2, 3, DISPENSED), look(4, 5, ACTIVE)],
        "disordered",
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_history_passes(name: str):
    found = examined(RIGHT[name], LOADED)
    assert not found.wrong
    assert not found.disordered


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_history_does_not(name: str):
    history, kind = WRONG[name]
    found = examined(history, LOADED)
    told = {"stale": bool(found.stale), "impossible": bool(found.impossible), "disordered": found.disordered}
    assert [name for name, is_so in told.items() if is_so] == [kind]


@st.composite
def atomic_histories(draw: st.DrawFn, losing: float = 0.15) -> list[Operation]:
    """What an honest service may answer: each operation at one instant between its call and its return."""
    random = Random(draw(st.integers(0, 2**32)))  # noqa: S311
    status, made = ACTIVE, []
    for number in range(draw(st.integers(1, 12))):
        kind = random.choice(list(Kind))
        called, returned = number - random.uniform(0, 2.5), number + random.uniform(0, 2.5)
        accepted = None
        if kind is not LOOK:
            sources, target = CHANGES[kind]
            accepted = status.state in sources
            status = Status(target, f"c{number}") if accepted else status
        if random.random() < losing and kind is not LOOK:
            made.append(lost(kind, called))
        else:
            made.append(Operation(kind, called, returned, accepted, status))
    return made


@given(atomic_histories())
def test_what_an_honest_service_answers_passes(history: list[Operation]):
    found = examined(history, LOADED)
    assert not found.wrong
    assert not found.disordered


@given(atomic_histories(losing=0), st.data())
def test_a_look_that_shows_what_was_overcome_is_found(history: list[Operation], data: st.DataObject):
    changes = [one for one in history if one.accepted]
    overcome = [one.shown for one in changes if any(later.called > one.returned for later in changes)]
    if changes:
        shown = data.draw(st.sampled_from([ACTIVE, *overcome]))
        end = max(one.returned for one in history) + 1
        assert examined([*history, look(end, end + 1, shown)], LOADED).stale


@given(atomic_histories(losing=0))
def test_an_acceptance_told_twice_is_found(history: list[Operation]):
    changes = [one for one in history if one.accepted]
    end = max(one.returned for one in history) + 1
    if not any(one.kind is UNDO for one in changes):
        for one in changes:
            assert examined([*history, replace(one, called=end, returned=end + 1)], LOADED).impossible


@given(atomic_histories(losing=0))
def test_a_change_that_is_seen_but_nobody_made_is_found(history: list[Operation]):
    for one in history:
        others = [other for other in history if other is not one]
        if one.accepted and any(other.shown == one.shown for other in others):
            assert examined(others, LOADED).wrong


@given(atomic_histories(losing=0))
def test_a_lost_change_is_found(history: list[Operation]):
    """Whatever came of it, the pack is again as it was when it was loaded."""
    if any(one.accepted for one in history):
        end = max(one.returned for one in history) + 1
        refused = change(UNDO, end, end + 1, ACTIVE, accepted=False)
        assert examined([*history, refused], LOADED).impossible


def by_trying_all(history: list[Operation]) -> bool:
    """Is there any order at all? Slowly."""
    certain = [one for one in history if one.known]
    unsure = [one for one in history if not one.known]
    for count in range(len(unsure) + 1):
        for some in combinations(unsure, count):
            for order in permutations([*certain, *some]):
                if explains(order):
                    return True
    return False


def explains(order: tuple[Operation, ...]) -> bool:
    status = ACTIVE
    for number, one in enumerate(order):
        if any(later.returned < one.called for later in order[number + 1 :]):
            return False
        reached = after(status, one)
        if reached is None:
            return False
        status = reached
    return True


@st.composite
def any_histories(draw: st.DrawFn) -> list[Operation]:
    """Small ones, mostly wrong."""
    times = st.integers(0, 8)
    made = []
    for _ in range(draw(st.integers(1, 5))):
        kind, called, lasting = draw(st.sampled_from(Kind)), draw(times), draw(times)
        shown = Status(
            draw(st.sampled_from(["active", "dispensed", "destroyed"])),
            draw(st.sampled_from(["t0", "t1", None])),
        )
        accepted = None if kind is LOOK else draw(st.booleans())
        known = kind is LOOK or draw(st.booleans())
        made.append(
            Operation(kind, called, called + lasting, accepted, shown) if known else lost(kind, called)
        )
    return made


@given(any_histories())
def test_a_plain_search_through_all_orders_agrees(history: list[Operation]):
    assert bool(ends(history, LOADED)) == by_trying_all(history)


@given(atomic_histories(), st.integers(1, 11))
def test_piece_by_piece_it_finds_the_same(history: list[Operation], where: int):
    """Cut where nothing that returns is under way."""
    cut = history[:where], history[where:]
    if not all(cut) or max((o.returned for o in cut[0] if o.known), default=0) >= min(
        o.called for o in cut[1]
    ):
        return
    pieces = PackHistory(LOADED)
    for part in cut:
        for one in part:
            pieces.add(one)
        assert not pieces.examine().wrong
    last = max((one.returned for one in history if one.known), default=0) + 1
    pieces.add(look(last, last + 1, Status("active", "never")))
    assert pieces.examine().stale


def test_a_change_whose_outcome_nobody_knows_may_still_come_in_a_later_piece():
    pieces = PackHistory(FRESH)
    pieces.add(lost(DISPENSE, 1))
    pieces.add(look(2, 3, ACTIVE))
    assert not pieces.examine().wrong
    pieces.add(look(4, 5, DISPENSED))
    pieces.add(change(UNDO, 5, 6, AGAIN))
    assert not pieces.examine().wrong
    pieces.add(look(6, 7, DISPENSED))
    assert pieces.examine().stale
