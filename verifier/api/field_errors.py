"""What is wrong with a field of a body, in words for whoever wrote the client."""

import re

WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
    "datetime": "a time",
    "uuid": "a UUID",
}
"""JSON's types as the decoder names them, and as a person does."""
TIME = "Must be a time by RFC 3339 with its offset, such as 2026-11-21T08:30:00Z."
NO_OBJECT = "Must be an object."
UNKNOWN = "Unknown field."
_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)

# fmt: off
SENTENCES = (
    (r"Object missing required field `(?P<name>[^`]*)`", "Missing."),
    (r"Object contains unknown field `(?P<name>[^`]*)`", UNKNOWN),
    (r"Expected `(.*)`, got `(.*)`",                     "Must be {}, not {}."),
    (r"Invalid enum value (.*)",                         "Must be one of the known values, not {}."),
    (r"Expected `str` of length >= (\d+)",               "Must have {} characters or more."),
    (r"Expected `str` of length <= (\d+)",               "Must have {} characters at most."),
    (r"Expected `array` of length >= (\d+)",             "Must have {} entries or more."),
    (r"Expected `array` of length <= (\d+)",             "Must have {} entries at most."),
    (r"Expected `\w+` >= (.*)",                          "Must be {} or more."),
    (r"Expected `\w+` <= (.*)",                          "Must be {} at most."),
    (r"Expected `str` matching regex '(.*)'",            "Must match {}."),
    (r"Invalid RFC3339 encoded datetime",                TIME),
    (r"Expected `datetime` with a timezone component",   TIME),
    (r"Invalid UUID",                                    "Must be a UUID."),
)
# fmt: on
"""By the decoder's messages; one that is not here is passed on as it is."""


def explain(message: str) -> tuple[str, str]:
    """The field that a message of the decoder is about, empty for the whole body, and the sentence for it."""
    located = _AT.match(message)
    what, path = (located["what"], located["path"]) if located else (message, None)
    parts = [path.strip(".")] if path else []
    for pattern, sentence in SENTENCES:
        match = re.fullmatch(pattern, what, re.DOTALL)
        if match is not None:
            parts += filter(None, [match.groupdict().get("name")])
            return ".".join(parts), sentence.format(*map(_in_words, match.groups()))
    return ".".join(parts), what


def _in_words(types: str) -> str:
    """Anything else than the decoder's types stays as it is."""
    return " or ".join(WORDS.get(each, each) for each in types.split(" | "))
