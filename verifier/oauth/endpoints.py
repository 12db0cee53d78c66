"""Authlib's authorization server with our clients, our tokens and our strictness."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import (
    ClientMixin,
    InvalidClientError,
    InvalidRequestError,
    OAuth2Error,
    OAuth2Request,
)
from authlib.oauth2.rfc6749.errors import UnsupportedGrantTypeError
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import request as http
from joserfc.jwk import KeySet

from verifier.oauth.authority import TOKEN_SECONDS, Authority
from verifier.oauth.clients import authenticated
from verifier.oauth.keys import ALGORITHM
from verifier.oauth.scopes import ordered
from verifier.oauth.throttle import Throttle
from verifier.oauth.tokens import BadTokenError, take_apart
from verifier.storage.access import Client

AUTHENTICATION_METHODS = ["client_secret_basic", "client_secret_post"]

_TRANSPORT = "https://localhost/"
"""What Authlib is told: whether plain HTTP is allowed is decided once, at the start of the service."""


class _NotAuthenticatedError(InvalidClientError):  # type: ignore[misc]
    """401 for whatever was wrong: an unknown client, its secret, or a client that was revoked."""

    status_code = 401
    description = "The client is unknown or its secret is wrong"

    def get_headers(self) -> list[tuple[str, str]]:
        """RFC 7617 section 2: a challenge names its realm."""
        return [
            *OAuth2Error.get_headers(self),
            ("WWW-Authenticate", 'Basic realm="verifier", charset="UTF-8"'),
        ]


class _SlowDownError(OAuth2Error):  # type: ignore[misc]
    """429 with the seconds to wait (RFC 6585 section 4)."""

    error = "slow_down"
    description = "Too many requests to this endpoint"
    status_code = 429

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.seconds = seconds

    def get_headers(self) -> list[tuple[str, str]]:
        return [*super().get_headers(), ("Retry-After", str(self.seconds))]


class _UnsupportedGrantError(UnsupportedGrantTypeError):  # type: ignore[misc]
    """Its parent has no description that RFC 6749 section 5.2 would allow: it repeats what was sent."""

    description = "Only client_credentials is supported"


class _Form(OAuth2Request):  # type: ignore[misc]
    """Parameters come from the body only, never from the URL (RFC 6749 section 2.3.1)."""

    def __init__(self) -> None:
        super().__init__(http.method, _TRANSPORT, headers=http.headers)
        self._form = http.form.to_dict()
        self.payload = BasicOAuth2Payload(self._form)

    @property
    def form(self) -> dict[str, str]:
        return self._form


class _RegisteredClient(ClientMixin):  # type: ignore[misc]
    """A client as Authlib asks for it."""

    def __init__(self, client: Client) -> None:
        self.client_id = client.client_id
        self.scopes = client.scopes

    def get_client_id(self) -> str:
        return self.client_id

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """No scope asked: all; None, which is `invalid_scope`, when any is outside or none is left."""
        asked = frozenset((scope or "").split()) or self.scopes
        return ordered(asked) if asked and asked <= self.scopes else None

    def check_grant_type(self, grant_type: str) -> bool:
        return bool(grant_type == ClientCredentialsGrant.GRANT_TYPE)


class _AccessTokens(JWTBearerTokenGenerator):  # type: ignore[misc]
    """RFC 9068 tokens of exactly `TOKEN_SECONDS`."""

    def __init__(self, authority: Authority) -> None:
        super().__init__(authority.issuer, alg=ALGORITHM, expires_generator=TOKEN_SECONDS)
        self._authority = authority

    def get_jwks(self) -> KeySet:
        """The key that signs now, in a set, so that the header gets the `kid`."""
        return KeySet([self._authority.keys.current().signer])

    def get_audiences(self, client: object, user: object, scope: str) -> str:  # noqa: ARG002
        return self._authority.audience

    def get_extra_claims(self, client: object, grant_type: str, user: object, scope: str) -> dict[str, str]:  # noqa: ARG002
        """The issuer, which may depend on the request."""
        return {"iss": self._authority.issuer_at(http.url_root)}


class _ClientCredentials(ClientCredentialsGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = AUTHENTICATION_METHODS

    def create_token_response(self) -> tuple[int, dict[str, object], list[tuple[str, str]]]:
        """As its parent, which would write the token to the log."""
        if wait := self.server.throttle.issue(self.client.client_id):
            raise _SlowDownError(wait)
        token = self.generate_token(scope=self.request.payload.scope, include_refresh_token=False)
        return 200, token, self.TOKEN_RESPONSE_HEADER


@dataclass(frozen=True, slots=True)
class _IssuedToken:
    """A token of ours that is genuine and has not expired."""

    claims: dict[str, Any]
    client: Client
    revoked: bool

    def check_client(self, client: _RegisteredClient) -> bool:
        return self.client.client_id == client.client_id

    def is_expired(self) -> bool:
        return False

    def is_revoked(self) -> bool:
        return self.revoked


class _TokenForm:
    """What revocation and introspection share: the form and the way from a text to a token."""

    CLIENT_AUTH_METHODS = AUTHENTICATION_METHODS
    server: "Server"

    def check_params(self, request: OAuth2Request, client: object) -> None:
        """The token was seen to be there; a hint may be wrong and is not needed (RFC 7009 section 2.1)."""

    def query_token(self, token: str, hint: str | None) -> _IssuedToken | None:  # noqa: ARG002
        return self.server.issued(token)


class _Revocation(_TokenForm, RevocationEndpoint):  # type: ignore[misc]
    """RFC 7009: a client's own tokens."""

    def revoke_token(self, token: _IssuedToken, request: OAuth2Request) -> None:  # noqa: ARG002
        expires = datetime.fromtimestamp(token.claims["exp"], UTC)
        self.server.authority.access.revoke_token(token.claims["jti"], expires)


