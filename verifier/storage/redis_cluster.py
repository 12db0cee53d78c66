"""A Redis Cluster as one cache: each key's node is asked, under the identity of the whole.

The identity is a digest over all masters: run ids, replication ids, slots. So after any failover or
resharding it is another cache, which is used only when every master of it was emptied. A node that sends a
question elsewhere (MOVED, ASK, TRYAGAIN, CLUSTERDOWN) was asked by an old map: that is no answer, and nobody
is asked in its place.
"""

import hashlib
import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.crc import key_slot

from verifier.storage.redis_cluster_map import SLOTS, View
from verifier.storage.redis_connection import REPLICATED, Command, Way
from verifier.storage.redis_link import UNSETTLED, CacheUnavailable, RedisLink
from verifier.storage.redis_url import Address, Several

CLUSTER = "cluster:"


@dataclass(frozen=True, slots=True)
class _Node:
    """A master, and the identity under which it is part of the cluster."""

    link: RedisLink
    identity: str


@dataclass(frozen=True, slots=True)
class _Map:
    """The masters of a cluster with this identity; `owners` has for each slot the index of its master."""

    identity: str
    nodes: tuple[_Node, ...]
    owners: tuple[int, ...]

    def node(self, command: Command) -> _Node:
        """Who has the command's key; anybody, where it has none."""
        if len(command) == 1:
            return random.choice(self.nodes)  # noqa: S311 - a sample, no secret
        key = command[3] if command[0] == "EVAL" else command[1]
        return self.nodes[self.owners[key_slot(key if isinstance(key, bytes) else key.encode())]]


class ClusterLink:
    """Connections to all masters of a cluster; to each of them as many as threads may ask at once."""

    def __init__(self, url: Several, *, connections: int = 32) -> None:
        self._url = url
        self._connections = connections
        self._links: dict[Address, RedisLink] = {}
        self._map: _Map | None = None
        self._down = False
        self._probing = threading.Lock()

    @property
    def broken(self) -> bool:
        """Did one of the masters not answer, or slowly?"""
        place = self._map
        return self._down or (place is not None and any(node.link.broken for node in place.nodes))

    def ask(self, identity: str | None, *command: Any) -> Any:
        """The answer of the node that has the command's key.

        Raises:
            CacheUnavailable: none, another cluster than this one, or the key is elsewhere now.
        """
        return self.ask_all(identity, command)[0]

    def ask_all(self, identity: str | None, *commands: Command) -> list[Any]:
        """The answers to several commands, in one round trip to each node that has keys of theirs.

        Raises:
            CacheUnavailable: as with `ask`; which of them were carried out is not known.
        """
        place = self._known(identity)
        owners = [place.node(command) for command in commands]
        answers: list[Any] = [None] * len(commands)
        for node in dict.fromkeys(owners):
            mine = [index for index, owner in enumerate(owners) if owner is node]
            told = node.link.ask_all(node.identity, *(commands[index] for index in mine))
            for index, answer in zip(mine, told, strict=True):
                answers[index] = answer
        return answers

    def tell(self, identity: str | None, *command: Any) -> None:
        """Send a command whose answer nobody needs to the node that has its key.

        Raises:
            CacheUnavailable: it could not even be sent.
        """
        node = self._known(identity).node(command)
        node.link.tell(node.identity, *command)

    def probe(self) -> str | None:
        """The identity of the cluster as all its masters see it; None when one of them does not answer."""
        with self._probing:
            try:
                found = self._survey()
            except CacheUnavailable:
                self._down = True
                return None
            self._down = False
            if isinstance(found, str):
                return found
            if self._map is None or found.identity != self._map.identity:
                self._map = found
            return found.identity

    def empty(self, identity: str, prefix: str) -> bool:
        """Empty every master; False, and nothing is deleted, when one holds keys of another program."""
        nodes = self._known(identity).nodes
        if any(node.link.holds_others(node.identity, prefix) for node in nodes):
            return False
        for node in nodes:
            node.link.flush(node.identity)
        return True

    def close(self) -> None:
        """Close the connections."""
        for link in tuple(self._links.values()):
            link.close()

    def masters(self) -> tuple[Address, ...]:
        """Where the masters are, as the first node says that answers.

        Raises:
            CacheUnavailable: none of them answers.
        """
        return tuple(master.address for master in self._first_view().masters)

    def _known(self, identity: str | None) -> _Map:
        """The map of the cluster with this identity."""
        if self._map is None and not self._down:
            self.probe()
        place = self._map
        if place is None or identity is None or place.identity != identity:
            raise CacheUnavailable("another cluster answers")
        return place

    def _survey(self) -> _Map | str:
        """The map on which all masters agree; or the identity of a cluster that is not to be used."""
        view = self._first_view()
        nodes: list[_Node] = []
        for master in view.masters:
            node, theirs = self._asked(master.address)
            if not node.identity.startswith(REPLICATED):
                return f"{UNSETTLED}a master was demoted"
            if theirs.masters != view.masters or theirs.moving:
                return f"{UNSETTLED}no agreement"
            nodes.append(node)
        if not view.whole:
            return f"{UNSETTLED}not whole"
        self._forget({master.address for master in view.masters})
        return _map(view, nodes)

    def _first_view(self) -> View:
        """What the first node sees that answers: of those that are known, then of those in the URL.

        Next time it is another one's turn: a node that has left the cluster has a view of its own.
        """
        for address in dict.fromkeys((*tuple(self._links), *self._url.hosts)):
            try:
                view = self._asked(address)[1]
            except CacheUnavailable:
                continue
            self._links[address] = self._links.pop(address)
            return view
        raise CacheUnavailable("no node of the cluster answers")

    def _asked(self, address: Address) -> tuple[_Node, View]:
        """The node there, and what it sees."""
        link = self._links.get(address)
        if link is None:
            way = Way.of(self._url.at(address), "cluster")
            link = self._links.setdefault(address, RedisLink(way, connections=self._connections))
        identity = link.probe()
        if identity is None:
            raise CacheUnavailable("a node of the cluster does not answer")
        told = link.ask(identity, "CLUSTER", "NODES").decode(errors="replace")
        return _Node(link, identity), View.read(told, address)

    def _forget(self, wanted: set[Address]) -> None:
        """Close the links to nodes that are no master any more."""
        for address in self._links.keys() - wanted:
            self._links.pop(address).close()


def _map(view: View, nodes: Sequence[_Node]) -> _Map:
    owners = [0] * SLOTS
    for index, master in enumerate(view.masters):
        for first, last in master.slots:
            owners[first : last + 1] = [index] * (last + 1 - first)
    whole = "\n".join(f"{master} {node.identity}" for master, node in zip(view.masters, nodes, strict=True))
    digest = hashlib.sha256(whole.encode()).hexdigest()
    return _Map(f"{CLUSTER}{digest}", tuple(nodes), tuple(owners))
