"""Recall, hold, withdrawal: copies of products and batches in every process, each valid for one generation.

Time is as in `cache_world`: every reading of the generation since `oldest` may still be held by anybody.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from explorer import BROKEN, Explorer, Process, Search, Step

READERS = 2
"""Threads of one process. Another process shows nothing more: readers change nothing outside their own."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What is built, and by other values what is not."""

    raised: str = "with the change"  # "before it", "after it"
    waits: bool = True
    copies_of_any_generation: bool = False
    generation_of_a_copy: str = "held before the reading"  # "held after it"
    crash: bool = False
    commands: int = 2


class Shared(NamedTuple):
    """The batch's version and the generation as committed, and the process's copy: generation and version."""

    version: int
    acknowledged: int
    generation: int
    oldest: int
    copy: tuple[int, int] | None


class Commander:
    """One change of the batch, such as a recall or its end; the next one comes after its commit."""

    def __init__(self, rules: Rules, version: int) -> None:
        self._rules, self._version = rules, version

    def steps(self, local: Any, shared: Shared) -> Iterator[Step]:
        yield from getattr(self, local[0])(shared, *local[1:])
        if self._rules.crash and local[0] != "begin":
            again = "begin" if local[0] == "commit" else "learn"
            yield "dies, is asked again", (again,), shared

    def begin(self, shared: Shared) -> Iterator[Step]:
        if shared.version == self._version - 1:
            raised = self._rules.raised == "before it"
            yield "begins", ("commit",), _raised(shared) if raised else shared

    def commit(self, shared: Shared) -> Iterator[Step]:
        after = shared._replace(version=self._version)
        yield "commits", ("learn",), _raised(after) if self._rules.raised == "with the change" else after

    def learn(self, shared: Shared) -> Iterator[Step]:
        """The wait begins here: readings from before now are to end."""
        after = _raised(shared) if self._rules.raised == "after it" else shared
        yield "begins to wait", ("wait", after.generation), after

    def wait(self, shared: Shared, generation: int) -> Iterator[Step]:
        if shared.oldest >= generation or not self._rules.waits:
            told = max(self._version, shared.acknowledged)
            yield "waited, acknowledges", ("done",), shared._replace(acknowledged=told)

    def done(self, _: Shared) -> Iterator[Step]:
        return iter(())


class Reader:
    """One look-up after the other, in one thread."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def steps(self, local: Any, shared: Shared) -> Iterator[Step]:
        return getattr(self, local[0])(shared, *local[1:])

    def idle(self, shared: Shared) -> Iterator[Step]:
        for generation in range(shared.oldest, shared.generation + 1):
            yield f"begins with reading {generation}", ("look", generation, shared.acknowledged), shared

    def look(self, shared: Shared, generation: int, least: int) -> Iterator[Step]:
        copy = shared.copy
        if copy is None or not (copy[0] == generation or self._rules.copies_of_any_generation):
            yield "has no copy", ("learn", generation), shared
            return
        words = f"answers version {copy[1]}, where {least} was acknowledged"
        yield words, ("idle",), BROKEN if copy[1] < least else shared

    def learn(self, shared: Shared, generation: int) -> Iterator[Step]:
        """The answer is given here; the copy is kept later."""
        yield f"reads the database: version {shared.version}", ("keep", generation, shared.version), shared

    def keep(self, shared: Shared, held: int, version: int) -> Iterator[Step]:
        later = range(shared.oldest, shared.generation + 1)
        for generation in later if self._rules.generation_of_a_copy == "held after it" else (held,):
            kept = shared._replace(copy=(generation, version))
            yield f"keeps version {version} for generation {generation}", ("idle",), kept
        yield "keeps nothing", ("idle",), shared


def _time(_: object, shared: Shared) -> Iterator[Step]:
    if shared.oldest < shared.generation:
        words = f"permissions of generation {shared.oldest} end"
        yield words, (), shared._replace(oldest=shared.oldest + 1)
    if shared.copy is not None:
        yield "all copies are forgotten", (), shared._replace(copy=None)


def _raised(shared: Shared) -> Shared:
    return shared._replace(generation=shared.generation + 1)


def search(rules: Rules) -> Search:
    """Every interleaving of the commands and the readers."""
    start = Shared(0, 0, 0, 0, None)
    commanders = [Commander(rules, number + 1) for number in range(rules.commands)]
    readers = [Reader(rules) for _ in range(READERS)]
    processes = [
        Process("then", (), _time),
        *(Process(f"command {n}", ("begin",), c.steps) for n, c in enumerate(commanders, start=1)),
        *(Process(f"reader {n}", ("idle",), reader.steps) for n, reader in enumerate(readers, start=1)),
    ]
    return Explorer(start, processes).search()
