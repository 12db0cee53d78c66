"""The table for software suppliers has every scope, in the order of the code."""

import re
from pathlib import Path

from verifier.oauth.scopes import SCOPES

GUIDE = Path(__file__).parents[2] / "docs" / "integration.md"


def test_every_scope_stands_in_the_guide():
    table = GUIDE.read_text().split("| scope | for |", 1)[1].split("\n\n", 1)[0]
    assert re.findall("`([a-z:]+)`", table) == list(SCOPES)
