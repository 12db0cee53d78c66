"""A search of the cache protocol in one world, and the sizes in which it is run."""

import os
from collections.abc import Iterator

from cache_faults import around
from cache_steps import Reader, Upkeep, Writer
from cache_world import Shared, World, swap, uses
from explorer import Explorer, Process, Search, Step

CHANGES = tuple((0, version + 1) for version in range(int(os.environ.get("MODEL_CHANGES", "2"))))
"""Dispense, undo; by hand also dispense again."""
READERS = int(os.environ.get("MODEL_READERS", "2"))

FAULTS = (
    "eviction",
    "restart",
    "failover",
    "two masters",
    "demotion",
    "writer cut off before",
    "writer cut off after",
    "readers cut off",
    "crash",
    "switch",
    "late",
)


def search(world: World, *, alike: bool = True) -> Search:
    """Every interleaving.

    `alike`: readers are interchangeable, which is faster; the words of a counterexample then mix them up.
    """
    events = around(world)

    def surroundings(_: object, shared: Shared) -> Iterator[Step]:
        for event in events:
            for words, after in event(world, shared):
                yield words, (), after

    upkeep = Upkeep(world)
    writers = [Writer(world, number) for number in range(len(world.changes))]
    readers = [Reader(world, token + 1) for token in range(world.readers)]
    processes = [
        Process("then", (), surroundings),
        *(Process("upkeep", ("probe",), upkeep.steps, upkeep.simpler) for _ in range(world.upkeepers)),
        *(
            Process(f"writer {n}", ("begin",), w.steps, w.simpler, uses)
            for n, w in enumerate(writers, start=1)
        ),
        *(
            Process(f"reader {n}", ("idle",), r.steps, r.simpler, uses)
            for n, r in enumerate(readers, start=1)
        ),
    ]
    if not world.reduced:
        processes = [Process(process.name, process.start, process.steps) for process in processes]
        return Explorer(world.start(), processes).search()
    return Explorer(world.start(), processes, world.readers if alike else 0, swap, world.forget).search()
