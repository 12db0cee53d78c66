"""Scan records on their way: once, in order, whatever the disk, the database and the neighbours do."""

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from instances import until
from spooling import BEGIN, DAMAGES, NEVER_S, arrived, offsets, record, scan
from sqlalchemy import Engine

from verifier.storage import spool, spool_file
from verifier.storage.archive import Archive
from verifier.storage.spool import Scans, Spool
from verifier.storage.spool_file import SpoolFile
from verifier.storage.store import Store


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shipped when the test says so."""
    monkeypatch.setattr(spool, "SHIP_EVERY_S", NEVER_S)


@pytest.fixture
def opened(engine: Engine, tmp_path: Path) -> Iterator[Callable[[], Spool]]:
    """Spools in one folder, as those of several processes."""
    made: list[Spool] = []

    def create() -> Spool:
        made.append(Spool(engine, tmp_path))
        return made[-1]

    yield create
    for one in made:
        one.close()


@pytest.fixture
def own(opened: Callable[[], Spool]) -> Spool:
    return opened()


@pytest.fixture
def complaints(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was logged, and forgotten then."""
    caplog.set_level(logging.INFO, "verifier.storage.spool")

    def take() -> list[str]:
        told = [record.getMessage() for record in caplog.records if record.name == "verifier.storage.spool"]
        caplog.clear()
        return told

    return take


def leave(opened: Callable[[], Spool], serial: str, count: int) -> tuple[Path, list[UUID]]:
    """The file of a process that died after so many records."""
    gone = opened()
    ids = record(gone, serial, count)
    path = path_of(gone)
    abandon(gone)
    return path, ids


def path_of(one: Spool) -> Path:
    assert one._file is not None
    return one._file.path


def abandon(one: Spool) -> None:
    """As its death would: the lock is gone, the file stays."""
    assert one._file is not None
    one._file.close()
    one._file = None


def files(folder: Path) -> list[Path]:
    return list(folder.glob("*"))


# What arrives.


def test_records_arrive_once_and_in_their_order(
    engine: Engine, own: Spool, monkeypatch: pytest.MonkeyPatch, complaints: Any
):
    events, came = [scan("ORDER", number) for number in range(80)], []
    copy = spool._copy

    def watched(connection: Any, block: bytes) -> None:
        came.extend(UUID(line.split(b"\t")[2].decode()) for line in block.splitlines())
        copy(connection, block)

    monkeypatch.setattr(spool, "_copy", watched)
    for event in events:
        own.append(event, None)
        if event is events[30]:
            own.ship()
    own.ship()
    own.ship()
    assert came == [event.event_id for event in events]
    assert arrived(engine, "ORDER") == sorted(came)
    assert complaints() == []


def test_a_record_arrives_as_it_would_without_the_spool(engine: Engine, own: Spool):
    details = {"raw": "]d2010\\x1d\\\\\t\n", "user": "\u00e9\u2028\U0001f48a", "device": {"sequence": 2**53}}
    told = {"operation": "returns_check", "reason": "a", "occurred_at": BEGIN, "details": details}
    one, other = scan("SAME", **told), scan("SAME", **told)
    own.append(one, {"event_id": "\\N\t\u2028", "text": "line\nbreak"})
    own.ship()
    Store(engine, None).run(lambda tx: tx.record(other, {"event_id": "\\N\t\u2028", "text": "line\nbreak"}))
    archive = Archive(engine)
    shipped, direct = archive.event(one.event_id), archive.event(other.event_id)
    assert shipped is not None
    assert direct is not None
    assert shipped[1] == direct[1]
    assert shipped[0] == one
    assert direct[0] == other


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40), max_size=5
    )
)
def test_no_text_breaks_a_record_or_its_neighbours(engine: Engine, own: Spool, texts: list[str]):
    events = [scan("TEXTS", details={"raw": each}) for each in texts]
    for event in events:
        own.append(event, {"answer": event.details["raw"]})
    own.ship()
    for event in events:
        found = Archive(engine).event(event.event_id)
        assert found is not None
        assert found[0] == event
        assert msgspec.json.decode(found[1] or b"") == {"answer": event.details["raw"]}


def test_nothing_new_asks_the_database_nothing(own: Spool, monkeypatch: pytest.MonkeyPatch):
    record(own, "IDLE")
    own.ship()
    with monkeypatch.context() as patched:
        patched.setattr(own, "_connection", None)
        own.ship()
        own.adopt()


def test_long_files_are_shipped_and_removed_one_after_the_other(
    engine: Engine, own: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, complaints: Any
):
    monkeypatch.setattr(spool, "ROTATE_BYTES", 5_000)
    monkeypatch.setattr(spool_file, "READ_BYTES", 2_000)
    ids = record(own, "ROTATE", 60)
    assert len(files(tmp_path)) > 4
    own.ship()
    assert arrived(engine, "ROTATE") == ids
    assert files(tmp_path) == [path_of(own)]
    assert list(offsets(engine)).count(path_of(own).stem) == 1
    assert complaints() == []


def test_closing_ships_the_rest_and_leaves_nothing(engine: Engine, own: Spool, tmp_path: Path):
    ids = record(own, "CLOSE", 5)
    name = path_of(own).stem
    own.close()
    assert arrived(engine, "CLOSE") == ids
    assert files(tmp_path) == []
    assert name not in offsets(engine)


