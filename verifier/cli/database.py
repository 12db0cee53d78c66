"""`verifier migrate`."""

import click

from verifier.cli.session import running, say
from verifier.storage.database import connect
from verifier.storage.migrate import migrate as to_head


@click.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    with running(cache=False) as settings:
        engine = connect(str(settings.database_url), pool=1)
        try:
            to_head(engine)
        finally:
            engine.dispose()
    say("The schema is the newest.")
