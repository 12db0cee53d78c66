"""`verifier vrs …`: the network of verification services."""

import click

from verifier.cli.directory import directory


@click.group()
def vrs() -> None:
    """The network of verification services."""


vrs.add_command(directory)
