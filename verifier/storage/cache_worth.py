"""Is the cache worth asking? Where hardly any pack is looked at twice, it only costs a round trip more."""

from zlib import crc32

WATCHED = 16
"""One pack in so many is always asked for, so that what the others would find is known."""
WINDOW = 64
"""Look-ups of watched packs after which it is judged anew."""
LEAST = WINDOW // 8
"""Fewer hits of them than this: a look-up goes to the database at once."""


class Worth:
    """One process's judgement, by the share of hits among the watched packs: the same ones in every process.

    Counts are kept without a lock: one that is lost moves a judgement by one look-up, and no answer.
    """

    def __init__(self) -> None:
        self._asked = 0
        self._hits = 0
        self._worth = True

    def asks(self, serial: str) -> bool:
        """Should the cache be asked for this pack?"""
        return self._worth or self.watches(serial)

    @staticmethod
    def watches(serial: str) -> bool:
        """Is the pack one of those that are always asked for?"""
        return crc32(serial.encode()) % WATCHED == 0

    def found(self, serial: str, *, hit: bool) -> None:
        """What became of a look-up."""
        if not self.watches(serial):
            return
        self._asked += 1
        self._hits += hit
        if self._asked >= WINDOW:
            self._worth = self._hits >= LEAST
            self._asked = self._hits = 0
