"""From a picture or a text to what the counter sees. Asks the service; never decides about a pack."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from scanner_client.decode import DecodedCode, UnreadCode, decode_file
from scanner_client.remote import Answer, NotChecked, Outcome, Rejected
from scanner_client.typed import as_code
from verifier.domain.codes import Expiry, PackCode, parse

# code, entry mode (`scanned`, `image`, `manual`), idempotency key → what came back
Ask = Callable[[str, str, str], Outcome]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One pack, or one source without any, as the counter sees it.

    `signal` is the service's `green`, `amber` or `red`, with its `verdict`; or `grey`, made here: not
    checked, with a `problem` (`code` and `detail` at least). `gtin` and `serial` are what was read.
    """

    source: str
    signal: str
    title: str
    advice: str
    gtin: str | None = None
    serial: str | None = None
    verdict: dict[str, Any] | None = None
    problem: dict[str, Any] | None = None


# fmt: off
_NOT_CHECKED = {
    # reason             advice
    "no_connection":     "Check the network, then scan again. Until then the pack counts as not checked.",
    "no_answer":         "Scan the pack again. Until then it counts as not checked.",
    "unauthorized":      "Log in again with `scanner login`, or have the access of this client renewed.",
    "forbidden":         "This client or site may not do this. Ask whoever runs the service.",
    "too_many_requests": "Wait a moment, then scan again.",
    "unavailable":       "Wait a moment, then scan again.",
    "server_error":      "Scan again; if it stays, tell whoever runs the service.",
    "unexpected_answer": "Check the server address, and tell whoever runs the service.",
}
# fmt: on
_PERHAPS = "Scan the pack again: if the change was recorded, the answer will say so."
_SCAN_AGAIN = "Scan the square Data Matrix code again; if it stays so, put the pack aside."


@dataclass(slots=True)
class Run:
    """One operation on any number of packs.

    A pack met twice in one run is asked for by the very same request, so its change happens once and the
    second answer is the first one again. A run is for one command: the next must be able to change it anew.
    """

    ask: Ask
    today: date
    _requests: dict[tuple[str | None, ...], tuple[str, str, str]] = field(default_factory=dict)

    def picture(self, path: Path) -> Iterator[CheckResult]:
        """Each pack on a picture in reading order, then what looks like a pack code and is not readable."""
        picture = decode_file(path, today=self.today)
        for code in picture.codes:
            yield self._check(picture.file, code, code.raw, "image")
        for unread in picture.unread:
            yield self._unread(picture.file, unread, "image")
        if not picture.codes and not picture.unread:
            reason, detail = picture.reason or "no_code", picture.detail or ""
            yield CheckResult(
                picture.file,
                "grey",
                "No pack code was read",
                detail,
                problem={"code": reason, "detail": detail},
            )

    def text(self, text: str, entry_mode: str = "scanned") -> CheckResult:
        """A code as a hand scanner sends it or a person types it."""
        code = as_code(text, today=self.today)
        pack = parse(code, today=self.today)
        if isinstance(pack, PackCode):
            return self._check(text, pack, code, entry_mode)
        return self._unread(
            text, UnreadCode(code, pack.reason, pack.detail, pack.gtin, pack.serial), entry_mode
        )

    def _check(self, source: str, pack: DecodedCode | PackCode, code: str, entry_mode: str) -> CheckResult:
        expiry = pack.expiry.iso() if isinstance(pack.expiry, Expiry) else pack.expiry
        elements = (pack.gtin, pack.serial, pack.lot, expiry)
        outcome = self.ask(*self._requests.setdefault(elements, (code, entry_mode, str(uuid.uuid4()))))
        return _result(source, pack.gtin, pack.serial, outcome)

    def _unread(self, source: str, unread: UnreadCode, entry_mode: str) -> CheckResult:
        """Grey; sent all the same where product and serial can be recognised: the service records it."""
        if unread.gtin is not None and unread.serial is not None:
            outcome = self.ask(unread.raw, entry_mode, str(uuid.uuid4()))
            return _result(source, unread.gtin, unread.serial, outcome)
        problem = {"code": "unreadable_code", "reason": unread.reason, "detail": unread.detail}
        return CheckResult(
            source,
            "grey",
            "The code cannot be read",
            _advice(unread.detail),
            unread.gtin,
            unread.serial,
            None,
            problem,
        )


def _result(source: str, product: str, serial: str, outcome: Outcome) -> CheckResult:
    match outcome:
        case Answer(verdict=verdict) if verdict["pack"].get("serial") == serial:
            title, advice = verdict["title"], verdict["advice"]
            return CheckResult(source, verdict["signal"], title, advice, product, serial, verdict)
        case Answer():
            outcome = NotChecked("unexpected_answer", "The answer is about another pack.")
        case Rejected(problem=problem):
            detail = str(problem.get("detail") or problem.get("title") or problem["code"])
            return CheckResult(
                source, "grey", "Refused as faulty", _advice(detail), product, serial, None, problem
            )
    problem = {"code": outcome.reason, "detail": outcome.detail}
    if outcome.perhaps_done:
        title, advice = "Not known whether it was recorded", f"{_sentence(outcome.detail)} {_PERHAPS}"
    else:
        title, advice = "Not checked", f"{_sentence(outcome.detail)} {_NOT_CHECKED[outcome.reason]}"
    return CheckResult(source, "grey", title, advice, product, serial, None, problem)


def _sentence(detail: str) -> str:
    """What OAuth says has no full stop (RFC 6749 section 5.2)."""
    return detail if detail.endswith((".", "!", "?")) else f"{detail}."


def _advice(detail: str) -> str:
    return f"{detail.rstrip('.')}. {_SCAN_AGAIN}"
