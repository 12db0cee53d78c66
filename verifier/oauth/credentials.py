"""Is the requestor an authorized trading partner? The credential of the Open Credentialing Initiative (OCI).

A presentation is a JWT signed by its holder with ES256K (RFC 8812) for one message: its nonce is the
message's corrUUID. In it stands one credential of a trusted issuer (W3C Verifiable Credentials 1.1, section
6.3.1: a JWT), which says who the holder is. Everything is checked offline, against the keys of a file.
A credential with a linked-data proof cannot be checked so and is refused.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeGuard

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key
from joserfc.jws import JWSRegistry

from verifier.oauth.tokens import BadTokenError, Sealed, take_apart
from verifier.oauth.vrs_file import Trust, key_of

LIFETIME = 300
LEEWAY = 10
_PRESENTATION = ("ES256K",)
_CREDENTIAL = ("ES256K", "EdDSA", "Ed25519")
_GLN = "globalLocationNumber"
_DID_JWK = "did:jwk:"


class CredentialError(StrEnum):
    """The error codes of the OCI wallet's interface."""

    JWT_INVALID = "jwt_invalid"
    VC_EXP_EXPIRED = "vc_exp_expired"
    VC_EXP_INVALID = "vc_exp_invalid"
    VC_NBF_EXPIRED = "vc_nbf_expired"
    VC_NBF_INVALID = "vc_nbf_invalid"
    VP_IAT_EXPIRED = "vp_iat_expired"
    VP_IAT_INVALID = "vp_iat_invalid"
    VP_ISS_INVALID = "vp_iss_invalid"
    VP_NONCE_INVALID = "vp_nonce_invalid"
    VC_INVALID = "vc_invalid"
    VC_NON_TRUSTED_ISSUER = "vc_non_trusted_issuer"
    VC_REVOKED = "vc_revoked"
    VC_PROOF_INVALID = "vc_proof_invalid"
    VC_NOT_FOUND = "vc_not_found"


E = CredentialError
Use = Callable[[bytes, bytes, datetime], bool]
"""Use a presentation (digest) for a request (digest) until an instant; False when used for another one."""


class _Refused(Exception):
    """Nothing behind this can be looked at."""

    def __init__(self, error: CredentialError) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True, slots=True)
class Message:
    """What a presentation must be for. `digest` stands for the whole request and who brought it."""

    corr_uuid: str
    req_gln: str
    digest: bytes


class Credentials:
    """Checks presentations against the trusted issuers of a file."""

    def __init__(self, trust: Trust, use: Use) -> None:
        self.header = trust.header
        self._trust = trust
        self._use = use

    def check(self, presentation: str | None, message: Message, now: datetime) -> tuple[CredentialError, ...]:
        """Everything that is wrong with it, nothing when the requestor may be believed.

        Raises:
            SQLAlchemyError: whether it was used before cannot be found out.
        """
        errors: list[CredentialError] = []
        try:
            sealed = _opened(presentation)
            self._authentic(sealed)
            errors += _presented(sealed.claims, message, now.timestamp())
            errors += self._credential(sealed.claims, message, now.timestamp())
        except _Refused as refused:
            errors.append(refused.error)
            return tuple(dict.fromkeys(errors))
        if not errors and not self._use(*_once(str(presentation), message, sealed.claims)):
            errors.append(E.VP_NONCE_INVALID)
        return tuple(dict.fromkeys(errors))

    def _authentic(self, sealed: Sealed) -> None:
        """Signed by the holder whom it names."""
        if sealed.header.get("alg") not in _PRESENTATION:
            raise _Refused(E.JWT_INVALID)
        keys = self._holder(sealed.claims.get("iss"))
        if not keys:
            raise _Refused(E.VP_ISS_INVALID)
        if not _signed(sealed, keys, _PRESENTATION):
            raise _Refused(E.JWT_INVALID)

    def _holder(self, did: object) -> Sequence[Key]:
        """The keys of a holder: those of the file, or the one that a `did:jwk` is made of."""
        if not isinstance(did, str):
            return ()
        found = self._trust.holders.get(did, ())
        return found or _key_in(did)

    def _credential(
        self, claims: Mapping[str, Any], message: Message, now: float
    ) -> Iterator[CredentialError]:
        """What is wrong with the credential in a presentation that its holder has signed."""
        sealed = _embedded(claims.get("vp"))
        keys = self._trust.issuers.get(_name(sealed.claims.get("iss")))
        if not keys:
            raise _Refused(E.VC_NON_TRUSTED_ISSUER)
        if sealed.header.get("alg") not in _CREDENTIAL or not _signed(sealed, keys, _CREDENTIAL):
            raise _Refused(E.VC_PROOF_INVALID)
        yield from _window(sealed.claims, now)
        names = {_name(sealed.claims.get("jti")), _name(_part(sealed.claims, "vc").get("id"))} - {""}
        if names & self._trust.revoked:
            yield E.VC_REVOKED
        if not names or not self._fits(sealed.claims, claims, message):  # without a name it is never revoked
            yield E.VC_INVALID

    def _fits(self, credential: Mapping[str, Any], claims: Mapping[str, Any], message: Message) -> bool:
        """Of a kind that we accept, about the holder who signed, whose GLN is that of the message."""
        body = _part(credential, "vc")
        kinds = {_name(kind) for kind in _many(body.get("type"))}
        subject = _part(body, "credentialSubject")
        about = {_name(credential.get("sub")), _name(subject.get("id"))} - {""}
        glns = {
            _name(entry.get("value"))
            for entry in _many(subject.get("identifier"))
            if isinstance(entry, dict) and entry.get("propertyID") == _GLN
        }
        accepted = "VerifiableCredential" in kinds and not kinds.isdisjoint(self._trust.types)
        return accepted and about == {claims["iss"]} and message.req_gln in glns


