"""Tokens as an attacker would build them: any header, any claims, any signature."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from typing import Any

from joserfc.jwk import Key
from joserfc.jws import JWSRegistry


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(header: object, claims: object) -> str:
    parts = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims))
    return ".".join(b64(part) for part in parts)


def signed(header: dict[str, Any], claims: object, key: Key, alg: str | None = None) -> str:
    body = unsigned(header, claims)
    return f"{body}.{b64(JWSRegistry.algorithms[alg or header['alg']].sign(body.encode(), key))}"


def hmac_signed(header: dict[str, Any], claims: object, secret: bytes) -> str:
    body = unsigned(header, claims)
    return f"{body}.{b64(hmac.new(secret, body.encode(), hashlib.sha256).digest())}"


def claims_of(token: str) -> dict[str, Any]:
    return _part(token, 1)


def header_of(token: str) -> dict[str, Any]:
    return _part(token, 0)


def claims_for(client: str, /, *, issuer: str, audience: str = "verifier", **changes: Any) -> dict[str, Any]:
    """Those of a good token of ours; a change to None leaves the claim out."""
    now = int(time.time())
    claims = {
        "iss": issuer,
        "aud": audience,
        "sub": client,
        "client_id": client,
        "jti": str(uuid.uuid4()),
        "iat": now,
        "exp": now + 300,
        "scope": "verify",
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


def _part(token: str, index: int) -> dict[str, Any]:
    part = token.split(".")[index]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
