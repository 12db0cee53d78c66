"""`verifier load`: packs from files into the database."""

import csv
import gc
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from sqlalchemy import Engine

from verifier.cli.session import database, say
from verifier.domain.load import LoadResult, RejectedRow
from verifier.domain.profiles import DEFAULT, names
from verifier.formats.csv_packs import CsvPacks, UnreadableFile
from verifier.storage.loader import Loader

NAMED = 5


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--profile", type=click.Choice(names()), default=DEFAULT, show_default=True, help="Of new products."
)
@click.option("--dry-run", is_flag=True, help="Say what would happen; keep nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a file.")
def load(files: tuple[Path, ...], profile: str, dry_run: bool, as_json: bool) -> None:
    """Load packs from CSV files; the same file twice changes nothing.

    Rejected rows stand in FILE.rejects.csv with row number and reason. Exit code 1 when a file could not be
    read at all.
    """
    failed = False
    with database() as engine:
        for path in files:
            try:
                result = load_file(engine, path, profile, dry_run)
            except UnreadableFile as error:
                say(f"{path}: nothing loaded, {error}.")
                failed = True
            else:
                show(result, as_json)
    if failed:
        sys.exit(1)


def load_file(engine: Engine, path: Path, profile: str, dry_run: bool) -> dict[str, Any]:
    """One file; the counts, and where the rejects are."""
    if path.suffix.lower() not in (".csv", ".txt", ""):
        raise UnreadableFile(f"{path.suffix} is not read; export the table as CSV")
    with closing(CsvPacks(path, today=datetime.now(UTC).date())) as packs:
        if packs.header.ignored:
            say(f"{path}: columns that mean nothing here are ignored: {', '.join(packs.header.ignored)}")
        rejects = Rejects(path.with_name(path.name + ".rejects.csv"), packs.header.columns)
        with closing(rejects):
            result = take(engine, packs, rejects, profile=profile, dry_run=dry_run, name=path.name)
    return {
        "file": str(path),
        **asdict(result),
        "dry_run": dry_run,
        "rejects_file": str(rejects.path) if rejects.count else None,
    }


def take(
    engine: Engine, packs: CsvPacks, rejects: "Rejects", *, profile: str, dry_run: bool, name: str
) -> LoadResult:
    """The rows into the database, with a bar on a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    bar = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
    with without_collector(), bar as progress:
        task = progress.add_task(name, total=packs.size or 1)

        def advance(so_far: LoadResult) -> None:
            progress.update(task, completed=packs.position(), description=f"{name} {so_far.rows:,} rows")

        loader = Loader(engine, profile)
        result = loader.load(packs, dry_run=dry_run, reject=rejects.add, progress=advance)
    if loader.elsewhere:
        say(f"{name}: products that are known keep their regulation: {listed(loader.elsewhere)}")
    return result


def listed(profiles: Mapping[str, str]) -> str:
    """The first products of these with the regulation of each."""
    first = ", ".join(f"{gtin} {profile}" for gtin, profile in list(profiles.items())[:NAMED])
    more = len(profiles) - NAMED
    return first + (f" and {more:,} more" if more > 0 else "")


@contextmanager
def without_collector() -> Iterator[None]:
    """Rows hold no cycles; to look for some among them again and again costs half of the time of a load."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Rejects:
    """The rejected rows in a file beside the input; not there when there is nothing to tell."""

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self.path = path
        self.count = 0
        self._columns = columns
        self._file: TextIO | None = None
        self._writer: Any = None
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise UnreadableFile(f"its rejects could not be written to {path}: {error.strerror}") from None

    def add(self, rejected: RejectedRow) -> None:
        """Write one down."""
        if self._file is None:
            try:
                self._file = self.path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
            except OSError as error:
                message = f"{self.path} cannot be written ({error.strerror}); what came before is loaded"
                raise click.ClickException(message) from None
            self._writer = csv.writer(self._file)
            self._writer.writerow(["row", "reason", *self._columns])
        self._writer.writerow([rejected.row, rejected.reason, *rejected.cells])
        self.count += 1

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def show(result: dict[str, Any], as_json: bool) -> None:
    """The counts, as a sentence or as JSON."""
    if as_json:
        click.echo(json.dumps(result))
        return
    done = "would be loaded" if result["dry_run"] else "loaded"
    click.echo(
        f"{result['file']}: {result['rows']:,} rows, {result['loaded']:,} {done}, "
        f"{result['skipped']:,} known already, {result['rejected']:,} rejected"
    )
    if result["rejects_file"]:
        click.echo(f"  rejected rows and reasons: {result['rejects_file']}")
