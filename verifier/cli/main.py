"""The command `verifier`. Results go to stdout, everything else to stderr."""

import sys

import click

from verifier.cli import access, database, demo, documents, load, serve
from verifier.embedded import EmbeddedError
from verifier.oauth.faults import MisconfiguredError
from verifier.settings import BadSettings


class Commands(click.Group):
    """Expected failures end with one clear sentence and exit code 1, never with a trace."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (BadSettings, EmbeddedError, MisconfiguredError) as error:
            click.echo(str(error), err=True)
            sys.exit(1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pack-verifier", prog_name="verifier")
def main() -> None:
    """Is this medicine pack genuine, and may I hand it out, take it back, or sell it on?"""


for command in (
    serve.serve,
    database.migrate,
    access.site,
    access.client,
    load.load,
    documents.config,
    documents.openapi,
    demo.demo,
):
    main.add_command(command)
