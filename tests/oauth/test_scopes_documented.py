"""The table for software suppliers has every scope, in the order of the code and in its words."""

import re
from pathlib import Path

from verifier.api import archive, packs
from verifier.oauth.scopes import SCOPES

GUIDE = Path(__file__).parents[2] / "docs" / "integration.md"
TABLE = GUIDE.read_text().split("| scope | for |", 1)[1].split("\n\n", 1)[0]


def test_every_scope_stands_in_the_guide():
    assert re.findall("`([a-z:]+)`", TABLE) == list(SCOPES)


def test_the_guide_says_of_a_scope_what_the_service_says():
    rows = re.findall(r"^\| `([a-z:]+)` \| (.+) \|$", TABLE, re.MULTILINE)
    assert len(rows) == len(SCOPES) - 2  # two scopes share a row
    assert rows == [(scope, SCOPES[scope]) for scope, _ in rows]


def test_the_scope_that_promises_the_history_of_packs_is_the_one_that_gives_it():
    assert [scope for scope, text in SCOPES.items() if "history" in text] == list(archive.events.scopes)
    assert [scope for scope, text in SCOPES.items() if "read packs" in text] == list(packs.read.scopes)
