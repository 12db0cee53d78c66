"""Breadth-first search of every interleaving of processes that share a state.

A process is a function of its own state and of the shared one; it yields the atomic steps that it may take
there. What it yields depends on nothing else, so it is asked once for each pair and the answer is kept: the
search itself handles tuples of small numbers only.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Step = tuple[str, Hashable, Any]
"""What happens, the process's state after it, the shared state after it; `BROKEN` where a promise is broken."""
Program = Callable[[Any, Any], Iterator[Step]]
State = tuple[int, ...]
"""Numbers of the shared state and of each process's."""
Moves = tuple[tuple[int, int, bool], ...]
BROKEN = object()
MOST_STATES = 20_000_000


def _as_it_is(local: Any, _: Any) -> Any:
    return local


@dataclass(frozen=True, slots=True)
class Process:
    """One process: where it begins, and its steps.

    `simpler`: another state of its own from which it can do all that it still can do here, and nothing else that
    matters. `uses`: numbers, as bits, of the parts of the shared state that it may still look at because of
    its own state.
    """

    name: str
    start: Hashable
    steps: Program
    simpler: Callable[[Any, Any], Any] = _as_it_is
    uses: Callable[[Any], int] = lambda _: 0


@dataclass(frozen=True, slots=True)
class Search:
    """What was found: a shortest way to a broken promise, if there is any. `states`: distinct ones seen."""

    states: int
    counterexample: tuple[str, ...] | None


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
    """The search. `twins`: so many processes at the end do the same; `swap(shared, i)` exchanges the i-th and
    the next one of them in the shared state. States that differ by such exchanges only are one. `forget(shared,
    bits)` drops what no process `uses` any more and none can begin to use."""

    def __init__(
        self,
        shared: Hashable,
        processes: Sequence[Process],
        twins: int = 0,
        swap: Callable[[Any, int], Any] = lambda shared, _: shared,
        forget: Callable[[Any, int], Any] = lambda shared, _: shared,
    ) -> None:
        self._processes = processes
        self._forget = forget
        self._simpler: list[dict[tuple[int, int], tuple[int, int]]] = [{} for _ in processes]
        self._forgotten: dict[tuple[int, int], int] = {}
        self._shared = Numbers()
        self._locals = Numbers()
        self._memo: list[dict[tuple[int, int], Moves | None]] = [{} for _ in processes]
        self._twins = range(len(processes) - twins, len(processes) - 1)
        self._swap = swap
        self._swapped: list[dict[int, int]] = [{} for _ in self._twins]
        self._start = (self._shared.of(shared), *(self._locals.of(process.start) for process in processes))

    def search(self) -> Search:
        """Every state that can be reached, or the first one found that breaks a promise."""
        start = self._start
        came_from: dict[State, State | None] = {start: None}
        level = [start]
        memo, twins = self._memo, bool(self._twins)
        numbered = list(enumerate(memo, start=1))
        while level:
            following: list[State] = []
            for state in level:
                shared = state[0]
                for place, known in numbered:
                    key = (state[place], shared)
                    moves = known[key] if key in known else self._ask(place - 1, key)
                    if moves is None:
                        return Search(len(came_from), self._way(came_from, state, place - 1))
                    for own, others, to_tidy in moves:
                        after = (others, *state[1:place], own, *state[place + 1 :])
                        if to_tidy:
                            after = self._normal(after)
                        if twins:
                            after = self._ordered(after)
                        if after not in came_from:
                            came_from[after] = state
                            following.append(after)
            if len(came_from) > MOST_STATES:
                raise MemoryError(f"more than {MOST_STATES} states")
            level = following
        return Search(len(came_from), None)

    def _ask(self, index: int, key: tuple[int, int]) -> Moves | None:
        """The moves of a process there; None when one of them breaks a promise."""
        own, shared = self._locals.things[key[0]], self._shared.things[key[1]]
        process = self._processes[index]
        moves: dict[tuple[int, int, bool], None] = {}
        for _, after, others in process.steps(own, shared):
            if others is BROKEN:
                self._memo[index][key] = None
                return None
            moved = self._locals.of(process.simpler(after, others)), self._shared.of(others)
            if moved != key:
                left = process.uses(own) & ~process.uses(self._locals.things[moved[0]])
                moves[(*moved, moved[1] != key[1] or left != 0)] = None
        self._memo[index][key] = tuple(moves)
        return tuple(moves)

    def _normal(self, state: State) -> State:
        """The state without what can make no difference any more."""
        shared = state[0]
        normal = [shared]
        used = 0
        for own, known, process in zip(state[1:], self._simpler, self._processes, strict=True):
            found = known.get((own, shared))
            if found is None:
                simpler = process.simpler(self._locals.things[own], self._shared.things[shared])
                found = known[own, shared] = self._locals.of(simpler), process.uses(simpler)
            normal.append(found[0])
            used |= found[1]
        kept = self._forgotten.get((shared, used))
        if kept is None:
            kept = self._shared.of(self._forget(self._shared.things[shared], used))
            self._forgotten[shared, used] = kept
        normal[0] = kept
        return tuple(normal)

    def _ordered(self, state: State) -> State:
        """The one that stands for all that differ from it by an exchange of twins."""
        changed = True
        while changed:
            changed = False
            for number, process in enumerate(self._twins):
                left, right = state[process + 1], state[process + 2]
                if left < right:
                    continue
                shared = state[0]
                swapped = self._swapped[number].get(shared)
                if swapped is None:
                    swapped = self._shared.of(self._swap(self._shared.things[shared], number))
                    self._swapped[number][shared] = swapped
                if left > right or swapped < shared:
                    state = (swapped, *state[1 : process + 1], right, left, *state[process + 3 :])
                    changed = True
        return state

    def _way(
        self, came_from: dict[State, State | None], last: State, index: int
    ) -> tuple[str, ...]:
        """The steps from the start to `last`, and the one by which the process `index` breaks a promise."""
        states = [last]
        while (before := came_from[states[-1]]) is not None:
            states.append(before)
        states.reverse()
        words = [self._step(one, other) for one, other in zip(states, states[1:], strict=False)]
        return (*words, self._breach(index, last))

    def _step(self, before: State, after: State) -> str:
        for place, process in enumerate(self._processes, start=1):
            own, shared = self._locals.things[before[place]], self._shared.things[before[0]]
            for words, next_own, next_shared in process.steps(own, shared):
                if next_shared is BROKEN:
                    continue
                reached = (self._shared.of(next_shared), *before[1:place], self._locals.of(next_own), *before[place + 1 :])
                if self._ordered(self._normal(reached)) == after:
                    return f"{process.name} {words}"
        raise AssertionError("no step leads there")

    def _breach(self, index: int, state: State) -> str:
        process = self._processes[index]
        own, shared = self._locals.things[state[index + 1]], self._shared.things[state[0]]
        return next(f"{process.name} {words}" for words, _, after in process.steps(own, shared) if after is BROKEN)
