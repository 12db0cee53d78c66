"""The command `verifier`. Results go to stdout, everything else to stderr."""

import sys
from importlib import import_module

import click

# each command loads only what it needs
COMMANDS = {
    "serve": "verifier.cli.serve:serve",
    "migrate": "verifier.cli.database:migrate",
    "site": "verifier.cli.access:site",
    "client": "verifier.cli.access:client",
    "keys": "verifier.cli.keys:keys",
    "load": "verifier.cli.load:load",
    "vrs": "verifier.cli.vrs:vrs",
    "alert": "verifier.cli.alerts:alert",
    "clean": "verifier.cli.clean:clean",
    "doctor": "verifier.cli.doctor:doctor",
    "config": "verifier.cli.documents:config",
    "openapi": "verifier.cli.documents:openapi",
    "spec": "verifier.cli.documents:spec",
    "demo": "verifier.cli.demo:demo",
}
EXPECTED = {"BadSettings", "EmbeddedError", "MisconfiguredError", "MisconfiguredRequestorError"}
OLDER_SCHEMA = {"42P01", "42703"}  # no such table, no such column


class Commands(click.Group):
    """Expected failures end with one clear sentence and exit code 1, never with a trace."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """In the order in which a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command, loaded."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            sentence = in_a_sentence(error)
            if sentence is None:
                raise
            click.echo(sentence, err=True)
            sys.exit(1)


def in_a_sentence(error: BaseException) -> str | None:
    """What to tell the person about an expected failure; None for a fault of ours."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & EXPECTED:
        return str(error)
    if "DBAPIError" in kinds:
        error = getattr(error, "orig", error)
    elif "DatabaseError" not in kinds:
        return None
    said = str(error).strip().partition("\n")[0]  # behind the first line come values
    missing = getattr(error, "sqlstate", None) in OLDER_SCHEMA
    return f"The database cannot be used: {said}.{' Run `verifier migrate` first.' if missing else ''}"


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pack-verifier", prog_name="verifier")
def main() -> None:
    """Is this medicine pack genuine, and may I hand it out, take it back, or sell it on?"""
