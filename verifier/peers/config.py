"""The requestor's file: deadlines, purposes, what every question carries beside, credentials.

What the standard or its releases leave open is here and not in code: the tokens of further purposes, the
version header and the contact items of R1.3. Credentials are in this file only, never in the database.
"""

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from verifier.domain.directory import url_fault
from verifier.peers.tokens import Grant

CONTEXT = "dscsaSaleableReturn"
STANDARD = ("gtin", "exp", "linkType", "context", "reqGLN", "corrUUID", "checkConnectivity")
_OURS = frozenset({"host", "authorization", "accept", "accept-encoding", "connection", "content-length"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_MOST = {"seconds": 60.0, "try_seconds": 60.0, "tries": 10, "body_limit": 1024 * 1024,
         "breaker_failures": 1000, "breaker_seconds": 3600.0, "window_days": 3650}  # fmt: skip


class MisconfiguredRequestorError(ValueError):
    """The requestor's file must not be used. Behind a code that stays, a sentence says what is wrong."""

    def __init__(self, message: str) -> None:
        super().__init__(f"requestor_file_unusable: {message}")


@dataclass(frozen=True, slots=True)
class Requestor:
    """How we ask.

    Attributes:
        seconds: for one question, with all its tries.
        try_seconds: for one try.
        tries: at most so many; only 5xx answers and time-outs are tried again.
        body_limit: bytes of an answer, more is no answer.
        breaker_failures: so many failures in a row, and a host is not asked for `breaker_seconds`.
        window_days: a pack with fewer days left is not sold again; 0 for no such rule.
        contexts: the purposes that may be asked for, the usual one first.
        headers: with every question, such as `GS1US-Version`.
        query: with every question, such as `ctrlPossessAtt`, `email`, `telephone`.
        loopback: may peers be on this machine, without TLS? For tests and the demo.
        ca_file: certificates to trust instead of the system's.
        credentials: by the beginning of an address, the value of `Authorization`, or how to get a token.
    """

    seconds: float = 5.0
    try_seconds: float = 2.0
    tries: int = 3
    body_limit: int = 64 * 1024
    breaker_failures: int = 5
    breaker_seconds: float = 30.0
    window_days: int = 0
    contexts: tuple[str, ...] = (CONTEXT,)
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    loopback: bool = False
    ca_file: str | None = None
    credentials: Mapping[str, str | Grant] = field(default_factory=dict, repr=False)

    def credential(self, url: str) -> str | Grant | None:
        """What is for this address: that of the longest beginning, up to a whole step of the path."""
        path = url.partition("?")[0] + "/"
        fitting = [prefix for prefix in self.credentials if path.startswith(prefix + "/")]
        return self.credentials[max(fitting, key=len)] if fitting else None


def load_requestor(path: Path | None) -> Requestor:
    """The settings of a JSON file with the names of `Requestor`; without one, the defaults.

    A credential is `{"bearer": TOKEN}`, `{"user": NAME, "password": SECRET}` or, for a token that the peer
    gives (RFC 6749 section 4.4), `{"token_url": …, "client_id": …, "client_secret": …}`, also with a
    `scope`.

    Raises:
        MisconfiguredRequestorError: with what is wrong; never with a secret.
    """
    if path is None:
        return Requestor()
    try:
        given = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise MisconfiguredRequestorError(
            f"{path} is no readable JSON file: {type(error).__name__}"
        ) from None
    try:
        return _requestor(given)
    except ValueError as error:
        raise MisconfiguredRequestorError(f"{path}: {error}") from None


def _requestor(given: Any) -> Requestor:
    if not isinstance(given, dict):
        raise ValueError("it must hold one object")  # noqa: TRY004 - one kind of fault for the whole file
    known = {item.name: item.default for item in fields(Requestor)}
    if unknown := sorted(set(given) - known.keys()):
        raise ValueError(f"{unknown[0]} is no setting")
    values: dict[str, Any] = {name: _number(name, given[name]) for name in _MOST if name in given}
    if "contexts" in given:
        values["contexts"] = _contexts(given["contexts"])
    for name in ("headers", "query"):
        if name in given:
            values[name] = _texts(name, given[name])
    if "loopback" in given:
        values["loopback"] = _of(bool, "loopback", given["loopback"])
    if given.get("ca_file") is not None:
        values["ca_file"] = _of(str, "ca_file", given["ca_file"])
        if not Path(values["ca_file"]).is_file():
            raise ValueError("ca_file cannot be read")
    loopback = bool(values.get("loopback"))
    credentials = _of(dict, "credentials", given.get("credentials", {}))
    values["credentials"] = dict(
        _credential(url, held, loopback=loopback) for url, held in credentials.items()
    )
    return Requestor(**values)


def _of(kind: type, name: str, value: Any) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{name} must be of type {kind.__name__}")  # noqa: TRY004
    return value


def _number(name: str, value: Any) -> Any:
    whole = isinstance(_MOST[name], int)
    right = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not right or not (0 <= value <= _MOST[name]) or (value == 0 and name != "window_days"):
        raise ValueError(f"{name} must be a number, at most {_MOST[name]}")
    return value


def _contexts(value: Any) -> tuple[str, ...]:
    if not (isinstance(value, list) and value and all(isinstance(v, str) and v.isalnum() for v in value)):
        raise ValueError("contexts must be a list of words")
    return tuple(value)


def _texts(name: str, value: Any) -> dict[str, str]:
    taken = _OURS if name == "headers" else {standard.lower() for standard in STANDARD}
    for key, text in _of(dict, name, value).items():
        if not (isinstance(text, str) and text.isascii() and text.isprintable() and _TOKEN.fullmatch(key)):
            raise ValueError(f"{name}: {key} must be printable text")
        if key.lower() in taken:
            raise ValueError(f"{name}: {key} is set by the requestor itself")
    return dict(value)


def _credential(url: str, held: Any, *, loopback: bool) -> tuple[str, str | Grant]:
    if fault := url_fault(url, loopback=loopback):
        raise ValueError(f"credentials: {fault}")
    parts = urlsplit(url)
    prefix = f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")
    names = set(held) if isinstance(held, dict) else set()
    if not names or not all(isinstance(v, str) and v.isascii() and v.isprintable() for v in held.values()):
        raise ValueError(f"credentials of {prefix} must be an object of printable texts")
    if names == {"bearer"}:
        return prefix, f"Bearer {held['bearer']}"
    if names == {"user", "password"} and ":" not in held["user"]:
        return prefix, "Basic " + b64encode(f"{held['user']}:{held['password']}".encode()).decode()
    if {"token_url", "client_id", "client_secret"} <= names <= {item.name for item in fields(Grant)}:
        if fault := url_fault(held["token_url"], loopback=loopback):
            raise ValueError(f"credentials of {prefix}: token_url: {fault}")
        return prefix, Grant(**held)
    raise ValueError(
        f"credentials of {prefix} are a bearer, or a user and a password, or a token_url with client_id"
        " and client_secret"
    )
