"""The protocol of the status cache as atomic steps of writers, readers and upkeep; `cache_faults` adds what may
go wrong.

Time. A permission lasts a second from the sending of its query; here every reading of the control row since
`oldest` may still be held by anybody, and `oldest` moves on at any time, turn by turn. "Off for a permission
time" is: `oldest` has come to that turn. So a process may stand still anywhere, for as long as it likes.

Reading. An answer is given at the moment in which it is decided on, and a read begins at the moment of its
permission: the latest beginning and the earliest end are the worst for the promises. A read of the database shows
the last commit and breaks none. For promise L everybody who holds no permission reads the database, so the last commit
counts as seen at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from explorer import BROKEN, Explorer, Process, Search, Step
from redis_model import NOBODY, Command, Server, emptied, exchanged, orphaned, run, up, with_server

FREE = -1


@dataclass(frozen=True, slots=True)
class Protocol:
    """What is built, and by other values the patterns that are not. Words are those of `redis_model.COMMANDS`."""

    decide: str = "compare-and-set"  # or "look first", "ask the cache"
    before: str = "FENCE"
    after: str = "SETTLE"
    acknowledge: str = "confirmed"  # or "anyway", "at once", "fenced"
    lease: bool = True
    fill: str = "FILL"
    switch: bool = True
    permission: str = "before the look-up"  # or "at the answer"
    identity: str = "on connect"  # or "with every command", "before every command", "" for none
    numbered_keys: bool = True
    numbered_row: bool = True
    off_waits: bool = True
    admission_waits: bool = True


class Shared(NamedTuple):
    """What all processes share: the database, the control row, the servers, commands still on their way."""

    version: tuple[int, ...]  # of each pack, committed; an odd one is dispensed
    acknowledged: tuple[int, ...]
    locked: tuple[int, ...]  # the writer in whose transaction the pack is
    turn: int  # of the switch; even is on
    oldest: int  # no permission from before this turn is left
    turning: int  # the writer in whose transaction the switch goes off
    admitted: tuple[int, ...]  # the name of the server of each turn on
    servers: tuple[Server, ...]
    late: tuple[Command, ...]


@dataclass(frozen=True, slots=True)
class World:
    """One search: protocol, faults, promise ("S" or "L"), changes as (pack, version), and sizes."""

    protocol: Protocol = Protocol()
    faults: frozenset[str] = frozenset()
    promise: str = "S"
    changes: tuple[tuple[int, int], ...] = ((0, 1), (0, 2))
    readers: int = 2
    last_turn: int = 3
    upkeepers: int = 1

    @property
    def packs(self) -> int:
        return 1 + max(pack for pack, _ in self.changes)

    def place(self, pack: int, turn: int) -> int:
        """Of the pack's key in a server."""
        return pack * (self.last_turn // 2 + 1) + turn // 2 if self.protocol.numbered_keys else pack

    def start(self) -> Shared:
        """The first admission is over, everything is empty."""
        packs = self.packs
        keys = (None,) * (self.place(packs - 1, self.last_turn) + 1)
        servers = (Server(1, 1, True, keys), Server(0, 0, False, keys))
        return Shared((0,) * packs, (0,) * packs, (FREE,) * packs, 0, 0, FREE, (1,), servers, ())

    def permissions(self, shared: Shared) -> Iterator[int]:
        """The turns of which somebody may hold a reading."""
        return iter(range(shared.oldest, shared.turn + 1))

    def reached(self, shared: Shared, turn: int) -> Iterator[tuple[int, Server]]:
        """The servers whose answer counts under this admission."""
        name, identity = shared.admitted[turn // 2], self.protocol.identity
        for number, server in up(shared.servers):
            if (
                not identity
                or (identity == "with every command" and server.name == name and server.master)
                or (identity != "with every command" and server.known == name)
            ):
                yield number, server

    def sent(self, shared: Shared, command: Command, fault: str = "") -> Iterator[tuple[bool, Shared]]:
        """What may become of a command that changes something: was it confirmed, and the state after it."""
        reached = [(number, server) for number, server in self.reached(shared, command.admission) if server.master]
        for number, server in reached:
            done = self.tidy(shared._replace(servers=with_server(shared.servers, number, run(server, command))))
            yield True, done
            if "repeated" in self.faults and not shared.late:
                yield True, done._replace(late=(command,))
            if fault in self.faults:
                yield False, done
        elsewhere = len(list(up(shared.servers))) - len(reached)
        if elsewhere or not reached or fault in self.faults:
            yield False, shared
        if not self.protocol.numbered_keys and elsewhere:
            for number, server in up(shared.servers):
                yield False, shared._replace(servers=with_server(shared.servers, number, run(server, command)))
        if "late" in self.faults and not shared.late:
            yield False, shared._replace(late=(command,))

    def forget(self, shared: Shared, used: int) -> Shared:
        """Without the keys of turns that are over for everybody."""
        if not self.protocol.numbered_keys or self.protocol.permission != "before the look-up":
            return shared
        for command in shared.late:
            used |= 1 << command.admission
        turns = self.last_turn // 2 + 1
        over = [2 * turn < shared.oldest and not used & 1 << 2 * turn for turn in range(turns)]
        if not any(over):
            return shared
        servers = tuple(
            server._replace(keys=tuple(None if over[place % turns] else held for place, held in enumerate(server.keys)))
            for server in shared.servers
        )
        return shared._replace(servers=servers)

    def tidy(self, shared: Shared) -> Shared:
        """Without what nobody can ever read or write again: keys of admissions of other servers."""
        if not self.protocol.numbered_keys or not self.protocol.identity or "demotion" in self.faults:
            return shared
        places = len(shared.servers[0].keys)
        turns = places // self.packs
        names = [shared.admitted[place % turns] if place % turns < len(shared.admitted) else None for place in range(places)]
        servers = tuple(
            server._replace(keys=tuple(held if name == server.known else None for held, name in zip(server.keys, names, strict=True)))
            for server in shared.servers
        )
        return shared._replace(servers=servers)


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
            yield "dies, rolled back, asked again", ("begin",), self._unlocked(shared)._replace(turning=turning)
        elif where != "begin":
            yield "dies, asked again", ("learn",), shared

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
            yield f"decides; reading {turn}", after, shared

    def _may_begin(self, shared: Shared) -> bool:
        if self._protocol.decide == "ask the cache":
            place = self._world.place(self._pack, 0)
            if shared.servers[0].keys[place] == ("value", self._version - 1):
                return True
        return shared.version[self._pack] == self._version - 1 and shared.locked[self._pack] == FREE

    def fence(self, shared: Shared, turn: int) -> Iterator[Step]:
        command = self._command(turn, self._protocol.before)
        for confirmed, after in self._world.sent(shared, command, "writer cut off before"):
            if confirmed or not self._protocol.switch:
                yield f"{command.word} {self._version} under {turn}, confirmed", ("commit",), after
            else:
                yield f"{command.word} {self._version} under {turn}, not confirmed", ("turn_off_within",), after

    def turn_off_within(self, shared: Shared) -> Iterator[Step]:
        if shared.turning == FREE:
            turning = shared.turning if shared.turn % 2 else self._number
            yield "turns off in its transaction", ("commit",), shared._replace(turning=turning)

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
                yield f"reading {turn}", ("settle", turn), shared
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

    def look(self, shared: Shared, pack: int, turn: int, least: int) -> Iterator[Step]:
        """GET. The LEASE of the same round trip comes whatever GET said; a lease that is got after a value leads to
        nothing, as one whose owner dies, and after a fence or a lease to a fill like any other."""
        place = self._world.place(pack, turn)
        yield "reads the database", ("idle",), shared
        for _, server in self._world.reached(shared, turn):
            held = server.keys[place]
            if held is None or held[0] != "value":
                yield f"GET under {turn}: {held}", ("missed", pack, turn), shared
            elif self._protocol.permission == "at the answer":
                yield f"GET under {turn}: {held}", ("found", held[1], least), shared
            else:
                words = f"GET under {turn}: version {held[1]}, where {least} was {self._seen}"
                yield words, ("idle",), BROKEN if held[1] < least else shared

    @property
    def _seen(self) -> str:
        return "acknowledged" if self._world.promise == "S" else "committed"

    def found(self, shared: Shared, version: int, least: int) -> Iterator[Step]:
        """A permission that is looked for when the answer is there."""
        if any(turn % 2 == 0 for turn in self._world.permissions(shared)):
            words = f"answers version {version}, where {least} was {self._seen}"
            yield words, ("idle",), BROKEN if version < least else shared
        yield "reads the database", ("idle",), shared

    def missed(self, shared: Shared, pack: int, turn: int) -> Iterator[Step]:
        if not self._protocol.lease:
            yield "goes on", ("leased", pack, turn), shared
            return
        yield "gives up", ("idle",), shared
        place = self._world.place(pack, turn)
        command = Command(turn, place, "LEASE", token=self._token)
        free = {number for number, server in self._world.reached(shared, turn) if server.keys[place] is None}
        if not free:
            return
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
        command = Command(turn, self._world.place(pack, turn), self._protocol.fill, version, self._token)
        yield "'s fill is lost", ("idle",), leave(shared, self._token)
        for confirmed, after in self._world.sent(shared, command):
            if confirmed:
                yield f"{command.word} version {version} under {turn}", ("idle",), leave(after, self._token)

    def simpler(self, local: Any, shared: Shared) -> Any:
        """Idle where its lease or its server is gone: names and leases do not come back."""
        if local[0] in ("idle", "found") or not self._protocol.lease or "repeated" in self._world.faults:
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
        for _, server in up(shared.servers):
            if shared.turn % 2 == 0:
                if server.name != shared.admitted[shared.turn // 2] and shared.turning == FREE:
                    yield f"meets server {server.name}, turns off", ("probe",), shared._replace(turn=shared.turn + 1)
            elif server.master and (shared.oldest == shared.turn or not self._protocol.admission_waits):
                yield f"waited since {shared.turn}", ("empty", shared.turn, server.name), shared

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


def leave(shared: Shared, token: int) -> Shared:
    """The owner of these leases is gone."""
    late = tuple(command._replace(token=NOBODY) if command.token == token else command for command in shared.late)
    return shared._replace(servers=orphaned(shared.servers, token), late=late)


def swap(shared: Shared, number: int) -> Shared:
    """Two readers exchanged."""
    one, other = number + 1, number + 2
    owners = {one: other, other: one}
    late = tuple(command._replace(token=owners.get(command.token, command.token)) for command in shared.late)
    return shared._replace(servers=exchanged(shared.servers, one, other), late=late)


def _set(values: tuple[int, ...], index: int, value: int) -> tuple[int, ...]:
    return (*values[:index], value, *values[index + 1 :])


def uses(local: Any) -> int:
    """The turns, as bits, under which a process may still send commands."""
    if local[0] in ("look", "missed", "leased", "fill"):
        return 1 << local[2]
    return 1 << local[1] if local[0] in ("fence", "settle") else 0


def search(world: World, *, alike: bool = True) -> Search:
    """Every interleaving. `alike`: readers are interchangeable, which is faster; a counterexample then mixes their names."""
    from cache_faults import Surroundings

    processes = [Process("the world:", (), Surroundings(world).steps)]
    processes += [Process("upkeep", ("probe",), Upkeep(world).steps, Upkeep(world).simpler) for _ in range(world.upkeepers)]
    processes += [Process(f"writer {number + 1}", ("begin",), Writer(world, number).steps, uses=uses) for number in range(len(world.changes))]
    processes += [Process(f"reader {token}", ("idle",), reader.steps, reader.simpler, uses) for token, reader in enumerate((Reader(world, token) for token in range(1, world.readers + 1)), start=1)]
    twins = world.readers if alike and world.readers > 1 else 0
    return Explorer(world.start(), processes, twins, swap, world.forget).search()
