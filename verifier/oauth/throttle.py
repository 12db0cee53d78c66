"""Limits of the token endpoint. Counted in each process: the service allows as many times more as it has."""

import hashlib
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

FAILURES_A_MINUTE = 30
TOKENS_A_MINUTE = 600
MINUTE = 60.0
NAMES = 4096


class MovingWindow:
    """At most `amount` events of one name in any minute. Thread-safe.

    Of more than `names` names the one that was quiet for the longest time is forgotten, and a name counts by
    its hash: neither many names nor long ones can fill the memory.
    """

    def __init__(
        self, amount: int, *, names: int = NAMES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._amount = amount
        self._names = names
        self._clock = clock
        self._events: OrderedDict[bytes, list[float]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._events)

    def wait(self, name: str) -> int:
        """Seconds until this name may go on, 0 for now."""
        with self._lock:
            return self._wait(self._events.get(_digest(name), []))

    def count(self, name: str) -> int:
        """Count one event, unless the name must wait: the seconds to wait then, else 0."""
        digest = _digest(name)
        with self._lock:
            events = self._events.setdefault(digest, [])
            self._events.move_to_end(digest)
            if len(self._events) > self._names:
                self._events.popitem(last=False)
            if wait := self._wait(events):
                return wait
            now = self._clock()
            events[:] = [event for event in events if event > now - MINUTE] + [now]
            return 0

    def _wait(self, events: list[float]) -> int:
        """The oldest of the last `amount` events must be a minute ago."""
        if len(events) < self._amount:
            return 0
        return max(0, math.ceil(events[-self._amount] + MINUTE - self._clock()))


class Throttle:
    """What the endpoints count."""

    def __init__(self, *, failures: int = FAILURES_A_MINUTE, tokens: int = TOKENS_A_MINUTE) -> None:
        self._failures = MovingWindow(failures)
        self._tokens = MovingWindow(tokens)

    def locked(self, client_id: str, address: str) -> int:
        """Has this client id failed too often from this address? Seconds to wait, 0 for no."""
        return self._failures.wait(f"{address} {client_id}")

    def failed(self, client_id: str, address: str) -> None:
        """Count a failed authentication."""
        self._failures.count(f"{address} {client_id}")

    def issue(self, client_id: str) -> int:
        """Count an access token for an authenticated client: 0, or the seconds that it must wait instead."""
        return self._tokens.count(client_id)


def _digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode(errors="replace"), digest_size=16).digest()
