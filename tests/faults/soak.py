"""Two instances under full traffic and one fault after the other: `make soak SECONDS=60`.

Every answer is checked (`linear`), and at the end the journal and the cache. Exit code 1 when anything was
wrong. Progress goes to stderr, the result to stdout: a sentence on a terminal, else one line of JSON.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import soak_audit
from soak_faults import FAULTS, Scene
from sqlalchemy.exc import SQLAlchemyError
from stage import Stage, staged

from verifier.domain.load import PackRow
from verifier.embedded import servers
from verifier.storage.database import connect
from verifier.storage.loader import Loader
from verifier.storage.migrate import migrate

AHEAD, BLOCK, LOT_SIZE = 1500, 3000, 4
EXPIRY = 20991231
CALM_S = 3.0
"""Traffic without faults at the end, so that the cache holds something that can be compared."""
WRONG = ("stale_reads", "impossible_changes", "journal_wrong", "cache_wrong", "unexpected_answers", "crashes")


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long traffic and faults last")
    parser.add_argument("--operations", type=int, default=0, help="end earlier, after so many operations")
    parser.add_argument("--people", type=int, default=2, help="processes that ask")
    parser.add_argument("--lanes", type=int, default=8, help="connections to each instance, a process")
    parser.add_argument("--workers", type=int, default=2, help="worker processes an instance")
    parser.add_argument("--pause", type=float, default=1.2, help="seconds between two faults, on average")
    parser.add_argument("--no-faults", action="store_true", help="traffic only")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--mistakes", default="", help="a service that makes these (haunted/mistakes.py)")
    return parser.parse_args(arguments)


class Persons:
    """One process of people, and the packs that are loaded ahead of it."""

    def __init__(self, stage: Stage, number: int, asked: argparse.Namespace) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: list[str] = []
        self.done = False
        self.prefix = f"P{number}X"
        self.loaded = 0
        self._stage = stage
        self.load()
        pharmacy, operator = stage.credentials["pharmacy"], stage.credentials["operator"]
        orders = {
            "ports": [instance.port for instance in stage.both],
            "gtin": stage.gtin,
            "prefix": self.prefix,
            "client_id": pharmacy.client_id,
            "client_secret": pharmacy.client_secret,
            "operator": (operator.client_id, operator.client_secret),
            "lanes": asked.lanes,
            "seed": asked.seed + number,
        }
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("soak_people.py")), json.dumps(orders)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def load(self) -> None:
        """More packs, while there are few ahead."""
        if self.loaded > self.counts["packs"] + AHEAD:
            return
        numbers = range(self.loaded, self.loaded + BLOCK)
        names = [(f"{self.prefix}{n:07d}", f"{self.prefix}{n // LOT_SIZE}") for n in numbers]
        rows = [PackRow(2, self._stage.gtin, serial, lot, EXPIRY, None, ()) for serial, lot in names]
        loader = Loader(self._stage.engine, "eu_fmd")
        loader.load(rows, dry_run=False, reject=lambda _: None, progress=lambda _: None)
        self.loaded += BLOCK

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            self.counts, self.examples = Counter(told["counts"]), told["examples"]
            self.done = told["done"]

    def go_home(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    def gone(self, seconds: float) -> bool:
        """Did it end by itself and in order?"""
        try:
            return self._process.wait(seconds) == 0 and self.done
        except subprocess.TimeoutExpired:
            self._process.kill()
            return False

    @property
    def alive(self) -> bool:
        return self._process.poll() is None


class Misfortune:
    """Begins a fault every now and then; never two at once on the same thing."""

    def __init__(self, scene: Scene, pause: float) -> None:
        self.begun: Counter[str] = Counter()
        self.errors: list[str] = []
        self._scene, self._pause = scene, pause
        self._busy: set[str] = set()
        self._end = threading.Event()
        self._works: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        random = self._scene.random
        while not self._end.wait(random.uniform(0.3, 1.7) * self._pause):
            fault, _, subject = random.choices(FAULTS, [often for _, often, _ in FAULTS])[0]
            self._works = [work for work in self._works if work.is_alive()]
            if subject not in self._busy and len(self._works) < 2:
                self._busy.add(subject)
                self.begun[fault.__name__] += 1
                work = threading.Thread(target=self._do, args=(fault, subject))
                self._works.append(work)
                work.start()

    def _do(self, fault: Callable[[Scene], None], subject: str) -> None:
        try:
            fault(self._scene)
        except Exception as error:  # noqa: BLE001 - told at the end
            self.errors.append(f"{fault.__name__}: {error!r}")
        finally:
            self._busy.discard(subject)

    def end(self) -> None:
        self._end.set()
        self._thread.join()
        for work in self._works:
            work.join()


def total(everybody: list[Persons]) -> Counter[str]:
    return sum((persons.counts for persons in everybody), Counter())


def traffic(stage: Stage, home: Path, asked: argparse.Namespace) -> tuple[list[Persons], Misfortune | None]:
    """Everybody at work, and things going wrong, for as long as was asked."""
    everybody = [Persons(stage, number, asked) for number in range(asked.people)]
    misfortune = None if asked.no_faults else Misfortune(Scene(stage, home, asked.seed), asked.pause)
    begin, told = time.monotonic(), 0.0
    try:
        while (passed := time.monotonic() - begin) < asked.seconds and all(one.alive for one in everybody):
            time.sleep(0.25)
            for persons in everybody:
                with suppress(SQLAlchemyError, psycopg.Error):  # it may be away; there are some in stock
                    persons.load()
            counts = total(everybody)
            if passed - told >= (1 if sys.stderr.isatty() else 10):
                told = passed
                progress(passed, counts, misfortune)
            if asked.operations and counts["operations"] >= asked.operations:
                break
    finally:
        if misfortune:
            misfortune.end()
        for instance in stage.both:
            instance.calm()
        time.sleep(CALM_S)
        for persons in everybody:
            persons.go_home()
    return everybody, misfortune


def progress(passed: float, counts: Counter[str], misfortune: Misfortune | None) -> None:
    faults = misfortune.begun.total() if misfortune else 0
    line = (
        f"{passed:7.0f} s  {counts['operations']:>9,} operations  {faults:>5} faults"
        f"  {counts['stale'] + counts['impossible']} wrong  {counts['unknown']} unknown"
    )
    sys.stderr.write(f"\r{line}" if sys.stderr.isatty() else f"{line}\n")
    sys.stderr.flush()


def soak(asked: argparse.Namespace) -> dict[str, Any]:
    """The result, as it is printed."""
    with tempfile.TemporaryDirectory(prefix="soak-", dir="/tmp") as folder:
        home = Path(folder)
        with servers(home, redis=False) as started:
            engine = connect(started.database_url, pool=1)
            migrate(engine)
            engine.dispose()
            size = {"workers": asked.workers, "threads": asked.lanes, "attentive": False}
            with staged(started.database_url, mistakes=asked.mistakes, **size) as stage:
                begin = time.monotonic()
                everybody, misfortune = traffic(stage, home, asked)
                crashes = sum(not persons.gone(90) for persons in everybody)
                seconds = time.monotonic() - begin
                stage.well()
                audit = soak_audit.journal(stage) | soak_audit.cache(stage)
    counts = total(everybody)
    result = {
        "operations": counts["operations"],
        "seconds": round(seconds, 1),
        "faults": dict(sorted(misfortune.begun.items())) if misfortune else {},
        "stale_reads": counts["stale"],
        "impossible_changes": counts["impossible"],
        "unknown_outcomes": counts["unknown"],
        "unanswered": counts["unanswered"],
        "out_of_order": counts["disordered"],
        "looks": counts["looks"],
        "changes_accepted": counts["accepted"],
        "recalls": counts["recalls"],
        "unexpected_answers": counts["unexpected"],
        "crashes": crashes,
        "faults_not_done": misfortune.errors[:10] if misfortune else [],
        "examples": [example for persons in everybody for example in persons.examples][:10],
        "seed": asked.seed,
    }
    lost = counts["accepted"] - audit["journal_changes"]
    return result | audit | {"changes_lost": max(0, lost)}


def sentence(result: dict[str, Any]) -> str:
    faults = sum(result["faults"].values())
    return (
        f"{result['operations']:,} operations checked under {faults} faults in {result['seconds']} s:"
        f" {result['stale_reads']} stale reads, {result['impossible_changes']} double accepts or lost,"
        f" {result['unknown_outcomes']} outcomes unknown; {result['cache_values']} cached values compared,"
        f" {result['cache_wrong']} wrong; {result['journal_changes']} changes in the journal,"
        f" {result['journal_wrong']} wrong."
    )


def main() -> int:
    asked = options(sys.argv[1:])
    result = soak(asked)
    wrong = {name: result[name] for name in (*WRONG, "changes_lost") if result[name]}
    if sys.stdout.isatty():
        sys.stderr.write("\n")
        print(sentence(result))  # noqa: T201
        print(f"WRONG: {wrong}" if wrong else "Nothing wrong.")  # noqa: T201
    else:
        print(json.dumps(result))  # noqa: T201
    return 1 if wrong or not result["operations"] else 0


if __name__ == "__main__":
    sys.exit(main())
