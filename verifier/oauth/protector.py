"""Who is asking? From a bearer token (RFC 6750) to the actor, whose site is always that of our database."""

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from verifier.domain.pack import Actor
from verifier.oauth.authority import Authority
from verifier.oauth.issuers import ForeignIssuer
from verifier.oauth.keys import SigningKey
from verifier.oauth.tokens import (
    MAX_BYTES,
    BadTokenError,
    Sealed,
    TokenProfile,
    check_header,
    take_apart,
    verify,
)
from verifier.storage.access import Client

REMEMBER_SECONDS = 60.0
REMEMBER_TOKENS = 10_000


class AccessRefused(Exception):
    """401 or 403 in the words of RFC 6750 section 3.1; no `error` when nobody authenticated at all."""

    def __init__(self, status: int, error: str | None, description: str, scope: str | None = None) -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.description = description
        self.scope = scope

    def www_authenticate(self, realm: str) -> str:
        """The value of the header `WWW-Authenticate` (RFC 6750 section 3)."""
        parts = {"realm": realm}
        if self.error:
            parts |= {"error": self.error, "error_description": self.description}
        if self.scope:
            parts["scope"] = self.scope
        return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in parts.items())


class Protector:
    """Checks tokens of our own authority and of outside issuers. Thread-safe.

    A checked token is remembered, by its hash, for as long as the access generation and our own signing keys
    stay the same, at most `REMEMBER_SECONDS` and never beyond its expiry. `generation` gives this process's
    copy of the access generation, not older than a second, or None when there is no such copy; the database
    is asked then.
    """

    def __init__(
        self,
        authority: Authority,
        foreign: Iterable[ForeignIssuer] = (),
        *,
        generation: Callable[[], int | None],
        remember: int = REMEMBER_TOKENS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._authority = authority
        self._access = authority.access
        self._foreign = {issuer.profile.issuer: issuer for issuer in foreign}
        self._generation = generation
        self._clock = clock
        self._remembered = _Remembered(remember)

    def authenticate(self, authorization: str | None, *, issuer: str) -> Actor:
        """The actor behind an `Authorization` header; `issuer` is our own identifier for this request.

        Raises:
            AccessRefused: 401 with the challenge of RFC 6750.
            SQLAlchemyError: the database is needed and does not answer.
        """
        token = _bearer(authorization)
        return self._remember(f"{issuer} {token}", lambda now: self._examine(token, issuer, now))

    def known(self, issuer: str, subject: str) -> Actor:
        """The actor that is bound to this name at an issuer whom the caller has already believed.

        Raises:
            AccessRefused: 401, nobody is.
            SQLAlchemyError: the database is needed and does not answer.
        """

        def examine(now: float) -> tuple[Actor, float]:
            client = self._access.client_of(issuer, subject)
            if client is None or client.revoked:
                raise AccessRefused(401, None, "The client is not registered")
            return Actor(client.client_id, client.site, client.scopes), now + REMEMBER_SECONDS

        return self._remember(f"{issuer}\0{subject}", examine)

    def _remember(self, name: str, examine: "_Examine") -> Actor:
        """Who was examined under this name before, while nothing has changed since; else examine now."""
        digest = hashlib.sha256(name.encode(errors="replace")).digest()
        generation = self._generation()
        if generation is None:
            generation = self._access.generation()
        # Generation and keys are taken before anything that they stand for is read: a right taken away in
        # between changes them, and what is remembered here under the old ones counts no more.
        basis = generation, self._authority.keys.current()
        now = self._clock()
        actor = self._remembered.get(digest, basis, now)
        if actor is None:
            actor, expires = examine(now)
            until = min(expires, now + REMEMBER_SECONDS)
            self._remembered.put(digest, _Checked(actor, basis, now, until))
        return actor

    def _examine(self, token: str, issuer: str, now: float) -> tuple[Actor, float]:
        """The actor and the token's expiry in seconds since 1970."""
        try:
            sealed = take_apart(token)
            if sealed.claims.get("iss") == issuer:
                client, scopes, claims = self._own(sealed, issuer, now)
            else:
                client, scopes, claims = self._outside(sealed, now)
        except BadTokenError as error:
            raise AccessRefused(401, "invalid_token", str(error)) from error
        if client is None or client.revoked:
            raise AccessRefused(401, "invalid_token", "The token's client is not registered")
        return Actor(client.client_id, client.site, scopes & client.scopes), claims["exp"]

    def _own(self, sealed: Sealed, issuer: str, now: float) -> "_Examined":
        claims = self._authority.claims(sealed, issuer, now)
        if self._access.is_revoked(claims["jti"]):
            raise BadTokenError("The token was revoked")
        client = self._access.client(claims["client_id"])
        return client, self._authority.own_scopes(claims), claims

    def _outside(self, sealed: Sealed, now: float) -> "_Examined":
        name = sealed.claims.get("iss")
        issuer = self._foreign.get(name) if isinstance(name, str) else None
        if issuer is None:
            raise BadTokenError("The token's issuer is not known")
        profile: TokenProfile = issuer.profile
        check_header(sealed, profile)
        key = issuer.keys.find(sealed)
        if key is None:
            raise BadTokenError("The token's key is not known")
        claims = verify(sealed, profile, key, now)
        client = self._access.client_of(profile.issuer, profile.client_of(claims))
        return client, profile.scopes_of(claims), claims


_Examine = Callable[[float], tuple[Actor, float]]
_Examined = tuple[Client | None, frozenset[str], dict[str, Any]]


def _bearer(authorization: str | None) -> str:
    """The token of the header (RFC 6750 section 2.1)."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    if scheme.lower() != "bearer":
        raise AccessRefused(401, None, "A bearer token is needed")
    token = token.strip()
    if not token or len(token) > MAX_BYTES:
        raise AccessRefused(401, "invalid_token", "The token is missing or too large")
    return token


_Basis = tuple[int, SigningKey]
"""What a check rests on: the access generation and our signing keys."""


@dataclass(frozen=True, slots=True)
class _Checked:
    actor: Actor
    basis: _Basis
    since: float
    until: float


class _Remembered:
    """Checked tokens by hash, the oldest making room."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._checked: OrderedDict[bytes, _Checked] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._checked)

    def get(self, digest: bytes, basis: _Basis, now: float) -> Actor | None:
        """The actor, if nothing has changed since; a clock set back counts as a change."""
        found = self._checked.get(digest)
        if found is None or found.basis != basis or not found.since <= now < found.until:
            return None
        return found.actor

    def put(self, digest: bytes, checked: _Checked) -> None:
        with self._lock:
            self._checked.pop(digest, None)
            while len(self._checked) >= self._most:
                self._checked.popitem(last=False)
            self._checked[digest] = checked
