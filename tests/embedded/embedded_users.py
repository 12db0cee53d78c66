"""Users of a home, and what becomes of its servers, for the tests beside this file."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from verifier.embedded import Servers, processes
from verifier.embedded.home import Home
from verifier.embedded.postgres import Postgres
from verifier.embedded.redis import Redis

USER = """
import os, sys, time
from pathlib import Path
from verifier.embedded import servers
with servers(Path(sys.argv[1]), progress=lambda sentence: print(sentence, flush=True)) as running:
    print("ready", running.database_url, flush=True)
    exec(sys.argv[2])
"""


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
