"""What a view finds of the running service: its ports, and the language of the request."""

from flask import current_app, request

from verifier.domain.reasons import LANGUAGES
from verifier.services.ports import Ports


def ports() -> Ports:
    """The use cases' world, as this application was built with."""
    return current_app.extensions["verifier"].ports  # type: ignore[no-any-return]


def language() -> str:
    """The best of our languages for the request's Accept-Language (RFC 9110 section 12.5.4)."""
    if not request.headers.get("Accept-Language"):
        return LANGUAGES[0]
    return request.accept_languages.best_match(LANGUAGES, LANGUAGES[0])
