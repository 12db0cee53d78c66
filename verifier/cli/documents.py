"""`verifier config` and `verifier openapi`."""

import json
import os

import click

from verifier.settings import from_env


@click.command()
def config() -> None:
    """Print the settings in force, secrets masked."""
    click.echo(json.dumps(from_env(os.environ).masked(), indent=2))


@click.command()
def openapi() -> None:
    """Print the OpenAPI document that the service serves."""
    from verifier.app import document  # noqa: PLC0415 - the web framework is loaded by the commands that serve

    click.echo(json.dumps(document(), indent=2, ensure_ascii=False))