def test_after_closing_a_scan_goes_to_the_database(engine: Engine, own: Spool, tmp_path: Path):
    own.close()
    [event_id] = record(Scans(own, Store(engine, None)), "LATE")
    assert arrived(engine, "LATE") == [event_id]
    assert files(tmp_path) == []


def test_the_files_are_for_their_owner_only(engine: Engine, tmp_path: Path):
    one = Spool(engine, tmp_path / "new" / "spool")
    assert path_of(one).stat().st_mode & 0o777 == 0o600
    assert path_of(one).parent.stat().st_mode & 0o777 == 0o700
    one.close()


def test_the_thread_ships_by_itself(
    engine: Engine, opened: Callable[[], Spool], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(spool, "SHIP_EVERY_S", 0.01)
    _, left = leave(opened, "LEFT BY ITSELF", 3)
    ids = record(opened(), "BY ITSELF", 3)
    until(lambda: arrived(engine, "BY ITSELF") == ids)
    until(lambda: arrived(engine, "LEFT BY ITSELF") == left)


# What others left.


def test_a_living_process_is_never_robbed(engine: Engine, opened: Callable[[], Spool]):
    alive, other = opened(), opened()
    ids = record(alive, "ALIVE", 3)
    other.adopt()
    alive.adopt()
    assert arrived(engine, "ALIVE") == []
    alive.ship()
    assert arrived(engine, "ALIVE") == ids


def test_what_the_dead_left_is_shipped_and_removed(engine: Engine, opened: Callable[[], Spool]):
    path, ids = leave(opened, "LEFT", 7)
    opened().adopt()
    assert arrived(engine, "LEFT") == ids
    assert not path.exists()
    assert path.stem not in offsets(engine)


def test_a_last_line_that_was_never_finished_was_never_answered(
    engine: Engine, opened: Callable[[], Spool], complaints: Any
):
    path, ids = leave(opened, "TORN", 3)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 7])
    opened().adopt()
    assert arrived(engine, "TORN") == ids
    assert not path.exists()
    [complaint] = complaints()
    assert "never finished" in complaint


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_line_costs_itself_only(
    engine: Engine, opened: Callable[[], Spool], complaints: Any, damage: str
):
    serial = f"AROUND {damage}"
    path, ids = leave(opened, serial, 4)
    lines = path.read_bytes().splitlines()
    lines.insert(2, DAMAGES[damage])
    path.write_bytes(b"\n".join(lines) + b"\n")
    later = opened()
    later.adopt()
    assert arrived(engine, serial) == ids
    assert arrived(engine, "DAMAGED") == []
    assert not path.exists()
    assert len(complaints()) in (1, 2)


def test_an_offset_beyond_the_end_is_the_end(engine: Engine, opened: Callable[[], Spool]):
    """A loss of power may take the end of a file that was shipped."""
    path, ids = leave(opened, "BEYOND", 3)
    first = opened()
    taken = SpoolFile.adopt(path)
    assert taken is not None
    first._move(taken)
    taken.close()
    path.write_bytes(path.read_bytes()[:100])
    first.adopt()
    assert arrived(engine, "BEYOND") == ids
    assert not path.exists()


def test_what_came_twice_all_the_same_is_taken_once(
    engine: Engine, opened: Callable[[], Spool], complaints: Any
):
    """A copy of a file that somebody put back."""
    path, ids = leave(opened, "PUT BACK", 3)
    copy = path.read_bytes()
    later = opened()
    later.adopt()
    path.write_bytes(copy + copy.splitlines()[0].replace(b"PUT BACK", b"PUT BESIDE") + b"\n")
    later.adopt()
    assert arrived(engine, "PUT BACK") == ids
    [beside] = arrived(engine, "PUT BESIDE")
    assert beside in ids
    assert not path.exists()
    assert len(complaints()) == 1


def test_a_file_that_cannot_be_opened_holds_up_no_other(
    engine: Engine, opened: Callable[[], Spool], tmp_path: Path, complaints: Any
):
    (tmp_path / "0.scans").symlink_to("0.scans")
    (tmp_path / "z.scans").mkdir()
    _, ids = leave(opened, "OTHER", 2)
    opened().adopt()
    assert arrived(engine, "OTHER") == ids
    assert len(complaints()) == 2


def test_who_comes_a_moment_too_late_takes_nothing(
    opened: Callable[[], Spool], monkeypatch: pytest.MonkeyPatch
):
    path, _ = leave(opened, "TOO LATE", 1)
    lock = spool_file.fcntl.flock

    def slow(descriptor: int, how: int) -> None:
        path.unlink(missing_ok=True)
        lock(descriptor, how)

    monkeypatch.setattr(spool_file.fcntl, "flock", slow)
    assert SpoolFile.adopt(path) is None


def test_several_adopt_at_once_and_each_file_is_one_ones(
    engine: Engine, opened: Callable[[], Spool], complaints: Any
):
    left = [leave(opened, "MANY", 5) for _ in range(12)]
    adopters = [opened() for _ in range(4)]
    start = threading.Barrier(len(adopters))

    def adopt(one: Spool) -> None:
        start.wait()
        one.adopt()

    threads = [threading.Thread(target=adopt, args=(one,)) for one in adopters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert arrived(engine, "MANY") == sorted(event_id for _, ids in left for event_id in ids)
    assert not any(path.exists() for path, _ in left)
    assert complaints() == []
