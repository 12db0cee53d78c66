"""The protocol of the status cache as the atomic steps of its processes.

The first word of a process's own state names the method that yields its next steps. `cache_faults` adds what
may happen around them.
"""

from collections.abc import Iterator
from typing import Any

from cache_world import FREE, Shared, World, leave
from explorer import BROKEN, Step
from redis_model import Command, emptied, up, with_server


class Writer:
    """One change of one pack, decided by the database: fence, commit, settle, acknowledge."""

    def __init__(self, world: World, number: int) -> None:
        self._world, self._protocol, self._number = world, world.protocol, number
        self._pack, self._version = world.changes[number]

    def steps(self, local: Any, shared: Shared) -> Iterator[Step]:
        yield from getattr(self, local[0])(shared, *local[1:])
        if "crash" in self._world.faults:
            yield from self._die(local[0], shared)

    def _die(self, where: str, shared: Shared) -> Iterator[Step]:
        """And the client asks again with the same key: anew, or a replay when the change was committed."""
        if where in ("fence", "turn_off_within", "commit"):
            turning = FREE if shared.turning == self._number else shared.turning
            rolled_back = self._unlocked(shared)._replace(turning=turning)
            yield "dies before its commit, is asked again", ("begin",), rolled_back
        elif where != "begin":
            yield "dies after its commit, is asked again", ("learn",), shared

    def begin(self, shared: Shared) -> Iterator[Step]:
        """The compare-and-set takes the row's lock; then the permission for the fence."""
        if not self._may_begin(shared):
            return
        if self._protocol.decide == "compare-and-set":
            shared = shared._replace(locked=_set(shared.locked, self._pack, self._number))
        if not self._protocol.before:
            yield "decides", ("commit",), shared
            return
        for turn in self._world.permissions(shared):
            after = ("commit",) if turn % 2 else ("fence", turn)
            yield f"decides with reading {turn}", after, shared

    def _may_begin(self, shared: Shared) -> bool:
        if self._protocol.decide == "ask the cache":
            place = self._world.place(self._pack, 0)
            if shared.servers[0].keys[place] == ("value", self._version - 1):
                return True
        return shared.version[self._pack] == self._version - 1 and shared.locked[self._pack] == FREE

    def fence(self, shared: Shared, turn: int) -> Iterator[Step]:
        command = self._command(turn, self._protocol.before)
        words = f"{command.word} {self._version} under {turn}"
        for confirmed, after in self._world.sent(shared, command, "writer cut off before"):
            if confirmed or not self._protocol.switch:
                yield words, ("commit",), after
            else:
                yield f"{words}, not confirmed", ("turn_off_within",), after

    def turn_off_within(self, shared: Shared) -> Iterator[Step]:
        if shared.turning == FREE:
            turning = FREE if shared.turn % 2 else self._number
            yield "sees to it that its commit turns off", ("commit",), shared._replace(turning=turning)

    def commit(self, shared: Shared) -> Iterator[Step]:
        if shared.version[self._pack] >= self._version:
            yield "commits a second time", (), BROKEN
        if shared.turning == self._number:
            shared = shared._replace(turn=shared.turn + 1, turning=FREE)
        shared = self._unlocked(shared)._replace(version=_set(shared.version, self._pack, self._version))
        at_once = self._protocol.acknowledge == "at once"
        yield "commits", ("learn",), self._acknowledged(shared) if at_once else shared

    def learn(self, shared: Shared) -> Iterator[Step]:
        """After the commit: a permission to the cache that is still held, or the row as it is now."""
        for turn in self._world.permissions(shared):
            if turn % 2 == 0:
                yield f"learns with reading {turn}", ("settle", turn), shared
        if shared.turn % 2:
            yield f"sees it off at {shared.turn}", ("wait", shared.turn), shared

    def settle(self, shared: Shared, turn: int) -> Iterator[Step]:
        if not self._protocol.after or self._protocol.acknowledge == "fenced":
            yield "acknowledges", ("done",), self._acknowledged(shared)
            return
        command = self._command(turn, self._protocol.after)
        words = f"{command.word} {self._version} under {turn}"
        for confirmed, after in self._world.sent(shared, command, "writer cut off after"):
            if confirmed or not self._protocol.switch:
                yield f"{words}, acknowledges", ("done",), self._acknowledged(after)
            else:
                yield f"{words}, not confirmed", ("turn_off", turn), after

    def turn_off(self, shared: Shared, turn: int) -> Iterator[Step]:
        if self._protocol.acknowledge == "anyway":
            yield "acknowledges", ("done",), self._acknowledged(shared)
        elif shared.turning == FREE:
            off = shared._replace(turn=turn + 1) if shared.turn == turn else shared
            yield f"turns off {turn}", ("learn",), off

    def wait(self, shared: Shared, turn: int) -> Iterator[Step]:
        if shared.oldest >= turn or not self._protocol.off_waits:
            yield f"waited since {turn}, acknowledges", ("done",), self._acknowledged(shared)

    def done(self, _: Shared) -> Iterator[Step]:
        return iter(())

    def simpler(self, local: Any, shared: Shared) -> Any:
        """Past a command for a server that is gone, and past a compare-and-set that would fail."""
        if not self._protocol.switch or not self._protocol.numbered_keys:
            return local
        if local[0] in ("fence", "settle") and not any(self._world.reached(shared, local[1])):
            local = ("turn_off_within",) if local[0] == "fence" else ("turn_off", local[1])
        if local[0] == "turn_off" and local[1] != shared.turn and self._protocol.acknowledge == "confirmed":
            return ("learn",)
        return local

    def _command(self, turn: int, word: str) -> Command:
        return Command(turn, self._world.place(self._pack, turn), word, self._version)

    def _unlocked(self, shared: Shared) -> Shared:
        if shared.locked[self._pack] != self._number:
            return shared
        return shared._replace(locked=_set(shared.locked, self._pack, FREE))

    def _acknowledged(self, shared: Shared) -> Shared:
        told = max(self._version, shared.acknowledged[self._pack])
        return shared._replace(acknowledged=_set(shared.acknowledged, self._pack, told))


