"""`make bench`: one run, one machine, a table with ratios.

Each pair (ours, the bare thing) is measured in turns, several times. The ratio is the median of the turns'
ratios, so that a machine that is slower for a while makes both sides of a ratio slower; the figures beside
it are medians too.
"""

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from bench import load
from bench.asking import overhead
from bench.messages import messages, speak
from bench.places import Place, csv_of, free_port, serial_of, verifier
from bench.plain import dispense_rate
from bench.scale import forget_cache, grown, grown_serial_of
from rich.console import Console
from rich.table import Table

WORKERS, THREADS, CONNECTIONS = 2, 8, 16
CALM_TURNS = 3
GLN = "4012345000016"
Serial = Callable[[int], tuple[int, str]]
SIZE = 640  # bytes of a verdict of a sample pack


class Bench:
    def __init__(self, place: Place, options: argparse.Namespace) -> None:
        self.place = place
        self.options = options
        self.lines: list[dict[str, Any]] = []

    def say(self, sentence: str) -> None:
        print(sentence, file=sys.stderr, flush=True)

    def pairs(self, line: str, unit: str, ours: Sequence[float], bare: Sequence[float]) -> None:
        """A line of several turns."""
        ratio = statistics.median(one / other for one, other in zip(ours, bare, strict=True))
        self.add(line, statistics.median(ours), unit, statistics.median(bare), ratio)

    def add(
        self, line: str, ours: float, unit: str, bare: float | None = None, ratio: float | None = None
    ) -> None:
        if ratio is None and bare:
            ratio = ours / bare
        self.lines.append(
            {
                "line": line,
                "ours": round(ours, 2),
                "unit": unit,
                "bare": bare and round(bare, 2),
                "ratio": ratio and round(ratio, 3),
            }
        )

    def loading(self) -> None:
        """CSV load against bare COPY of the same rows into the same table."""
        path = self.place.folder / "packs.csv"
        self.say(f"writing a CSV of {self.options.packs:,} packs")
        csv_of(path, self.options.packs)
        self.say("loading it")
        begin = time.monotonic()
        result, peak = verifier(self.place, "load", "--json", str(path), measure=True)
        seconds = time.monotonic() - begin
        assert result["loaded"] == self.options.packs, result
        self.say("bare COPY of the same rows")
        with psycopg.connect(self.place.plain_url) as connection:
            connection.execute("CREATE UNLOGGED TABLE bench_rows AS SELECT * FROM packs")
            connection.execute("CREATE TABLE bench_packs (LIKE packs INCLUDING ALL)")
            rows = self.place.folder / "rows.copy"
            with rows.open("wb") as out, connection.cursor().copy("COPY bench_rows TO STDOUT") as copy:
                for block in copy:
                    out.write(block)
            connection.execute("DROP TABLE bench_rows")
            connection.commit()
            begin = time.monotonic()
            with rows.open("rb") as source, connection.cursor().copy("COPY bench_packs FROM STDIN") as copy:
                while block := source.read(1 << 20):
                    copy.write(block)
            connection.commit()
            bare = time.monotonic() - begin
            connection.execute("DROP TABLE bench_packs")
            connection.commit()
            rows.unlink()
        self.add("CSV load", self.options.packs / seconds, "rows/s", self.options.packs / bare)
        self.add("peak memory of the loader", peak / 1024, "MiB")

    def verifying(self, packs: int) -> None:
        """Verify of random packs against a bare Flask route under the same gunicorn settings."""
        known = min(packs, 1000)
        with self.service() as port, self.bare() as bare_port:
            token = self.token(port)
            rates = []
            for line, among in (("verify, random packs", packs), ("verify, packs seen before", known)):
                ours, bare = [], []
                for turn in range(self.options.turns):
                    self.say(f"{line}, turn {turn + 1} of {self.options.turns}")
                    ours.append(self.verify_run(port, token, among, turn).rate)
                    bare.append(self.bare_run(bare_port, packs, turn).rate)
                self.pairs(line, "requests/s", ours, bare)
                rates.append(statistics.median(ours))
            rate = rates[0]
            self.say(f"verify at {rate / 2:.0f} requests/s, open loop")
            calm = [
                self.run(
                    port, lambda n, of, t=turn: self.verifies(token, packs, (99 + t) * of + n), rate=rate / 2
                )  # type: ignore[misc]
                for turn in range(CALM_TURNS)
            ]
            for share, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99")):
                slow = statistics.median(outcome.quantile(share) for outcome in calm)
                self.add(f"verify at half of that, {name}", slow * 1000, "ms")
            self.frozen(port, token, known, rate / 2)
            self.add("memory of the largest worker", self.worker_memory(), "MiB")

    def messaging(self, packs: int) -> None:
        """Verification by GS1 message against a bare Flask route under the same gunicorn settings."""
        speak(self.place, "us_dscsa")
        with self.service() as port, self.bare() as bare_port:
            token = self.token(port)
            ours, bare = [], []
            for turn in range(self.options.turns):
                self.say(f"message, turn {turn + 1} of {self.options.turns}")
                ours.append(self.message_run(port, token, packs, turn).rate)
                bare.append(self.message_run(bare_port, "", packs, turn).rate)
        self.pairs("GS1 message, random packs", "requests/s", ours, bare)
        speak(self.place, "eu_fmd")

    def frozen(self, port: int, token: str, packs: int, rate: float) -> None:
        """The slowest answer of the second half of a run in the middle of which Redis froze for good."""
        self.say("the same while Redis is frozen")
        redis = self.place.redis_pid()
        freezer = threading.Timer(0.3 + self.options.seconds * 0.25, os.kill, (redis, signal.SIGSTOP))
        freezer.start()
        try:
            outcome = self.run(port, lambda n, of: self.verifies(token, packs, 7 * of + n), rate=rate)
        finally:
            freezer.join()
            os.kill(redis, signal.SIGCONT)
        assert set(outcome.statuses) == {200}, outcome.statuses
        later = outcome.latencies[len(outcome.latencies) // 2 :]
        self.add("verify with Redis frozen, slowest", max(later) * 1000, "ms")

    def scaling(self, *sizes: int) -> None:
        """The same route over a table a hundred times as long, in turns with the short one."""
        places, rates = [], []
        for number, packs in enumerate(sizes, 1):
            self.say(f"making a table of {packs:,} packs")
            places.append(grown(self.place, number, packs))
        with self.service(places[0]) as first, self.service(places[1]) as second:
            asked = [
                (port, self.token(port, place), packs)
                for port, place, packs in zip((first, second), places, sizes, strict=True)
            ]
            for turn in range(self.options.turns):
                self.say(f"verify over {sizes[0]:,} and {sizes[1]:,} packs, turn {turn + 1}")
                rates.append([self.verify_run(*each, turn, grown_serial_of).rate for each in asked])
        small, large = zip(*rates, strict=True)
        self.pairs(f"verify at {sizes[1]:,} packs, bare: at {sizes[0]:,}", "requests/s", large, small)

    def verify_run(
        self, port: int, token: str, packs: int, turn: int, serial: Serial = serial_of
    ) -> load.Outcome:
        outcome = self.run(port, lambda n, of: self.verifies(token, packs, turn * of + n, serial))
        assert set(outcome.statuses) == {200}, outcome.statuses
        return outcome

    def bare_run(self, port: int, packs: int, turn: int) -> load.Outcome:
        return self.run(port, lambda n, of: self.verifies("", packs, turn * of + n))

    def dispensing(self) -> None:
        """Dispense of random fresh packs against the same transactions by a bare psycopg loop."""
        ours, bare = [], []
        numbers = list(range(self.options.packs))
        random.Random(5).shuffle(numbers)  # noqa: S311
        fresh = iter(numbers)
        forget_cache(self.place)
        with self.service() as port:
            token = self.token(port)
            for turn in range(self.options.turns):
                self.say(f"dispense, turn {turn + 1} of {self.options.turns}")
                share = [next(fresh) for _ in range(int(2500 * self.options.seconds))]
                outcome = self.run(port, lambda n, of, s=share: self.dispenses(token, s[n::of]))  # type: ignore[misc]
                assert set(outcome.statuses) == {200}, outcome.statuses
                ours.append(outcome.rate)
                share = [next(fresh) for _ in range(int(6000 * self.options.seconds))]
                packs = [serial_of(number) for number in share]
                bare.append(
                    dispense_rate(
                        self.place.plain_url,
                        packs,
                        "x" * SIZE,
                        threads=CONNECTIONS,
                        seconds=self.options.seconds,
                    )
                )
        self.pairs("dispense", "requests/s", ours, bare)

    def asking(self) -> None:
        """A question to another party's service, beside that service's own time."""
        self.say("questions to another party's verification service")
        spent = overhead(self.place, self.service, GLN, self.options.seconds)
        self.add("question to the network, p95 beside the peer's own time", spent, "ms")

    def run(self, port: int, make: Any, rate: float | None = None) -> load.Outcome:
        return load.run(port, make, seconds=self.options.seconds, connections=CONNECTIONS, rate=rate)

    def verifies(self, token: str, packs: int, seed: int, serial: Serial = serial_of) -> Iterator[bytes]:
        chosen = random.Random(seed)  # noqa: S311
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        while True:
            number = chosen.randrange(packs)
            yield load.request("POST", "/v1/verify", body_of(*serial(number), number), headers)

    def message_run(self, port: int, token: str, packs: int, turn: int) -> load.Outcome:
        outcome = self.run(port, lambda n, of: messages(token, packs, turn * of + n))
        assert set(outcome.statuses) == {200}, outcome.statuses
        return outcome

    def dispenses(self, token: str, numbers: list[int]) -> Iterator[bytes]:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        for number in numbers:
            keyed = headers | {"Idempotency-Key": uuid.uuid4().hex}
            yield load.request("POST", "/v1/dispense", body_of(*serial_of(number), number), keyed)

    @contextmanager
    def service(self, place: Place | None = None) -> Iterator[int]:
        with (place or self.place).server(
            ["verifier", "serve", "--port", "{port}", "--workers", str(WORKERS), "--threads", str(THREADS)]
        ) as port:
            time.sleep(2.5)  # the cache is admitted after a second
            yield port

    @contextmanager
    def bare(self) -> Iterator[int]:
        port = free_port()
        command = [
            sys.executable,
            "-m",
            "bench.bare",
            f"127.0.0.1:{port}",
            str(WORKERS),
            str(THREADS),
            str(SIZE),
        ]
        process = subprocess.Popen(command, cwd=Path(__file__).parents[1])
        try:
            time.sleep(1.5)
            yield port
        finally:
            process.terminate()
            process.wait()

    def token(self, port: int, place: Place | None = None) -> str:
        return (place or self.place).token(port, GLN, "verify dispense vrs")

    def worker_memory(self) -> float:
        return max(self.place.resident_mib(), default=0.0)


def body_of(gtin: int, serial: str, number: int) -> bytes:
    return b'{"code":"]d201%014d21%b\\u001d1731123110LOT%d"}' % (gtin, serial.encode(), number % 50)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--large", type=int, default=10_000_000, help="packs of the long table; 0: none")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="verifier-bench-") as folder:
        bench = Bench(Place(Path(folder)), options)
        with bench.place.open():
            bench.loading()
            bench.verifying(options.packs)
            bench.messaging(options.packs)
            bench.dispensing()
            bench.asking()
            if options.large:
                bench.scaling(100_000, options.large)
    if options.json:
        print(json.dumps({"cpus": os.cpu_count(), "lines": bench.lines}))
        return
    table = Table("line", "ours", "unit", "bare", "ratio")
    for line in bench.lines:
        table.add_row(*("-" if value is None else f"{value:,}" if not isinstance(value, str) else value
                        for value in line.values()))  # fmt: skip
    Console(width=None if sys.stdout.isatty() else 110).print(table)


if __name__ == "__main__":
    if shutil.disk_usage("/").free < 8 << 30:
        sys.exit("The benchmark needs 8 GiB of free disk.")
    main()
