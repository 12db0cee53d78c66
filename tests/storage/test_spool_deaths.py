"""Processes that die at every place on a record's way: what was acknowledged arrives, and arrives once."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from instances import until
from spooling import DEATHS, NEVER_S, Recorder, arrived, offsets
from sqlalchemy import Engine

from verifier.storage import spool
from verifier.storage.spool import Spool


@pytest.fixture
def heir(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spool]:
    """The process that comes after."""
    monkeypatch.setattr(spool, "SHIP_EVERY_S", NEVER_S)
    made = Spool(engine, tmp_path)
    yield made
    made.close()


def left(folder: Path, heir: Spool) -> list[str]:
    assert heir._file is not None
    return [path.name for path in folder.glob("*.scans") if path != heir._file.path]


@pytest.mark.parametrize("place", DEATHS)
def test_wherever_a_process_dies_its_records_arrive_once(
    engine: Engine, tmp_path: Path, heir: Spool, caplog: pytest.LogCaptureFixture, place: str
):
    serial = f"OWN {place}"
    dying = Recorder(engine, tmp_path, serial, count=30, death=place)
    assert dying.ended() == (-signal.SIGKILL, "")
    heir.adopt()
    assert arrived(engine, serial) == sorted(dying.acknowledged)
    assert len(dying.acknowledged) == (0 if "name" in place else 30)
    assert left(tmp_path, heir) == []
    torn = ["never finished"] if "middle of a line" in place else []
    assert [text in line for text, line in zip(torn, caplog.messages, strict=True)] == [True] * len(torn)


@pytest.mark.parametrize(
    "place", ["between COPY and offset", "between shipping and removal", "between removal and forgetting"]
)
def test_wherever_an_heir_dies_the_records_arrive_once(
    engine: Engine, tmp_path: Path, heir: Spool, caplog: pytest.LogCaptureFixture, place: str
):
    serial = f"HEIR {place}"
    first = Recorder(engine, tmp_path, serial, count=30, death="between append and shipping")
    assert first.ended() == (-signal.SIGKILL, "")
    [file] = left(tmp_path, heir)
    second = Recorder(engine, tmp_path, serial, death=place, then="adopt")
    assert second.ended() == (-signal.SIGKILL, "")
    assert (file in left(tmp_path, heir)) == ("forgetting" not in place)
    heir.adopt()
    heir.adopt()
    assert arrived(engine, serial) == sorted(first.acknowledged)
    assert len(first.acknowledged) == 30
    assert left(tmp_path, heir) == []
    assert caplog.messages == []


def test_a_row_that_nobody_came_to_forget_is_all_that_stays(engine: Engine, tmp_path: Path, heir: Spool):
    dying = Recorder(engine, tmp_path, "ROW", count=3, death="between removal and forgetting")
    dying.ended()
    before = offsets(engine)
    heir.adopt()
    heir.ship()
    assert offsets(engine) == before
    assert arrived(engine, "ROW") == sorted(dying.acknowledged)


def test_several_processes_at_once_one_killed_and_each_acknowledged_record_is_there_once(
    engine: Engine, tmp_path: Path, heir: Spool, caplog: pytest.LogCaptureFixture
):
    """Small files and short pauses, so that all of it happens many times."""
    busy = {"count": 250, "threads": 3, "every": 0.02, "rotate": 20_000}
    living = [Recorder(engine, tmp_path, f"LOAD {number}", **busy) for number in range(2)]
    victim = Recorder(engine, tmp_path, "LOAD victim", **busy | {"count": 100_000})
    until(lambda: len(victim.acknowledged) > 200, "the victim at work")
    victim.kill()
    assert victim.ended() == (-signal.SIGKILL, "")
    for number, one in enumerate(living):
        assert one.ended() == (0, "")
        assert arrived(engine, f"LOAD {number}") == sorted(one.acknowledged)
        assert len(set(one.acknowledged)) == 750
    heir.adopt()
    came = arrived(engine, "LOAD victim")
    assert set(victim.acknowledged) <= set(came)
    assert len(came) - len(victim.acknowledged) <= busy["threads"]  # those under way when it died
    assert left(tmp_path, heir) == []
    assert all("never finished" in message for message in caplog.messages)
