"""Scan records while the disk is full or the database is away."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from instances import until
from spooling import NEVER_S, arrived, record, scan, url
from sqlalchemy import Engine, create_engine, text

from verifier.storage import spool, spool_file
from verifier.storage.database import connect
from verifier.storage.spool import Scans, Spool
from verifier.storage.spool_file import SpoolFile, SpoolFull
from verifier.storage.store import Store


@pytest.fixture
def every(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    return lambda seconds: monkeypatch.setattr(spool, "SHIP_EVERY_S", seconds)


@pytest.fixture
def own(engine: Engine, tmp_path: Path, every: Callable[[float], None]) -> Iterator[Spool]:
    every(NEVER_S)
    made = Spool(engine, tmp_path / "spool")
    yield made
    made.close()


@pytest.fixture
def scans(own: Spool, engine: Engine) -> Scans:
    return Scans(own, Store(engine, None))


def file_of(one: Spool) -> SpoolFile:
    assert one._file is not None
    return one._file


def whole(file: SpoolFile) -> bool:
    """Nothing but whole lines, and as many bytes as it says."""
    data = file.path.read_bytes()
    return len(data) == file.size and (not data or data.endswith(b"\n"))


# The disk.


def test_a_disk_without_room_sends_scans_to_the_database_until_there_is_room_again(
    engine: Engine, tmp_path: Path, every: Callable[[float], None], caplog: pytest.LogCaptureFixture
):
    every(NEVER_S)
    with tiny_disk(tmp_path / "disk") as disk:
        own = Spool(engine, disk)
        scans = Scans(own, Store(engine, None))
        ids = record(scans, "NO ROOM", 5)
        ballast = disk / "ballast"
        fill(ballast)
        ids += record(scans, "NO ROOM", 200)
        assert whole(file_of(own))
        direct = arrived(engine, "NO ROOM")
        assert 100 < len(direct) < 205, "some found room at the end of a page"
        ballast.unlink()
        size = file_of(own).size
        ids += record(scans, "NO ROOM", 5)
        assert file_of(own).size > size
        assert whole(file_of(own))
        own.close()
        assert arrived(engine, "NO ROOM") == sorted(ids)
        assert list(disk.iterdir()) == []
    assert len(caplog.messages) == 1


def test_a_process_starts_on_a_full_disk_and_finds_its_file_later(
    engine: Engine, tmp_path: Path, every: Callable[[float], None]
):
    every(NEVER_S)
    with tiny_disk(tmp_path / "disk", "nr_inodes=3") as disk:
        for name in "ab":
            (disk / name).touch()
        own = Spool(engine, disk)
        scans = Scans(own, Store(engine, None))
        ids = record(scans, "FULL START", 3)
        assert arrived(engine, "FULL START") == ids
        (disk / "a").unlink()
        ids += record(scans, "FULL START", 3)
        assert len(list(disk.glob("*.scans"))) == 1
        own.close()
        assert arrived(engine, "FULL START") == sorted(ids)


@contextmanager
def tiny_disk(folder: Path, *options: str) -> Iterator[Path]:
    """64 KiB of memory as a disk."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", ",".join(("size=64k", *options)), "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no file system may be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True, capture_output=True)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            return


LIMITED = """
import resource, sys
from pathlib import Path
from spooling import NEVER_S, connect, record, spool, Scans, Spool, Store
spool.SHIP_EVERY_S = NEVER_S
engine = connect(sys.argv[1], pool=2)
own = Spool(engine, Path(sys.argv[2]))
scans = Scans(own, Store(engine, None))
record(scans, "LIMITED", 2)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (own._file.size + 100, hard))
record(scans, "LIMITED", 3)
assert own._file.path.stat().st_size == own._file.size, "cut back after a short write"
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
record(scans, "LIMITED", 4)
own.ship()
assert own._file.size == own._file.shipped
"""


