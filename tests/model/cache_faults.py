"""What happens around the processes of `cache_steps`: time, ends of keys, and every fault.

A fault may come any number of times, within the bound on names of servers.
"""

from collections.abc import Callable, Iterator

from cache_world import FREE, Shared, World, is_over
from redis_model import Server, emptied, new_master, replica, run, up

LAST_NAME = 3
Event = tuple[str, Shared]


def time_passes(_: World, shared: Shared) -> Iterator[Event]:
    if shared.oldest < shared.turn:
        yield f"permissions of turn {shared.oldest} end", shared._replace(oldest=shared.oldest + 1)


def ends(_: World, shared: Shared) -> Iterator[Event]:
    """An ordinary end: of values and leases at any time, of a fence when its transaction is over."""
    turns = len(shared.servers[0].keys) // len(shared.version)

    def may(place: int, held: tuple[str, int]) -> bool:
        return held[0] != "fence" or is_over(shared, place // turns, held[1])

    yield from _vanishing(shared, may, "runs out")


def eviction(_: World, shared: Shared) -> Iterator[Event]:
    """Of anything at any time. A fence that ends too early is the same."""
    yield from _vanishing(shared, lambda *_: True, "is evicted")


def _vanishing(shared: Shared, may: Callable[[int, tuple[str, int]], bool], how: str) -> Iterator[Event]:
    for number, server in up(shared.servers):
        for place, held in enumerate(server.keys):
            if held is not None and may(place, held):
                keys = (*server.keys[:place], None, *server.keys[place + 1 :])
                yield f"{held[0]} {held[1]} {how}", _with(shared, {number: server._replace(keys=keys)})


def restart(_: World, shared: Shared) -> Iterator[Event]:
    for number, server in up(shared.servers):
        for name in _new_name(shared):
            again = new_master(name, (None,) * len(server.keys))
            yield f"server {server.name} restarts as {name}", _with(shared, {number: again})


def failover(_: World, shared: Shared) -> Iterator[Event]:
    """The master dies; what its replica has got of it comes instead."""
    for name in _promotion(shared):
        dead = replica((None,) * len(shared.servers[0].keys))
        promoted = new_master(name, shared.servers[1].keys)
        yield (
            f"server {name} comes instead of {shared.servers[0].name}",
            _with(shared, {0: dead, 1: promoted}),
        )


def two_masters(_: World, shared: Shared) -> Iterator[Event]:
    """The replica is promoted, and its master does not know."""
    for name in _promotion(shared):
        promoted = new_master(name, shared.servers[1].keys)
        yield f"server {name} comes beside {shared.servers[0].name}", _with(shared, {1: promoted})


def demotion(_: World, shared: Shared) -> Iterator[Event]:
    """The replica is promoted, and its master becomes its replica, and gets all from it, without closing a
    connection."""
    for name in _promotion(shared):
        keys = shared.servers[1].keys
        old = shared.servers[0]._replace(name=name, master=False, keys=keys)
        words = f"server {name} comes instead of {shared.servers[0].name}, which becomes its replica"
        yield words, _with(shared, {0: old, 1: new_master(name, keys)})


def replicate(_: World, shared: Shared) -> Iterator[Event]:
    """At some time: until the next time the replica lags."""
    master, replica = shared.servers
    if master.master and not replica.known:
        yield "the replica catches up", _with(shared, {1: replica._replace(keys=master.keys)})


def switch(_: World, shared: Shared) -> Iterator[Event]:
    """Off for reasons of somebody else: a change of another pack, an operator."""
    if shared.turn % 2 == 0 and shared.turning == FREE:
        yield "somebody turns off", shared._replace(turn=shared.turn + 1)


def arrival(world: World, shared: Shared) -> Iterator[Event]:
    """A command on its way arrives, or never does. Its sender gave it up, or had its answer the first time.

    An emptying by an upkeep that gave up, or stood still, may come at any time after the switch has been off.
    """
    if shared.turn:
        for number, server in up(shared.servers):
            yield f"server {server.name} is emptied late", _with(shared, {number: emptied(server)})
    for command in shared.late:
        gone = shared._replace(late=())
        yield f"{command.word} is lost", gone
        for number, server in world.reached(shared, command.admission):
            if server.master:
                words = f"{command.word} {command.version} under {command.admission} arrives late"
                yield words, _with(gone, {number: run(server, command)})


def _new_name(shared: Shared) -> range:
    """The next one, if there is any left."""
    name = max(*shared.admitted, *(server.name for server in shared.servers)) + 1
    return range(name, min(name, LAST_NAME) + 1)


def _promotion(shared: Shared) -> range:
    master, replica = shared.servers
    return _new_name(shared) if master.master and not replica.known else range(0)


def _with(shared: Shared, servers: dict[int, Server]) -> Shared:
    return shared._replace(servers=tuple(servers.get(n, server) for n, server in enumerate(shared.servers)))


EVENTS: dict[str, Callable[[World, Shared], Iterator[Event]]] = {
    "eviction": eviction,
    "restart": restart,
    "failover": failover,
    "two masters": two_masters,
    "demotion": demotion,
    "switch": switch,
    "late": arrival,
    "repeated": arrival,
}
REPLICATED = frozenset({"failover", "two masters", "demotion"})
WITHIN = ("writer cut off before", "writer cut off after", "readers cut off", "crash")
"""Faults in the steps of the processes themselves: `World.sent` and `Writer`."""


def around(world: World) -> list[Callable[[World, Shared], Iterator[Event]]]:
    """All that may happen around the processes of this world."""
    events = [time_passes, ends, *(event for fault, event in EVENTS.items() if fault in world.faults)]
    return [*events, replicate] if REPLICATED & world.faults else events
