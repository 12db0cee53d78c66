"""Whatever a field holds that it must not, the sentence is one for people, by the decoder's own messages."""

from datetime import datetime
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest
from msgspec import Meta, Struct

from verifier.api.field_errors import TIME, explain


class Colour(Enum):
    RED = "red"


class Thing(Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=3)]
    count: Annotated[int, Meta(ge=1, le=5)] | None = None
    colour: Colour | None = None
    at: Annotated[datetime, Meta(tz=True)] | None = None
    id: UUID | None = None
    parts: Annotated[list[int], Meta(min_length=1, max_length=2)] | None = None
    open: bool = False
    code: Annotated[str, Meta(pattern="^x$")] | None = None
    inner: "Thing | None" = None


# fmt: off
WRONG: list[tuple[Any, str, str]] = [
    ({},                                 "name",       "Missing."),
    ({"name": "a", "patient": 1},        "patient",    "Unknown field."),
    ({"name": ""},                       "name",       "Must have 1 characters or more."),
    ({"name": "abcd"},                   "name",       "Must have 3 characters at most."),
    ({"name": 1},                        "name",       "Must be text, not a whole number."),
    ({"name": None},                     "name",       "Must be text, not null."),
    ({"name": "a", "count": 0},          "count",      "Must be 1 or more."),
    ({"name": "a", "count": 9},          "count",      "Must be 5 at most."),
    ({"name": "a", "count": 1.5},        "count",      "Must be a whole number or null, not a number."),
    ({"name": "a", "colour": "b'l"},     "colour",     "Must be one of the known values, not \"b'l\"."),
    ({"name": "a", "colour": []},        "colour",     "Must be text or null, not a list."),
    ({"name": "a", "at": "2026"},        "at",         TIME),
    ({"name": "a", "at": "2026-11-21T08:30:00"}, "at", TIME),
    ({"name": "a", "id": "x"},           "id",         "Must be a UUID."),
    ({"name": "a", "parts": []},         "parts",      "Must have 1 entries or more."),
    ({"name": "a", "parts": [1, 2, 3]},  "parts",      "Must have 2 entries at most."),
    ({"name": "a", "parts": [1, "b"]},   "parts[1]",   "Must be a whole number, not text."),
    ({"name": "a", "open": "yes"},       "open",       "Must be true or false, not text."),
    ({"name": "a", "code": "y"},         "code",       "Must match ^x$."),
    ({"name": "a", "inner": {}},         "inner.name", "Missing."),
    ({"name": "a", "inner": {"name": {}}}, "inner.name", "Must be text, not an object."),
    ([],                                 "",           "Must be an object, not a list."),
]
# fmt: on


@pytest.mark.parametrize(("value", "field", "sentence"), WRONG, ids=[str(row[0]) for row in WRONG])
def test_a_wrong_field_is_named_and_explained_in_words(value: Any, field: str, sentence: str):
    with pytest.raises(msgspec.ValidationError) as told:
        msgspec.convert(value, Thing)
    assert explain(str(told.value)) == (field, sentence)


def test_a_message_that_nobody_has_thought_of_is_passed_on_with_its_field():
    assert explain("Something new - at `$.name`") == ("name", "Something new")
