"""Scans to record, and processes that record them: `python spooling.py` is one that dies where it is told."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Engine, text

from verifier.domain.journal import PackEvent
from verifier.storage import spool, spool_file
from verifier.storage.database import connect
from verifier.storage.spool import Scans, Spool
from verifier.storage.store import Store

GTIN = "05012345678900"
BEGIN = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
NEVER_S = 3600.0

LINE = (
    b"5012345678900\tDAMAGED\t00000000-0000-4000-8000-000000000001\t2026-11-21T09:30:00+00:00\t\\N\tverify\t"
    b"\\N\tok\tt\tactive\tactive\t4012345000016\tc\t{}\t{}"
)
DAMAGES = {  # what may stand where a line should
    "zeros": b"\0" * 600,
    "nothing": b"",
    "the beginning of a line": b"5012345678900\tDAM",
    "a number": b"123",
    "the end of all data": b"\\.",
    "the end of all data and more": b"\\.\t" + LINE,
    "too few columns": LINE.replace(b"\t{}\t{}", b""),
    "one too many": LINE + b"\tx",
    "no text encoding": LINE.replace(b"verify", b"ver\xff\xfe"),
    "half a character": LINE.replace(b"DAMAGED", b"\xed\xa0\x80"),
    "no event id": LINE.replace(b"4000", b"g000"),
    "no time": LINE.replace(b"2026-11-21", b"2026-13-21"),
    "no truth": LINE.replace(b"\tt\t", b"\tquite\t"),
    "nothing where something must be": LINE.replace(b"\tok\t", b"\t\\N\t"),
    "a number of no size": LINE.replace(b"5012345678900", b"9" * 30),
    "a number that the database cannot hold": LINE.replace(b"5012345678900", b"9" * 19),
    "a text that the database cannot hold": LINE.replace(b"verify", b"ver\\000fy"),
    "details that are no JSON": LINE.replace(b"\t{}\t{}", b"\t{\t{}"),
}


def scan(serial: str, number: int = 0, **fields: Any) -> PackEvent:
    """A green verify."""
    given: dict[str, Any] = {
        "event_id": uuid4(), "gtin": GTIN, "serial": serial, "operation": "verify", "reason": None,
        "code": "ok", "accepted": True, "version": None, "state_before": "active", "state_after": "active",
        "site_gln": "4012345000016", "client_id": "client-1", "occurred_at": None,
        "received_at": BEGIN + timedelta(milliseconds=number), "details": {"entry_mode": "scanned"},
    }  # fmt: skip
    return PackEvent(**(given | fields))


def answer(event: PackEvent) -> dict[str, Any]:
    """About as long as a verdict."""
    return {"event_id": str(event.event_id), "advice": "May be dispensed.\n" * 20}


def record(into: Spool | Scans, serial: str, count: int = 1) -> list[UUID]:
    """That many scans of one pack; their ids, sorted, once they are acknowledged."""
    write = into.append if isinstance(into, Spool) else into.record
    made = [scan(serial, number) for number in range(count)]
    for event in made:
        write(event, answer(event))
    return sorted(event.event_id for event in made)


def arrived(engine: Engine, serial: str) -> list[UUID]:
    """The ids in the database, sorted."""
    with engine.connect() as connection:
        statement = text("SELECT event_id FROM events WHERE serial = :serial ORDER BY event_id")
        return list(connection.execute(statement, {"serial": serial}).scalars())


def offsets(engine: Engine) -> dict[str, int]:
    """How far which file is shipped."""
    with engine.connect() as connection:
        return dict(iter(connection.execute(text("SELECT file_id, shipped FROM spool_files"))))


def url(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


class Recorder:
    """A process of its own that records, says what it has acknowledged, and dies as it is told."""

    def __init__(self, engine: Engine, folder: Path, serial: str, **orders: Any) -> None:
        told = {"url": url(engine), "folder": str(folder), "serial": serial} | orders
        self._process = subprocess.Popen(
            [sys.executable, __file__, json.dumps(told)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.acknowledged: list[UUID] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.endswith("\n"):
                self.acknowledged.append(UUID(line.strip()))

    def kill(self) -> None:
        self._process.kill()

    def ended(self) -> tuple[int, str]:
        """Its exit code and what it said on stderr, once it is gone."""
        code = self._process.wait(60)
        self._reader.join()
        assert self._process.stderr is not None
        with self._process.stderr, self._process.stdout:  # type: ignore[union-attr]
            return code, self._process.stderr.read()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(owner: Any, name: str) -> None:
    """Die when this function has done its work."""
    works: Callable[..., Any] = getattr(owner, name)

    def deadly(*arguments: Any, **named: Any) -> None:
        works(*arguments, **named)
        die()

    setattr(owner, name, deadly)


def in_the_middle_of_a_line() -> None:
    write = os.write

    def deadly(descriptor: int, line: bytes) -> int:
        write(descriptor, line[: len(line) // 2])
        die()
        return 0

    spool_file.os.write = deadly


DEATHS: dict[str, Callable[[], None]] = {
    "before the file has its name": lambda: after(spool_file.fcntl, "flock"),
    "in the middle of a line": in_the_middle_of_a_line,
    "between append and shipping": lambda: None,
    "between COPY and offset": lambda: after(spool, "_copy"),
    "between shipping and removal": lambda: after(Spool, "_move"),
    "between removal and forgetting": lambda: after(spool_file.SpoolFile, "remove"),
}


def say(ids: Iterable[UUID]) -> None:
    for event_id in ids:
        sys.stdout.write(f"{event_id}\n")
    sys.stdout.flush()


def main(told: dict[str, Any]) -> None:
    """Record `count` scans in each of `threads`, then do what `then` says and die where `death` does."""
    spool.SHIP_EVERY_S = told.get("every", NEVER_S)
    spool.ROTATE_BYTES = told.get("rotate", spool.ROTATE_BYTES)
    if told.get("death") == "before the file has its name":
        DEATHS["before the file has its name"]()
    engine = connect(told["url"], pool=4)
    made = Spool(engine, Path(told["folder"]))
    scans = Scans(made, Store(engine, None))  # type: ignore[arg-type]

    def work() -> None:
        for _ in range(told.get("count", 0)):
            say(record(scans, told["serial"]))

    threads = [threading.Thread(target=work) for _ in range(told.get("threads", 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if "death" in told:
        DEATHS[told["death"]]()
        if told["death"] == "in the middle of a line":
            record(scans, told["serial"])
        if told["death"] == "between append and shipping":
            die()
    getattr(made, told.get("then", "close"))()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
