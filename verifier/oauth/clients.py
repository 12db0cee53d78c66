"""Registering clients, and telling whether a secret is a client's."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime

from verifier.storage.access import Access, Client

_NOBODYS = hashlib.sha256(secrets.token_bytes(32)).digest()
_ID_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Credentials:
    """Given out once: only a hash of the secret is kept."""

    client_id: str
    client_secret: str = field(repr=False)


def register(access: Access, name: str, gln: str, scopes: frozenset[str], now: datetime) -> Credentials:
    """A new client of a site with a random secret of 256 bits.

    Raises:
        UnknownSiteError: no site has this GLN.
    """
    secret = secrets.token_urlsafe(32)
    client_id = access.add_client(name, gln, scopes, now=now, secret_hash=_hash(secret))
    return Credentials(client_id, secret)


def authenticated(access: Access, client_id: str, secret: str) -> Client | None:
    """The client, if this is its secret and it is not revoked.

    An unknown client costs a hash and a comparison like a wrong secret: neither answer nor time tells
    which it was. A fast hash is right for a random secret of 256 bits: nobody can guess through it.
    """
    client = access.client(client_id) if _may_be_an_id(client_id) else None
    expected = client.secret_hash if client is not None and client.secret_hash is not None else _NOBODYS
    matches = hmac.compare_digest(_hash(secret), expected)
    return client if matches and client is not None and not client.revoked else None


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="replace")).digest()


def _may_be_an_id(text: str) -> bool:
    """Anything else is no id of ours, and some of it no text that the database would take."""
    return len(text) <= _ID_LENGTH and text.isascii() and text.isprintable()
