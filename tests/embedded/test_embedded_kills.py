"""Real servers, really killed."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import redis
from embedded_users import (
    answers,
    connect,
    count_rows,
    eventually,
    kill_all,
    postmaster,
    server_processes,
    user,
    wait_for,
    write_rows,
)

from verifier.embedded import processes, servers
from verifier.embedded.home import Home
from verifier.embedded.postgres import Postgres
from verifier.embedded.redis import Redis


def test_servers_orphaned_by_a_killed_starter_are_attached_to(home: Path) -> None:
    with user(home) as starter:
        wait_for(starter, "ready")
        first = postmaster(home)
        starter.kill()
    said: list[str] = []
    with servers(home, progress=said.append):
        assert postmaster(home) == first
        assert said == []
    assert server_processes(home) == []


def test_nothing_committed_is_lost_when_everything_is_killed(home: Path) -> None:
    insert = """
import psycopg
connection = psycopg.connect(running.database_url.replace("+psycopg", ""), autocommit=True)
for serial in range(10**9):
    connection.execute("INSERT INTO packs VALUES (%s)", (serial,))
    print("row", serial, flush=True)
"""
    with user(home, insert) as starter:
        committed = [wait_for(starter, "row 100")]
        starter.kill()
        kill_all(home)
        assert starter.stdout
        committed += [line for line in starter.stdout if line.endswith("\n")]
    with servers(home) as running:
        assert count_rows(running) >= int(committed[-1].split()[1]) + 2


@pytest.mark.parametrize("victims", ["the starter", "everything"])
@pytest.mark.parametrize("delay", [0.0, 0.06, 0.25, 0.5])
def test_a_first_start_killed_at_any_moment_leaves_a_home_that_starts(
    fresh: Path, delay: float, victims: str
) -> None:
    with user(fresh) as starter:
        wait_for(starter, "Creating")
        time.sleep(delay)
        starter.kill()
        if victims == "everything":
            kill_all(fresh)
    with servers(fresh) as running:
        assert answers(running)
        assert running.redis_url
    assert server_processes(fresh) == []
    assert not (fresh / "postgres.new").exists()


def test_a_killed_postmaster_is_replaced_while_a_backend_of_it_lingers(home: Path) -> None:
    with servers(home, redis=False) as running:
        write_rows(running, 4)
        with connect(running) as busy:
            backend = busy.info.backend_pid
            os.kill(backend, signal.SIGSTOP)
            killed = postmaster(home)
            os.kill(killed, signal.SIGKILL)
            time.sleep(0.5)
            assert not answers(running)
            os.kill(backend, signal.SIGCONT)
            assert eventually(lambda: answers(running))
        assert postmaster(home) != killed
        assert count_rows(running) == 5


def test_a_killed_redis_comes_back_empty_on_the_same_socket(home: Path) -> None:
    said: list[str] = []
    with servers(home, progress=said.append) as running:
        assert running.redis_url
        client = redis.from_url(running.redis_url)
        client.set("pack", "active")
        os.kill(client.info()["process_id"], signal.SIGKILL)
        assert eventually(lambda: Redis(Home(home))._answers())
        assert redis.from_url(running.redis_url).get("pack") is None
    assert "Redis has died; starting it again." in said


def test_a_stopped_redis_that_says_nothing_is_replaced(home: Path) -> None:
    with user(home) as first:
        wait_for(first, "ready")
        first.kill()
    (hanging,) = Redis(Home(home))._processes()
    os.kill(hanging, signal.SIGSTOP)
    with servers(home) as running:
        assert running.redis_url
        assert redis.from_url(running.redis_url).ping()


@pytest.mark.parametrize("pid", [os.getpid(), 1, 2**22 - 1], ids=["this process", "init", "nobody's"])
def test_a_stale_pid_file_confuses_nobody(home: Path, pid: int) -> None:
    stale = f"{pid}\n{home}/postgres\n{int(time.time())}\n5432\n{home}/run\n\n"
    (home / "postgres" / "postmaster.pid").write_text(stale)
    (home / "run").mkdir(mode=0o700)
    (home / "run" / ".s.PGSQL.5432.lock").write_text(stale)
    with servers(home, redis=False) as running:
        assert count_rows(running) == 1


def test_a_zombie_is_no_server(home: Path) -> None:
    zombie = subprocess.Popen(("/bin/true",))
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    (home / "postgres" / "postmaster.pid").write_text(f"{zombie.pid}\n")
    with servers(home, redis=False) as running:
        assert count_rows(running) == 1
    zombie.wait()


def test_a_killed_backend_ends_neither_the_server_nor_a_stop_that_comes_at_once(home: Path) -> None:
    with servers(home, redis=False):
        (victim,) = (
            pid
            for pid in Postgres(Home(home))._processes()
            if "autovacuum launcher" in processes.command_line(pid)
        )
        os.kill(victim, signal.SIGKILL)
    assert server_processes(home) == []
    with servers(home, redis=False) as running:
        assert count_rows(running) == 1


@pytest.mark.skipif(shutil.which("ps") is None, reason="asks ps, as systems without /proc do")
def test_ps_tells_the_same_as_proc() -> None:
    zombie = subprocess.Popen(("sleep", "0"))
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    listed = dict(processes._ps("-A"))
    assert listed[os.getpid()].split() == processes.command_line(os.getpid()).split()
    assert zombie.pid not in listed
    assert processes.command_line(zombie.pid) == ""
    zombie.wait()
