"""Crafted cursors: on every route that takes one, what no row can have is 422 and never our fault."""

import base64
import json
import uuid
from typing import Any

import pytest
from problems import is_problem
from world import World

from verifier.api.pages import cursor
from verifier.app import document

pytestmark = pytest.mark.parametrize("world", ["off"], indirect=True, scope="module")
GTIN = "05012345678900"
DAY = "2026-11-21T10:00:00+00:00"
RIGHT = {
    "/v1/alerts": (DAY, str(uuid.uuid4())),
    "/v1/returns/sessions": (DAY, str(uuid.uuid4())),
    "/v1/vrs/pending": (DAY, GTIN, "S1"),
    "/v1/vrs/directory": (DAY, "in force", GTIN, "20270101"),
}
TIMES = [
    "", "never", "2026-11-21", "2026-11-21T10:00:00", "10000-01-01T00:00:00+00:00",
    "0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00",
]  # fmt: skip
NUMBERS = ["", "x", "-1", "1.5", "1" + "0" * 30, "9" * 5000, "\u0661" * 14, "1\0"]
WRONG: dict[str, list[list[str]]] = {
    "/v1/alerts": [TIMES, ["", "x", "0" * 33, "\0", *NUMBERS]],
    "/v1/returns/sessions": [TIMES, ["", "x", "0" * 33, "\0", *NUMBERS]],
    "/v1/vrs/pending": [TIMES, NUMBERS, ["\0", "S\0"]],
    "/v1/vrs/directory": [TIMES, ["", "x", "\0"], NUMBERS, [*NUMBERS, "99991232", str(2**31), str(2**63)]],
}
CRAFTED = [
    pytest.param(
        path, [*RIGHT[path][:place], wrong, *RIGHT[path][place + 1 :]], id=f"{path} {place} {number}"
    )
    for path, places in WRONG.items()
    for place, values in enumerate(places)
    for number, wrong in enumerate(values)
]
NOT_OURS: list[Any] = [
    [],
    ["x"],
    [DAY] * 9,
    {"x": 1},
    [1, 2],
    [None, None],
    "x",
    1,
    None,
    [[[]]],
    [{}, {}, {}],
]


def test_the_table_is_about_every_route_that_takes_a_cursor(world: World):  # noqa: ARG001
    taking = {
        path
        for path, methods in document()["paths"].items()
        for method in methods.values()
        if isinstance(method, dict) and "cursor" in [each["name"] for each in method.get("parameters", [])]
    }
    assert taking == set(RIGHT) == set(WRONG)


@pytest.mark.parametrize("path", RIGHT)
def test_a_position_that_a_row_may_have_is_taken(world: World, path: str):
    assert world.wholesaler.get(path, cursor=cursor(*RIGHT[path])).status_code == 200


@pytest.mark.parametrize(("path", "parts"), CRAFTED)
def test_a_position_that_no_row_can_have_is_refused(world: World, path: str, parts: list[str]):
    answer = world.wholesaler.get(path, cursor=cursor(*parts))
    assert set(is_problem(answer, 422, "invalid_request")["errors"]) == {"cursor"}


@pytest.mark.parametrize("path", RIGHT)
@pytest.mark.parametrize("made", NOT_OURS, ids=repr)
def test_what_is_no_position_is_refused(world: World, path: str, made: Any):
    text = base64.urlsafe_b64encode(json.dumps(made).encode()).decode()
    answer = world.wholesaler.get(path, cursor=text)
    assert set(is_problem(answer, 422, "invalid_request")["errors"]) == {"cursor"}


@pytest.mark.parametrize("path", RIGHT)
@pytest.mark.parametrize("text", ["x", "=", "W10", "\u00e9", "WyJcdWQ4MDAiXQ==", "W" * 3999])
def test_what_is_no_cursor_is_refused(world: World, path: str, text: str):
    answer = world.wholesaler.get(path, cursor=text)
    assert set(is_problem(answer, 422, "invalid_request")["errors"]) == {"cursor"}


@pytest.mark.parametrize("since", [each for each in TIMES if each])
def test_a_time_that_no_calendar_has_is_refused(world: World, since: str):
    answer = world.wholesaler.get("/v1/vrs/directory", since=since)
    assert set(is_problem(answer, 422, "invalid_request")["errors"]) == {"since"}
