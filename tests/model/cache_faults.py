"""What happens around the processes of `cache_model`: time, ends of keys, and every fault. A fault may come any
number of times, within the bound on names of servers; some are in the steps of the processes themselves.
"""

from collections.abc import Callable, Iterator

from cache_model import FREE, Shared, World
from explorer import Step
from redis_model import Held, Server, run, up, with_server

LAST_NAME = 3
Event = tuple[str, Shared]


class Surroundings:
    """Steps that no process takes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._events = [time_passes, key_ends, *(EVENTS[fault] for fault in EVENTS if fault in world.faults)]
        if REPLICATED & world.faults:
            self._events.append(replicate)

    def steps(self, _: object, shared: Shared) -> Iterator[Step]:
        for event in self._events:
            for words, after in event(self._world, shared):
                yield words, (), self._world.tidy(after)


def time_passes(_: World, shared: Shared) -> Iterator[Event]:
    if shared.oldest < shared.turn:
        yield f"permissions of turn {shared.oldest} end", shared._replace(oldest=shared.oldest + 1)


def key_ends(_: World, shared: Shared) -> Iterator[Event]:
    """A lease or a value at any time, a fence when the transaction that it was put for is over."""
    places = len(shared.servers[0].keys) // len(shared.version)

    def over(place: int, held: Held) -> bool:
        pack = place // places
        in_use = held[0] == "fence" and shared.locked[pack] != FREE and held[1] > shared.version[pack]
        return not in_use

    yield from _vanishing(shared, over, "runs out")


def eviction(_: World, shared: Shared) -> Iterator[Event]:
    """Anything at any time; so does a fence that ends too early."""
    yield from _vanishing(shared, lambda *_: True, "is evicted")


def _vanishing(shared: Shared, may: Callable[[int, Held], bool], how: str) -> Iterator[Event]:
    for number, server in up(shared.servers):
        for place, held in enumerate(server.keys):
            if held is not None and may(place, held):
                keys = (*server.keys[:place], None, *server.keys[place + 1 :])
                servers = with_server(shared.servers, number, server._replace(keys=keys))
                yield f"{held} {how}", shared._replace(servers=servers)


def restart(_: World, shared: Shared) -> Iterator[Event]:
    for number, server in up(shared.servers):
        for name in _new_name(shared):
            again = Server(name, name, True, (None,) * len(server.keys))
            yield f"server {server.name} restarts as {name}", _with(shared, {number: again})


def failover(_: World, shared: Shared) -> Iterator[Event]:
    """The master dies; what its replica has got of it comes instead."""
    for name in _promotion(shared):
        dead = Server(0, 0, False, (None,) * len(shared.servers[0].keys))
        promoted = Server(name, name, True, shared.servers[1].keys)
        yield f"server {name} comes instead of {shared.servers[0].name}", _with(shared, {0: dead, 1: promoted})


def two_masters(_: World, shared: Shared) -> Iterator[Event]:
    """The replica is promoted, and its master does not know."""
    for name in _promotion(shared):
        promoted = Server(name, name, True, shared.servers[1].keys)
        yield f"server {name} comes beside {shared.servers[0].name}", _with(shared, {1: promoted})


def demotion(_: World, shared: Shared) -> Iterator[Event]:
    """The replica is promoted, and its master becomes its replica, and gets all from it, without closing a
    connection."""
    for name in _promotion(shared):
        keys = shared.servers[1].keys
        old = Server(name, shared.servers[0].known, False, keys)
        words = f"server {name} comes instead of {shared.servers[0].name}, which becomes its replica"
        yield words, _with(shared, {0: old, 1: Server(name, name, True, keys)})


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
    """A command on its way arrives, or never does. Its sender gave it up, or had its answer the first time."""
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
# In the steps of the processes themselves.
WITHIN = ("writer cut off before", "writer cut off after", "readers cut off", "crash")
