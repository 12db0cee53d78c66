"""What a view finds of the running service: its ports, and the language of the request."""

from flask import current_app, request

from verifier.api.languages import best
from verifier.domain.reasons import LANGUAGES
from verifier.services.ports import Ports


def ports() -> Ports:
    """The use cases' world, as this application was built with."""
    return current_app.extensions["verifier"].ports  # type: ignore[no-any-return]


def language() -> str:
    """The language in which this request wants its words."""
    return best(request.headers.get("Accept-Language", ""), LANGUAGES)
