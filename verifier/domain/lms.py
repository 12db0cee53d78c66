"""GS1 lightweight messaging: the words, parameters and bodies of its two messages.

Source: GS1 "Lightweight Messaging Standard for Verification of Product Identifiers" R1.1, and the GS1 US
implementation guideline. What we issue is strict; of what peers send only the official patterns are asked,
since samples of the standard itself fail their check digits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from verifier.domain.expiry import Expiry, parse_expiry
from verifier.domain.gs1 import GTIN_LENGTH, check_digit, gtin_fault, text_fault
from verifier.domain.pack_code import PackCode, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

OPERATION = "lms"
"""What a message is called in the journal, in alerts and in figures."""
ALERT = "LMS"
"""The alert of a pack whose identifiers do not match: suspect for its manufacturer, 360eee-1(b)(4)(C)."""
MISS = "lms_miss:%Y-%m-%dT%H"
"""Under what a requestor's misses of an hour are counted, as a format of its time; the client follows."""
LINK_TYPE = "verificationService"
SALEABLE_RETURN = "dscsaSaleableReturn"
MOST_TEXT = 254
"""Characters of an additional parameter, such as an e-mail address."""

GLN_PATTERN = re.compile(r"[0-9]{13}")
CORR_UUID_PATTERN = re.compile(
    r"[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-4[a-fA-F0-9]{3}-[89abAB][a-fA-F0-9]{3}-[a-fA-F0-9]{12}"
)
TIMESTAMP_PATTERN = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_TEXTS = {
    "verificationTimestamp": TIMESTAMP_PATTERN,
    "responderGLN": GLN_PATTERN,
    "corrUUID": CORR_UUID_PATTERN,
}
_EXP = re.compile(r"[0-9]{6}")
_REASON, _INFO = "verificationFailureReason", "additionalInfo"


class FailureReason(StrEnum):
    """`verificationFailureReason`: why `verified` is false."""

    SERIAL = "No_match_GTIN_Serial"
    LOT = "No_match_GTIN_Serial_Lot"
    EXPIRY = "No_match_GTIN_Serial_Expiry"
    LOT_EXPIRY = "No_match_GTIN_Serial_Lot_Expiry"
    NO_REASON = "No_reason_provided"
    POLICY = "Manufacturer_policy"
    NOT_FOR_REDISTRIBUTION = "Not_for_re-distribution"


class AdditionalInfo(StrEnum):
    """`additionalInfo`: what is known of a product whose identifiers match; decisive also beside true."""

    RECALLED = "Recalled"
    SUSPECT = "Suspect"
    EXPIRED = "Expired"
    EXPIRATION_EXTENDED = "ExpirationExtended"
    ILLEGITIMATE = "Illegitimate"


@dataclass(frozen=True, slots=True)
class LmsAnswer:
    """The content of `data`. A failure reason stands exactly where `verified` is false."""

    verified: bool
    failure_reason: FailureReason | None = None
    additional_info: AdditionalInfo | None = None

    def __post_init__(self) -> None:
        if self.verified is (self.failure_reason is not None):
            raise ValueError("a failure reason is needed for false, and for nothing else")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A further parameter of the query, such as the attestation of possession or a contact.

    `value` is the only one that is right, None for free text of 1 to 254 printable characters.
    """

    name: str
    required: bool = False
    value: str | None = None


@dataclass(frozen=True, slots=True)
class RequestRules:
    """What is asked of a request beside the standard's own rules."""

    contexts: frozenset[str] = frozenset({SALEABLE_RETURN})
    parameters: tuple[Parameter, ...] = ()
    connectivity_context: bool = True
    """Connectivity needs `linkType` and `context`, as the US guideline says; the global standard does not."""


@dataclass(frozen=True, slots=True)
class LmsRequest:
    """A verification request that is right.

    `corr_uuid` is kept in its letter case. `credential` says what was wrong with the requestor's, None where
    none was asked for.
    """

    code: PackCode
    context: str
    req_gln: str
    corr_uuid: str
    more: Mapping[str, str] = field(default_factory=dict)
    credential: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ConnectivityRequest:
    """A connectivity request that is right; `gtin` has 14 digits."""

    gtin: str
    req_gln: str


@dataclass(frozen=True, slots=True)
class LmsReply:
    """A peer's verification response. `notes`: `responder_gln_check_digit` where that digit is wrong."""

    answer: LmsAnswer
    responder_gln: str
    timestamp: str
    corr_uuid: str
    notes: tuple[str, ...] = ()


Wrong = dict[str, str]
"""What is wrong with a request: a sentence by parameter."""


def read_verification(
    *,
    gtin: str,
    lot: str,
    serial: str,
    query: Mapping[str, Sequence[str]],
    rules: RequestRules,
    today: date,
) -> LmsRequest | Wrong:
    """A verification request from its decoded path segments and its query, or all that is wrong with it.

    Unknown parameters are ignored, repeated known ones refused. `today` chooses the century of `exp`.
    """
    reader = _Reader(query)
    product = reader.gtin(gtin)
    reader.check("lot", text_fault(lot, name="lot", missing=Reason.MISSING_LOT))
    reader.check("ser", text_fault(serial, name="serial", missing=Reason.MISSING_SERIAL))
    expiry = reader.expiry(today)
    context = reader.purpose(rules)
    req_gln = reader.pattern("reqGLN", GLN_PATTERN, "13 digits")
    corr_uuid = reader.pattern("corrUUID", CORR_UUID_PATTERN, "a UUID of version 4")
    more = {p.name: text for p in rules.parameters if (text := reader.further(p)) is not None}
    if reader.wrong or expiry is None:
        return reader.wrong
    return LmsRequest(PackCode(product, serial, lot, expiry, None, ()), context, req_gln, corr_uuid, more)


