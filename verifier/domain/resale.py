"""May a returned pack be sold again? From the network's answer, our own rules, dates and transaction data.

`verified` of a GS1 LMS answer says that the identifiers correspond, and nothing more: `additionalInfo`
decides also when it is true (GS1 US guideline, scenarios A to E). Everything that speaks against a resale is
gathered, and the strongest of it is answered.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from verifier.domain.expiry import Expiry
from verifier.domain.lifecycle import Attempt, Decision, Profile, Seal, decide
from verifier.domain.lms import AdditionalInfo, FailureReason, LmsAnswer
from verifier.domain.lms_policy import NO_MARKS, LotMarks
from verifier.domain.pack import Found
from verifier.domain.wording import resale as wording

ANSWER_DUE = timedelta(hours=24)
"""A manufacturer answers within it (21 U.S.C. 360eee-1(b)(4)(C)); a pack pending for longer is overdue."""


class Asked(StrEnum):
    """What came of asking the network."""

    VERIFIED = "verified"
    NEGATIVE = "negative"
    UNKNOWN_GTIN = "unknown_gtin"  # nobody is listed for this GTIN and expiry date, or the peer said 404
    NO_ANSWER = "no_answer"  # nobody answered in time, or not in the words of the standard
    NOT_ASKED = "not_asked"
    REFUSED = "refused"  # the peer does not serve us: 401, 403
    MALFORMED = "malformed"  # the peer did not understand us: another 4xx


@dataclass(frozen=True, slots=True)
class Asking:
    """One question to the network.

    `answer` is there for `verified` and `negative` only, `corr_uuid` where a question was sent.
    """

    asked: Asked
    answer: LmsAnswer | None = None
    corr_uuid: str | None = None
    responder_gln: str | None = None
    at: datetime | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Noted:
    """What is written down here about a lot and a pack, also of ones that are not in our repository.

    `alerted`: an alert on the pack with a grave cause is open.
    """

    marks: LotMarks = NO_MARKS
    alerted: bool = False


NOTHING_NOTED = Noted()


@dataclass(frozen=True, slots=True)
class Own:
    """What is known here: our own rules' word on the pack, and what counts also where they know no pack.

    Attributes:
        decision: on a look at the pack; of a pack that is not in our repository that it is unknown.
        withdrawn: the product is withdrawn.
        seal_broken: somebody has looked at the anti-tampering device.
        noted: marks and alerts.
    """

    decision: Decision
    withdrawn: bool = False
    seal_broken: bool = False
    noted: Noted = NOTHING_NOTED


@dataclass(frozen=True, slots=True)
class Resale:
    """`resale` is yes, no or pending; `code` says why, `next_step` what to do now."""

    resale: str
    code: str
    next_step: str


# strongest first; `alert`: reason to believe that the pack is suspect (21 U.S.C. 360eee(21))
# fmt: off
#   code                   resale     next step                 alert
_TABLE = (
    ("illegitimate",        "no",      "quarantine_and_notify",  True),
    ("suspect",             "no",      "quarantine",             True),
    ("mismatch",            "no",      "compare_and_quarantine", True),
    ("seal_broken",         "no",      "quarantine",             False),
    ("own_state",           "no",      "look_at_history",        False),
    ("recalled",            "no",      "return_to_supplier",     False),
    ("expired",             "no",      "destroy",                False),
    ("policy",              "no",      "ask_for_reason",         True),
    ("expiry_window",       "no",      "return_to_manufacturer", False),
    ("alert_open",          "pending", "look_at_alert",          False),
    ("on_hold",             "pending", "wait_for_release",       False),
    ("no_transaction_data", "pending", "find_transaction_data",  False),
    ("refused",             "pending", "obtain_permission",      False),
    ("malformed",           "pending", "fix_and_ask_again",      False),
    ("unknown_gtin",        "pending", "ask_manufacturer",       False),
    ("no_answer",           "pending", "ask_again",              False),
    ("not_asked",           "pending", "ask_network",            False),
    ("ok",                  "yes",     "restock",                False),
)
# fmt: on
CODES: Mapping[str, Resale] = {code: Resale(word, code, step) for code, word, step, _ in _TABLE}
SUSPICIOUS = frozenset(code for code, _, _, alert in _TABLE if alert)
GRAVE = ("seal_broken", "suspect", "illegitimate")
"""Causes of alerts that keep the pack back while they are open, the gravest last.

