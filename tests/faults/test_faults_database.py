"""PostgreSQL restarts, crashes, freezes, refuses writes, or loses a connection in the middle of a change."""

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import psycopg
import pytest
from callers import Answer, new_key
from crowd import Crowd
from instances import Doing
from running import Pack, until
from stage import Stage, examined, staged, with_sql

from verifier.embedded import servers
from verifier.embedded.home import Home
from verifier.storage.database import connect
from verifier.storage.migrate import migrate

COMMIT = with_sql("COMMIT")
SHIPPED_S = 0.6
IDLE = (
    "SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction' AND application_name = 'verifier'"
)
TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'verifier'"


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """Of a PostgreSQL of the module's own; whatever ends it, it is started again."""
    with tempfile.TemporaryDirectory(prefix="database-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def own_stage(home: Path) -> Iterator[Stage]:
    with servers(home, redis=False) as started:
        engine = connect(started.database_url, pool=1)
        migrate(engine)
        engine.dispose()
        with staged(started.database_url) as made:
            yield made


@pytest.fixture
def stage(own_stage: Stage) -> Iterator[Stage]:
    yield from examined(own_stage)


def back(stage: Stage) -> None:
    def answers() -> bool:
        with suppress(psycopg.OperationalError):
            return bool(stage.rows("SELECT 1"))
        return False

    until(answers, "PostgreSQL back", 40)


ENDS = {"restarted": signal.SIGINT, "ended at once": signal.SIGQUIT, "killed": signal.SIGKILL}


@pytest.mark.parametrize("how", ENDS)
def test_postgresql_ends_in_the_middle_of_traffic_and_comes_back(stage: Stage, home: Path, how: str):
    with Crowd(stage) as crowd:
        crowd.passed()
        pid = int((Home(home).data() / "postmaster.pid").read_text().split()[0])  # type: ignore[operator]
        os.kill(pid, ENDS[how])
        until(lambda: not Path(f"/proc/{pid}").exists(), "gone", 40)
        back(stage)
        crowd.passed()


def test_every_connection_is_terminated_again_and_again(stage: Stage):
    with Crowd(stage) as crowd:
        for _ in range(8):
            crowd.passed(changes=2, looks=8)
            stage.rows(TERMINATE)
        crowd.passed()


def insist(stage: Stage, pack: Pack, key: str) -> Answer:
    """The same request at the other instance until it is answered."""
    told: list[Answer] = []

    def ask() -> bool:
        told.append(stage.b.pharmacy.dispense(pack, key))
        return "pack" in told[-1].body

    until(ask, "an answer", 30)
    return told[-1]


def once(stage: Stage, pack: Pack) -> None:
    assert stage.accepted(pack) == ["dispense"]
    assert stage.seen(pack) == {"dispensed"}


def test_a_connection_is_terminated_in_the_middle_of_a_change(stage: Stage):
    pack, key = stage.warm_pack(), new_key()
    stage.a.haunt("between fence and commit", "wait")
    writing = Doing(stage.a.pharmacy.dispense, pack, key)
    until(stage.a.someone_there, "a change before its commit")
    stage.rows(TERMINATE)
    stage.a.go()
    assert writing.result().status in (200, 503)
    assert insist(stage, pack, key).code == "ok"
    once(stage, pack)


@pytest.mark.parametrize("deed", ["cut", "cut after"])
def test_a_commit_or_its_answer_is_lost_on_the_way(stage: Stage, deed: str):
    pack, key = stage.warm_pack(), new_key()
    stage.a.haunt("between fence and commit", "wait")
    writing = Doing(stage.a.pharmacy.dispense, pack, key)
    until(stage.a.someone_there, "a change before its commit")
    time.sleep(SHIPPED_S)  # no other transaction then
    rule = stage.a.database_proxy.rule(deed, COMMIT)
    stage.a.go()
    assert writing.result().status in (200, 503)
    assert rule.met.is_set()
    assert insist(stage, pack, key).code == "ok"
    once(stage, pack)


def test_a_server_process_stands_still_in_the_middle_of_a_change(stage: Stage):
    pack, key = stage.warm_pack(), new_key()
    stage.a.haunt("between fence and commit", "wait")
    writing = Doing(stage.a.pharmacy.dispense, pack, key)
    until(stage.a.someone_there, "a change before its commit")
    frozen = [pid for (pid,) in stage.rows(IDLE)]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert frozen
        stage.a.go()
        assert stage.seen(pack, stage.b) == {"active"}
        assert writing.result().code in ("database_unavailable", "idempotency_in_progress")
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    assert insist(stage, pack, key).code == "ok"
    once(stage, pack)


def test_a_row_is_locked_for_longer_than_a_change_waits(stage: Stage):
    pack, key = stage.warm_pack(), new_key()
    with stage.connection() as holder, holder.transaction():
        holder.execute("SELECT 1 FROM packs WHERE serial = %s FOR UPDATE", (pack["serial"],))
        writing = Doing(stage.a.pharmacy.dispense, pack, key)
        while not writing.done:
            assert stage.b.other.state(pack) == "active"
        assert writing.result().status == 503
    assert insist(stage, pack, key).code == "ok"
    once(stage, pack)


def test_a_database_that_takes_no_writes_as_when_its_disk_is_full(stage: Stage):
    pack, kept, key = stage.warm_pack(), stage.warm_pack(), new_key()
    (name,) = stage.rows("SELECT current_database()")[0]
    with stage.connection() as admin:
        admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        admin.execute(TERMINATE)
        try:
            assert stage.a.pharmacy.dispense(pack, key).status == 503
            looks = [one.pharmacy.look(kept, fresh=True) for one in stage.both for _ in range(8)]
            assert {look.status for look in looks} == {200}
        finally:
            admin.execute("SET default_transaction_read_only = off")
            admin.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
            admin.execute(TERMINATE)
    assert insist(stage, pack, key).code == "ok"
    once(stage, pack)
    arrive(stage, kept, looks)


def arrive(stage: Stage, pack: Pack, looks: list[Answer]) -> None:
    """Every look is in the journal, once."""
    told = sorted(look.body["event_id"] for look in looks)
    query = "SELECT event_id::text FROM events WHERE serial = %s AND operation = 'verify' ORDER BY 1"

    def recorded() -> list[str]:
        return [event for (event,) in stage.rows(query, pack["serial"]) if event in told]

    until(lambda: recorded() == told, "every scan recorded once")


def test_no_connection_is_to_be_had(stage: Stage):
    pack, key = stage.warm_pack(), new_key()
    taken: list[Any] = []
    try:
        stage.rows(TERMINATE)
        with suppress(psycopg.OperationalError):
            while len(taken) < 300:
                taken.append(stage.connection())
        taken[0].execute(TERMINATE)
        with suppress(psycopg.OperationalError):
            while len(taken) < 300:
                taken.append(stage.connection())
        assert {stage.a.pharmacy.dispense(pack, key).status, stage.b.pharmacy.look(pack).status} <= {200, 503}
    finally:
        for connection in taken:
            connection.close()
    assert insist(stage, pack, key).code == "ok"
    once(stage, pack)


def test_a_slow_database_makes_no_answer_wrong(stage: Stage):
    stage.a.database_proxy.delay(0.03)
    with Crowd(stage) as crowd:
        crowd.passed()
        stage.b.redis_proxy.cut()
        crowd.passed()
        stage.b.redis_proxy.mend()
        crowd.passed()


def test_a_database_that_swallows_everything_is_given_up_on(stage: Stage):
    pack, key = stage.warm_pack(), new_key()
    stage.a.database_proxy.swallow()
    writing = Doing(stage.a.pharmacy.dispense, pack, key)
    looking = Doing(lambda: stage.a.other.look(pack, fresh=True))
    while not writing.done:
        assert stage.b.other.state(pack) == "active"
        time.sleep(0.05)
    for asked in (writing, looking):
        with suppress(OSError, HTTPException):
            assert asked.result().status in (200, 503)
    stage.a.database_proxy.mend()
    assert insist(stage, pack, key).code == "ok"
    once(stage, pack)


def test_connections_are_terminated_between_the_copy_of_scans_and_its_commit(stage: Stage):
    pack = stage.warm_pack()
    stage.a.haunt("between copy and commit", "wait")
    looks = [stage.a.pharmacy.look(pack, fresh=True) for _ in range(30)]
    until(stage.a.someone_there, "somebody shipping")
    stage.rows(TERMINATE)
    stage.a.go()
    arrive(stage, pack, looks)
