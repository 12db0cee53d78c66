"""A question to a peer: its address, its tries within one deadline, and what its answer means.

GS1 LMS R1.1 (July 2019); the statuses by its table of codes, and by R1.3 for 404.
"""

import random
import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit

import msgspec

from verifier.domain.directory import Entry, url_fault
from verifier.domain.lms import LINK_TYPE, gln_checks, parse_connectivity, parse_response
from verifier.domain.questions import Exchange, Question, Reply
from verifier.domain.resale import Asked
from verifier.peers.addresses import Resolver
from verifier.peers.breaker import Breaker
from verifier.peers.client import Answer, Client, NoAnswerError
from verifier.peers.config import Requestor
from verifier.peers.tokens import Grant, Tokens

EVIDENCE = 8 * 1024
"""Characters of an answer that are kept."""
_OK, _NOT_FOUND, _REQUEST_TIMEOUT, _SERVER_FAULTS = 200, 404, 408, 500
_UNAUTHORIZED, _FORBIDDEN = 401, 403
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BUSY = frozenset({_REQUEST_TIMEOUT, 429})  # neither an answer nor a refusal
_ASKED = {status: Asked.MALFORMED for status in range(400, 500) if status not in _BUSY} | {
    _UNAUTHORIZED: Asked.REFUSED,
    _FORBIDDEN: Asked.REFUSED,
    _NOT_FOUND: Asked.UNKNOWN_GTIN,
}
"""What an answer without a message says; any other status is no answer."""
_FREE_S = 0.05
"""So long a question waits for its turn: the threads of those that wait serve nobody else."""
_PAUSE_S = 0.2
_ENCODED = re.compile("%[0-9a-fA-F]{2}")
_LEAST_S = 0.05
Query = dict[str, str]
Reading = Callable[[Any], Reply]


