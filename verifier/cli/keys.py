"""`verifier keys list`, `verifier keys rotate`, `verifier keys retire`."""

import json
import os
from pathlib import Path

import click

from verifier.cli.session import say
from verifier.oauth import key_file
from verifier.oauth.keys import SigningKey
from verifier.settings import from_env


@click.group()
def keys() -> None:
    """The keys that sign access tokens. Running workers notice a change within seconds."""


@keys.command("list")
def list_keys() -> None:
    """Show the keys: the one that signs, and those whose tokens are still accepted."""
    click.echo(_shown(SigningKey.load(_path())))


@keys.command()
def rotate() -> None:
    """Let a new key sign; the one before stays accepted until it is retired."""
    held = key_file.rotate(_path())
    click.echo(_shown(held))
    if len(held.keys) > 1:
        say(f"Retire the others after {key_file.OVERLAP_SECONDS:.0f} s: their last tokens have expired then.")


@keys.command()
@click.argument("kid")
@click.option("--at-once", is_flag=True, help="Also while tokens may be valid that it signed.")
def retire(kid: str, at_once: bool) -> None:
    """Accept no token any more that the key KID signed."""
    try:
        held = key_file.retire(_path(), kid, at_once=at_once)
    except key_file.RetireRefused as refused:
        raise click.UsageError(str(refused)) from None
    click.echo(_shown(held))


def _path() -> Path:
    return from_env(os.environ).signing_key


def _shown(held: SigningKey) -> str:
    words = ["signs", *["accepted"] * (len(held.keys) - 1)]
    entries = [{"kid": kid, "status": word} for kid, word in zip(held.kids, words, strict=True)]
    return json.dumps({"keys": entries}, indent=2)
