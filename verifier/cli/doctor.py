"""`verifier doctor`: what is wrong with this installation, and what to do."""

import json
import sys

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from verifier.cli.checks.examination import examine
from verifier.cli.checks.finding import Finding, Level

LOOK = {
    Level.OK: "green",
    Level.WARNING: "yellow",
    Level.WRONG: "bold red",
    Level.SKIPPED: "dim",
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, as in a pipe.")
def doctor(as_json: bool) -> None:
    """Say what is wrong with this installation and what to do; change nothing.

    Exit code 1 when something is wrong, 0 with warnings only.
    """
    console = Console()
    findings: list[Finding] = []
    for finding in examine():
        findings.append(finding)
        if as_json or not console.is_terminal:
            click.echo(json.dumps(told(finding), ensure_ascii=False))
    if not as_json and console.is_terminal:
        show(console, findings)
    sys.exit(any(finding.level is Level.WRONG for finding in findings))


def told(finding: Finding) -> dict[str, str]:
    """One finding for programs."""
    return {
        "code": finding.code,
        "subject": finding.subject,
        "level": finding.level,
        "found": finding.found,
        "remedy": finding.remedy,
    }


def show(console: Console, findings: list[Finding]) -> None:
    """All findings for people."""
    table = Table("", "about", "", "found, and what to do", pad_edge=False)
    for finding in findings:
        words = Text(finding.found)
        if finding.remedy:
            words.append(f"\n→ {finding.remedy}", "bold")
        table.add_row(finding.code, finding.subject, Text(finding.level, LOOK[finding.level]), words)
    console.print(table)
