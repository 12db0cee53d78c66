"""Access tokens that peers give to clients (RFC 6749 section 4.4), kept until shortly before they end."""

import re
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

import msgspec

from verifier.peers.client import Client, NoAnswerError

SPARE_S = 10.0
"""A token that ends sooner is not sent any more."""
LEAST_S, MOST_S = 1.0, 3600.0
LIMIT = 64 * 1024
_OK = 200
_SENDABLE = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750, section 2.1: b64token


@dataclass(frozen=True, slots=True)
class Grant:
    """Where a token is to be had, and by which credentials."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = ""


class _Token(msgspec.Struct):
    access_token: str
    token_type: str
    expires_in: float = 60.0


class Tokens:
    """The tokens of all peers. Thread-safe; two that need the same one at once may both fetch it."""

    def __init__(self, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._held: dict[Grant, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def authorization(self, grant: Grant, *, seconds: float) -> str:
        """The value of `Authorization`.

        Raises:
            NoAnswerError: no token is to be had.
        """
        with self._lock:
            held = self._held.get(grant)
        if held is None or held[1] <= self._clock():
            held = self._fetched(grant, seconds)
            with self._lock:
                self._held[grant] = held
        return f"Bearer {held[0]}"

    def forget(self, grant: Grant) -> None:
        """The peer does not take it any more."""
        with self._lock:
            self._held.pop(grant, None)

    def _fetched(self, grant: Grant, seconds: float) -> tuple[str, float]:
        asked_at = self._clock()
        form = {"grant_type": "client_credentials"} | ({"scope": grant.scope} if grant.scope else {})
        # each part is form-encoded before it is joined: RFC 6749, section 2.3.1
        pair = f"{quote(grant.client_id, safe='')}:{quote(grant.client_secret, safe='')}"
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Content-Type": "application/x-www-form-urlencoded",
            "User-Agent": "verifier",
            "Authorization": "Basic " + b64encode(pair.encode()).decode(),
        }
        body = urlencode(form).encode()
        answer = self._client.send("POST", grant.token_url, headers, seconds=seconds, limit=LIMIT, body=body)
        if answer.status != _OK:
            raise NoAnswerError("no_token", again=answer.status >= 500)  # noqa: PLR2004 - a fault of the server
        try:
            token = msgspec.json.decode(answer.body, type=_Token)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise NoAnswerError("no_token") from None
        if token.token_type.lower() != "bearer" or not _SENDABLE.fullmatch(token.access_token):
            raise NoAnswerError("no_token")
        lives = min(max(token.expires_in - SPARE_S, LEAST_S), MOST_S)
        return token.access_token, asked_at + lives
