"""`verifier clean`: delete what need not be kept any longer."""

import json
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

from verifier.cli.session import database
from verifier.storage.retention import Cleaner, Counts

# what is deleted, in the words of the table on a terminal; the names are those of the JSON object
KINDS = {
    "packs": "packs",
    "events": "attempts on packs",
    "alerts": "closed alerts",
    "idempotency_keys": "idempotency keys",
    "counters": "counters",
    "revoked_tokens": "revoked tokens",
    "returns": "rows of closed returns",
    "presentations": "used presentations",
    "questions": "rows of questions to the network",
}


@click.command()
@click.option("--dry-run", is_flag=True, help="Count what would go; delete nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def clean(dry_run: bool, as_json: bool) -> None:
    """Delete what need not be kept any longer, in small steps beside the running service.

    May be stopped at any time; the next run goes on. How long what is kept: docs/retention.md.
    """
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    bar = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
    with database() as engine, bar as progress:
        task = progress.add_task("cleaning")

        def advance(counts: Counts) -> None:
            progress.update(task, description=f"{sum(counts.values()):,} rows so far")

        counts = Cleaner(engine, datetime.now(UTC), dry_run=dry_run, progress=advance).run()
    found = {name: counts[name] for name in KINDS}
    if as_json:
        click.echo(json.dumps({"dry_run": dry_run, **found}))
        return
    table = Table("would be deleted" if dry_run else "deleted", "rows")
    for name, number in found.items():
        table.add_row(KINDS[name], f"{number:,}")
    Console().print(table)
