"""Two Redis servers as the cache protocol meets them: keys, commands, identities, and who may be asked.

A key holds nothing, a value, a fence or a lease. A key stands for one pack under one admission; `place` says
which. A server that is restarted or promoted is another one from then on and gets a new name, which is never
given again. A replica is a server without a name; what it holds is some earlier state of its master.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

Held = tuple[str, int] | None
NOBODY = 0
"""The owner of a lease that nobody will fill."""


def _is(kind: str, held: Held) -> bool:
    return held is not None and held[0] == kind


def _settle(held: Held, version: int) -> Held:
    """As the script: away with a lease, an older value, a fence up to our version."""
    if held is None or _is("lease", held) or (_is("value", held) and held[1] < version):
        return None
    return None if _is("fence", held) and held[1] <= version else held


def _newer(held: Held, version: int) -> Held:
    """Version compare-and-set: a value, unless a newer one or the fence of a later change is there."""
    newer = held is not None and not _is("lease", held) and held[1] > version
    return held if newer else ("value", version)


# Of what is held, an argument and a token: what is held afterwards.
COMMANDS: dict[str, Callable[[Held, int, int], Held]] = {
    # the protocol
    "FENCE": lambda _, version, __: ("fence", version),
    "SETTLE": lambda held, version, _: _settle(held, version),
    "LEASE": lambda held, _, token: held or ("lease", token),
    "FILL": lambda held, version, token: ("value", version) if held == ("lease", token) else held,
    # the everyday patterns
    "DEL": lambda *_: None,
    "SET": lambda _, version, __: ("value", version),
    "SET NEWER": lambda held, version, _: _newer(held, version),
}


class Server(NamedTuple):
    """One server. `known`: the name that it gave when the connections that still live were made."""

    name: int
    known: int
    master: bool
    keys: tuple[Held, ...]


def new_master(name: int, keys: tuple[Held, ...]) -> Server:
    """A master that was just started or promoted."""
    return Server(name=name, known=name, master=True, keys=keys)


def replica(keys: tuple[Held, ...]) -> Server:
    """One that answers nobody, or is dead."""
    return Server(name=0, known=0, master=False, keys=keys)


class Command(NamedTuple):
    """A command for the server admitted under `admission`, on the key at `place`."""

    admission: int
    place: int
    word: str
    version: int = 0
    token: int = NOBODY


def run(server: Server, command: Command) -> Server:
    """The server after the command."""
    keys = server.keys
    place = command.place
    held = COMMANDS[command.word](keys[place], command.version, command.token)
    return server._replace(keys=(*keys[:place], held, *keys[place + 1 :]))


def emptied(server: Server) -> Server:
    """Without any key."""
    return server._replace(keys=(None,) * len(server.keys))


def up(servers: tuple[Server, ...]) -> Iterator[tuple[int, Server]]:
    """The servers that answer at all; not a replica."""
    return ((number, server) for number, server in enumerate(servers) if server.known)


def with_server(servers: tuple[Server, ...], number: int, server: Server) -> tuple[Server, ...]:
    """The servers with another one at this number."""
    return (*servers[:number], server, *servers[number + 1 :])


def exchanged(servers: tuple[Server, ...], one: int, other: int) -> tuple[Server, ...]:
    """The servers with the leases of two owners exchanged."""

    def owner(held: Held) -> Held:
        if held == ("lease", one):
            return ("lease", other)
        return ("lease", one) if held == ("lease", other) else held

    return tuple(server._replace(keys=tuple(map(owner, server.keys))) for server in servers)


def orphaned(servers: tuple[Server, ...], token: int) -> tuple[Server, ...]:
    """The servers when the owner of this lease has gone away."""
    gone = ("lease", NOBODY)
    return tuple(
        server._replace(keys=tuple(gone if held == ("lease", token) else held for held in server.keys))
        for server in servers
    )
