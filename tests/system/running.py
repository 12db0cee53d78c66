"""`verifier serve` as people start it, with a home of its own: to be used, killed and started again."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from callers import Caller

from verifier.domain.gs1 import check_digit
from verifier.embedded.home import Home
from verifier.oauth.scopes import SCOPES

WORKERS, THREADS = 3, 8
READY_S = 60
GONE_S = 20
Pack = dict[str, str]


class Running:
    """One home with its service. Everything that it started is found by parenthood and by the home's path."""

    def __init__(
        self, home: Path, *, workers: int = WORKERS, threads: int = THREADS, **environment: str
    ) -> None:
        self.home = home
        self._size = ["--workers", str(workers), "--threads", str(threads)]
        self.port = free_port()
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("VERIFIER_")
        } | {"VERIFIER_HOME": str(home), "VERIFIER_LOG_LEVEL": "warning"}
        self.environment |= environment
        self.said: deque[str] = deque(maxlen=2000)
        self._callers: dict[str, Caller] = {}
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Until it says that it is ready."""
        command = [sys.executable, "-m", "verifier", "serve", "--port", str(self.port)]
        self._process = subprocess.Popen(
            [*command, *self._size],
            env=self.environment,
            cwd=self.home.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        ready = threading.Event()
        threading.Thread(target=self._listen, args=(self._process, ready), daemon=True).start()
        if not ready.wait(READY_S) or self._process.poll() is not None:
            raise AssertionError("not ready:\n" + "\n".join(self.said))

    def _listen(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.said.append(line.rstrip())
            if line.startswith("ready on "):
                ready.set()
        ready.set()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """In order; the exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(GONE_S)

    def kill_everything(self) -> None:
        """As if the machine's processes all died at once: kill -9 of each."""
        pids = self.processes()
        for pid in pids:
            kill(pid)
        if self._process is not None:
            self._process.wait(GONE_S)
        until(lambda: not any(map(command_of, pids)), "everything gone")

    def processes(self) -> list[int]:
        """All that was started for this home and lives."""
        mine = {pid for pid in every_pid() if str(self.home) in command_of(pid)}
        if self._process is not None:
            mine |= descendants(self._process.pid) | {self._process.pid}
        mine |= {pid for parent in list(mine) for pid in descendants(parent)}
        return sorted(pid for pid in mine if command_of(pid))

    def arbiter(self) -> int:
        (pid,) = [pid for pid in children(self.pid) if "verifier.server" in command_of(pid)]
        return pid

    def workers(self) -> list[int]:
        return children(self.arbiter())

    def redis(self) -> int:
        """The pid of this home's Redis."""
        pid = self.redis_or_none()
        assert pid is not None
        return pid

    def redis_or_none(self) -> int | None:
        socket_ = str(Home(self.home.resolve()).sockets() / "redis.sock")
        found = [
            pid for pid in every_pid() if "redis-server" in command_of(pid) and socket_ in command_of(pid)
        ]
        return found[0] if found else None

    def postgres(self) -> int:
        data = Home(self.home.resolve()).data()
        return int((data / "postmaster.pid").read_text().splitlines()[0]) if data else 0

    # What is set up by the command line.

    def verifier(self, *arguments: str) -> str:
        """A command; its standard output."""
        done = subprocess.run(
            [sys.executable, "-m", "verifier", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.home.parent,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def caller(self, gln: str, kind: str, scopes: Iterable[str] = SCOPES) -> Caller:
        """Somebody at this site, with a token; the same one each time."""
        if gln in self._callers:
            return self._callers[gln]
        site = ["--gln", gln, "--name", f"{kind} {gln}", "--type", kind, "--country", "DE"]
        self.verifier("site", "add", *site)
        made = json.loads(
            self.verifier("client", "add", "test", "--gln", gln, "--scope", " ".join(scopes), "--json")
        )
        caller = Caller(self.port, gln, made["client_id"], made["client_secret"])
        caller.log_in()
        self._callers[gln] = caller
        return caller

    def load(self, packs: list[Pack]) -> None:
        """By `verifier load`."""
        file = self.home.parent / "packs.csv"
        rows = "\n".join(",".join(pack.values()) for pack in packs)
        file.write_text(f"{','.join(packs[0])}\n{rows}\n")
        counted = json.loads(self.verifier("load", str(file), "--json"))
        assert counted["loaded"] == len(packs), counted

    # What is in the database.

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        home = Home(self.home.resolve())
        with psycopg.connect(
            host=str(home.sockets()), user="verifier", password=home.password(), dbname="verifier"
        ) as connection:
            return connection.execute(query.encode(), values).fetchall()


@contextmanager
def running(**environment: str) -> Iterator[Running]:
    """A service with a home of its own in a short path, ended and removed whatever happened."""
    folder = Path(tempfile.mkdtemp(prefix="verifier-test-", dir="/tmp"))
    service = Running(folder / "var", **environment)
    try:
        service.start()
        yield service
    finally:
        with suppress(subprocess.TimeoutExpired):
            if service._process is not None and service._process.poll() is None:
                service.stop()
        service.kill_everything()
        private = service.home / "private"
        if private.is_symlink():
            shutil.rmtree(private.readlink(), ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def new_packs(count: int, product: int = 1) -> list[Pack]:
    payload = f"0501234{product:06d}"
    gtin = payload + check_digit(payload)
    return [
        {"gtin": gtin, "serial": f"S{n:05d}", "lot": f"LOT{n % 3}", "expiry": "2030-12-31"}
        for n in range(count)
    ]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def until(condition: Any, what: str, seconds: float = GONE_S) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: never"
        time.sleep(0.02)


def every_pid() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def command_of(pid: int) -> str:
    """Empty when it is gone or a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def children(pid: int) -> list[int]:
    return sorted(child for child in every_pid() if parent_of(child) == pid)


def descendants(pid: int) -> set[int]:
    parents = {child: parent_of(child) for child in every_pid()}
    found: set[int] = set()
    layer = {pid}
    while layer:
        layer = {child for child, parent in parents.items() if parent in layer} - found
        found |= layer
    return found