def test_a_line_that_was_taken_in_part_is_taken_back(engine: Engine, tmp_path: Path):
    command = [sys.executable, "-c", LIMITED, url(engine), str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("does not take them") == 1
    assert len(arrived(engine, "LIMITED")) == 9


def test_a_line_that_cannot_even_be_taken_back_is_cut_off_before_the_next(
    engine: Engine, own: Spool, scans: Scans, monkeypatch: pytest.MonkeyPatch
):
    """Otherwise the next record, which is acknowledged, would be glued to it and be lost with it."""
    ids = record(scans, "GLUED", 2)
    write = spool_file.os.write

    def short(descriptor: int, line: bytes) -> int:
        return write(descriptor, line[:50])

    def refused(*_: Any) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(spool_file.os, "write", short)
        patched.setattr(spool_file.os, "ftruncate", refused)
        ids += record(scans, "GLUED", 2)
    assert not whole(file_of(own))
    ids += record(scans, "GLUED", 2)
    assert whole(file_of(own))
    own.ship()
    assert arrived(engine, "GLUED") == sorted(ids)


def test_without_room_for_another_file_the_long_one_grows(
    engine: Engine, own: Spool, scans: Scans, monkeypatch: pytest.MonkeyPatch
):
    def refused(_folder: Path) -> SpoolFile:
        raise SpoolFull

    monkeypatch.setattr(spool, "ROTATE_BYTES", 1)
    ids = record(scans, "GROWS", 1)
    first = file_of(own)
    with monkeypatch.context() as patched:
        patched.setattr(SpoolFile, "create", refused)
        ids += record(scans, "GROWS", 3)
        assert file_of(own) is first
        own.ship()
    ids += record(scans, "GROWS", 1)
    assert file_of(own) is not first
    own.ship()
    assert not first.path.exists()
    assert arrived(engine, "GROWS") == sorted(ids)


def test_a_file_that_was_closed_takes_nothing_and_closes_nobody_elses(tmp_path: Path):
    closed = SpoolFile.create(tmp_path)
    number = closed._descriptor
    closed.close()
    with (tmp_path / "another").open("w+b", buffering=0) as other:
        assert other.fileno() == number
        with pytest.raises(SpoolFull):
            closed.append(b"line\n")
        closed.close()
        closed.remove()
        assert other.write(b"mine") == 4
        assert (tmp_path / "another").read_bytes() == b"mine"


# The database.


@contextmanager
def away(engine: Engine) -> Iterator[None]:
    """Every connection cut, no new one let in."""
    name = engine.url.database
    admin = create_engine(engine.url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    cut = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
    with admin.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        connection.execute(cut, {"name": name})
        try:
            yield
        finally:
            connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    admin.dispose()


def test_what_came_while_the_database_was_away_arrives_when_it_is_back(
    engine: Engine, tmp_path: Path, every: Callable[[float], None], caplog: pytest.LogCaptureFixture
):
    every(0.02)
    used = connect(url(engine), pool=4)
    own = Spool(used, tmp_path)
    ids = record(own, "AWAY", 20)
    until(lambda: arrived(engine, "AWAY") == sorted(ids))
    with away(engine):
        ids += record(own, "AWAY", 20)
        until(lambda: own._away, "the outage noticed")
        ids += record(own, "AWAY", 20)
        assert file_of(own).path.read_bytes().count(b"\n") == 60
    ids += record(own, "AWAY", 20)
    engine.dispose()
    until(lambda: arrived(engine, "AWAY") == sorted(ids), "everything there")
    own.close()
    used.dispose()
    assert len([m for m in caplog.messages if "wait in" in m]) == 1, "an outage is told once"


def test_a_stop_while_the_database_is_away_leaves_the_file_to_the_next_start(
    engine: Engine, tmp_path: Path, every: Callable[[float], None]
):
    every(NEVER_S)
    own = Spool(engine, tmp_path)
    ids = record(own, "STOPPED", 5)
    with away(engine):
        own.close()
        assert len(list(tmp_path.glob("*.scans"))) == 1
    engine.dispose()
    later = Spool(engine, tmp_path)
    later.adopt()
    assert arrived(engine, "STOPPED") == ids
    later.close()


def test_an_heir_whom_the_database_leaves_gives_the_file_back(
    engine: Engine, own: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    gone = Spool(engine, tmp_path / "spool")
    ids = record(gone, "GIVEN BACK", 5)
    file_of(gone).close()
    gone._file = None

    def cut(*_: Any) -> None:
        raise psycopg.OperationalError

    with monkeypatch.context() as patched:
        patched.setattr(spool, "_copy", cut)
        with pytest.raises(psycopg.OperationalError):
            own.adopt()
    own.adopt()
    assert arrived(engine, "GIVEN BACK") == ids
    gone.close()


@pytest.mark.parametrize("when", ["before COPY", "between COPY and offset"])
def test_a_connection_cut_in_the_middle_ships_all_or_nothing(
    engine: Engine, own: Spool, monkeypatch: pytest.MonkeyPatch, when: str
):
    ids, copy = record(own, when, 30), spool._copy

    def cut(connection: Any, rows: Any) -> None:
        if "between" in when:
            copy(connection, rows)
        with engine.connect() as other:
            pid = connection.info.backend_pid
            other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        if "before" in when:
            copy(connection, rows)

    with monkeypatch.context() as patched:
        patched.setattr(spool, "_copy", cut)
        with pytest.raises(psycopg.OperationalError):
            own.ship()
    assert arrived(engine, when) == []
    own.ship()
    assert arrived(engine, when) == ids


def test_a_commit_whose_answer_was_lost_is_not_made_twice(
    engine: Engine, own: Spool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    ids, move = record(own, "LOST ANSWER", 30), Spool._move_block

    def lost(self: Spool, *arguments: Any) -> None:
        shipped = arguments[0].shipped
        move(self, *arguments)
        arguments[0].shipped = shipped
        raise psycopg.OperationalError

    with monkeypatch.context() as patched:
        patched.setattr(Spool, "_move_block", lost)
        with pytest.raises(psycopg.OperationalError):
            own.ship()
    own.ship()
    assert arrived(engine, "LOST ANSWER") == ids
    assert caplog.messages == []


def test_the_thread_lives_through_whatever_happens(
    engine: Engine,
    tmp_path: Path,
    every: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    def broken(*_: Any) -> None:
        raise ValueError("never foreseen")

    def failing(_file: SpoolFile) -> None:
        raise OSError(5, "Input/output error")

    every(0.01)
    own = Spool(engine, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(spool, "_copy", broken)
        patched.setattr(SpoolFile, "sync", failing)
        own.append(scan("LIVES"), None)
        until(lambda: len(caplog.messages) > 2, "some failures")
    until(lambda: len(arrived(engine, "LIVES")) == 1, "shipped all the same")
    own.close()
