"""`verifier vrs directory import` and `export`."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click

from verifier.cli.session import database, say
from verifier.domain.directory import Entry
from verifier.formats import directory as files
from verifier.peers.config import load_requestor
from verifier.settings import from_env
from verifier.storage.directory import PAGE, Directory

WRITERS = {"jsonl": files.write_json, "csv": files.write_csv}


@click.group()
def directory() -> None:
    """Which service answers for which product."""


@directory.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def import_directory(file: Path) -> None:
    """Take over JSON lines or CSV; wrong lines are told and do not stop the rest."""
    settings = from_env(os.environ)
    loopback = load_requestor(settings.requestor_file).loopback
    taken = rejected = 0
    with _open(file) as opened, database(settings) as engine:
        held = Directory(engine, engine.execution_options(isolation_level="AUTOCOMMIT"))
        try:
            for page in _pages(files.read(opened, loopback=loopback)):
                entries = [item for item in page if not isinstance(item, files.BadLine)]
                told = held.put(entry for _, entry in entries)
                bad = [item for item in page if isinstance(item, files.BadLine)]
                bad += [
                    files.BadLine(line, why)
                    for (line, _), why in zip(entries, told, strict=True)
                    if why is not None
                ]
                for item in sorted(bad, key=lambda each: each.line):
                    say(f"{file}:{item.line}: {item.reason}")
                taken += len(page) - len(bad)
                rejected += len(bad)
        except files.UnreadableDirectory as error:
            raise click.ClickException(f"{file}: {error}") from None
    click.echo(json.dumps({"taken": taken, "rejected": rejected}))


@directory.command("export")
@click.option("--format", "form", type=click.Choice([*WRITERS]), default="jsonl", show_default=True)
@click.option("--all", "everything", is_flag=True, help="Removed entries too.")
def export_directory(form: str, *, everything: bool) -> None:
    """Print the directory, as `import` takes it."""
    with database() as engine:
        held = Directory(engine, engine.execution_options(isolation_level="AUTOCOMMIT"))
        entries = (entry for entry in _all(held) if everything or not entry.removed)
        WRITERS[form](entries, sys.stdout)


def _open(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except OSError as error:
        raise click.ClickException(f"{file}: it cannot be opened: {error.strerror}") from None


def _all(held: Directory) -> Iterator[Entry]:
    after = None
    while page := held.changes(None, after, PAGE):
        yield from page
        last = page[-1]
        if last.updated_at is None:
            return
        after = (last.updated_at, not last.removed, last.gtin, last.start)


def _pages(
    items: Iterator[tuple[int, Entry] | files.BadLine],
) -> Iterator[list[tuple[int, Entry] | files.BadLine]]:
    page: list[tuple[int, Entry] | files.BadLine] = []
    for item in items:
        page.append(item)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page