class PeerNetwork:
    """See `services.ports_vrs.Network`. Thread-safe.

    Args:
        requestor: how we ask.
        resolver: another one than the system's, for tests.
        at_once: no more questions are under way, so that slow peers never hold all of our threads.
    """

    def __init__(self, requestor: Requestor, resolver: Resolver | None = None, *, at_once: int = 4) -> None:
        self._with = requestor
        self._free = threading.BoundedSemaphore(at_once)
        self._client = Client(resolver or Resolver(loopback=requestor.loopback), ca_file=requestor.ca_file)
        self._tokens = Tokens(self._client)
        self._breaker = Breaker(requestor.breaker_failures, requestor.breaker_seconds)

    def ask(self, question: Question) -> Reply:
        """Ask about one pack."""
        code, entry = question.code, question.entry
        query = {
            "exp": code.expiry.yymmdd() if code.expiry else "",
            "linkType": LINK_TYPE,
            "context": question.context,
            "reqGLN": question.req_gln,
            "corrUUID": question.corr_uuid,
        }
        path = pack_path(code.gtin, code.lot or "", code.serial)
        address = entry.url + (path if entry.resolver else f"/verify{path}")

        def reading(body: Any) -> Reply:
            read = parse_response(body, question.corr_uuid)
            if isinstance(read, str):
                return Reply(Asked.NO_ANSWER, detail=read)
            asked = Asked.VERIFIED if read.answer.verified else Asked.NEGATIVE
            return Reply(asked, read.answer, read.responder_gln, " ".join(read.notes) or None)

        return self._converse(address, {**query, **self._with.query}, reading, may_redirect=entry.resolver)

    def connectivity(self, entry: Entry, gtin: str, req_gln: str, context: str) -> Reply:
        """Is this service there, and does it know us?"""
        query = {"gtin": gtin, "reqGLN": req_gln, "linkType": LINK_TYPE, "context": context}
        address = f"{entry.url}/checkConnectivity"
        if entry.resolver:
            address = entry.url + pack_path(gtin, "0", "0")
            query["checkConnectivity"] = "true"

        def reading(body: Any) -> Reply:
            gln = parse_connectivity(body)
            if gln is None:
                return Reply(Asked.NO_ANSWER, detail="responderGLN is missing or wrong")
            note = None if gln_checks(gln) else "responder_gln_check_digit"
            return Reply(Asked.VERIFIED, None, gln, note)

        return self._converse(address, {**query, **self._with.query}, reading, may_redirect=entry.resolver)

    def close(self) -> None:
        """Close the kept connections."""
        self._client.close()

    def _converse(self, address: str, query: Query, reading: Reading, *, may_redirect: bool) -> Reply:
        """The question, once it may be asked."""
        if not self._free.acquire(timeout=_FREE_S):
            return Reply(Asked.NO_ANSWER, detail="busy")
        try:
            return self._tried(address, query, reading, may_redirect=may_redirect)
        finally:
            self._free.release()

    def _tried(self, address: str, query: Query, reading: Reading, *, may_redirect: bool) -> Reply:
        """Tries within one deadline; every one of them is evidence."""
        end = time.monotonic() + self._with.seconds
        exchanges: list[Exchange] = []
        url, tries = with_query(address, query), 0
        while True:
            if not self._breaker.may_ask(_origin(url)):
                return Reply(Asked.NO_ANSWER, detail="breaker_open", exchanges=tuple(exchanges))
            exchange, answer, again = self._exchange(url, len(exchanges) + 1, end - time.monotonic())
            if answer is not None and answer.status in _REDIRECTS:
                followed = self._followed(url, answer, query) if may_redirect else None
                may_redirect = False
                if followed is not None:
                    exchanges.append(exchange)
                    url = followed
                    continue
                exchange = replace(exchange, fault="redirect_refused")
            tries += 1
            if again and tries < self._with.tries and _rest(tries, end):
                exchanges.append(exchange)
                continue
            reply = self._meaning(exchange, answer, reading)
            fault = reply.detail if reply.asked is Asked.NO_ANSWER else exchange.fault
            exchanges.append(replace(exchange, fault=fault))
            return replace(reply, exchanges=tuple(exchanges))

    def _exchange(self, url: str, number: int, left: float) -> tuple[Exchange, Answer | None, bool]:
        """One try: the evidence, the answer if there is one, and whether another try may help."""
        began, sent_at = time.monotonic(), datetime.now(UTC)
        answer: Answer | None = None
        fault: str | None = None
        status: int | None = None
        try:
            answer = self._answer(url, max(min(left, self._with.try_seconds), _LEAST_S))
            status = answer.status
            again = status >= _SERVER_FAULTS or status == _REQUEST_TIMEOUT
            fault = f"status_{status}" if status != _OK else None
        except NoAnswerError as error:
            again, fault, status = error.again, error.code, error.status
        if answer is None or again:
            self._breaker.failed(_origin(url))
        else:
            self._breaker.worked(_origin(url))
        spent = (time.monotonic() - began) * 1000
        body = evidence(answer.body) if answer is not None else None
        return Exchange(number, f"GET {url}", sent_at, round(spent, 3), status, body, fault), answer, again

    def _answer(self, url: str, seconds: float) -> Answer:
        """With a token where one is needed; a token that is refused is fetched anew, once."""
        credential, limit = self._with.credential(url), self._with.body_limit
        if not isinstance(credential, Grant):
            return self._client.get(url, self._headers(credential), seconds=seconds, limit=limit)
        end = time.monotonic() + seconds
        for last in (False, True):
            left = max(end - time.monotonic(), _LEAST_S)
            headers = self._headers(self._tokens.authorization(credential, seconds=left))
            left = max(end - time.monotonic(), _LEAST_S)
            answer = self._client.get(url, headers, seconds=left, limit=limit)
            if answer.status != _UNAUTHORIZED or last:
                break
            self._tokens.forget(credential)
        return answer

    def _headers(self, authorization: str | None) -> dict[str, str]:
        return {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "verifier",
            **self._with.headers,
            **({"Authorization": authorization} if authorization else {}),
        }

    def _followed(self, url: str, answer: Answer, query: Query) -> str | None:
        """Where a resolver sends us, with all of our parameters; None when we do not go there.

        What the address stands for is checked when it is connected to. Our own path at its end may have odd
        steps, which are those of lot and serial.
        """
        own = alike("".join(urlsplit(url).path.rpartition("/gtin/")[1:]))
        try:
            parts = urlsplit(urljoin(url, answer.location or ""))
            more = dict(parse_qsl(parts.query))
        except ValueError:
            return None
        origin = f"{parts.scheme}://{parts.netloc}"
        fault = url_fault(origin + alike(parts.path).removesuffix(own), loopback=self._with.loopback)
        if answer.location is None or fault is not None:
            return None
        return with_query(origin + (parts.path or "/"), more | query)

    def _meaning(self, exchange: Exchange, answer: Answer | None, reading: Reading) -> Reply:
        """What this last exchange says about the pack."""
        status = answer.status if answer is not None else None
        if answer is not None and status == _OK:
            if answer.content_type != "application/json":
                return Reply(Asked.NO_ANSWER, detail="wrong_content_type")
            try:
                return reading(msgspec.json.decode(answer.body))
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
                return Reply(Asked.NO_ANSWER, detail="malformed_json")
        return Reply(_ASKED.get(status or 0, Asked.NO_ANSWER), detail=exchange.fault)


def pack_path(gtin: str, lot: str, serial: str) -> str:
    """`/gtin/…/lot/…/ser/…`, lot and serial percent-encoded, also where they hold a slash."""
    return f"/gtin/{gtin}/lot/{segment(lot)}/ser/{segment(serial)}"


def segment(text: str) -> str:
    """One step of a path; dots alone would be taken for a way up."""
    return text.replace(".", "%2E") if text in (".", "..") else quote(text, safe="")


def alike(path: str) -> str:
    """Percent-encodings with capital letters: the small ones mean the same (RFC 3986 section 6.2.2.1)."""
    return _ENCODED.sub(lambda found: found[0].upper(), path)


def with_query(address: str, query: Query) -> str:
    """The address with these parameters."""
    return f"{address}?{urlencode(query, quote_via=quote)}"


def evidence(body: bytes) -> str:
    """The body as text that a database takes, cut."""
    return body[:EVIDENCE].decode("utf-8", "backslashreplace").replace("\0", "\\x00")


def _origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3]).lower()


def _rest(tries: int, end: float) -> bool:
    """A pause before the next try, longer each time and never twice the same; False when no time is left."""
    pause = random.uniform(0.5, 1.0) * _PAUSE_S * 2 ** (tries - 1)  # noqa: S311 - jitter, no secret
    if time.monotonic() + pause + _LEAST_S > end:
        return False
    time.sleep(pause)
    return True
