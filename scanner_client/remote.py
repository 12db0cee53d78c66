"""The service over HTTP: one request a pack, and what may be said when no verdict comes back.

A verdict is an `Answer`, also where it refuses the change (409). All else is a value too: `NotChecked` when
the service did not decide, `Rejected` when it found the request itself wrong (RFC 9457). Nothing here decides
about packs.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from scanner_client.tokens import Tokens
from scanner_client.transport import Reply, Silence, Transport, checked_url

LONGEST_WAIT = 5.0  # seconds of Retry-After that somebody at a counter can be asked for
_PAUSES = (0.2, 0.6)  # seconds before the second and the third attempt, without Retry-After
_SIGNALS = frozenset({"green", "amber", "red"})
_NO_DECISION = {
    401: ("unauthorized", "The server does not accept this client."),
    403: ("forbidden", "This client may not do that."),
    429: ("too_many_requests", "Too many requests."),
    503: ("unavailable", "The service is not available at the moment."),
}
_UNCLEAR = frozenset({"server_error", "unexpected_answer"})
_CHANGES = frozenset({"/v1/dispense", "/v1/decommission", "/v1/reactivate"})


@dataclass(frozen=True, slots=True)
class Answer:
    """The service's verdict: status 200, or 409 where it refuses the change."""

    verdict: dict[str, Any]
    http_status: int
    replayed: bool