def _opened(presentation: str | None) -> Sealed:
    try:
        return take_apart(presentation or "")
    except BadTokenError:
        raise _Refused(E.JWT_INVALID) from None


def _presented(claims: Mapping[str, Any], message: Message, now: float) -> Iterator[CredentialError]:
    """The presentation's own claims: fresh, for this message, its times those of a credential in force."""
    issued = claims.get("iat")
    if not _is_time(issued) or issued > now + LEEWAY:
        yield E.VP_IAT_INVALID
    elif now > issued + LIFETIME:
        yield E.VP_IAT_EXPIRED
    if _name(claims.get("nonce")).lower() != message.corr_uuid.lower():  # a UUID is one in either case
        yield E.VP_NONCE_INVALID
    yield from _window(claims, now)


def _window(claims: Mapping[str, Any], now: float) -> Iterator[CredentialError]:
    begins, ends = claims.get("nbf"), claims.get("exp")
    if not _is_time(begins):
        yield E.VC_NBF_INVALID
    elif begins > now + LEEWAY:
        yield E.VC_NBF_EXPIRED
    if not _is_time(ends):
        yield E.VC_EXP_INVALID
    elif ends <= now:
        yield E.VC_EXP_EXPIRED


def _embedded(presentation: object) -> Sealed:
    """The one credential of a presentation, as a JWT or with its JWT as the proof."""
    body = presentation if isinstance(presentation, dict) else {}
    if "VerifiablePresentation" not in _many(body.get("type")):
        raise _Refused(E.VC_NOT_FOUND)
    held = body.get("verifiableCredential")
    if not isinstance(held, list) or not held:
        raise _Refused(E.VC_NOT_FOUND)
    if len(held) != 1:
        raise _Refused(E.VC_INVALID)
    found = held[0]
    if isinstance(found, dict):
        found = _part(found, "proof").get("jwt")
        if not isinstance(found, str):
            raise _Refused(E.VC_PROOF_INVALID)
    if not isinstance(found, str):
        raise _Refused(E.VC_INVALID)
    try:
        return take_apart(found)
    except BadTokenError:
        raise _Refused(E.VC_INVALID) from None


def _signed(sealed: Sealed, keys: Sequence[Key], algorithms: Sequence[str]) -> bool:
    registry = JWSRegistry(algorithms=list(algorithms), strict_check_header=False)
    return any(_fits_key(sealed, key, registry) for key in keys)


def _fits_key(sealed: Sealed, key: Key, registry: JWSRegistry) -> bool:
    try:
        return jws.validate_compact(sealed.signature, key, registry=registry)
    except (JoseError, ValueError):
        return False


def _once(presentation: str, message: Message, claims: Mapping[str, Any]) -> tuple[bytes, bytes, datetime]:
    """What is kept of a used presentation: what was signed, since of one text many signatures can be made."""
    signed = presentation.rpartition(".")[0]
    until = datetime.fromtimestamp(claims["iat"] + LIFETIME + LEEWAY, UTC)
    return hashlib.sha256(signed.encode()).digest(), message.digest, until


def _key_in(did: str) -> Sequence[Key]:
    """The key that a `did:jwk` is, as its method says; none of any other."""
    text = did.removeprefix(_DID_JWK)
    if text == did:
        return ()
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return (key_of(found),)
    except (ValueError, RecursionError):
        return ()


def _is_time(value: object) -> TypeGuard[float]:
    """A NumericDate (RFC 7519 section 2) that a calendar has; JSON's true is no number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 253402300800  # noqa: PLR2004


def _part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def _many(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _name(value: object) -> str:
    return value if isinstance(value, str) else ""
