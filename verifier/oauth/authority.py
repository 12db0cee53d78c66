"""What our authorization server and its tokens are known by."""

from dataclasses import dataclass
from typing import Any

from verifier.oauth.keys import ALGORITHM, SigningKey
from verifier.oauth.tokens import BadTokenError, Sealed, TokenProfile, check_header, fitting, verify
from verifier.storage.access import Access

LEEWAY = 5
"""Seconds by which the clocks of our own machines may differ."""


@dataclass(frozen=True, slots=True)
class Authority:
    """`issuer` None means: the address at which a request reached us."""

    access: Access
    keys: SigningKey
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
        key = fitting(self.keys.keys, sealed) if "kid" in sealed.header else None
        if key is None:
            raise BadTokenError("The token was signed with another key")
        claims = verify(sealed, profile, key, now)
        if not isinstance(claims.get("jti"), str) or claims.get("sub") != profile.client_of(claims):
            raise BadTokenError("The token names no client")
        return claims

    def own_scopes(self, claims: dict[str, Any]) -> frozenset[str]:
        """The scopes of such a token."""
        return frozenset(str(claims.get("scope", "")).split())