class Reader:
    """One look-up after the other. `token`: of its leases; a lease that it has left is nobody's."""

    def __init__(self, world: World, token: int) -> None:
        self._world, self._protocol, self._token = world, world.protocol, token

    def steps(self, local: Any, shared: Shared) -> Iterator[Step]:
        return getattr(self, local[0])(shared, *local[1:])

    def idle(self, shared: Shared) -> Iterator[Step]:
        """The permission, and what the answer must show at least."""
        early = self._protocol.permission == "before the look-up"
        seen = shared.acknowledged if self._world.promise == "S" else shared.version
        for turn in self._world.permissions(shared) if early else range(shared.turn + 1):
            for pack in range(self._world.packs):
                if turn % 2 == 0:
                    yield f"begins with reading {turn}", ("look", pack, turn, seen[pack]), shared

    def look(
        self, shared: Shared, pack: int, turn: int, least: int, told: int | None = None
    ) -> Iterator[Step]:
        """GET. The LEASE of the same round trip comes whatever GET said.

        Got after a fence or a lease it leads to a fill like any other; after a value to nothing, like one
        whose owner dies.
        """
        yield "reads the database", ("idle",), shared
        if self._protocol.identity == "before every command" and told is None:
            for number, server in self._world.reached(shared, turn):
                if server.name == shared.admitted[turn // 2] and server.master:
                    yield f"asks server {server.name} who it is", ("look", pack, turn, least, number), shared
            return
        for _, server in self._world.reached(shared, turn):
            held = server.keys[self._world.place(pack, turn)]
            if held is None or held[0] != "value":
                yield f"GET under {turn}: no value", ("missed", pack, turn), shared
            elif self._protocol.permission == "at the answer":
                yield f"GET under {turn}: version {held[1]}", ("found", held[1], least), shared
            else:
                yield self._answer(shared, held[1], least)

    def found(self, shared: Shared, version: int, least: int) -> Iterator[Step]:
        """A permission that is looked for when the answer is there."""
        if any(turn % 2 == 0 for turn in self._world.permissions(shared)):
            yield self._answer(shared, version, least)
        yield "reads the database", ("idle",), shared

    def _answer(self, shared: Shared, version: int, least: int) -> Step:
        seen = "acknowledged" if self._world.promise == "S" else "committed"
        words = f"answers version {version}, where {least} was {seen}"
        return words, ("idle",), BROKEN if version < least else shared

    def missed(self, shared: Shared, pack: int, turn: int) -> Iterator[Step]:
        if not self._protocol.lease:
            yield "reads on", ("leased", pack, turn), shared
            return
        yield "gives up", ("idle",), shared
        place = self._world.place(pack, turn)
        if all(server.keys[place] for _, server in self._world.reached(shared, turn)):
            return
        command = Command(turn, place, "LEASE", token=self._token)
        for confirmed, after in self._world.sent(shared, command, "readers cut off"):
            if confirmed:
                yield f"LEASE under {turn}", ("leased", pack, turn), after
            else:
                yield f"LEASE under {turn}, not confirmed", ("idle",), leave(after, self._token)

    def leased(self, shared: Shared, pack: int, turn: int) -> Iterator[Step]:
        """The answer is given here; the fill is on its way, and nobody waits for it."""
        version = shared.version[pack]
        yield f"reads the database: version {version}", ("fill", pack, turn, version), shared

    def fill(self, shared: Shared, pack: int, turn: int, version: int) -> Iterator[Step]:
        word = self._protocol.fill
        command = Command(turn, self._world.place(pack, turn), word, version, self._token)
        yield "its fill is lost", ("idle",), leave(shared, self._token)
        for confirmed, after in self._world.sent(shared, command):
            if confirmed:
                words = f"{word} of version {version} under {turn} arrives"
                yield words, ("idle",), leave(after, self._token)

    def simpler(self, local: Any, shared: Shared) -> Any:
        """Idle where its lease or its server is gone: names and leases do not come back."""
        fills_anyway = self._protocol.fill != "FILL" or "repeated" in self._world.faults
        if local[0] in ("idle", "found") or fills_anyway:
            return local
        place = self._world.place(local[1], local[2])
        held = [server.keys[place] for _, server in self._world.reached(shared, local[2])]
        if not held or (local[0] in ("leased", "fill") and ("lease", self._token) not in held):
            return ("idle",)
        if local[0] == "look" and local[3] == 0:
            return ("missed", *local[1:3])
        return local


class Upkeep:
    """Turns off what is not admitted and admits what answers; it may die at any point."""

    def __init__(self, world: World) -> None:
        self._world, self._protocol = world, world.protocol

    def steps(self, local: Any, shared: Shared) -> Iterator[Step]:
        if self._protocol.switch:
            if local != ("probe",):
                yield "dies", ("probe",), shared
            yield from getattr(self, local[0])(shared, *local[1:])

    def probe(self, shared: Shared) -> Iterator[Step]:
        off = shared.turn % 2
        for _, server in up(shared.servers):
            if off and server.master and (shared.oldest == shared.turn or not self._protocol.admission_waits):
                yield f"waited since {shared.turn}", ("empty", shared.turn, server.name), shared
            elif not off and server.name != shared.admitted[shared.turn // 2] and shared.turning == FREE:
                turned = shared._replace(turn=shared.turn + 1)
                yield f"meets server {server.name} and turns off", ("probe",), turned

    def empty(self, shared: Shared, turn: int, name: int) -> Iterator[Step]:
        for number, server in up(shared.servers):
            if server.name == name:
                after = shared._replace(servers=with_server(shared.servers, number, emptied(server)))
                yield f"empties server {name}", ("turn_on", turn, name), after

    def turn_on(self, shared: Shared, turn: int, name: int) -> Iterator[Step]:
        """By compare-and-set on the row as it was seen off."""
        as_seen = shared.turn == turn if self._protocol.numbered_row else shared.turn % 2
        if as_seen and shared.turn < self._world.last_turn:
            on = shared._replace(turn=shared.turn + 1, admitted=(*shared.admitted, name))
            yield f"turns on {on.turn} with server {name}", ("probe",), on

    def simpler(self, local: Any, shared: Shared) -> Any:
        """Its compare-and-set would fail."""
        late = local[0] == "turn_on" and local[1] != shared.turn and self._protocol.numbered_row
        return ("probe",) if late else local


def _set(values: tuple[int, ...], index: int, value: int) -> tuple[int, ...]:
    return (*values[:index], value, *values[index + 1 :])