Of the others another code was meant, or the state of the pack itself says what is to be said, or the network
says otherwise by now.
"""
_STRENGTH = {code: strength for strength, code in enumerate(CODES)}

_UNASKED = {
    Asked.UNKNOWN_GTIN: "unknown_gtin",
    Asked.NO_ANSWER: "no_answer",
    Asked.NOT_ASKED: "not_asked",
    Asked.REFUSED: "refused",
    Asked.MALFORMED: "malformed",
}
_INFO = {
    AdditionalInfo("Illegitimate"): "illegitimate",
    AdditionalInfo("Suspect"): "suspect",
    AdditionalInfo("Recalled"): "recalled",
    AdditionalInfo("Expired"): "expired",
}
_EXTENDED = AdditionalInfo("ExpirationExtended")
_REASON = {
    FailureReason("Manufacturer_policy"): "policy",
    FailureReason("Not_for_re-distribution"): "suspect",
}
_NAMED_CAUSES = frozenset({"recalled", "expired"})
_OWN = {
    "ok": None,
    "unknown_product": None,  # not in our own repository: nothing to say
    "unknown_batch": None,
    "unknown_serial": "mismatch",
    "seal_broken": "seal_broken",
    "lot_mismatch": "mismatch",
    "expiry_mismatch": "mismatch",
    "recalled": "recalled",
    "withdrawn": "recalled",
    "expired": "expired",
    "on_hold": "on_hold",
}


def own_of(profile: Profile, attempt: Attempt, found: Found, noted: Noted) -> Own:
    """By our own rules for a look at what was found; by an extended expiry the pack has not expired."""
    if found.pack is not None and noted.marks.extends(attempt.today):
        attempt = replace(attempt, today=min(attempt.today, found.pack.expiry.last_day()))
    return Own(
        decide(profile, attempt, found),
        withdrawn=found.product is not None and found.product.withdrawn,
        seal_broken=attempt.seal is Seal.BROKEN,
        noted=noted,
    )


def decide_resale(
    own: Own,
    asking: Asking,
    *,
    expiry: Expiry | None,
    today: date,
    window_days: int,
    associated: bool | None,
) -> Resale:
    """The one place where a resale is decided. Pure.

    Args:
        own: what is known here.
        asking: what the network said.
        expiry: as printed on the pack.
        today: the date at the site.
        window_days: a pack that has fewer days left is not sold again; 0 for no such rule.
        associated: is there transaction data for this return (360eee-1(g)(1)(F))? None when nobody said.
    """
    found = {*_own(own), *_noted(own.noted), *_network(own, asking)}
    if not own.noted.marks.extends(today):
        found |= {*_dates(asking, expiry, today, window_days)}
    if associated is False:
        found.add("no_transaction_data")
    return CODES[_strongest(found) or "ok"]


def suspicion(own: Own, asking: Asking) -> str | None:
    """The strongest reason that an answer gives to believe that the pack is suspect; no answer gives one.

    Whatever else speaks against a resale: a broken seal does not hide the manufacturer's no.
    """
    if asking.answer is None:
        return None
    return _strongest(SUSPICIOUS & {*_own(own), *_answer(asking.answer)})


def stricter(first: Resale, second: Resale) -> Resale:
    """The stronger of both."""
    return CODES[_strongest((first.code, second.code)) or "ok"]


def _strongest(codes: Iterable[str]) -> str | None:
    return min(codes, key=_STRENGTH.__getitem__, default=None)


def words(code: str, language: str) -> tuple[str, str]:
    """Title and advice for a person."""
    return wording.WORDS[language][code]


def _own(own: Own) -> Iterator[str]:
    code = _OWN.get(own.decision.code, "own_state")
    if code is not None:
        yield code
    if own.withdrawn:
        yield "recalled"
    if own.seal_broken:
        yield "seal_broken"


def _noted(noted: Noted) -> Iterator[str]:
    if noted.marks.illegitimate:
        yield "illegitimate"
    if noted.marks.suspect:
        yield "suspect"
    if noted.alerted:
        yield "alert_open"


def _network(own: Own, asking: Asking) -> Iterator[str]:
    if asking.answer is not None:
        yield from _answer(asking.answer)
    elif asking.asked is not Asked.NOT_ASKED or not own.decision.accepted:
        # our own repository vouches for its packs, where nobody else was asked
        yield _UNASKED.get(asking.asked, "no_answer")


def _answer(answer: LmsAnswer) -> Iterator[str]:
    info = _INFO.get(answer.additional_info) if answer.additional_info is not None else None
    if info is not None:
        yield info
    if answer.verified:
        return
    reason = _REASON.get(answer.failure_reason, "mismatch") if answer.failure_reason else "mismatch"
    if not (reason == "policy" and info in _NAMED_CAUSES):  # the policy's cause has been named
        yield reason


def _dates(asking: Asking, expiry: Expiry | None, today: date, window_days: int) -> Iterator[str]:
    answer = asking.answer
    if expiry is None or (answer is not None and answer.additional_info is _EXTENDED):
        return
    left = (expiry.last_day() - today).days
    if left < 0:
        yield "expired"
    elif left < window_days:
        yield "expiry_window"
