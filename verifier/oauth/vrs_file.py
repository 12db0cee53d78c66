"""What the file `VERIFIER_VRS_FILE` says: parameters of the messages, the TLS proxy, trusted credentials.

What is not public or may still change in the standard is here and not in the code: the further contexts,
the header of the version, that of the credential.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, Key, OKPKey

from verifier.domain.lms import Parameter, RequestRules
from verifier.oauth.faults import MisconfiguredError

Network = IPv4Network | IPv6Network
CURVES = frozenset({"secp256k1", "Ed25519"})
TYPES = ("DSCSAATPCredential", "DSCSAATPEquivalentCredential", "DSCSAAuthorityCredential")
_VERSIONS = ("1.1", "1.1.0", "1.2", "1.2.0", "1.3", "1.3.0")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")
_OWN = frozenset({"gtin", "exp", "linkType", "context", "reqGLN", "corrUUID"})
_WIDEST = {4: 8, 6: 32}  # a shorter prefix than that is half the world


@dataclass(frozen=True, slots=True)
class Version:
    """The header that says which version of the messages the requestor speaks, and those that we do."""

    header: str = "GS1US-Version"
    accepted: tuple[str, ...] = _VERSIONS
    required: bool = False


@dataclass(frozen=True, slots=True)
class Proxy:
    """A TLS proxy that checks client certificates.

    `header` holds the certificate's subject; `proof` is a header and the value that it has when, and only
    when, the certificate was verified. Both count only on connections from `networks`.
    """

    header: str
    proof: tuple[str, str]
    networks: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class Trust:
    """Credentials: the header of the presentation, and who is trusted, offline.

    `issuers` and `holders` are keys by DID; `revoked` are the ids of credentials that count no more.
    """

    header: str
    issuers: Mapping[str, tuple[Key, ...]]
    holders: Mapping[str, tuple[Key, ...]]
    types: tuple[str, ...] = TYPES
    revoked: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class VrsFile:
    """All of the file."""

    rules: RequestRules = field(default_factory=RequestRules)
    version: Version = field(default_factory=Version)
    proxy: Proxy | None = None
    trust: Trust | None = None


def load_vrs(path: Path | None, *, auth: str, credentials: str) -> VrsFile:
    """The file, with what the settings need of it; without a file the defaults of the standard.

    Args:
        path: of a JSON object with `contexts`, `parameters`, `connectivity_context`, `version`, `proxy` and
            `credentials`, each optional.
        auth: `token` or `proxy`; the latter needs `proxy`.
        credentials: `off`, `warn` or `require`; the last two need `credentials`.

    Raises:
        MisconfiguredError: `vrs_file_unusable` with what is wrong, `vrs_proxy_open` for a proxy that would
            let anybody in.
    """
    found = _read(path) if path is not None else VrsFile()
    if auth == "proxy" and found.proxy is None:
        raise MisconfiguredError(
            "vrs_proxy_open", "VERIFIER_VRS_AUTH=proxy needs `proxy` in VERIFIER_VRS_FILE"
        )
    if credentials != "off" and found.trust is None:
        raise MisconfiguredError(
            "vrs_file_unusable", "VERIFIER_VRS_CREDENTIALS needs `credentials` in VERIFIER_VRS_FILE"
        )
    return found


def _read(path: Path) -> VrsFile:
    try:
        found = json.loads(path.read_text("utf-8"))
        known = {"contexts", "parameters", "connectivity_context", "version", "proxy", "credentials"}
        entry = _object(found, known)
        return VrsFile(
            rules=RequestRules(
                contexts=frozenset(_texts(entry, "contexts", tuple(RequestRules().contexts))),
                parameters=tuple(_parameter(each) for each in _list(entry, "parameters")),
                connectivity_context=_flag(entry, "connectivity_context", default=True),
            ),
            version=_version(entry["version"]) if "version" in entry else Version(),
            proxy=_proxy(entry["proxy"]) if "proxy" in entry else None,
            trust=_trust(entry["credentials"]) if "credentials" in entry else None,
        )
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, MisconfiguredError):
            raise
        raise MisconfiguredError("vrs_file_unusable", f"{path}: {error}") from error


def _parameter(found: Any) -> Parameter:
    entry = _object(found, {"name", "required", "value"}, needed={"name"})
    name = _text(entry, "name")
    if name in _OWN:
        raise ValueError(f"{name} is a parameter of the standard")
    return Parameter(
        name,
        required=_flag(entry, "required", default=False),
        value=_text(entry, "value") if "value" in entry else None,
    )


def _version(found: Any) -> Version:
    entry = _object(found, {"header", "accepted", "required"})
    return Version(
        header=_header(entry, "header") if "header" in entry else Version().header,
        accepted=_texts(entry, "accepted", _VERSIONS),
        required=_flag(entry, "required", default=False),
    )


def _proxy(found: Any) -> Proxy:
    entry = _object(found, {"header", "proof", "networks"}, needed={"header", "proof", "networks"})
    proof = _object(entry["proof"], {"header", "value"}, needed={"header", "value"})
    networks = tuple(ip_network(text) for text in _texts(entry, "networks", ()))
    for network in networks:
        if network.prefixlen < _WIDEST[network.version]:
            raise MisconfiguredError(
                "vrs_proxy_open", f"{network} would let nearly anybody name themselves; name the proxy's own"
            )
    made = Proxy(_header(entry, "header"), (_header(proof, "header"), _text(proof, "value")), networks)
    if made.header.lower() == made.proof[0].lower():
        raise ValueError("the subject and the proof must be two headers")
    return made


def _trust(found: Any) -> Trust:
    names = {"header", "issuers", "holders", "types", "revoked"}
    entry = _object(found, names, needed={"header", "issuers"})
    issuers = _keys(entry, "issuers")
    if not issuers:
        raise ValueError("issuers must name at least one")
    return Trust(
        header=_header(entry, "header"),
        issuers=issuers,
        holders=_keys(entry, "holders"),
        types=_texts(entry, "types", TYPES),
        revoked=frozenset(_texts(entry, "revoked", ()) if entry.get("revoked") else ()),
    )


def _keys(entry: Mapping[str, Any], name: str) -> dict[str, tuple[Key, ...]]:
    found: dict[str, tuple[Key, ...]] = {}
    for each in _list(entry, name):
        one = _object(each, {"did", "name", "keys"}, needed={"did", "keys"})
        did = _text(one, "did")
        if not did.startswith("did:") or did in found:
            raise ValueError(f"{name}: {did} is no DID, or stands twice")
        found[did] = tuple(key_of(jwk) for jwk in _list(one, "keys"))
        if not found[did]:
            raise ValueError(f"{name}: {did} has no key")
    return found


def key_of(jwk: Any) -> Key:
    """A public key on secp256k1 (RFC 8812) or Ed25519.

    Raises:
        ValueError: it is none, or a private one.
    """
    try:
        key = JWKRegistry.import_key(jwk)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError("a key is no JWK") from error
    if not isinstance(key, ECKey | OKPKey) or key.curve_name not in CURVES or key.is_private:
        raise ValueError(f"a key must be a public one on {' or '.join(sorted(CURVES))}")
    return key


def _object(found: Any, known: set[str], *, needed: set[str] | None = None) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise ValueError("an object was expected")  # noqa: TRY004 - one kind of error for a wrong file
    unknown, missing = sorted(set(found) - known), sorted((needed or set()) - set(found))
    if unknown or missing:
        raise ValueError(f"missing: {missing}, unknown: {unknown}")
    return found


def _list(entry: Mapping[str, Any], name: str) -> list[Any]:
    found = entry.get(name, [])
    if not isinstance(found, list):
        raise ValueError(f"{name} must be a list")  # noqa: TRY004
    return found


def _text(entry: Mapping[str, Any], name: str) -> str:
    found = entry[name]
    if not isinstance(found, str) or not found:
        raise ValueError(f"{name} must be text")
    return found


def _texts(entry: Mapping[str, Any], name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    found = entry.get(name, list(default))
    if not isinstance(found, list) or not found or not all(isinstance(each, str) and each for each in found):
        raise ValueError(f"{name} must be a list of texts")
    return tuple(found)


def _flag(entry: Mapping[str, Any], name: str, *, default: bool) -> bool:
    found = entry.get(name, default)
    if not isinstance(found, bool):
        raise ValueError(f"{name} must be true or false")  # noqa: TRY004
    return found


def _header(entry: Mapping[str, Any], name: str) -> str:
    text = _text(entry, name)
    if not _HEADER.fullmatch(text):
        raise ValueError(f"{name} must be the name of a header: letters, digits and hyphens")
    return text