@dataclass(frozen=True, slots=True)
class NotChecked:
    """No verdict.

    `reason`: `no_connection`, `no_answer` (sent, then lost or too late), `unauthorized`, `forbidden`,
    `too_many_requests`, `unavailable` (503), `server_error` (other 5xx), `unexpected_answer` (not the
    contract's).
    `perhaps_done`: it was a change, and the service may have recorded it all the same.
    """

    reason: str
    detail: str
    perhaps_done: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """The request was refused as faulty and nothing was decided: the problem document and its status."""

    problem: dict[str, Any]
    http_status: int


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What came back of one attempt; `asked`: the pack's route was called, not the token's only."""

    reply: Reply | Silence
    asked: bool


Outcome = Answer | NotChecked | Rejected
Pack = str | Mapping[str, str]


class Remote:
    """One client of the service; safe to share between threads, connections are kept.

    Args:
        base_url: `https://host[:port][/prefix]`; plain `http` to loopback only, or with `insecure`.
        client_id: of the client credentials grant.
        client_secret: sent to `{base_url}/oauth/token` only, by basic authentication.
        timeout: seconds to connect, and to wait for each part of an answer.
        insecure: allow plain `http` beyond loopback, where secret and packs can be read on the way.
        sleep: waits between attempts, in seconds.

    Raises:
        ValueError: the address cannot be used (see `checked_url`).
    """

    def __init__(
        self,
        base_url: str,
        client_id: str,
        client_secret: str,
        *,
        timeout: float = 10.0,
        insecure: bool = False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport = Transport(checked_url(base_url, insecure=insecure), timeout)
        self._tokens = Tokens(self._transport, client_id, client_secret)
        self._timeout = timeout
        self._sleep = sleep

    def verify(self, pack: Pack, *, entry_mode: str = "scanned", **more: Any) -> Outcome:
        """What is this pack? `pack` is the raw code or its elements, `more` further fields."""
        return self.send("/v1/verify", pack, entry_mode=entry_mode, **more)

    def dispense(
        self, pack: Pack, *, idempotency_key: str, entry_mode: str = "scanned", **more: Any
    ) -> Outcome:
        """Supplied to a patient."""
        return self.send("/v1/dispense", pack, idempotency_key=idempotency_key, entry_mode=entry_mode, **more)

    def decommission(
        self, pack: Pack, *, reason: str, idempotency_key: str, entry_mode: str = "scanned", **more: Any
    ) -> Outcome:
        """Taken out for `reason`: destroyed, exported, sample, free_sample, stolen, locked or checked_out."""
        fields = {**more, "reason": reason, "entry_mode": entry_mode}
        return self.send("/v1/decommission", pack, idempotency_key=idempotency_key, **fields)

    def reactivate(
        self, pack: Pack, *, idempotency_key: str, entry_mode: str = "scanned", **more: Any
    ) -> Outcome:
        """Undo of the site's own change; `not_supplied_to_public=True` declares that for a dispense."""
        return self.send(
            "/v1/reactivate", pack, idempotency_key=idempotency_key, entry_mode=entry_mode, **more
        )

    def returns_check(self, pack: Pack, *, entry_mode: str = "scanned", **more: Any) -> Outcome:
        """May a returned pack be sold on? The verdict has `resale` and `next_step` too."""
        return self.send("/v1/returns/check", pack, entry_mode=entry_mode, **more)

    def log_in(self) -> NotChecked | None:
        """Get a token now, to see whether address, client and secret are right: None, or why not."""
        token = self._tokens.current()
        if isinstance(token, str):
            return None
        outcome = _outcome(_without_token(token))
        return outcome if isinstance(outcome, NotChecked) else _unexpected(HTTPStatus.OK)

    def send(self, route: str, pack: Pack, *, idempotency_key: str | None = None, **fields: Any) -> Outcome:
        """One pack to one route of the contract.

        A change is repeated, with its one key, after a lost connection, a time-out, a 503 or
        `idempotency_in_progress`: the key keeps it from happening twice. A read is repeated likewise, but not
        after a time-out. At most three attempts, none begun later than 1.5 time-outs after the first.

        Raises:
            ValueError: a change without a key, or a read with one.
        """
        change = route in _CHANGES
        if change != (idempotency_key is not None):
            raise ValueError(f"{route}: a change needs an idempotency key, a read has none")
        body = {**({"code": pack} if isinstance(pack, str) else dict(pack)), **fields}
        headers = {"Content-Type": "application/json"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        attempts = self._attempts(route, json.dumps(body).encode(), headers, keyed=change)
        outcome = _outcome(attempts[-1].reply)
        if isinstance(outcome, NotChecked) and change and any(_perhaps_done(attempt) for attempt in attempts):
            return replace(outcome, perhaps_done=True)
        return outcome

    def _attempts(self, route: str, body: bytes, headers: dict[str, str], *, keyed: bool) -> list[_Attempt]:
        """At least one; only the last may have brought a verdict."""
        latest = time.monotonic() + 1.5 * self._timeout
        attempts = [self._attempt(route, body, headers)]
        for pause in _PAUSES:
            wait = _wait(attempts[-1].reply, pause, keyed=keyed)
            if wait is None or time.monotonic() + wait > latest:
                break
            self._sleep(wait)
            attempts.append(self._attempt(route, body, headers))
        return attempts

    def _attempt(self, route: str, body: bytes, headers: dict[str, str]) -> _Attempt:
        """One request; a 401 buys one new token and one more try."""
        token = self._tokens.current()
        if not isinstance(token, str):
            return _Attempt(_without_token(token), asked=False)
        reply = self._transport.post(route, body, {**headers, "Authorization": f"Bearer {token}"})
        if isinstance(reply, Silence) or reply.status != HTTPStatus.UNAUTHORIZED:
            return _Attempt(reply, asked=True)
        token = self._tokens.renewed(token)
        if not isinstance(token, str):
            return _Attempt(_without_token(token), asked=False)
        reply = self._transport.post(route, body, {**headers, "Authorization": f"Bearer {token}"})
        return _Attempt(reply, asked=True)


def _without_token(refusal: Reply | Silence) -> Reply | Silence:
    """What became of the request for a token, told so that it cannot pass for news of a pack."""
    match refusal:
        case Reply(status=400 | 403):
            return replace(refusal, status=HTTPStatus.UNAUTHORIZED)
        case Reply(status=200 | 409):
            return replace(refusal, status=HTTPStatus.OK, body=b"")
        case _:
            return refusal


def _wait(reply: Reply | Silence, pause: float, *, keyed: bool) -> float | None:
    """Seconds until the request may be repeated; None where it may not, or not within `LONGEST_WAIT`."""
    if isinstance(reply, Silence):
        return None if reply.final or (reply.timed_out and not keyed) else pause
    busy = reply.status == HTTPStatus.CONFLICT and _object(reply).get("code") == "idempotency_in_progress"
    if reply.status != HTTPStatus.SERVICE_UNAVAILABLE and not busy:
        return None
    named = reply.headers.get("retry-after", "")
    wait = float(named) if re.fullmatch(r"[0-9]{1,6}", named) else pause
    return max(wait, pause) if wait <= LONGEST_WAIT else None


def _perhaps_done(attempt: _Attempt) -> bool:
    """Whether the service may have recorded the change, or be about to, though it did not say so."""
    reply = attempt.reply
    if not attempt.asked:
        return False
    if isinstance(reply, Silence):
        return reply.sent
    outcome = _outcome(reply)
    under_way = reply.status == HTTPStatus.CONFLICT
    return isinstance(outcome, NotChecked) and (under_way or outcome.reason in _UNCLEAR)


def _outcome(reply: Reply | Silence) -> Outcome:
    if isinstance(reply, Silence):
        return NotChecked("no_answer" if reply.sent else "no_connection", reply.detail)
    status, answer = reply.status, _object(reply)
    if status in {HTTPStatus.OK, HTTPStatus.CONFLICT} and _is_verdict(answer, status):
        return Answer(answer, status, reply.headers.get("idempotency-replayed", "").lower() == "true")
    if status == HTTPStatus.CONFLICT and answer.get("code") == "idempotency_in_progress":
        status = HTTPStatus.SERVICE_UNAVAILABLE
    if status in _NO_DECISION or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        reason, otherwise = _NO_DECISION.get(status, ("server_error", f"The server failed ({status})."))
        return NotChecked(reason, _words(reply, answer, otherwise))
    if status >= HTTPStatus.BAD_REQUEST and isinstance(answer.get("code"), str) and "signal" not in answer:
        return Rejected(answer, status)
    return _unexpected(status)


def _unexpected(status: int) -> NotChecked:
    return NotChecked(
        "unexpected_answer", f"The answer ({status}) is not one of this service. Is the address right?"
    )


def _object(reply: Reply) -> dict[str, Any]:
    try:
        answer = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _is_verdict(answer: dict[str, Any], status: int) -> bool:
    """Whether all that the counter relies on is there and agrees: nothing half-read may look green."""
    texts = all(isinstance(answer.get(name), str) for name in ("event_id", "code", "title", "advice"))
    accepted, signal = answer.get("accepted"), answer.get("signal")
    agrees = status == HTTPStatus.OK if accepted else signal != "green"
    return (
        texts
        and isinstance(accepted, bool)
        and signal in _SIGNALS
        and agrees
        and isinstance(answer.get("pack"), dict)
    )


def _words(reply: Reply, answer: dict[str, Any], otherwise: str) -> str:
    """The server's own words: a problem (RFC 9457), an OAuth error (RFC 6749), a challenge (RFC 6750)."""
    for name in ("detail", "error_description", "title", "error"):
        if isinstance(answer.get(name), str) and answer[name]:
            return str(answer[name])
    challenge = re.search(r'error_description="([^"]*)"', reply.headers.get("www-authenticate", ""))
    return challenge[1] if challenge and challenge[1] else otherwise
