"""`verifier serve`."""

import os
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import urllib3

from verifier.cli.session import running, say
from verifier.oauth.keys import SigningKey
from verifier.server import Server
from verifier.settings import Settings, check_bind, from_env
from verifier.storage.database import connect
from verifier.storage.migrate import migrate

READY_WITHIN_S = 30


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
    with running(settings) as ready:
        prepare(ready, settings)
        served = replace(ready, issuer=ready.issuer or address)
        options = {
            "bind": f"{f'[{host}]' if ':' in host else host}:{port}",
            "workers": workers,
            "threads": threads,
        }
        if served.cache_mode == "fast" and served.redis_url is None:
            say("No Redis: every look-up is answered by the database.")
        Server(served, options, lambda _arbiter: announce(address)).run()


def prepare(ready: Settings, settings: Settings) -> None:
    """What must be there before the first worker: the schema, the signing key, a clean folder for metrics."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.embedded:
        engine = connect(str(ready.database_url), pool=1)
        migrate(engine)
        engine.dispose()
    SigningKey.load_or_create(settings.signing_key)
    folder = settings.home / f"metrics-{os.getpid()}"
    for old in settings.home.glob("metrics-*"):
        if not Path(f"/proc/{old.name.removeprefix('metrics-')}").exists():
            shutil.rmtree(old, ignore_errors=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder.resolve())


def announce(address: str) -> None:
    """Say `ready on …` on stdout once the service answers."""

    def wait() -> None:
        pool: Any = urllib3.PoolManager(retries=False, timeout=2)
        end = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < end:
            try:
                if pool.request("GET", f"{address}/readyz").status == 200:
                    click.echo(f"ready on {address}")
                    return
            except urllib3.exceptions.HTTPError:
                pass
            time.sleep(0.05)
        say(
            f"The service at {address} did not become ready within {READY_WITHIN_S} s; see the messages above."
        )

    threading.Thread(target=wait, daemon=True).start()
