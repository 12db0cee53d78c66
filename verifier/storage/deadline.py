"""An end to waiting for a database that does not answer at all.

The limits of `database` are kept by the server. A server process that is frozen, or behind a network that
swallows packets, keeps none of them, and the driver would wait for its answer for ever.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy import Engine, event

from verifier.storage.database import TRANSACTION_MS

HANGING_S = TRANSACTION_MS / 1000 + 2
"""No transaction lives longer, so a connection that is in use for longer waits for nothing."""
_LOOK_S = 0.25
_log = logging.getLogger(__name__)


class Deadline:
    """Cuts connections that were taken from a pool more than `HANGING_S` ago.

    Whoever waits on such a connection gets the driver's error for a lost one, at once. Not for engines whose
    work may take its time, such as a load.
    """

    def __init__(self, *engines: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._taken: dict[int, tuple[float, socket.socket]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        for engine in engines:
            event.listen(engine, "connect", self._on_connect, insert=True)  # before the first questions
            event.listen(engine, "checkout", self._on_checkout)
            event.listen(engine, "checkin", self._on_checkin)
            event.listen(engine, "close", self._on_close)
        self._thread = threading.Thread(target=self._run, name="deadline", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_S):
            try:
                self.cut()
            except Exception:  # noqa: BLE001 - the thread must outlive whatever went wrong in one look
                _log.exception("database connections are looked after again in %g s", _LOOK_S)

    def cut(self) -> int:
        """Cut what has been in use for too long; how many that were."""
        latest = self._clock() - HANGING_S
        cut = 0
        with self._lock:
            # connections come and go meanwhile: their threads take no lock
            for taken, (since, connected) in self._taken.copy().items():
                if since <= latest and self._taken.pop(taken, None) is not None:
                    cut += 1
                    with suppress(OSError):
                        connected.shutdown(socket.SHUT_RDWR)
        if cut:
            _log.error("%d database connections cut: no answer within %g s", cut, HANGING_S)
        return cut

    # A socket of our own for the same connection: its number is never reused behind our back.

    def _on_connect(self, connection: Any, record: Any) -> None:
        record.info["socket"] = socket.socket(fileno=os.dup(connection.fileno()))
        self._taken[id(record)] = self._clock(), record.info["socket"]

    def _on_checkout(self, _connection: Any, record: Any, _proxy: Any) -> None:
        self._taken[id(record)] = self._clock(), record.info["socket"]

    def _on_checkin(self, _connection: Any, record: Any) -> None:
        self._taken.pop(id(record), None)

    def _on_close(self, _connection: Any, record: Any) -> None:
        with self._lock:
            self._taken.pop(id(record), None)
            held = record.info.pop("socket", None)
            if held is not None:
                held.close()
