"""What the documents say is so: settings, codes, alarms, commands, links."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest
import yaml

from scanner_client.cli import cli as scanner
from verifier.api.problems import TABLE
from verifier.cli.main import main as verifier
from verifier.domain.pack_code import Reason
from verifier.settings import Settings

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
VARIABLES = {f"VERIFIER_{item.name.upper()}": item for item in fields(Settings)}
PROGRAMS: dict[str, click.Command] = {"verifier": verifier, "scanner": scanner}

each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)


def text_of(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


@each_document
def test_a_variable_that_is_named_is_a_setting(path: Path):
    named = set(re.findall(r"VERIFIER_[A-Z][A-Z_]*[A-Z]", path.read_text("utf-8")))
    assert named <= VARIABLES.keys()


def test_the_settings_table_has_every_setting_with_its_default():
    lines = [line for line in text_of("operations.md").splitlines() if line.startswith("| `VERIFIER_")]
    rows = [[cell.strip(" `") for cell in line.split("|")[1:3]] for line in lines]
    words = {True: "1", False: "0", None: ""}
    defaults = {
        name: words[item.default] if item.default in words else str(item.default)
        for name, item in VARIABLES.items()
    }
    assert dict(rows) == defaults


def test_every_alarm_is_explained_to_the_operator():
    alarms = yaml.safe_load((ROOT / "deploy" / "prometheus-alarms.yaml").read_text("utf-8"))
    told = text_of("operations.md")
    assert [r["alert"] for g in alarms["groups"] for r in g["rules"] if f"`{r['alert']}`" not in told] == []


def test_every_fault_is_explained_to_the_supplier_with_its_status():
    told = re.findall(r"^\| (\d{3}) \| `(\w+)`", text_of("integration.md"), flags=re.MULTILINE)
    served_before_a_view = {("431", "headers_too_large")}
    assert set(told) == {(str(status), code) for code, (status, _) in TABLE.items()} | served_before_a_view


def test_every_reason_of_an_unreadable_code_is_explained_to_the_supplier():
    rows = text_of("integration.md").partition("| `reason` of")[2].partition("\n## ")[0]
    assert set(re.findall(r"`(\w+)`", rows)) - {"unreadable_code"} == {str(reason) for reason in Reason}


def commands() -> Iterator[str]:
    """Every command line of ours that somebody may copy from a document."""
    for path in DOCUMENTS:
        for block in re.findall(r"```sh\n(.*?)```", path.read_text("utf-8"), flags=re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                ours = re.sub(r"^docker compose run --rm --no-deps (--volume \S+ )?service", "verifier", line)
                if ours.split(" ")[0] in PROGRAMS:
                    yield re.split(r"\s[>|#<]", re.sub(r"\$\([^)]*\)", "value", ours))[0]


@pytest.mark.parametrize("line", sorted(set(commands())))
def test_a_command_that_is_shown_is_one_that_the_program_takes(line: str):
    """Parsed down to the last option, and not run."""
    name, *arguments = shlex.split(line)
    command = PROGRAMS[name]
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), arguments[0])
        assert found is not None, f"{line}: no such command"
        command, arguments = found, arguments[1:]
    command.make_context(name, arguments)


@each_document
def test_a_link_to_another_file_leads_somewhere(path: Path):
    text = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
    links = [link.partition("#") for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    for name, _, anchor in links:
        if "://" in name:
            continue
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), name
        assert not anchor or anchor in anchors(target), f"{name}#{anchor}"


def anchors(path: Path) -> set[str]:
    """Of the headings, as they are made on the web."""
    headings = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
