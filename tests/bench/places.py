"""Where the benchmark runs: a home of its own, the commands of a user, sample rows."""

import base64
import json
import os
import random
import resource
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from verifier.domain.gs1 import check_digit
from verifier.embedded import Servers, servers

PER_PRODUCT = 20_000
_FIRST = 952_000_000_000


def serial_of(number: int) -> tuple[int, str]:
    """GTIN and serial number of the n-th pack."""
    return gtin_of(number), f"{random.Random(number).getrandbits(50):013X}"  # noqa: S311


def gtin_of(number: int) -> int:
    """GTIN of the n-th pack."""
    payload = f"{_FIRST + number // PER_PRODUCT:013d}"
    return int(payload + check_digit(payload))


def csv_of(path: Path, packs: int) -> None:
    """A CSV with so many packs."""
    with path.open("w", encoding="ascii") as out:
        out.write("gtin,serial,lot,expiry,name,strength,form,pack_size\n")
        for number in range(packs):
            gtin, serial = serial_of(number)
            out.write(
                f"{gtin:014d},{serial},LOT{number % 50},2031-12-31,Painaway,500 mg,tablets,20 tablets\n"
            )


class Place:
    """A folder with its own servers, and the service on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: Servers | None = None
        self.more: dict[str, str] = {}
        self._process: subprocess.Popen[str] | None = None

    @contextmanager
    def open(self) -> Iterator[None]:
        """The servers for as long as the benchmark runs."""
        with ExitStack() as stack:
            self.running = stack.enter_context(servers(self.folder / "home"))
            run(self, "migrate")
            yield

    @property
    def plain_url(self) -> str:
        assert self.running is not None
        return self.running.database_url.replace("+psycopg", "")

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("VERIFIER_")}
        ours = {"VERIFIER_HOME": str(self.folder / "home"), "VERIFIER_LOG_LEVEL": "warning"}
        return kept | ours | self.more

    @contextmanager
    def server(self, arguments: list[str]) -> Iterator[int]:
        """A command of the service that says `ready on`; its port."""
        port = free_port()
        command = [sys.executable, "-m", *(a.format(port=port) for a in arguments)]
        process = subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, text=True)
        self._process = process
        try:
            line = process.stdout.readline() if process.stdout else ""
            assert line.startswith("ready on"), "the service did not start"
            yield port
        finally:
            process.terminate()
            process.wait()

    def token(self, port: int, gln: str, scope: str) -> str:
        run(self, "site", "add", "--gln", gln, "--name", "bench", "--type", "pharmacy", "--country", "DE")
        client, _ = verifier(self, "client", "add", "bench", "--gln", gln, "--scope", scope)
        basic = base64.b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()
        grant = urllib.request.Request(
            f"http://127.0.0.1:{port}/oauth/token",
            data=b"grant_type=client_credentials",
            headers={"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"},
        )
        with urllib.request.urlopen(grant) as answer:  # noqa: S310
            return str(json.load(answer)["access_token"])

    def redis_pid(self) -> int:
        """The process of the embedded Redis, which is a child of this one."""
        for pid in children(os.getpid()):
            if b"redis-server" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
        raise LookupError("no Redis among the children of this process")

    def resident_mib(self) -> list[float]:
        """Resident memory of the workers: the grandchildren of the command."""
        assert self._process is not None
        arbiters = children(self._process.pid)
        return [
            int(line.split()[1]) / 1024
            for arbiter in arbiters
            for worker in children(arbiter)
            for line in Path(f"/proc/{worker}/status").read_text().splitlines()
            if line.startswith("VmRSS")
        ]


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(place: Place, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "verifier", *arguments],
        env=place.environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def verifier(place: Place, *arguments: str, measure: bool = False) -> tuple[Any, int]:
    """A command's JSON result, and with `measure` the peak memory of all children so far in KiB."""
    result = json.loads(run(place, *arguments))
    return result, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss if measure else 0
