"""The built-in authorization server: client credentials, revocation, introspection, metadata, keys.

Authlib's server decides the flow; what it leaves to its user, or does too loosely, is in `endpoints`.
"""

from collections.abc import Callable
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Error
from flask import Blueprint, Response, jsonify, request

from verifier.oauth.authority import Authority
from verifier.oauth.endpoints import AUTHENTICATION_METHODS, Server
from verifier.oauth.scopes import SCOPES
from verifier.oauth.throttle import Throttle

_FORM = "application/x-www-form-urlencoded"
_MAX_BODY = 16 * 1024
_JWKS_SECONDS = 300


def blueprint(authority: Authority) -> Blueprint:
    """The routes of the server, to be registered without a prefix."""
    server = Server(authority, Throttle())
    routes = Blueprint("oauth", __name__)

    @routes.post("/oauth/token")
    def token() -> Response:
        return _answer(server, server.create_token_response, needed="grant_type")

    @routes.post("/oauth/revoke")
    def revoke() -> Response:
        return _answer(server, lambda: server.create_endpoint_response("revocation"), needed="token")

    @routes.post("/oauth/introspect")
    def introspect() -> Response:
        return _answer(server, lambda: server.create_endpoint_response("introspection"), needed="token")

    @routes.get("/oauth/jwks.json")
    def jwks() -> Response:
        response = jsonify(authority.keys.fresh().public_jwks())
        response.cache_control.public = True
        response.cache_control.max_age = _JWKS_SECONDS
        return response

    @routes.get("/.well-known/oauth-authorization-server")
    def metadata() -> Response:
        return jsonify(_metadata(authority.issuer_at(request.url_root)))

    return routes


def _answer(server: Server, respond: Callable[[], Any], *, needed: str) -> Response:
    """What Authlib answers to a form that is well-formed (RFC 6749 section 3.2)."""
    request.max_content_length = _MAX_BODY
    try:
        if request.mimetype != _FORM:
            raise InvalidRequestError(f"The body must be {_FORM}")
        if any(len(values) > 1 for _, values in request.form.lists()):
            raise InvalidRequestError("A parameter stands twice")
        if not request.form.get(needed):
            raise InvalidRequestError(f"The parameter {needed} is missing")
        response: Response = respond()
    except OAuth2Error as error:
        response = server.handle_error_response(None, error)
    return response


def _metadata(issuer: str) -> dict[str, object]:
    """RFC 8414 section 2."""
    base = issuer.rstrip("/")
    return {
        "issuer": issuer,
        "token_endpoint": f"{base}/oauth/token",
        "token_endpoint_auth_methods_supported": AUTHENTICATION_METHODS,
        "revocation_endpoint": f"{base}/oauth/revoke",
        "revocation_endpoint_auth_methods_supported": AUTHENTICATION_METHODS,
        "introspection_endpoint": f"{base}/oauth/introspect",
        "introspection_endpoint_auth_methods_supported": AUTHENTICATION_METHODS,
        "jwks_uri": f"{base}/oauth/jwks.json",
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "scopes_supported": list(SCOPES),
    }
