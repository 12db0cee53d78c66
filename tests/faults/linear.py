"""Could it have been so? A search for an order of what happened to one pack that explains every answer.

After Wing and Gong (1993): of the operations that nothing must come before, try each as the next one; what
was tried is remembered by the set of operations done and the state reached (Lowe 2017). An operation whose
outcome nobody learned may have taken effect at any time after its call, or never.

Two promises are told apart. *In order*: one order explains all answers, so nobody saw a change undone by
looking again. *Fresh*: one order explains all changes, and with each single look added there still is one: no
look shows less than was acknowledged before it, nor what nobody had asked for yet.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

NEVER = math.inf


class Kind(StrEnum):
    LOOK = "look"
    DISPENSE = "dispense"
    UNDO = "undo"
    DESTROY = "destroy"


# what an accepted change makes of which states
CHANGES = {
    Kind.DISPENSE: (frozenset({"active"}), "dispensed"),
    Kind.UNDO: (frozenset({"dispensed"}), "active"),
    Kind.DESTROY: (frozenset({"active", "dispensed"}), "destroyed"),
}


@dataclass(frozen=True, slots=True)
class Status:
    """A pack's state and since when; None while nobody has told. The second names the change that made it."""

    state: str
    since: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that somebody did.

    Attributes:
        called, returned: monotonic seconds; never returned means that its outcome is not known.
        accepted: of a change; None while not known.
        shown: the pack in the answer, after the operation.
    """

    kind: Kind
    called: float
    returned: float
    accepted: bool | None = None
    shown: Status | None = None

    @property
    def known(self) -> bool:
        return self.returned < NEVER


Open = tuple[Operation, ...]
"""Changes with an outcome that nobody knows, which have not taken effect so far."""
Ends = frozenset[tuple[Status, Open]]
FRESH: Ends = frozenset({(Status("active"), ())})
"""A pack that was just loaded."""


def after(status: Status, operation: Operation) -> Status | None:
    """The state after it, when it may happen in this one."""
    if operation.kind is Kind.LOOK or operation.accepted is False:
        return agreed(status, operation.shown)
    sources, target = CHANGES[operation.kind]
    if status.state not in sources:
        return None
    return agreed(Status(target), operation.shown) if operation.shown else Status(target)


def agreed(status: Status, shown: Status | None) -> Status | None:
    """The one state that both can be; None when they differ."""
    if shown is None or shown.state != status.state:
        return None
    if status.since is None or shown.since is None:
        return replace(status, since=status.since or shown.since)
    return status if status.since == shown.since else None


def ends(operations: Sequence[Operation], starts: Ends = FRESH) -> Ends:
    """Every state in which it may have ended, none when there is no order that explains the answers."""
    found: set[tuple[Status, Open]] = set()
    for status, pending in starts:
        found |= _search(status, (*pending, *sorted(operations, key=lambda one: one.called)))
    return frozenset(found)


def _search(status: Status, operations: Sequence[Operation]) -> set[tuple[Status, Open]]:
    known = sum(1 << number for number, one in enumerate(operations) if one.known)
    found, seen, todo = set(), set(), [(0, status)]
    while todo:
        done, status = node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        left = [(number, one) for number, one in enumerate(operations) if not done >> number & 1]
        if done & known == known:
            found.add((status, tuple(one for _, one in left)))
        first = min((one.returned for _, one in left), default=NEVER)
        for number, one in left:
            if one.called <= first:
                reached = after(status, one)
                if reached is not None:
                    todo.append((done | 1 << number, reached))
    return found


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong with a pack's history. Nothing is, when all of it is empty."""

    impossible: tuple[Operation, ...] = ()
    """Changes for which there is no order: accepted twice, or lost."""
    stale: tuple[Operation, ...] = ()
    """Looks that showed less than had been acknowledged, or what never was."""
    disordered: bool = False
    """Each look is right by itself, but not one after the other."""

    @property
    def wrong(self) -> bool:
        return bool(self.impossible or self.stale)


class PackHistory:
    """One pack's operations, examined piece by piece so that memory stays bounded.

    `examine` may be called whenever no operation on the pack is under way.
    """

    def __init__(self, starts: Ends = FRESH) -> None:
        self._starts = starts
        self.waiting: list[Operation] = []

    def add(self, operation: Operation) -> None:
        self.waiting.append(operation)

    def examine(self) -> Findings:
        """What is wrong with what came since the last time; of that only where it ended is kept."""
        operations, self.waiting = self.waiting, []
        changes = [one for one in operations if one.kind is not Kind.LOOK]
        reached = ends(changes, self._starts)
        if not reached:
            return Findings(impossible=tuple(changes))
        looks = [one for one in operations if one.kind is Kind.LOOK and one.known]
        in_order = ends(operations, self._starts)
        stale = () if in_order else tuple(one for one in looks if not ends([*changes, one], self._starts))
        self._starts = reached
        return Findings(stale=stale, disordered=not in_order and not stale)


def examined(operations: Iterable[Operation], starts: Ends = FRESH) -> Findings:
    """What is wrong with a whole history."""
    history = PackHistory(starts)
    for operation in operations:
        history.add(operation)
    return history.examine()
