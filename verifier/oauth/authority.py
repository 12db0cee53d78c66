"""What our authorization server and its tokens are known by."""

from dataclasses import dataclass
from typing import Any, Protocol

from joserfc.jwk import Key

from verifier.oauth.keys import ALGORITHM, SigningKey
from verifier.oauth.tokens import BadTokenError, Sealed, TokenProfile, check_header, fitting, verify
from verifier.storage.access import Access

LEEWAY = 5
"""Seconds by which the clocks of our own machines may differ."""
TOKEN_SECONDS = 300
"""The life of an access token of ours."""


class Keys(Protocol):
    """Signing keys that may change while the service runs."""

    def current(self) -> SigningKey:
        """The keys, as they were a moment ago."""

    def fresh(self) -> SigningKey:
        """The keys as they are now."""


@dataclass(frozen=True, slots=True)
class Authority:
    """`issuer` None means: the address at which a request reached us."""

    access: Access
    keys: Keys
    issuer: str | None = None
    audience: str = "verifier"

    def issuer_at(self, root: str) -> str:
        """The issuer identifier (RFC 8414 section 2) for a request whose root URL is `root`."""
        return self.issuer or root.rstrip("/")

    def claims(self, sealed: Sealed, issuer: str, now: float) -> dict[str, Any]:
        """The claims of an access token of ours, true at `now` (RFC 9068 section 4).

        Raises:
            BadTokenError: not one of ours, or no longer.
        """
        profile = TokenProfile(issuer, self.audience, (ALGORITHM,), frozenset({"at+jwt"}), LEEWAY)
        check_header(sealed, profile)
        key = self._key(sealed) if "kid" in sealed.header else None
        if key is None:
            raise BadTokenError("The token was signed with another key")
        claims = verify(sealed, profile, key, now)
        if not isinstance(claims.get("jti"), str) or claims.get("sub") != profile.client_of(claims):
            raise BadTokenError("The token names no client")
        return claims

    def own_scopes(self, claims: dict[str, Any]) -> frozenset[str]:
        """The scopes of such a token."""
        return frozenset(str(claims.get("scope", "")).split())

    def _key(self, sealed: Sealed) -> Key | None:
        """The key that the header names; the file is looked at before a token is refused for its key."""
        return fitting(self.keys.current().keys, sealed) or fitting(self.keys.fresh().keys, sealed)
