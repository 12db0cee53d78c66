"""Where could a lost separator have stood? Search over every way to split a message into elements."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from verifier.domain.elements import CONTENT, EXPIRY, GTIN, LOT, PPN, PRODUCTION, SERIAL, value_fault
from verifier.domain.gs1 import GTIN_LENGTH, LONGEST_VALUE, MAX_TEXT

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import date
# Real codes need some dozens of steps; one that needs more is refused like one with several splits.
_MAX_STEPS = 500

# No longer value is worth a try, which keeps the search of a hostile text short.
_LONGEST = {LOT: MAX_TEXT, SERIAL: MAX_TEXT, GTIN: GTIN_LENGTH, PPN: 12, PRODUCTION: 8, EXPIRY: 6}


class Identifier(NamedTuple):
    """What begins at a place of a message."""

    width: int
    """Characters of the identifier itself."""
    element: str
    """The element that it names."""
    length: int | None
    """Characters of its data where these are predefined, so that no separator follows."""


class Grammar(NamedTuple):
    """What a syntax with separators has to say about itself."""

    identifier_at: Callable[[str, int], Identifier | None]
    """The known identifier that begins at this position of a segment."""
    begins_unknown: Callable[[str], bool]
    """Whether a segment begins with something of an identifier's form."""
    needed: tuple[str, ...]
    """The elements that a restored code must have."""
    hidden: re.Pattern[str]
    """Matches, with no width, before each identifier that is looked for in the middle of a value."""


class _Place(NamedTuple):
    segment: int
    position: int
    found: Mapping[str, str]


def splits(
    segments: Sequence[str], grammar: Grammar, *, cut_from: int = 0, today: date
) -> list[Mapping[str, str]] | None:
    """The distinct readings that have all needed elements, at most two; None when the search grew too long.

    Args:
        segments: the message, split at the separators that are there.
        grammar: of the message.
        cut_from: values in segments before this one are not cut.
        today: for the century of the expiry.
    """
    readings: dict[tuple[str, ...], Mapping[str, str]] = {}
    places = [_Place(0, 0, {})]
    for _ in range(_MAX_STEPS):
        if not places or len(readings) > 1:
            return list(readings.values())
        place = places.pop()
        if place.segment < len(segments):
            cut = place.segment >= cut_from
            places.extend(_next_places(segments[place.segment], place, grammar, cut=cut, today=today))
        elif all(element in place.found for element in grammar.needed):
            readings[tuple(place.found[element] for element in grammar.needed)] = place.found
    return None


def _next_places(text: str, place: _Place, grammar: Grammar, *, cut: bool, today: date) -> Iterator[_Place]:
    if place.position == len(text):
        yield _Place(place.segment + 1, 0, place.found)
        return
    identifier = grammar.identifier_at(text, place.position)
    if identifier is None:
        if is_skippable(grammar, place.segment, place.position, text):
            yield _Place(place.segment + 1, 0, place.found)
        return
    start = place.position + identifier.width
    for end in _ends(text, start, identifier, grammar, cut=cut):
        element, value = identifier.element, text[start:end]
        if _may_follow(element, value, place.found) and not value_fault(element, value, today=today):
            yield _Place(place.segment, end, {**place.found, element: value})


def is_skippable(grammar: Grammar, segment: int, position: int, text: str) -> bool:
    """Whether an element with an unknown identifier may be passed over: only right behind a separator."""
    return segment > 0 and position == 0 and grammar.begins_unknown(text)


def _ends(text: str, start: int, identifier: Identifier, grammar: Grammar, *, cut: bool) -> Iterator[int]:
    if identifier.length is not None:
        if start + identifier.length <= len(text):
            yield start + identifier.length
        return
    yield len(text)
    if cut:
        ends = (hidden.start() for hidden in grammar.hidden.finditer(text, start + 1))
        longest = start + _LONGEST.get(identifier.element, LONGEST_VALUE)
        yield from takewhile(lambda end: end <= longest, ends)


def _may_follow(element: str, value: str, found: Mapping[str, str]) -> bool:
    """Each element once (or again with the same value), and a product never with its content."""
    if element in found:
        return found[element] == value
    return not ((element == GTIN and CONTENT in found) or (element == CONTENT and GTIN in found))
