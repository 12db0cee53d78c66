"""Every route says its scope here, and which types of site it is for; a test walks the URL map."""

from collections.abc import Callable, Collection
from functools import lru_cache, wraps
from typing import Any, TypeVar

from flask import current_app, g, request
from werkzeug.sansio.utils import get_current_url

from verifier.api.problems import Problem
from verifier.domain.pack import Actor, SiteType
from verifier.oauth.protector import AccessRefused

View = TypeVar("View", bound=Callable[..., Any])
REALM = "verifier"


def secured(
    *scopes: str,
    types: Collection[SiteType] | None = None,
    identify: Callable[[], Actor] | None = None,
) -> Callable[[View], View]:
    """Check the token, its scope (any one of those named), then the site's type; the view gets the actor.

    `identify` finds the actor otherwise than by the token.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(*args: Any, **kwargs: Any) -> Any:
            actor = (identify or authenticate)()
            if actor.scopes.isdisjoint(scopes):
                raise lacks_scope(*scopes)
            if types is not None and actor.site.type not in types:
                raise Problem("not_for_this_site", f"A site of type {actor.site.type} may not do this.")
            return view(actor, *args, **kwargs)

        documented: dict[str, Any] = getattr(checked, "_apidoc", {})
        security = {"security": [{"oauth2": [scope]} for scope in scopes]}
        checked._apidoc = documented | {"manual_doc": documented.get("manual_doc", {}) | security}  # type: ignore[attr-defined]  # noqa: SLF001
        checked.scopes = scopes  # type: ignore[attr-defined]
        return checked  # type: ignore[return-value]

    return decorate


def open_route(view: View) -> View:
    """A route that needs no token, said in so many words."""
    view.scopes = ()  # type: ignore[attr-defined]
    return view


def authenticate() -> Actor:
    """The actor behind this request's token.

    Raises:
        Problem: 401 with the challenge of RFC 6750.
    """
    try:
        actor = current_app.extensions["verifier"].protector.authenticate(
            request.headers.get("Authorization"), issuer=issuer()
        )
    except AccessRefused as refused:
        raise denied(refused) from None
    g.actor = actor
    return actor  # type: ignore[no-any-return]


def issuer() -> str:
    """Our own issuer identifier, as this request reached us."""
    authority = current_app.extensions["verifier"].authority
    root = _root(request.scheme, request.host, request.root_path)
    return authority.issuer or authority.issuer_at(root)  # type: ignore[no-any-return]


_root = lru_cache(maxsize=256)(get_current_url)
"""As `request.url_root`, which is worked out anew each time."""


def lacks_scope(*scopes: str) -> Problem:
    """403 `insufficient_scope` (RFC 6750 section 3.1): the token has none of these."""
    named = f"the scope {scopes[0]}" if len(scopes) == 1 else f"any of the scopes {', '.join(scopes)}"
    description = f"The token does not have {named}"
    return denied(AccessRefused(403, "insufficient_scope", description, " ".join(scopes)))


def denied(refused: AccessRefused) -> Problem:
    """The refusal as a problem, its challenge kept."""
    code = refused.error or "unauthorized"
    return Problem(code, f"{refused}.", headers={"WWW-Authenticate": refused.www_authenticate(REALM)})