def read_connectivity(query: Mapping[str, Sequence[str]], rules: RequestRules) -> ConnectivityRequest | Wrong:
    """A connectivity request from its query, or all that is wrong with it."""
    reader = _Reader(query)
    gtin = reader.gtin(reader.one("gtin"))
    req_gln = reader.pattern("reqGLN", GLN_PATTERN, "13 digits")
    if rules.connectivity_context:
        reader.purpose(rules)
    return reader.wrong or ConnectivityRequest(gtin, req_gln)


class _Reader:
    """Takes parameters out of a query and notes down what is wrong with them."""

    def __init__(self, query: Mapping[str, Sequence[str]]) -> None:
        self._query = query
        self.wrong: Wrong = {}

    def one(self, name: str, *, needed: bool = True) -> str:
        """The parameter's one value, empty where there is none."""
        values = self._query.get(name, ())
        if len(values) > 1:
            self.wrong[name] = "Stands more than once."
        elif needed and not any(values):
            self.wrong[name] = "Missing."
        return values[0] if values else ""

    def check(self, name: str, fault: Any) -> None:
        if fault is not None:
            self.wrong.setdefault(name, fault.detail)

    def gtin(self, text: str) -> str:
        self.check("gtin", gtin_fault(text))
        return text.zfill(GTIN_LENGTH)

    def expiry(self, today: date) -> Expiry | None:
        text = self.one("exp")
        found = parse_expiry(text, today=today) if _EXP.fullmatch(text) else None
        if found is None:
            self.wrong.setdefault("exp", "Not a date as YYMMDD, where day 00 is the month's last.")
        return found

    def purpose(self, rules: RequestRules) -> str:
        if self.one("linkType") != LINK_TYPE:
            self.wrong.setdefault("linkType", f"Not {LINK_TYPE}.")
        context = self.one("context")
        if context not in rules.contexts:
            self.wrong.setdefault("context", f"None of: {', '.join(sorted(rules.contexts))}.")
        return context

    def pattern(self, name: str, wanted: re.Pattern[str], words: str) -> str:
        text = self.one(name)
        if not wanted.fullmatch(text):
            self.wrong.setdefault(name, f"Not {words}.")
        return text

    def further(self, parameter: Parameter) -> str | None:
        text = self.one(parameter.name, needed=parameter.required)
        if not text:
            return None
        if parameter.value is not None and text != parameter.value:
            self.wrong.setdefault(parameter.name, f"Not {parameter.value}.")
        if len(text) > MOST_TEXT or not text.isprintable():
            self.wrong.setdefault(parameter.name, f"Not 1 to {MOST_TEXT} printable characters.")
        return text


def gln_checks(gln: str) -> bool:
    """Has a GLN of 13 digits its right check digit?"""
    return check_digit(gln[:-1]) == gln[-1]


def timestamp(instant: datetime) -> str:
    """Milliseconds, exactly three digits, and `Z`."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def response_body(
    answer: LmsAnswer, *, at: datetime, responder_gln: str, corr_uuid: str
) -> dict[str, str | dict[str, bool | str]]:
    """The verification response as it is sent; what does not apply is left out, never null."""
    data: dict[str, bool | str] = {"verified": answer.verified}
    if answer.failure_reason is not None:
        data[_REASON] = answer.failure_reason.value
    if answer.additional_info is not None:
        data[_INFO] = answer.additional_info.value
    return {
        "verificationTimestamp": timestamp(at),
        "responderGLN": responder_gln,
        "corrUUID": corr_uuid,
        "data": data,
    }


def parse_response(body: Any, corr_uuid: str) -> LmsReply | str:
    """A peer's verification response, or in a few words what is wrong with it.

    Additional properties are allowed, unknown values of the enumerations are not. The answer must be to our
    question: its corrUUID ours, in whatever letter case.
    """
    if not isinstance(body, dict) or not isinstance(data := body.get("data"), dict):
        return "no object with data"
    texts: dict[str, str] = {}
    for name, wanted in _TEXTS.items():
        text = body.get(name)
        if not isinstance(text, str) or not wanted.fullmatch(text):
            return f"{name} is missing or wrong"
        texts[name] = text
    if texts["corrUUID"].lower() != corr_uuid.lower():
        return "corrUUID is another one"
    answer = _data_of(data)
    if isinstance(answer, str):
        return answer
    gln = texts["responderGLN"]
    notes = () if gln_checks(gln) else ("responder_gln_check_digit",)
    return LmsReply(answer, gln, texts["verificationTimestamp"], texts["corrUUID"], notes)


def parse_connectivity(body: Any) -> str | None:
    """The responder's GLN of a connectivity response, None when it is none."""
    gln = body.get("responderGLN") if isinstance(body, dict) else None
    return gln if isinstance(gln, str) and GLN_PATTERN.fullmatch(gln) else None


def _data_of(data: Mapping[str, Any]) -> LmsAnswer | str:
    verified = data.get("verified")
    if not isinstance(verified, bool):
        return "verified is missing or no boolean"
    try:
        reason = FailureReason(data[_REASON]) if _REASON in data else None
        info = AdditionalInfo(data[_INFO]) if _INFO in data else None
    except ValueError:
        return "a value that the standard does not have"
    if verified is (reason is not None):
        return f"{_REASON} does not fit verified"
    return LmsAnswer(verified, reason, info)
