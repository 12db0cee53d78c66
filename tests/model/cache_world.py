"""What the processes of `cache_steps` share, and how big a search is.

Time. A permission lasts a second from the sending of its query; here every reading of the control row since
the turn `oldest` may still be held by anybody, and `oldest` moves on at any time, turn by turn. "Off for a
permission time" is: `oldest` has come to that turn. So a process may stand still anywhere, for as long as
it likes.

Reading. An answer is given at the moment at which it is known, and a read begins with its permission: the
earliest end and the latest beginning are the worst for the promises. A read of the database shows the last
commit and breaks none. For promise L somebody without a permission reads the database at every moment, so
what is committed counts as seen.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from redis_model import (
    NOBODY,
    Command,
    Held,
    Server,
    exchanged,
    new_master,
    orphaned,
    replica,
    run,
    up,
    with_server,
)

FREE = -1
DISPENSE = ((0, 1),)
UNDO = ((0, 1), (0, 2))
DISPENSE_AGAIN = ((0, 1), (0, 2), (0, 3))


@dataclass(frozen=True, slots=True)
class Protocol:
    """What is built, and by other values the patterns that are not.

    Commands are those of `redis_model.COMMANDS`. A numbered key carries the turn of the switch; a numbered
    row is turned on by compare-and-set on that turn. `stamped_lease`: the server makes a part of the lease,
    other ones each time.
    """

    decide: str = "compare-and-set"  # "look first", "ask the cache"
    before: str = "FENCE"
    after: str = "SETTLE"
    acknowledge: str = "confirmed"  # "anyway", "at once", "fenced"
    lease: bool = True
    stamped_lease: bool = False
    fill: str = "FILL"
    switch: bool = True
    permission: str = "before the look-up"  # "at the answer"
    identity: str = "on connect"  # "before every command", "with every command", "" for none
    numbered_keys: bool = True
    numbered_row: bool = True
    off_waits: bool = True
    admission_waits: bool = True


class Shared(NamedTuple):
    """The database, the control row, the servers, and a command that is still on its way."""

    version: tuple[int, ...]  # of each pack, committed; an odd one is dispensed
    acknowledged: tuple[int, ...]
    locked: tuple[int, ...]  # in whose transaction each pack is
    turn: int  # of the switch; an even one is on
    oldest: int  # no permission from before this turn is left
    turning: int  # in whose transaction the switch goes off
    admitted: tuple[int, ...]  # the name of the server of each turn on
    servers: tuple[Server, ...]
    late: tuple[Command, ...]


@dataclass(frozen=True, slots=True)
class World:
    """One search.

    `changes`: pack and version of each writer. `promise`: S or L. `last_turn`: of the switch. `reduced`:
    what makes no difference is left out; that it makes none is a test.
    """

    protocol: Protocol = Protocol()
    faults: frozenset[str] = frozenset()
    promise: str = "S"
    changes: tuple[tuple[int, int], ...] = UNDO
    readers: int = 2
    last_turn: int = 3
    upkeepers: int = 1
    reduced: bool = True

    @property
    def packs(self) -> int:
        return 1 + max(pack for pack, _ in self.changes)

    def place(self, pack: int, turn: int) -> int:
        """Of the pack's key in every server."""
        return pack * (self.last_turn // 2 + 1) + turn // 2 if self.protocol.numbered_keys else pack

    def start(self) -> Shared:
        """The first admission is over, and nothing is cached."""
        packs = self.packs
        keys = (None,) * (self.place(packs - 1, self.last_turn) + 1)
        servers = (new_master(1, keys), replica(keys))
        return Shared((0,) * packs, (0,) * packs, (FREE,) * packs, 0, 0, FREE, (1,), servers, ())

    def permissions(self, shared: Shared) -> range:
        """The turns of which somebody may hold a reading."""
        return range(shared.oldest, shared.turn + 1)

    def reached(self, shared: Shared, turn: int) -> Iterator[tuple[int, Server]]:
        """The servers whose answer counts under this turn.

        With every command the question comes behind it, and the answer counts by what the server is then;
        since names never come back, it was the same at the command.
        """
        name, identity = shared.admitted[turn // 2], self.protocol.identity
        for number, server in up(shared.servers):
            called = server.name if identity == "with every command" else server.known
            answers = server.master or identity != "with every command"
            if not identity or (called == name and answers):
                yield number, server

    def sent(self, shared: Shared, command: Command, fault: str = "") -> Iterator[tuple[bool, Shared]]:
        """What may become of a command that changes something: was it confirmed, and the state after it."""
        reached = [(n, server) for n, server in self.reached(shared, command.admission) if server.master]
        for number, server in reached:
            done = _with(shared, number, run(server, command))
            yield True, done
            if "repeated" in self.faults and not shared.late:
                stamped = self.protocol.stamped_lease and command.word == "LEASE"
                yield True, done._replace(late=(command._replace(token=NOBODY) if stamped else command,))
            if fault in self.faults:
                yield False, done
        elsewhere = len(list(up(shared.servers))) > len(reached)
        if elsewhere or not reached or fault in self.faults or "late" in self.faults:
            yield False, shared
        if elsewhere and not self.protocol.numbered_keys:
            for number, server in up(shared.servers):
                yield False, _with(shared, number, run(server, command))
        idle = self.reduced and command.word in ("LEASE", "SETTLE")
        if "late" in self.faults and not shared.late and not idle:
            yield False, shared._replace(late=(command,))

    def forget(self, shared: Shared, used: int) -> Shared:
        """Leave out what makes no difference any more; `used`: bits of the turns that processes still work
        under.

        A fence whose transaction is over and a lease whose owner is gone may end at any time; until then
        they only keep others from filling, who may as well give up. So they count as nothing, and a late
        LEASE or SETTLE does nothing that could not happen without it.
        """
        for command in shared.late:
            used |= 1 << command.admission
        servers = []
        for server in shared.servers:
            kept = (self._kept(shared, server, place, used) for place in range(len(server.keys)))
            servers.append(server._replace(keys=tuple(kept)))
        return shared._replace(servers=tuple(servers))

    def _kept(self, shared: Shared, server: Server, place: int, used: int) -> Held:
        held = server.keys[place]
        if held is None:
            return None
        turns = len(server.keys) // self.packs
        if held == ("lease", NOBODY) or (held[0] == "fence" and is_over(shared, place // turns, held[1])):
            return None
        return held if self._readable(shared, server, 2 * (place % turns), used) else None

    def _readable(self, shared: Shared, server: Server, turn: int, used: int) -> bool:
        """May anybody look at the keys of this turn on this server?"""
        protocol = self.protocol
        if not protocol.numbered_keys or protocol.permission == "at the answer":
            return True
        if turn < shared.oldest and not used >> turn & 1:
            return False
        if protocol.identity == "with every command":
            return server.name == shared.admitted[turn // 2]
        # a demoted server is read by connections from before, and a replica may be what it reads then
        return (
            not protocol.identity or "demotion" in self.faults or server.known == shared.admitted[turn // 2]
        )


def is_over(shared: Shared, pack: int, version: int) -> bool:
    """Is the transaction over that a fence with this version was put for?"""
    return shared.locked[pack] == FREE or version <= shared.version[pack]


def uses(local: Any) -> int:
    """The turn, as a bit, under which a process may still send a command."""
    if local[0] in ("look", "missed", "leased", "fill"):
        return 1 << local[2]
    return 1 << local[1] if local[0] in ("fence", "settle") else 0


def leave(shared: Shared, token: int) -> Shared:
    """The owner of these leases is gone."""
    late = tuple(c._replace(token=NOBODY) if c.token == token else c for c in shared.late)
    return shared._replace(servers=orphaned(shared.servers, token), late=late)


def swap(shared: Shared, number: int) -> Shared:
    """Two readers exchanged."""
    one, other = number + 1, number + 2
    owners = {one: other, other: one}
    late = tuple(command._replace(token=owners.get(command.token, command.token)) for command in shared.late)
    return shared._replace(servers=exchanged(shared.servers, one, other), late=late)


def _with(shared: Shared, number: int, server: Server) -> Shared:
    return shared._replace(servers=with_server(shared.servers, number, server))