class _Introspection(_TokenForm, IntrospectionEndpoint):  # type: ignore[misc]
    """RFC 7662: a client's own tokens; with scope `admin` everybody's."""

    def check_permission(
        self,
        token: _IssuedToken,
        client: _RegisteredClient,
        request: OAuth2Request,  # noqa: ARG002
    ) -> bool:
        return token.check_client(client) or "admin" in client.scopes

    def introspect_token(self, token: _IssuedToken) -> dict[str, object]:
        claims = token.claims
        scopes = self.server.authority.own_scopes(claims) & token.client.scopes
        told = {name: claims[name] for name in ("client_id", "sub", "iss", "aud", "exp", "iat", "jti")}
        return {"active": True, "token_type": "Bearer", "scope": ordered(scopes), **told}


class Server(AuthorizationServer):  # type: ignore[misc]
    """The server of one authority."""

    def __init__(self, authority: Authority, throttle: Throttle) -> None:
        super().__init__()
        self.authority = authority
        self.throttle = throttle
        self.register_token_generator("default", _AccessTokens(authority))
        self.register_grant(_ClientCredentials)
        self.register_endpoint(_Revocation)
        self.register_endpoint(_Introspection)

    def create_oauth2_request(self, request: object) -> OAuth2Request:
        """Authlib passes on what it got from us as the request."""
        return request if isinstance(request, OAuth2Request) else _Form()

    def get_token_grant(self, request: OAuth2Request) -> ClientCredentialsGrant:
        """The grant for this request.

        Raises:
            OAuth2Error: `unsupported_grant_type`.
        """
        try:
            return super().get_token_grant(request)
        except UnsupportedGrantTypeError as error:
            raise _UnsupportedGrantError(error.grant_type) from error

    def authenticate_client(
        self,
        request: OAuth2Request,
        methods: list[str],  # noqa: ARG002
        endpoint: str = "token",  # noqa: ARG002
    ) -> _RegisteredClient:
        """The client by its secret, in the header or in the form.

        Raises:
            OAuth2Error: `invalid_client`, `invalid_request`, or `slow_down` after too many failures.
        """
        client_id, secret = _credentials(request.form)
        address = http.remote_addr or ""
        if wait := self.throttle.locked(client_id, address):
            raise _SlowDownError(wait)
        client = authenticated(self.authority.access, client_id, secret)
        if client is None:
            self.throttle.failed(client_id, address)
            raise _NotAuthenticatedError
        return _RegisteredClient(client)

    def issued(self, token: str) -> _IssuedToken | None:
        """The token, if it is one of ours that has not expired, and its client."""
        issuer = self.authority.issuer_at(http.url_root)
        try:
            claims = self.authority.claims(take_apart(token), issuer, time.time())
        except BadTokenError:
            return None
        access = self.authority.access
        client = access.client(claims["client_id"])
        if client is None:
            return None
        return _IssuedToken(claims, client, client.revoked or access.is_revoked(claims["jti"]))


def _credentials(form: dict[str, str]) -> tuple[str, str]:
    """Client id and secret, by exactly one of the two methods (RFC 6749 section 2.3)."""
    posted_id, posted_secret = form.get("client_id"), form.get("client_secret")
    sent = http.headers.get("Authorization")
    if sent is None:
        if posted_id and posted_secret:
            return posted_id, posted_secret
        raise _NotAuthenticatedError
    header = http.authorization if sent.isascii() else None  # Werkzeug raises on anything else
    if header is None or header.type != "basic" or not header.username:
        raise _NotAuthenticatedError
    client_id, secret = unquote_plus(header.username), unquote_plus(header.password or "")
    if posted_secret or posted_id not in (None, client_id):
        raise InvalidRequestError("Authenticate in one way only")
    return client_id, secret
