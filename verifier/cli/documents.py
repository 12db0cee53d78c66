"""`verifier config`, `verifier openapi` and `verifier spec`."""

import json
import os
from pathlib import Path

import click

from verifier.formats import markdown
from verifier.settings import from_env


@click.command()
def config() -> None:
    """Print the settings in force, secrets masked."""
    click.echo(json.dumps(from_env(os.environ).masked(), indent=2))


@click.command()
def openapi() -> None:
    """Print the OpenAPI document that the service serves."""
    click.echo(openapi_text(), nl=False)


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default="api_spec")
def spec(folder: Path) -> None:
    """Write what the service says and does into FOLDER (default api_spec).

    openapi.json, the OpenAPI document; reasons.md, every code of a verdict; profiles.md, every regulation.
    """
    folder.mkdir(parents=True, exist_ok=True)
    documents = {
        "openapi.json": openapi_text(),
        "reasons.md": markdown.reasons(),
        "profiles.md": markdown.profiles(),
    }
    for name, text in documents.items():
        path = folder / name
        path.write_text(text, encoding="utf-8", newline="\n")
        click.echo(path)


def openapi_text() -> str:
    """The OpenAPI document as it is committed."""
    from verifier.app import document  # noqa: PLC0415 - the web framework is loaded by the commands that serve

    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"
