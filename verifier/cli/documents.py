"""`verifier config`, `verifier openapi` and `verifier spec`."""

import json
import os
from pathlib import Path
from typing import Any

import click

from verifier.formats import markdown, postman
from verifier.settings import from_env

# what the requests of the Postman collection are filled with: the pack of docs/quickstart.md
SAMPLE = {
    "gtin": "05012345678900",
    "serial": "S1",
    "lot": "ABC123",
    "expiry": "301231",
    "reason": "locked",
    "name": "Painaway",
    "event_id": "",
    "alert_id": "",
    "ser": "S1",
    "exp": "301231",
    "linkType": "verificationService",
    "context": "dscsaSaleableReturn",
    "reqGLN": "4012345000016",
    "corrUUID": "21EC2020-3AEA-4069-A2DD-08002B30309D",
    "session_id": "",
    "reference": "RMA-2026-0815",
    "counterparty_gln": "4012345000016",
}


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

    openapi.json, the OpenAPI document; postman_collection.json, its requests for Postman; reasons.md, every
    code of a verdict; profiles.md, every regulation.
    """
    folder.mkdir(parents=True, exist_ok=True)
    documents = {
        "openapi.json": openapi_text(),
        "postman_collection.json": postman_text(),
        "reasons.md": markdown.reasons(),
        "profiles.md": markdown.profiles(),
    }
    for name, text in documents.items():
        path = folder / name
        path.write_text(text, encoding="utf-8", newline="\n")
        click.echo(path)


def openapi_text() -> str:
    """The OpenAPI document as it is committed."""
    return _json(_document())


def postman_text() -> str:
    """The Postman collection as it is committed."""
    return _json(postman.collection(_document(), "http://127.0.0.1:8080", SAMPLE))


def _document() -> dict[str, Any]:
    from verifier.app import document  # noqa: PLC0415 - the web framework is loaded by the commands that serve

    return document()


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
