"""What the responder answers when it knows more than that the identifiers match: a table, and choices in it.

The cases are the scenarios A to E of the GS1 US guideline. `verified` says that the identifiers correspond
(21 U.S.C. 360eee(28)), so the responder chooses, for each thing that it may know of a pack, how to say it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from verifier.domain.lms import AdditionalInfo, FailureReason, LmsAnswer
from verifier.domain.pack import Found, Pack, State
from verifier.domain.pack_code import PackCode


class Disposition(StrEnum):
    """What may be known of a pack, and that the identifiers do not match."""

    ILLEGITIMATE = "illegitimate"
    STOLEN = "stolen"
    SUSPECT = "suspect"
    LOCKED = "locked"
    RECALLED = "recalled"
    DESTROYED = "destroyed"
    DISPENSED = "dispensed"
    EXPORTED = "exported"
    SAMPLE = "sample"
    FREE_SAMPLE = "free_sample"
    CHECKED_OUT = "checked_out"
    EXPIRED = "expired"
    EXPIRY_EXTENDED = "expiry_extended"
    MISMATCH = "mismatch"


class Choice(StrEnum):
    """How to answer."""

    IGNORE = "ignore"
    VERIFIED = "verified"
    REFUSED = "refused"
    UNFIT = "not_for_redistribution"
    SILENT = "silent"
    SAY_WHICH = "say_which"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to answer: the guideline's case, the failure reason of a false one, is the fact told?"""

    case: str
    reason: FailureReason | None
    tells: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """A disposition: what is told of it, how it is answered by default, and how it may be answered."""

    info: AdditionalInfo | None
    default: Choice
    allowed: tuple[Choice, ...]
    meaning: str


C, D, F, I = Choice, Disposition, FailureReason, AdditionalInfo  # noqa: E741 - the columns of the tables

# fmt: off
WAYS: Mapping[Choice, Way] = {
    #               case          failure reason            is the fact told?
    C.IGNORE:   Way("A",          None,                     tells=False),
    C.VERIFIED: Way("A2, B1",     None,                     tells=True),
    C.REFUSED:  Way("B2",         F.POLICY,                 tells=True),
    C.UNFIT:    Way("C1.1, C1.2", F.NOT_FOR_REDISTRIBUTION, tells=True),
    C.SILENT:   Way("C2",         F.POLICY,                 tells=False),
}

_TELL = (C.UNFIT, C.REFUSED)  # 360eee-1(b)(4)(C): to be told in the same answer
_ANY = (C.UNFIT, C.REFUSED, C.VERIFIED, C.SILENT, C.IGNORE)
_B = (C.REFUSED, C.VERIFIED, C.SILENT, C.IGNORE)
_GONE = (C.SILENT, C.IGNORE)  # the standard has no word for it: EPCIS carries it
_DE = (C.SAY_WHICH, C.SILENT)

# in the order in which they are asked; the last one comes before all of them
RULES: Mapping[Disposition, Rule] = {
    #                       told                   default      allowed  when
    D.ILLEGITIMATE:    Rule(I.ILLEGITIMATE,        C.UNFIT,     _TELL,   "the lot is marked so"),
    D.STOLEN:          Rule(I.ILLEGITIMATE,        C.UNFIT,     _TELL,   "the pack is stolen"),
    D.SUSPECT:         Rule(I.SUSPECT,             C.UNFIT,     _ANY,    "alert open, hold, lot marked so"),
    D.LOCKED:          Rule(I.SUSPECT,             C.UNFIT,     _ANY,    "locked: quarantine, 360eee(15)"),
    D.RECALLED:        Rule(I.RECALLED,            C.REFUSED,   _B,      "batch recalled, product withdrawn"),
    D.DESTROYED:       Rule(None,                  C.SILENT,    _GONE,   "the pack is destroyed"),
    D.DISPENSED:       Rule(None,                  C.SILENT,    _GONE,   "the pack is dispensed"),
    D.EXPORTED:        Rule(None,                  C.SILENT,    _GONE,   "the pack is exported"),
    D.SAMPLE:          Rule(None,                  C.SILENT,    _GONE,   "a sample of an authority"),
    D.FREE_SAMPLE:     Rule(None,                  C.SILENT,    _GONE,   "a free sample"),
    D.CHECKED_OUT:     Rule(None,                  C.SILENT,    _GONE,   "checked out for repackaging"),
    D.EXPIRED:         Rule(I.EXPIRED,             C.REFUSED,   _B,      "its expiry day has ended"),
    D.EXPIRY_EXTENDED: Rule(I.EXPIRATION_EXTENDED, C.VERIFIED,  _B,      "of the lot, to today at least"),
    D.MISMATCH:        Rule(None,                  C.SAY_WHICH, _DE,     "E, or D: which one is not said"),
}

