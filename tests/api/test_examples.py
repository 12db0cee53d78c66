"""Every example of api_spec/examples is asked of the running service and answered as it says."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from asking import DOTS, GIVEN, Asking, differences
from contract import ROUTES
from jsonschema import Draft202012Validator
from world import World

FOLDER = Path(__file__).parents[2] / "api_spec" / "examples"
TEXTS = {path.stem: path.read_text("utf-8") for path in sorted(FOLDER.glob("*.json"))}
EXAMPLES: dict[str, dict[str, Any]] = {name: json.loads(text) for name, text in TEXTS.items()}
README = (FOLDER / "README.md").read_text("utf-8")
DOCUMENT = json.loads((FOLDER.parent / "openapi.json").read_text("utf-8"))
CHANGES_EACH_TIME = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}"  # an id
    r"|eyJ"  # a token
    r'|"(received_at|state_since|raised_at|last_at)": "[0-9]'
)


def route_of(request: dict[str, Any]) -> tuple[str, str] | None:
    """The route of the contract that this request is for."""
    path = request["path"].partition("?")[0]
    for method, template in sorted(ROUTES, key=lambda route: "{" in route[1]):
        pattern = re.sub(r"\{\w+\}", "[^/]+", template)
        if method == request["method"] and re.fullmatch(pattern, path):
            return method, template
    return None


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_service_answers_as_the_example_says(world: World, monkeypatch: pytest.MonkeyPatch, name: str):
    shown = EXAMPLES[name]["response"]
    answer = Asking(world, EXAMPLES[name], monkeypatch).answer()
    assert answer.status_code == shown["status"], answer.text
    headers = {header: answer.headers.get(header) for header in shown["headers"]}
    assert differences(shown["headers"], headers, "headers") == []
    assert differences(shown["body"], answer.json) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_is_what_the_openapi_document_describes(name: str):
    """Beside the routes of OAuth, which are not in it."""
    example = EXAMPLES[name]
    route = route_of(example["request"])
    if route is None:
        assert example["request"]["path"].startswith("/oauth/")
        return
    described = DOCUMENT["paths"][route[1]][route[0].lower()]
    content = described["responses"][str(example["response"]["status"])]["content"]
    schema = content[example["response"]["headers"]["Content-Type"]]["schema"]
    said = without_dots(example["response"]["body"])
    Draft202012Validator(schema | {"components": DOCUMENT["components"]}).validate(said)
    if example["response"]["status"] == 200 and "body" in example["request"]:
        schema = described["requestBody"]["content"]["application/json"]["schema"]
        validator = Draft202012Validator(schema | {"components": DOCUMENT["components"]})
        validator.validate(example["request"]["body"])


def without_dots(shown: Any) -> Any:
    """The lists without the dots that stand for more of the same."""
    if isinstance(shown, dict):
        return {name: without_dots(value) for name, value in shown.items()}
    return [without_dots(each) for each in shown if each != DOTS] if isinstance(shown, list) else shown


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_has_its_parts_and_holds_nothing_that_changes_each_time(name: str):
    example = EXAMPLES[name]
    assert list(example) == ["title", "given", "request", "response"]
    assert example["title"]
    assert set(example["request"]) <= {"method", "path", "headers", "body"}
    assert set(example["response"]) == {"status", "headers", "body"}
    assert set(example["given"]) <= set(GIVEN)
    assert CHANGES_EACH_TIME.search(TEXTS[name]) is None
    assert json.dumps(example, indent=2, ensure_ascii=False) + "\n" == TEXTS[name]


def test_every_route_of_the_contract_has_an_example():
    assert {route_of(example["request"]) for example in EXAMPLES.values()} >= set(ROUTES)


def test_every_kind_of_answer_has_an_example():
    statuses = {example["response"]["status"] for example in EXAMPLES.values()}
    assert statuses == {200, 400, 401, 403, 404, 409, 422, 503}
    signals = {example["response"]["body"].get("signal") for example in EXAMPLES.values()}
    assert signals >= {"green", "amber", "red"}


def test_the_readme_names_every_example_and_everything_that_may_be_given():
    for name in EXAMPLES:
        assert f"`{name}.json`" in README, name
    for sentence in GIVEN:
        assert sentence in README, sentence
    assert len(re.findall(r"`[a-z-]+\.json`", README)) == len(EXAMPLES)


def test_what_may_be_given_is_given_somewhere():
    assert {sentence for example in EXAMPLES.values() for sentence in example["given"]} == set(GIVEN)


@pytest.mark.parametrize(
    ("shown", "said", "same"),
    [
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {}, False),
        ({}, {"a": 1}, False),
        ({"a": None}, {"a": "x"}, False),
        ({"a": DOTS}, {"a": "x"}, True),
        ({"a": DOTS}, {"a": ""}, False),
        ({"a": DOTS}, {"a": None}, False),
        ({"a": DOTS}, {"a": 1}, False),
        (f"a{DOTS}c", "abc", True),
        (f"a{DOTS}c", "abd", False),
        ("a.c", "abc", False),
        ([1, 2], [1, 2], True),
        ([1, 2], [2, 1], False),
        ([1], [1, 2], False),
        ([1, DOTS], [1, 2, 3], True),
        ([1, DOTS], [2, 2, 3], False),
        ([1, 2, DOTS], [1], False),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, False),
    ],
)
def test_an_answer_is_compared_in_every_part(shown: Any, said: Any, same: bool):  # noqa: FBT001
    assert (differences(shown, said) == []) == same
