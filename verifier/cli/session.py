"""What most commands need: the settings, and the servers for as long as the command runs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import click
from sqlalchemy import Engine

from verifier.embedded import servers
from verifier.settings import Settings, from_env
from verifier.storage.database import connect
from verifier.storage.migrate import migrate


def say(sentence: str) -> None:
    """To the person at the terminal, not into the result."""
    click.echo(sentence, err=True)


@contextmanager
def running(settings: Settings | None = None, *, cache: bool = True) -> Iterator[Settings]:
    """The settings with the URLs of the servers: those that are set, else the embedded ones.

    Only what answers scans needs the `cache`, and with it Redis.
    """
    settings = settings or from_env(os.environ)
    if not settings.embedded:
        yield settings
        return
    wanted = cache and settings.redis_url is None and settings.cache_mode == "fast"
    with servers(settings.home, progress=say, redis=wanted) as embedded:
        for note in embedded.notes:
            say(note)
        yield replace(
            settings,
            database_url=embedded.database_url,
            redis_url=settings.redis_url or embedded.redis_url,
            open_routes=settings.routes_open,
        )


@contextmanager
def database(settings: Settings | None = None) -> Iterator[Engine]:
    """An engine on a database with the newest schema, for one command."""
    settings = settings or from_env(os.environ)
    with running(settings, cache=False) as ready:
        engine = connect(str(ready.database_url), pool=2)
        try:
            if settings.embedded:
                migrate(engine)
            yield engine
        finally:
            engine.dispose()
