"""The words that programs read, as the documents have them."""

import re
from pathlib import Path

import pytest

from verifier.domain.directory import Entry, read_entry, url_fault
from verifier.domain.lms_policy import Choice, Disposition
from verifier.domain.lms_rules import Kind
from verifier.domain.resale import CODES, Asked
from verifier.domain.returns import REFUSALS

DOCS = Path(__file__).parents[2] / "docs"


def section(document: str, title: str) -> str:
    text = (DOCS / document).read_text()
    return text.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def rows_of(text: str) -> list[list[str]]:
    """Cells of the tables, without code marks."""
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


def test_the_responders_table_has_every_choice_and_every_disposition():
    rows = rows_of(section("responder.md", "The decision table"))
    words = [word for row in rows for word in row[0].split()]
    assert sorted(words) == sorted([*map(str, Choice), *map(str, Disposition)])


def test_the_requestors_table_has_every_code_with_its_resale_and_next_step():
    rows = rows_of(section("requestor.md", "What decides"))[1:]
    assert {row[0]: (row[1], row[2]) for row in rows} == {
        code: (resale.resale, resale.next_step) for code, resale in CODES.items()
    }


def test_what_came_of_asking_has_the_words_of_the_document():
    line = next(line for line in (DOCS / "requestor.md").read_text().splitlines() if "| `asked` |" in line)
    assert set(re.findall("`([a-z_]+)`", line)[1:]) | {"not_asked"} == set(map(str, Asked))


def test_a_label_that_stands_for_nothing_has_its_next_step():
    cases = {row[0] for row in rows_of(section("returns.md", "A case"))}
    assert {code: refusal.next_step for code, refusal in REFUSALS.items()} == {
        "duplicate": "look_at_first_scan"
    } | dict.fromkeys(cases, "scan_each_pack")


def test_a_kind_of_rule_has_its_word():
    assert set(map(str, Kind)) == {"policy", "block", "lot"}


@pytest.mark.parametrize(
    "url",
    [
        "https://vrs.example/lms?", "https://vrs.example/lms?a=b", "https://vrs.example/lms#",
        "https://vrs.example/lms#x", "https://a:b@vrs.example", "https://", "https://vrs.example/a b",
        "https://vrs.example:port", "ftp://vrs.example", "http://vrs.example", "https://vrs.example/ä",
    ],
)  # fmt: skip
def test_an_address_of_a_service_is_https_and_nothing_more(url: str):
    assert url_fault(url, loopback=True)
    assert url_fault("https://vrs.example/lms", loopback=False) is None


@pytest.mark.parametrize(("flags", "told"), [({}, True), ({"external": "false"}, False)])
def test_a_service_is_somebody_elses_unless_said_otherwise(flags: dict[str, str], told: bool):  # noqa: FBT001
    entry = read_entry({"gtin": "00361414567894", "url": "https://vrs.example"} | flags, loopback=False)
    assert isinstance(entry, Entry)
    assert (entry.external, entry.resolver, entry.removed) == (told, False, False)
