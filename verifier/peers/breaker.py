"""A host that keeps failing is left alone for a while, so that its outage does not hold our threads."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from verifier.peers.recent import remember


@dataclass(slots=True)
class _Host:
    failures: int = 0
    opened: float | None = None


class Breaker:
    """One circuit a host. Thread-safe.

    After so many failures in a row it is open: nobody asks. After a while one caller may try, and the others
    wait for what comes of it.
    """

    def __init__(self, failures: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = failures
        self._seconds = seconds
        self._clock = clock
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()

    def may_ask(self, host: str) -> bool:
        """May this host be asked now?"""
        with self._lock:
            held = self._hosts.get(host)
            if held is None or held.opened is None:
                return True
            remember(self._hosts, host, held)
            if self._clock() - held.opened < self._seconds:
                return False
            held.opened = self._clock()  # this caller's try; the next one may come as much later
            return True

    def worked(self, host: str) -> None:
        """It answered, whatever it said."""
        with self._lock:
            self._hosts.pop(host, None)

    def failed(self, host: str) -> None:
        """It did not answer, or with an error of its own."""
        with self._lock:
            held = self._hosts.get(host) or _Host()
            remember(self._hosts, host, held)
            held.failures += 1
            if held.failures >= self._most:
                held.opened = self._clock()
