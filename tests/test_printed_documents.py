"""What is committed in api_spec/ is what the tables print."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from verifier.cli.main import main
from verifier.domain.lifecycle import Action
from verifier.domain.permissions import ACTIONS
from verifier.domain.profiles import load, names
from verifier.domain.reasons import LANGUAGES, REASONS, WORDS
from verifier.formats import markdown

COMMITTED = Path(__file__).parent.parent / "api_spec"
PRINTED = {"reasons.md": markdown.reasons, "profiles.md": markdown.profiles}
FROM_THE_ROUTES = ("openapi.json", "postman_collection.json")


def lines_of(text: str, *starts: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(starts)]


def section(text: str, heading: str) -> str:
    """From this heading to the next one of its level."""
    level = heading.partition(" ")[0]
    after = text.partition(f"{heading}\n")[2]
    return re.split(rf"^{level} ", after, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("name", PRINTED)
def test_the_committed_document_is_what_the_tables_print(name: str):
    committed = (COMMITTED / name).read_text(encoding="utf-8")
    assert committed == PRINTED[name](), f"run `make spec` and commit api_spec/{name}"


def test_the_command_writes_all_of_them_into_a_folder_that_it_makes(tmp_path: Path):
    folder = tmp_path / "new" / "spec"
    run = CliRunner().invoke(main, ["spec", str(folder)])
    assert run.exit_code == 0, run.output
    assert {path.name for path in folder.iterdir()} == {*FROM_THE_ROUTES, *PRINTED}
    assert run.stdout.split() == [str(folder / name) for name in (*FROM_THE_ROUTES, *PRINTED)]
    for name, text in PRINTED.items():
        assert (folder / name).read_bytes() == text().encode()
    assert (folder / "openapi.json").read_text("utf-8") == CliRunner().invoke(main, ["openapi"]).stdout


def test_the_command_writes_into_api_spec_when_no_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main, ["spec"]).exit_code == 0
    assert sorted(path.name for path in (tmp_path / "api_spec").iterdir()) == [
        *FROM_THE_ROUTES,
        *sorted(PRINTED),
    ]


def test_a_folder_that_is_a_file_is_refused_with_a_sentence(tmp_path: Path):
    file = tmp_path / "file"
    file.touch()
    run = CliRunner().invoke(main, ["spec", str(file)])
    assert run.exit_code == 2
    assert "is a file" in run.stderr


@pytest.mark.parametrize(
    ("code", "eu_fmd", "us_dscsa"),
    [
        ("ok", "none", "none"),
        ("unknown_product", "none (`A1`)", "none"),
        ("unknown_serial", "`A3`", "`SUSPECT`"),
        ("already_dispensed", "`A24`; `A7` if just that state was asked for", "`SUSPECT`"),
        ("already_destroyed", "`DES`", "`SUSPECT`"),
        (
            "already_done_here",
            "`A24` from the site's repeat no. 4 on",
            "`SUSPECT` from the site's repeat no. 4 on",
        ),
        ("undo_too_late", "none", "none"),
    ],
)
def test_an_alert_is_printed_with_all_its_cases(code: str, eu_fmd: str, us_dscsa: str):
    signal = REASONS[code].signal
    assert f"| `{code}` | {signal} | {eu_fmd} | {us_dscsa} |" in markdown.reasons().splitlines()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_title_and_advice_is_printed(language: str):
    printed = section(markdown.reasons(), f"## Title and advice: {language}")
    expected = [f"| `{code}` | {title} | {advice} |" for code, (title, advice) in WORDS[language].items()]
    assert lines_of(printed, "| `") == expected


@pytest.mark.parametrize("profile", names())
def test_every_row_of_a_regulation_is_printed_in_table_and_diagram(profile: str):
    regulation = load(profile)
    rows = list(regulation.table)
    printed = section(markdown.profiles(), f"## {regulation.title}")
    table = lines_of(section(printed, "### Life cycle"), "| `")
    assert len(table) == len(rows)
    for line, row in zip(table, rows, strict=True):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert (cells[0], cells[2], cells[4]) == (f"`{row.source}`", f"`{row.target}`", row.basis)
        conditions = [guard.__name__ for guard in row.guards]
        assert [name.strip(" `") for name in cells[3].split("`, `")] == (conditions or ["none"])
        if row.source is not row.target:
            assert re.search(rf"^    {row.source} --> {row.target}(: {row.action})?$", printed, re.MULTILINE)


@pytest.mark.parametrize("profile", names())
def test_the_checks_are_printed_in_the_order_in_which_they_are_asked(profile: str):
    regulation = load(profile)
    printed = section(markdown.profiles(), f"## {regulation.title}")
    table = lines_of(section(printed, "### Asked before the pack's own state"), "| `")
    for line, action in zip(table, Action, strict=True):
        expected = [guard.__name__ for guard in regulation.checks.get(action, ())]
        assert line.startswith(f"| {markdown.request(action)} |")
        assert re.findall(r"`(\w+)`", line.split("|")[2]) == expected


def test_every_condition_is_explained_once():
    document = markdown.profiles()
    explained = re.findall(r"^\| `([^`]+)` \|", section(document, "## The conditions in words"), re.MULTILINE)
    used = {
        guard.__name__
        for name in names()
        for guards in (*load(name).checks.values(), *(row.guards for row in load(name).table))
        for guard in guards
    }
    assert sorted(explained) == sorted(used)


def test_it_is_printed_who_may_ask():
    printed = section(markdown.profiles(), "## Who may ask")
    assert "| `dispense` | yes | yes | yes | no | no | no |" in printed
    assert "| `returns_check` | yes | yes | yes | yes | no | no |" in printed
    assert len(lines_of(printed, "| `")) == len(ACTIONS) + 1


@pytest.mark.parametrize("printer", PRINTED.values())
def test_every_line_of_a_table_has_as_many_cells_as_its_head(printer):
    width = 0
    for line in printer().splitlines():
        cells = line.count("|")
        assert cells == width or not width or not cells
        width = cells
