"""Recall, hold and withdrawal: no read after the acknowledgement answers from a copy of before."""

import pytest
from recall_model import Rules, search


@pytest.mark.parametrize(
    "rules",
    [Rules(), Rules(crash=True), Rules(raised="after it"), Rules(commands=1, crash=True)],
    ids=str,
)
def test_what_is_built_keeps_the_promise(rules: Rules):
    found = search(rules)
    assert found.counterexample is None
    newest = f"answers version {rules.commands}, where {rules.commands} was acknowledged"
    assert newest in found.happened


@pytest.mark.parametrize(
    "rules",
    [
        Rules(waits=False),
        Rules(raised="before it"),
        Rules(copies_of_any_generation=True),
        Rules(generation_of_a_copy="held after it"),
    ],
    ids=str,
)
def test_each_part_of_it_is_needed(rules: Rules):
    way = search(rules).counterexample
    assert way is not None
    assert way[-1].endswith("answers version 0, where 1 was acknowledged")
