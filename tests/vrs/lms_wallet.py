"""A trusted issuer of credentials, holders, and what they sign; also wrongly."""

import base64
import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, Key, OKPKey

ISSUER = "did:web:issuer.example"
HOLDER = "did:web:partner.example"
GLN = "0321012345676"
YEAR = 365 * 24 * 3600
issuer_key, holder_key = ECKey.generate_key("secp256k1"), ECKey.generate_key("secp256k1")
edwards_key = OKPKey.generate_key("Ed25519")


def public(key: Key) -> dict[str, Any]:
    return dict(key.as_dict(private=False))


def file(**changes: Any) -> dict[str, Any]:
    """The credentials part of VERIFIER_VRS_FILE."""
    return {
        "header": "ATP-Authorization",
        "issuers": [{"did": ISSUER, "keys": [public(edwards_key), public(issuer_key)]}],
        "holders": [{"did": HOLDER, "keys": [public(holder_key)]}],
        "revoked": ["urn:oci:uuid:revoked"],
    } | changes


def did_jwk(key: Key) -> str:
    text = base64.urlsafe_b64encode(json.dumps(public(key)).encode()).decode()
    return f"did:jwk:{text.rstrip('=')}"


def sign(claims: Mapping[str, Any], key: Key = holder_key, alg: str = "ES256K", **header: Any) -> str:
    registry = jws.JWSRegistry(algorithms=[alg], strict_check_header=False)
    protected = {"alg": alg, "typ": "JWT"} | header
    return jws.serialize_compact(protected, json.dumps(dict(claims)).encode(), key, registry=registry)


def credential(now: datetime, *, holder: str = HOLDER, gln: Any = GLN, **changes: Any) -> dict[str, Any]:
    """The claims of a credential as a JWT; `vc` merges into its body."""
    subject = {
        "id": holder,
        "type": "Organization",
        "organizationType": "Wholesaler",
        "legalName": "Returns Inc.",
        "identifier": [{"propertyID": "globalLocationNumber", "value": gln}],
    }
    body = {"type": ["VerifiableCredential", "DSCSAATPCredential"], "credentialSubject": subject}
    seconds = int(now.timestamp())
    claims = {
        "iss": ISSUER,
        "sub": holder,
        "jti": "urn:oci:uuid:1",
        "nbf": seconds - YEAR,
        "exp": seconds + YEAR,
        "vc": body | changes.pop("vc", {}),
    } | changes
    return {name: value for name, value in claims.items() if value is not None}


def claims_of(now: datetime, corr_uuid: str, held: Any, **changes: Any) -> dict[str, Any]:
    """The claims of a presentation of this credential."""
    seconds = int(now.timestamp())
    vp = {"type": ["VerifiablePresentation"], "verifiableCredential": [held]}
    claims = {
        "jti": str(uuid.uuid4()),
        "iss": HOLDER,
        "aud": "PI_Verification",
        "iat": seconds,
        "nbf": seconds - YEAR,
        "exp": seconds + YEAR,
        "nonce": corr_uuid,
        "vp": vp,
    } | changes
    return {name: value for name, value in claims.items() if value is not None}


def presentation(now: datetime, corr_uuid: str, **changes: Any) -> str:
    """A right one, unless a claim is changed (None leaves it out)."""
    return sign(claims_of(now, corr_uuid, sign(credential(now), issuer_key), **changes))
