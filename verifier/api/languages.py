"""Which of our languages a request wants. Knows the header's text, not the request."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

_RANGE = re.compile(
    r"(?P<range>\*|[a-z]{1,8}(?:-[a-z0-9]{1,8})*)"
    r"(?:[ \t]*;[ \t]*q=(?P<weight>0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?",
    re.ASCII | re.IGNORECASE,
)


@lru_cache(maxsize=256)
def best(header: str, languages: Sequence[str]) -> str:
    """The language to answer in: RFC 9110 section 12.5.4, by the lookup of RFC 4647 section 3.4.

    A range gives way to a shorter one from its end (`de-AT` finds `de`); `*` is any language that no
    other range has named; a weight of 0 excludes. What is not well-formed is skipped.

    Args:
        header: the value of Accept-Language, of any content.
        languages: ours, in lower case; the first that is not excluded when nothing else fits.
    """
    ranges = sorted(_ranges(header), key=lambda weighted: -weighted[1])
    excluded = {name for name, weight in ranges if weight == 0}
    wanted = [name for name, weight in ranges if weight > 0]
    named = excluded | {_lookup(name, languages) for name in wanted}
    others = (language for language in languages if language not in named)
    for name in wanted:
        found = next(others, None) if name == "*" else _lookup(name, languages)
        if found is not None and found not in excluded:
            return found
    return next((language for language in languages if language not in excluded), languages[0])


def _ranges(header: str) -> Iterator[tuple[str, float]]:
    for part in header.split(","):
        matched = _RANGE.fullmatch(part.strip(" \t"))
        if matched is not None:
            yield matched["range"].lower(), float(matched["weight"] or 1)


def _lookup(name: str, languages: Sequence[str]) -> str | None:
    while name and name not in languages:
        name = name.rpartition("-")[0]
    return name or None
