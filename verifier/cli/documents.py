"""`verifier config` and `verifier openapi`."""

import json
import os

import click
from flask import Flask

from verifier import __version__
from verifier.api import archive, commands, openapi as document, packs
from verifier.settings import from_env


@click.command()
def config() -> None:
    """Print the settings in force, secrets masked."""
    click.echo(json.dumps(from_env(os.environ).masked(), indent=2))


@click.command()
def openapi() -> None:
    """Print the OpenAPI document that the service serves."""
    app = Flask("verifier", static_folder=None)
    api = document.configure(app, "Verifier", __version__)
    for blueprint in (packs.blueprint, commands.blueprint, archive.blueprint):
        api.register_blueprint(blueprint)
    document.finish(api)
    with app.app_context():
        click.echo(json.dumps(api.spec.to_dict(), indent=2, ensure_ascii=False))
