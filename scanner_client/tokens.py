"""Access tokens by client credentials (RFC 6749, 4.4), kept until shortly before they end."""

import json
import time
from base64 import b64encode
from collections.abc import Callable
from threading import Lock
from urllib.parse import quote_plus

from scanner_client.transport import Reply, Silence, Transport

_EARLY = 10.0  # seconds before its end in which a token is no longer used
_PATH = "/oauth/token"


class Tokens:
    """The token of one client, shared by threads. `clock` counts seconds and never goes back."""

    def __init__(
        self,
        transport: Transport,
        client_id: str,
        client_secret: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport = transport
        # RFC 6749, 2.3.1: both are form-encoded before the colon joins them.
        pair = f"{quote_plus(client_id)}:{quote_plus(client_secret)}"
        self._basic = "Basic " + b64encode(pair.encode()).decode("ascii")
        self._clock = clock
        self._lock = Lock()
        self._token: str | None = None
        self._until = 0.0

    def current(self) -> str | Reply | Silence:
        """A token that is good for some seconds yet, or the server's refusal, or its silence."""
        with self._lock:
            if self._token is not None and self._clock() < self._until:
                return self._token
            return self._fetch()

    def renewed(self, refused: str) -> str | Reply | Silence:
        """Another token than the refused one; of threads refused together only the first asks for it."""
        with self._lock:
            if self._token is not None and self._token != refused:
                return self._token
            return self._fetch()

    def _fetch(self) -> str | Reply | Silence:
        self._token = None
        headers = {"Authorization": self._basic, "Content-Type": "application/x-www-form-urlencoded"}
        asked = self._clock()
        reply = self._transport.post(_PATH, b"grant_type=client_credentials", headers)
        if isinstance(reply, Silence):
            return reply
        granted = _granted(reply)
        if granted is None:
            return reply
        self._token, seconds = granted
        self._until = asked + max(seconds - _EARLY, seconds / 2)
        return self._token


def _granted(reply: Reply) -> tuple[str, float] | None:
    """Token and its seconds to live; None where the reply is no bearer token (RFC 6749, 5.1)."""
    if reply.status != 200:  # noqa: PLR2004
        return None
    try:
        answer = json.loads(reply.body)
        token, kind, seconds = (
            answer["access_token"],
            answer["token_type"],
            float(answer.get("expires_in", 60)),
        )
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None
    usable = (
        isinstance(token, str) and token.isascii() and token.isprintable() and str(kind).lower() == "bearer"
    )
    return (token, seconds) if usable and token else None
