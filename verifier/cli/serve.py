"""`verifier serve`."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import click
import urllib3
from sqlalchemy.exc import SQLAlchemyError

from verifier.cli.checks.database import judge, refuse_start
from verifier.cli.session import running, say
from verifier.oauth.issuers import load_issuers
from verifier.oauth.keys import SigningKey
from verifier.oauth.vrs_file import load_vrs
from verifier.peers.config import load_requestor
from verifier.settings import Settings, check_bind, from_env
from verifier.storage.condition import database_facts
from verifier.storage.database import connect
from verifier.storage.migrate import migrate

READY_WITHIN_S = 30
PORT_FREE_WITHIN_S = 5


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535))
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 64))
@click.option("--threads", default=8, show_default=True, type=click.IntRange(1, 64))
def serve(host: str, port: int, workers: int, threads: int) -> None:
    """Run the service until Ctrl-C; without VERIFIER_DATABASE_URL with its own PostgreSQL and Redis."""
    settings = from_env(os.environ)
    check_bind(settings, host)
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    wait_for_port(host, port)
    with running(settings) as ready:
        folder = prepare(ready, settings)
        if ready.cache_mode == "fast" and ready.redis_url is None:
            say("No Redis: every look-up is answered by the database.")
        served = replace(ready, issuer=ready.issuer or address)
        environment = os.environ | served.environment() | {"PROMETHEUS_MULTIPROC_DIR": str(folder.resolve())}
        arguments = [f"{f'[{host}]' if ':' in host else host}:{port}", str(workers), str(threads)]
        code = supervise([sys.executable, "-m", "verifier.server", *arguments], environment, address)
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(code)


def wait_for_port(host: str, port: int) -> None:
    """Until nobody listens there: after a kill -9 the server before may still be going."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    end = time.monotonic() + PORT_FREE_WITHIN_S
    while True:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                if time.monotonic() > end:
                    message = f"{host}:{port} cannot be used ({error.strerror}); choose another with --port"
                    raise click.UsageError(message) from None
                time.sleep(0.1)
            else:
                return


def supervise(command: list[str], environment: dict[str, str], address: str) -> int:
    """Run the server as a child in a session of its own, pass on the signals to end; its exit code."""
    child = subprocess.Popen(command, env=environment, start_new_session=True)

    def end(_signal: int, _frame: object) -> None:
        child.terminate()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    threading.Thread(target=announce, args=(address, child), daemon=True).start()
    code = child.wait()
    return 0 if code in (0, -signal.SIGTERM) else code


def prepare(ready: Settings, settings: Settings) -> Path:
    """What must be there before the first worker: the schema, the signing key, a folder for metrics.

    The folder is returned, empty; those of processes that are gone are removed. In a container every process
    in turn has our number.
    """
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.embedded:
        engine = connect(str(ready.database_url), pool=1)
        migrate(engine)
        engine.dispose()
    check_database(str(ready.database_url))
    SigningKey.load_or_create(settings.signing_key)
    check_files(settings)
    folder = settings.home / f"metrics-{os.getpid()}"
    for old in settings.home.glob("metrics-*"):
        if old == folder or not Path(f"/proc/{old.name.removeprefix('metrics-')}").exists():
            shutil.rmtree(old, ignore_errors=True)
    folder.mkdir(mode=0o700)
    return folder


def check_files(settings: Settings) -> None:
    """Read what every worker is going to read, so that a wrong file is told once, in one sentence.

    Raises:
        MisconfiguredError, MisconfiguredRequestorError: with what is wrong.
    """
    if settings.oauth_issuers_file is not None:
        load_issuers(settings.oauth_issuers_file)
    load_vrs(settings.vrs_file, auth=settings.vrs_auth, credentials=settings.vrs_credentials)
    load_requestor(settings.requestor_file)


def check_database(url: str) -> None:
    """Refuse a database that cannot be right; one that is away may come, and is waited for as always.

    Raises:
        BadSettings: E005 to E007.
    """
    try:
        facts = database_facts(url)
    except SQLAlchemyError:
        say("The database does not answer yet; until then every answer is 503. See `verifier doctor`.")
        return
    refuse_start(judge(facts))


def announce(address: str, child: subprocess.Popen[bytes]) -> None:
    """Say `ready on …` on stdout once the service answers."""
    pool: Any = urllib3.PoolManager(retries=False, timeout=2)
    end = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < end and child.poll() is None:
        try:
            if pool.request("GET", f"{address}/readyz").status == HTTPStatus.OK:
                click.echo(f"ready on {address}")
                return
        except urllib3.exceptions.HTTPError:
            pass
        time.sleep(0.05)
    if child.poll() is None:
        say(f"The service at {address} was not ready within {READY_WITHIN_S} s; see the messages above.")
