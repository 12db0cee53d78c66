"""Who has which slots of a Redis Cluster, as one of its nodes sees it (`CLUSTER NODES`)."""

from dataclasses import dataclass, field
from typing import Self

from verifier.storage.redis_url import Address

SLOTS = 16384


@dataclass(frozen=True, slots=True, order=True)
class Master:
    """A master with slots. `epoch` rises when a slot comes to it; the address is as that node sees it."""

    node: str
    epoch: int
    slots: tuple[tuple[int, int], ...]
    address: Address = field(compare=False)

    def __str__(self) -> str:
        """Without the address: it is the same node wherever it is."""
        return f"{self.node} {self.epoch} {self.slots}"


@dataclass(frozen=True, slots=True)
class View:
    """What one node sees. `moving`: it is giving away a slot, or taking one."""

    masters: tuple[Master, ...]
    moving: bool

    @classmethod
    def read(cls, told: str, asked: Address) -> Self:
        """From the lines `id ip:port@cport[,hostname] flags master ping pong epoch link slot …`.

        Args:
            told: the answer to `CLUSTER NODES`.
            asked: where the node was found; it may not know its own address.
        """
        rows = [line.split() for line in told.splitlines()]
        masters = [
            Master(row[0], int(row[6]), _ranges(row[8:]), _address(row[1], asked))
            for row in rows
            if "master" in row[2].split(",") and _ranges(row[8:])
        ]
        return cls(tuple(sorted(masters)), any(slot.startswith("[") for row in rows for slot in row[8:]))

    @property
    def whole(self) -> bool:
        """Has every slot a master, and one only?"""
        ranges = sorted(range_ for master in self.masters for range_ in master.slots)
        due = 0
        for first, last in ranges:
            if first != due:
                return False
            due = last + 1
        return due == SLOTS


def _ranges(slots: list[str]) -> tuple[tuple[int, int], ...]:
    """`0-5460` or `7`; `[93-<-…]` and `[77->-…]` are slots on their way."""
    pairs = (slot.partition("-") for slot in slots if not slot.startswith("["))
    return tuple((int(first), int(last or first)) for first, _, last in pairs)


def _address(told: str, asked: Address) -> Address:
    """The hostname where one is announced, else the address."""
    place, _, rest = told.partition("@")
    host, _, port = place.rpartition(":")
    announced = rest.split(",")[1] if "," in rest else ""
    return announced or host or asked[0], int(port)