_MISMATCH: Mapping[tuple[bool, bool], FailureReason] = {
    # lot differs, expiry differs
    (True,  False): F.LOT,
    (False, True):  F.EXPIRY,
    (True,  True):  F.LOT_EXPIRY,
}
# fmt: on

MATCH = LmsAnswer(verified=True)


@dataclass(frozen=True, slots=True)
class LotMarks:
    """What is marked for a lot: suspect or illegitimate as a whole, and until when its expiry is extended."""

    suspect: bool = False
    illegitimate: bool = False
    extended_to: date | None = None

    def extends(self, today: date) -> bool:
        """Is the expiry extended, to this day at least?"""
        return self.extended_to is not None and today <= self.extended_to


NO_MARKS = LotMarks()


@dataclass(frozen=True, slots=True)
class Policy:
    """The choices made: by manufacturer and disposition, and for all manufacturers under an empty GLN."""

    choices: Mapping[tuple[str, Disposition], Choice]

    def choice(self, manufacturer_gln: str | None, disposition: Disposition) -> Choice:
        """The manufacturer's own choice, else that for all, else the default."""
        for gln in (manufacturer_gln or "", ""):
            chosen = self.choices.get((gln, disposition))
            if chosen is not None:
                return chosen
        return RULES[disposition].default


def respond(
    code: PackCode, found: Found, *, marks: LotMarks, alerted: bool, today: date, policy: Policy
) -> tuple[LmsAnswer, Disposition | None]:
    """The answer, and the disposition that decided it. Pure.

    Args:
        code: what was asked; lot and expiry are there.
        found: what is stored of it, the product at least.
        marks: those of the stored pack's lot.
        alerted: has the pack an alert that nobody has closed?
        today: the date at which it is asked whether the pack has expired.
        policy: the choices.

    Of several facts the first that makes the answer false decides, else the first that is told.
    """
    assert found.product is not None  # noqa: S101 - an unknown GTIN gets no message
    gln = found.product.manufacturer_gln
    reason = mismatch(code, found.pack)
    if reason is not None:
        says = policy.choice(gln, D.MISMATCH) is C.SAY_WHICH
        return LmsAnswer(verified=False, failure_reason=reason if says else F.NO_REASON), D.MISMATCH
    told: tuple[LmsAnswer, Disposition | None] = (MATCH, None)
    for disposition in dispositions(found, marks=marks, alerted=alerted, today=today):
        choice = policy.choice(gln, disposition)
        way, info = WAYS[choice], RULES[disposition].info
        answer = LmsAnswer(way.reason is None, way.reason, info if way.tells else None)
        if not answer.verified:
            return answer, disposition
        if choice is not C.IGNORE and told[1] is None:
            told = answer, disposition
    return told


def mismatch(code: PackCode, pack: Pack | None) -> FailureReason | None:
    """Which identifiers are others. An unknown serial ends it: lot and expiry are not compared."""
    if pack is None:
        return F.SERIAL
    expiry_differs = code.expiry is None or not code.expiry.same(pack.expiry)
    return _MISMATCH.get((code.lot != pack.lot, expiry_differs))


def dispositions(found: Found, *, marks: LotMarks, alerted: bool, today: date) -> list[Disposition]:
    """Everything that is known of a pack whose identifiers match, in the order of the table."""
    pack, batch, product = found.pack, found.batch, found.product
    assert pack is not None  # noqa: S101 - the caller has compared it
    assert product is not None  # noqa: S101
    extended = marks.extends(today)
    known = {
        D.ILLEGITIMATE: marks.illegitimate,
        D.SUSPECT: alerted or marks.suspect or (batch is not None and batch.on_hold),
        D.RECALLED: product.withdrawn or (batch is not None and batch.recalled),
        D.EXPIRED: today > pack.expiry.last_day() and not extended,
        D.EXPIRY_EXTENDED: extended,
    }
    if pack.state is not State.ACTIVE:
        known[D(pack.state.value)] = True
    return [disposition for disposition in RULES if known.get(disposition)]
