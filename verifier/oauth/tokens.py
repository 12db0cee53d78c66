"""Checking a JWT access token: RFC 9068 for our own, a profile for each outside issuer, RFC 8725 for all."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key
from joserfc.jws import CompactSignature, JWSRegistry
from joserfc.jwt import JWTClaimsRegistry

MAX_BYTES = 8192
"""Checked before anything is decoded."""

NO_TYPE = ""
"""How a profile names the type of tokens without `typ`: some issuers' access tokens have none."""

_REFUSED_HEADERS = frozenset({"crit", "b64", "jku", "jwk", "x5u", "x5c", "zip", "enc"})
"""We know no extension, and a token never brings or names its own key."""


class BadTokenError(Exception):
    """The token must not be accepted; the message says why and holds nothing of the token."""


@dataclass(frozen=True, slots=True)
class TokenProfile:
    """What the tokens of one issuer look like; `leeway` in seconds, `types` in lower case.

    The type "" stands for tokens that name none.
    """

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    types: frozenset[str]
    leeway: int
    client_claims: tuple[str, ...] = ("client_id",)
    scope_claims: tuple[str, ...] = ("scope",)

    def client_of(self, claims: dict[str, Any]) -> str:
        """The first of the client claims that is there.

        Raises:
            BadTokenError: there is none, or it is no name.
        """
        name = next((claims[claim] for claim in self.client_claims if claim in claims), None)
        if not isinstance(name, str) or not 0 < len(name) <= 255 or not name.isprintable():  # noqa: PLR2004
            raise BadTokenError("The token names no client")
        return name

    def scopes_of(self, claims: dict[str, Any]) -> frozenset[str]:
        """All scopes of the scope claims, written with blanks or as a list."""
        return frozenset(
            scope
            for claim in self.scope_claims
            for part in _texts(claims.get(claim))
            for scope in part.split()
        )


@dataclass(frozen=True, slots=True)
class Sealed:
    """A token taken apart. Nothing in it is true until `verify`."""

    signature: CompactSignature
    header: dict[str, Any]
    claims: dict[str, Any]


def take_apart(token: str) -> Sealed:
    """Header and claims of a token that is yet to be verified.

    Raises:
        BadTokenError: too large, not a JWS in compact form, or with a header that is never right.
    """
    if len(token) > MAX_BYTES or not token.isascii():
        raise BadTokenError("The token is too large or not a token")
    try:
        signature = jws.extract_compact(token.encode())
        header, claims = signature.headers(), _object(signature.payload or b"")
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BadTokenError("The token is not a signed JWT") from error
    if not isinstance(header, dict) or _REFUSED_HEADERS.intersection(header):
        raise BadTokenError("The token's header is not allowed")
    if not isinstance(header.get("kid", ""), str):
        raise BadTokenError("The token's header is not allowed")
    return Sealed(signature, header, claims)


def check_header(sealed: Sealed, profile: TokenProfile) -> None:
    """Algorithm and type, before a key is looked for.

    Raises:
        BadTokenError: not as the profile says.
    """
    kind = sealed.header.get("typ", NO_TYPE)
    if sealed.header.get("alg") not in profile.algorithms:
        raise BadTokenError("The token's algorithm is not allowed")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in profile.types:
        raise BadTokenError("The token is not an access token")


def fitting(keys: Sequence[Key], sealed: Sealed) -> Key | None:
    """The key that the header names; without a name, the only one that there is for the algorithm."""
    kid, alg = sealed.header.get("kid"), sealed.header["alg"]
    usable = [key for key in keys if key.alg in (None, alg) and kid in (None, key.kid)]
    return usable[0] if usable and (kid is not None or len(usable) == 1) else None


def verify(sealed: Sealed, profile: TokenProfile, key: Key, now: float) -> dict[str, Any]:
    """The claims, true at `now` (seconds since 1970), of a token whose header was checked.

    Raises:
        BadTokenError: signature, issuer, audience or time is wrong, or `exp` or `iat` is missing.
    """
    registry = JWSRegistry(algorithms=profile.algorithms, strict_check_header=False)
    claims = JWTClaimsRegistry(
        now=int(now),
        leeway=profile.leeway,
        iss={"essential": True, "value": profile.issuer},
        aud={"essential": True, "value": profile.audience},
        exp={"essential": True},
        iat={"essential": True},
    )
    try:
        genuine = jws.validate_compact(sealed.signature, key, registry=registry)
    except (JoseError, ValueError) as error:
        raise BadTokenError("The token's signature is wrong") from error
    if not genuine:
        raise BadTokenError("The token's signature is wrong")
    try:
        claims.validate(sealed.claims)
    except JoseError as error:
        raise BadTokenError("The token has expired or was not meant for this service") from error
    return sealed.claims


def _texts(value: object) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, str)]


def _object(text: bytes) -> dict[str, Any]:
    found = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    if not isinstance(found, dict):
        raise TypeError("not an object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """RFC 7519 section 4: claim names are unique; two readers must not see two different tokens."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(name)
