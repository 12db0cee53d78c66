"""The responder's rules as they are written down: one ledger of policy, blocked requestors and marked lots.

An entry says what a subject of a kind is from then on. The newest entry of a subject holds; one without a
value takes it back to the default.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum

from verifier.domain.gs1 import GTIN_LENGTH, gtin_fault, text_fault
from verifier.domain.lms import GLN_PATTERN
from verifier.domain.lms_policy import NO_MARKS, RULES, Choice, Disposition, LotMarks, Policy
from verifier.domain.pack_code import Reason

BLOCKED = "blocked"
MARKED = "marked"


class Kind(StrEnum):
    """Of an entry: a choice of the policy, a requestor that is refused, a mark on a lot."""

    POLICY = "policy"
    BLOCK = "block"
    LOT = "lot"


class Mark(StrEnum):
    """What a lot may be marked as."""

    SUSPECT = "suspect"
    ILLEGITIMATE = "illegitimate"
    EXPIRY_EXTENDED = "expiry_extended"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a subject of a kind is to be; `value` None takes it back."""

    kind: Kind
    subject: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """An entry as it was made: from which value, by whom, when and why."""

    entry: Entry
    before: str | None
    at: datetime
    who: str
    why: str


@dataclass(frozen=True, slots=True)
class Rules:
    """All that holds now."""

    policy: Policy
    blocked: frozenset[str] = frozenset()
    marks: Mapping[tuple[str, str], LotMarks] = field(default_factory=dict)

    def marks_of(self, gtin: str, lot: str) -> LotMarks:
        """What is marked for this lot."""
        return self.marks.get((gtin, lot)) or NO_MARKS


@dataclass(frozen=True, slots=True)
class Standing:
    """Has the pack an open alert, and how often has the requestor missed in the hours that count?"""

    alerted: bool
    misses: int


class WrongEntry(ValueError):
    """What was to be written down cannot be; the message says why."""


def choice_entry(disposition: Disposition, choice: Choice | None, manufacturer_gln: str | None) -> Entry:
    """Answer this disposition so, for one manufacturer or for all; None goes back to the default.

    Raises:
        WrongEntry: the table does not allow it.
    """
    allowed = RULES[disposition].allowed
    if choice is not None and choice not in allowed:
        raise WrongEntry(f"{disposition} may be answered as: {', '.join(allowed)}")
    subject = f"{disposition} {_gln(manufacturer_gln)}" if manufacturer_gln else str(disposition)
    return Entry(Kind.POLICY, subject, choice)


def block_entry(gln: str, *, blocked: bool) -> Entry:
    """Refuse every message of this requestor, or no longer.

    Raises:
        WrongEntry: it is no GLN.
    """
    return Entry(Kind.BLOCK, _gln(gln), BLOCKED if blocked else None)


def mark_entry(gtin: str, lot: str, mark: Mark, *, until: date | None = None, off: bool = False) -> Entry:
    """Mark a lot, or take the mark off; an extended expiry has a last day.

    Raises:
        WrongEntry: it is no GTIN or lot, or the day does not fit the mark.
    """
    fault = gtin_fault(gtin) or text_fault(lot, name="lot", missing=Reason.MISSING_LOT)
    if fault is not None:
        raise WrongEntry(fault.detail)
    extends = mark is Mark.EXPIRY_EXTENDED
    if (until is not None) is not (extends and not off):
        raise WrongEntry(f"only {Mark.EXPIRY_EXTENDED} has a last day, and needs one")
    value = until.isoformat() if until else MARKED
    return Entry(Kind.LOT, lot_subject(gtin.zfill(GTIN_LENGTH), lot, mark), None if off else value)


def lot_subject(gtin: str, lot: str, mark: Mark) -> str:
    """Under which a mark of a lot stands; none of the three holds a blank."""
    return f"{gtin} {lot} {mark}"


def rules_of(entries: Iterable[Entry]) -> Rules:
    """The rules that the newest entry of each subject makes."""
    choices: dict[tuple[str, Disposition], Choice] = {}
    blocked: set[str] = set()
    marks: dict[tuple[str, str], LotMarks] = {}
    for entry in entries:
        if entry.value is None:
            continue
        match entry.kind:
            case Kind.POLICY:
                disposition, _, gln = entry.subject.partition(" ")
                choices[gln, Disposition(disposition)] = Choice(entry.value)
            case Kind.BLOCK:
                blocked.add(entry.subject)
            case Kind.LOT:
                gtin, lot, mark = entry.subject.split(" ")
                marks[gtin, lot] = _marked(marks.get((gtin, lot)) or NO_MARKS, Mark(mark), entry.value)
    return Rules(Policy(choices), frozenset(blocked), marks)


def _marked(marks: LotMarks, mark: Mark, value: str) -> LotMarks:
    match mark:
        case Mark.SUSPECT:
            return replace(marks, suspect=True)
        case Mark.ILLEGITIMATE:
            return replace(marks, illegitimate=True)
        case Mark.EXPIRY_EXTENDED:
            return replace(marks, extended_to=date.fromisoformat(value))


def _gln(text: str) -> str:
    """13 digits; a requestor's check digit is not asked for, since whom we refuse chose it."""
    if not GLN_PATTERN.fullmatch(text):
        raise WrongEntry("a GLN has 13 digits")
    return text
