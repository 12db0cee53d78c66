"""Outside issuers: what the file says about their tokens, and their keys, fetched and kept for a while."""

import ipaddress
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key, RSAKey

from verifier.oauth.faults import MisconfiguredError
from verifier.oauth.tokens import Sealed, TokenProfile, fitting

LEEWAY = 10
ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
)

FRESH_SECONDS = 300
STALE_SECONDS = 3600
RETRY_SECONDS = 10
UNKNOWN_KEY_SECONDS = 60

_FETCH_SECONDS = 2.0
_MAX_JWKS_BYTES = 256 * 1024
_MAX_KEYS = 100
_CHUNK = 16 * 1024
_RSA_BITS = 2048
_HTTP_OK = 200

_REQUIRED = ("issuer", "jwks_url", "audience", "algorithms")
_LISTS: Mapping[str, tuple[str, ...]] = {
    "typ": ("at+jwt",),
    "client_claims": ("client_id", "azp", "cid"),
    "scope_claims": ("scope", "scp", "roles"),
}

log = logging.getLogger(__name__)


class KeysUnavailableError(Exception):
    """A JWK set could not be fetched or read."""


class RemoteKeys:
    """The public keys of one issuer. Thread-safe; at most one thread fetches.

    Asked again after `FRESH_SECONDS`, and for an unknown key at most every `UNKNOWN_KEY_SECONDS`. When that
    fails, the keys we have serve up to `STALE_SECONDS`, so that an issuer's outage does not become ours.
    """

    def __init__(
        self, url: str, algorithms: tuple[str, ...], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = url
        self._algorithms = algorithms
        self._clock = clock
        self._pool = urllib3.PoolManager(num_pools=1, cert_reqs="CERT_REQUIRED")
        self._held: tuple[tuple[Key, ...], float] = ((), float("-inf"))
        self._attempted = float("-inf")
        self._fetching = threading.Lock()

    def ask(self) -> int:
        """How many keys the issuer publishes now that it may sign with; what is held stays as it is.

        Raises:
            KeysUnavailableError: its JWK set could not be fetched or read.
        """
        return len(_usable(_fetch(self._pool, self._url), self._algorithms))

    def find(self, sealed: Sealed) -> Key | None:
        """The key for a token whose header was checked; None when the issuer has none or cannot be asked."""
        if self._age() > FRESH_SECONDS:
            self._refresh(RETRY_SECONDS)
        key = self._fitting(sealed)
        if key is None:
            self._refresh(UNKNOWN_KEY_SECONDS)
            key = self._fitting(sealed)
        return key

    def _fitting(self, sealed: Sealed) -> Key | None:
        return fitting(self._held[0], sealed) if self._age() <= STALE_SECONDS else None

    def _age(self) -> float:
        return self._clock() - self._held[1]

    def _refresh(self, least: float) -> None:
        """Fetch, unless somebody does or the last attempt was less than `least` seconds ago."""
        nothing_yet = self._age() > STALE_SECONDS
        if not self._fetching.acquire(blocking=nothing_yet):
            return
        try:
            now = self._clock()
            if now - self._attempted < least:
                return
            self._attempted = now
            self._held = (_usable(_fetch(self._pool, self._url), self._algorithms), now)
        except KeysUnavailableError as error:
            log.warning("the keys at %s cannot be had: %s", self._url, error)
        finally:
            self._fetching.release()


@dataclass(frozen=True, slots=True)
class ForeignIssuer:
    """One outside issuer: what its tokens look like and where its keys are."""

    profile: TokenProfile
    keys: RemoteKeys


def load_issuers(path: Path) -> tuple[ForeignIssuer, ...]:
    """The issuers of a JSON file: a list of objects.

    Required are `issuer`, `jwks_url`, `audience` and `algorithms`; optional `typ` ("" for tokens without
    one), `client_claims` (the first that a token has is the client's name) and `scope_claims` (all together
    are its scopes).

    Raises:
        MisconfiguredError: not such a file, with what is wrong in it.
    """
    try:
        entries = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _wrong(path, str(error)) from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise _wrong(path, "it must hold a list of objects")
    issuers = tuple(_issuer(path, entry) for entry in entries)
    if len({issuer.profile.issuer for issuer in issuers}) != len(issuers):
        raise _wrong(path, "an issuer stands twice")
    return issuers


def _issuer(path: Path, entry: dict[str, object]) -> ForeignIssuer:
    missing = [name for name in _REQUIRED if not entry.get(name)]
    unknown = sorted(set(entry).difference(_REQUIRED, _LISTS))
    if missing or unknown:
        raise _wrong(path, f"missing: {missing}, unknown: {unknown}")
    issuer, url, audience = (_text(path, entry, name) for name in ("issuer", "jwks_url", "audience"))
    algorithms = _texts(path, entry, "algorithms")
    if not ALGORITHMS.issuperset(algorithms):
        raise _wrong(path, f"algorithms must be of {sorted(ALGORITHMS)}")
    if not _may_be_fetched(url):
        raise _wrong(path, "jwks_url must be https, or http on the loopback interface")
    profile = TokenProfile(
        issuer=issuer,
        audience=audience,
        algorithms=algorithms,
        types=frozenset(kind.lower().removeprefix("application/") for kind in _texts(path, entry, "typ")),
        leeway=LEEWAY,
        client_claims=_texts(path, entry, "client_claims"),
        scope_claims=_texts(path, entry, "scope_claims"),
    )
    return ForeignIssuer(profile, RemoteKeys(url, algorithms))


def _text(path: Path, entry: dict[str, object], name: str) -> str:
    value = entry[name]
    if not isinstance(value, str):
        raise _wrong(path, f"{name} must be text")
    return value


def _texts(path: Path, entry: dict[str, object], name: str) -> tuple[str, ...]:
    value = entry.get(name, _LISTS.get(name))
    found = (value,) if isinstance(value, str) else value
    if not isinstance(found, list | tuple) or not found:
        raise _wrong(path, f"{name} must be a list of texts")
    texts = tuple(item for item in found if isinstance(item, str) and (item or name == "typ"))
    if len(texts) != len(found):
        raise _wrong(path, f"{name} must be a list of texts")
    return texts


def _wrong(path: Path, what: str) -> MisconfiguredError:
    return MisconfiguredError("oauth_issuers_unusable", f"{path}: {what}")


def _may_be_fetched(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme == "http":
        return host == "localhost" or _is_loopback(host)
    return parts.scheme == "https" and bool(host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _fetch(pool: urllib3.PoolManager, url: str) -> object:
    """The JSON at an address: no redirect, no compression, bounded in time and size."""
    deadline = time.monotonic() + _FETCH_SECONDS
    body = bytearray()
    try:
        with pool.request(
            "GET",
            url,
            headers={"Accept": "application/jwk-set+json, application/json", "Accept-Encoding": "identity"},
            timeout=urllib3.Timeout(total=_FETCH_SECONDS),
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
        ) as response:
            if response.status != _HTTP_OK:
                raise KeysUnavailableError(f"status {response.status}")
            while chunk := response.read1(_CHUNK):
                body += chunk
                if len(body) > _MAX_JWKS_BYTES or time.monotonic() > deadline:
                    raise KeysUnavailableError("too large or too slow")
        return json.loads(bytes(body))
    except (urllib3.exceptions.HTTPError, OSError, ValueError, RecursionError) as error:
        raise KeysUnavailableError(type(error).__name__) from error


def _usable(jwks: object, algorithms: tuple[str, ...]) -> tuple[Key, ...]:
    """The keys of a JWK set (RFC 7517 section 5) that may sign; others are passed over."""
    entries = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(entries, list):
        raise KeysUnavailableError("not a JWK set")
    keys = (_key(entry) for entry in entries[:_MAX_KEYS])
    return tuple(key for key in keys if key is not None and (key.alg is None or key.alg in algorithms))


def _key(entry: object) -> Key | None:
    if not isinstance(entry, dict) or entry.get("kty") == "oct" or entry.get("use", "sig") != "sig":
        return None
    try:
        key = JWKRegistry.import_key(entry)
        strong = not isinstance(key, RSAKey) or key.public_key.key_size >= _RSA_BITS
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return key if strong else None
