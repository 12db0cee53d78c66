"""Lots and serials may hold `/`: the path of a message is taken apart before `%2F` is decoded.

A WSGI server gives the application a decoded path, in which an encoded slash cannot be told from one
between segments. So the raw target is read (gunicorn and Werkzeug hand it over) and routing gets a path
without the three values; they wait in the environment, still encoded. Of a target that is missing or written
otherwise (`/%76erify/…`) the routing's values are taken: those are decoded already.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

SEGMENTS = "verifier.lms_segments"
_FIRST = "/verify/gtin/"
_TARGET = re.compile(
    r"(?:[a-z]+://[^/?#]*)?/verify/gtin/([^/?#]*)/lot/([^/?#]*)/ser/([^/?#]*)(?:[?#].*)?",
    re.IGNORECASE | re.DOTALL,
)
_ROUTED = "/verify/gtin/-/lot/-/ser/-"
_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})")

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class RawTarget:
    """WSGI middleware before the routing."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Put the encoded segments of a message's path aside."""
        environ.pop(SEGMENTS, None)
        if environ.get("PATH_INFO", "").startswith(_FIRST):
            target = _TARGET.fullmatch(environ.get("RAW_URI") or environ.get("REQUEST_URI") or "")
            if target is not None:
                environ[SEGMENTS] = target.groups()
                environ["PATH_INFO"] = _ROUTED
        return self._application(environ, start_response)


def values(environ: Mapping[str, Any], routed: Sequence[str]) -> list[str | None]:
    """The three values of a message's path, decoded once; `routed` are those that the routing has found."""
    encoded = environ.get(SEGMENTS)
    return list(routed) if encoded is None else [decoded(segment) for segment in encoded]


def decoded(segment: str) -> str | None:
    """A segment's text, None where its percent-encoding (RFC 3986 section 2.1) or its UTF-8 is broken."""
    if _BROKEN.search(segment):
        return None
    try:
        return unquote_to_bytes(segment.encode("latin-1")).decode()
    except UnicodeError:
        return None
