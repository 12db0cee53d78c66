"""Breadth-first search of every interleaving of processes that share a state.

A process is a function of its own state and of the shared one; it yields the atomic steps that it may take
there. What it yields depends on nothing else, so it is asked once for each pair and the answer is kept: the
search itself handles tuples of small numbers only.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

BROKEN = object()
"""Stands for the shared state after a step that breaks a promise."""
Step = tuple[str, Any, Any]
"""What happens, the process's own state after it, the shared state after it."""
State = tuple[int, ...]
"""The numbers of the shared state and of each process's own."""
Moves = tuple[tuple[int, int, bool], ...]
"""Own and shared state after a step, and whether something may be left out of the whole then."""
MOST_STATES = 30_000_000
MOST = 1 << 16  # states of single processes; values of the bits that they use


def _as_it_is(local: Any, _: Any) -> Any:
    return local


@dataclass(frozen=True, slots=True)
class Process:
    """One process: where it begins, and its steps.

    `simpler`: another state of its own from which it can do all that it still can do here, and nothing that
    could not happen otherwise. `uses`: as bits, the parts of the shared state that it may look at because
    of its own state.
    """

    name: str
    start: Hashable
    steps: Callable[[Any, Any], Iterator[Step]]
    simpler: Callable[[Any, Any], Any] = _as_it_is
    uses: Callable[[Any], int] = lambda _: 0


@dataclass(frozen=True, slots=True)
class Search:
    """What was found: a shortest way to a broken promise, if there is any.

    `states`: distinct ones seen. `happened`: what any process could do in any of them.
    """

    states: int
    counterexample: tuple[str, ...] | None
    happened: frozenset[str] = field(repr=False)


class Numbers:
    """Numbers for things, in the order in which they are met."""

    def __init__(self) -> None:
        self.things: list[Any] = []
        self._known: dict[Any, int] = {}

    def of(self, thing: Any) -> int:
        number = self._known.setdefault(thing, len(self.things))
        if number == len(self.things):
            self.things.append(thing)
        return number


class Explorer:
    """The search.

    `twins`: so many processes at the end do the same; `swap(shared, i)` exchanges the i-th and the next one
    of them in the shared state. States that differ by such exchanges only are one. `forget(shared, bits)`
    leaves out what makes no difference any more when processes use these parts.
    """

    def __init__(
        self,
        shared: Hashable,
        processes: Sequence[Process],
        twins: int = 0,
        swap: Callable[[Any, int], Any] = _as_it_is,
        forget: Callable[[Any, int], Any] = _as_it_is,
    ) -> None:
        self._processes = processes
        self._swap, self._forget = swap, forget
        self._shared, self._locals = Numbers(), Numbers()
        self._happened: set[str] = set()
        self._moves: list[dict[int, Moves | None]] = [{} for _ in processes]
        places = range(1, len(processes) + 1)
        self._simpler: list[tuple[int, dict[int, tuple[int, int]]]] = [(place, {}) for place in places]
        self._forgotten: dict[int, int] = {}
        self._twins = places[len(processes) - twins : -1] if twins else places[:0]
        self._swapped: list[dict[int, int]] = [{} for _ in self._twins]
        self._start: State = (
            self._shared.of(shared),
            *(self._locals.of(process.start) for process in processes),
        )

    def search(self) -> Search:
        """Every state that can be reached, or the first one found that breaks a promise."""
        came_from: dict[State, State | None] = {self._start: None}
        level = [self._start]
        asked = list(enumerate(self._moves, start=1))
        normal, ordered, twins = self._normal, self._ordered, bool(self._twins)
        while level:
            following: list[State] = []
            for state in level:
                shared = state[0] * MOST
                for place, known in asked:
                    key = shared + state[place]
                    moves = known[key] if key in known else self._ask(place, state)
                    if moves is None:
                        return self._found(came_from, self._way(came_from, state, place))
                    for own, others, changed in moves:
                        moved = list(state)
                        moved[0], moved[place] = others, own
                        if changed:
                            normal(moved)
                        if twins:
                            ordered(moved)
                        after = tuple(moved)
                        if after not in came_from:
                            came_from[after] = state
                            following.append(after)
            if len(came_from) > MOST_STATES or len(self._locals.things) > MOST:
                raise MemoryError(f"{len(came_from)} states, and no end")
            level = following
        return self._found(came_from, None)

    def _found(self, came_from: dict[State, State | None], way: tuple[str, ...] | None) -> Search:
        return Search(len(came_from), way, frozenset(self._happened))

    def _steps(self, place: int, state: State) -> Iterator[Step]:
        own, shared = self._locals.things[state[place]], self._shared.things[state[0]]
        return self._processes[place - 1].steps(own, shared)

    def _ask(self, place: int, state: State) -> Moves | None:
        """The moves of a process there; None when one of them breaks a promise."""
        process = self._processes[place - 1]
        used = process.uses(self._locals.things[state[place]])
        moves: dict[tuple[int, int, bool], None] | None = {}
        for words, after, others in self._steps(place, state):
            self._happened.add(words)
            if others is BROKEN:
                moves = None
                break
            simpler = process.simpler(after, others)
            own, shared = self._locals.of(simpler), self._shared.of(others)
            if (own, shared) != (state[place], state[0]):
                moves[own, shared, shared != state[0] or bool(used & ~process.uses(simpler))] = None
        result = None if moves is None else tuple(moves)
        self._moves[place - 1][state[0] * MOST + state[place]] = result
        return result

    def _normal(self, state: list[int]) -> None:
        """Leave out what makes no difference any more."""
        number = state[0] * MOST
        used = 0
        for place, known in self._simpler:
            key = number + state[place]
            if key not in known:
                process = self._processes[place - 1]
                own = process.simpler(self._locals.things[state[place]], self._shared.things[state[0]])
                known[key] = self._locals.of(own), process.uses(own)
            state[place], uses = known[key]
            used |= uses
        key = number + used
        if key not in self._forgotten:
            kept = self._forget(self._shared.things[state[0]], used)
            self._forgotten[key] = self._shared.of(kept)
        state[0] = self._forgotten[key]

    def _ordered(self, state: list[int]) -> None:
        """Make it the one that stands for all that differ from it by an exchange of twins."""
        changed = True
        while changed:
            changed = False
            for number, place in enumerate(self._twins):
                left, right = state[place], state[place + 1]
                if left < right:
                    continue
                shared, known = state[0], self._swapped[number]
                if shared not in known:
                    known[shared] = self._shared.of(self._swap(self._shared.things[shared], number))
                if left > right or known[shared] < shared:
                    state[place], state[place + 1], state[0] = right, left, known[shared]
                    changed = True

    def _way(self, came_from: dict[State, State | None], last: State, place: int) -> tuple[str, ...]:
        """The steps from the start to `last`, and the one by which a process breaks a promise there."""
        states = [last]
        while (before := came_from[states[-1]]) is not None:
            states.append(before)
        states.reverse()
        words = [self._between(before, after) for before, after in pairwise(states)]
        breach = next(words for words, _, after in self._steps(place, last) if after is BROKEN)
        return (*words, f"{self._processes[place - 1].name} {breach}")

    def _between(self, before: State, after: State) -> str:
        for place, process in enumerate(self._processes, start=1):
            for words, own, others in self._steps(place, before):
                if others is BROKEN:
                    continue
                reached = list(before)
                reached[0], reached[place] = self._shared.of(others), self._locals.of(own)
                self._normal(reached)
                self._ordered(reached)
                if tuple(reached) == after:
                    return f"{process.name} {words}"
        raise AssertionError("no step leads there")
