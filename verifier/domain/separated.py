"""Reading a message whose elements are ended by separators, also where some of these were lost.

A lost separator is restored only where exactly one split fits, and with a note; else the code is refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from verifier.domain.elements import assemble
from verifier.domain.gs1 import GS, message_fault
from verifier.domain.pack_code import SEPARATOR_RESTORED, Fault, PackCode, Reason, Unreadable
from verifier.domain.splitting import is_skippable, splits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from verifier.domain.elements import Element
    from verifier.domain.splitting import Grammar

_NO_IDENTIFIER = Fault(
    Reason.UNKNOWN_AI,
    "An element begins with no identifier that is known here. Scan again; "
    "if that does not help, let the scanner send its separators.",
)
_SEVERAL_SPLITS = Fault(
    Reason.MISSING_SEPARATOR,
    "A separator between the elements is missing and they could end in more than one place. "
    "Let the scanner send the separator (GS, U+001D) and scan again.",
)


class _Message(NamedTuple):
    """A message read as its separators say."""

    segments: Sequence[str]
    elements: Sequence[Element]
    fault: Fault | None
    unknown_ai: bool


def read_separated(text: str, grammar: Grammar, *, today: date) -> PackCode | Unreadable:
    """Read elements that are ended by GS (U+001D)."""
    message = _read(text.split(GS), grammar)
    outside = message_fault(text)
    strict = assemble(
        message.elements, fault=outside or message.fault, unknown_ai=message.unknown_ai, today=today
    )
    if outside:
        return strict
    if isinstance(strict, Unreadable):
        return _restore(message, strict, grammar, today=today)
    if strict.lot is None or strict.expiry is None:
        return _look_for_hidden(message, strict, grammar, today=today)
    return strict


def _read(segments: Sequence[str], grammar: Grammar) -> _Message:
    elements: list[Element] = []
    fault = None
    unknown_ai = False
    for i, text in enumerate(segments):
        position = 0
        while position < len(text):
            identifier = grammar.identifier_at(text, position)
            if identifier is None:
                if is_skippable(grammar, i, position, text):
                    unknown_ai = True
                else:
                    fault = fault or _NO_IDENTIFIER
                break
            start = position + identifier.width
            position = len(text) if identifier.length is None else min(start + identifier.length, len(text))
            elements.append((identifier.element, text[start:position]))
    return _Message(segments, elements, fault, unknown_ai)


def _restore(
    message: _Message, strict: Unreadable, grammar: Grammar, *, today: date
) -> PackCode | Unreadable:
    """The only split that fits; without any, what the strict reading said."""
    fitting = splits(message.segments, grammar, today=today)
    if fitting is None or len(fitting) > 1:
        return _ambiguous(message, today=today)
    return _restored(fitting[0], message, today=today) if fitting else strict


def _look_for_hidden(
    message: _Message, strict: PackCode, grammar: Grammar, *, today: date
) -> PackCode | Unreadable:
    """A readable code lacks its lot or expiry: has the element before it swallowed them?

    A separator that closes the code says that nothing is lost. A value that runs to the end of the code may
    have swallowed the missing element; one that a separator ends shows that separators do arrive: it is not
    cut, yet not believed either where a split would fit.
    """
    if not message.segments[-1]:
        return strict
    anywhere = splits(message.segments, grammar, today=today)
    if anywhere == []:
        return strict
    at_the_end = splits(message.segments, grammar, cut_from=len(message.segments) - 1, today=today)
    if anywhere is None or len(anywhere) > 1 or anywhere != at_the_end:
        return _ambiguous(message, today=today)
    return _restored(anywhere[0], message, today=today)


def _restored(elements: Mapping[str, str], message: _Message, *, today: date) -> PackCode | Unreadable:
    code = assemble(elements.items(), unknown_ai=message.unknown_ai, today=today)
    return replace(code, notes=(SEPARATOR_RESTORED, *code.notes)) if isinstance(code, PackCode) else code


def _ambiguous(message: _Message, *, today: date) -> Unreadable:
    """Refused for the separator. The product is recognised; the serial is what is in doubt."""
    read = assemble(message.elements, today=today)
    return Unreadable(_SEVERAL_SPLITS.reason, _SEVERAL_SPLITS.detail, gtin=read.gtin)
