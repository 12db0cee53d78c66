"""What the type of a site lets it do, beside the scopes of its token."""

from collections.abc import Mapping

from verifier.domain.lifecycle import Action as A  # noqa: N817 - the columns of a table
from verifier.domain.pack import Product, Site
from verifier.domain.pack import SiteType as T

_EVERY = frozenset(T)
_COUNTER = frozenset({T.PHARMACY, T.HOSPITAL})
_TRADE = frozenset({T.WHOLESALER, T.MANUFACTURER})
_STATE = frozenset({T.AUTHORITY, T.OPERATOR})

# fmt: off
ACTIONS: Mapping[A, frozenset[T]] = {
    A.LOOK:        _EVERY,
    A.DISPENSE:    _COUNTER | {T.WHOLESALER},        # Art. 23 and 25
    A.DESTROY:     _EVERY,
    A.LOCK:        _EVERY,
    A.SAMPLE:      _EVERY,
    A.EXPORT:      _TRADE,
    A.FREE_SAMPLE: _TRADE,
    A.CHECK_OUT:   _TRADE,
    A.STEAL:       _TRADE | {T.AUTHORITY},           # Art. 40
    A.REACTIVATE:  _EVERY,                           # the table asks for the same site
}
# fmt: on

RETURNS_CHECK = _COUNTER | _TRADE
READS_EVERYTHING = _STATE


def may(site: Site, action: A) -> bool:
    """Does the site's type allow this action?"""
    return site.type in ACTIONS[action]


def owns(site: Site, product: Product) -> bool:
    """Is the site this product's manufacturer, by GLN?"""
    return site.type is T.MANUFACTURER and product.manufacturer_gln == site.gln


def may_read(site: Site, product: Product, *, all_elements: bool) -> bool:
    """Read a pack: a manufacturer its own, authority and operator all, everybody else what they hold."""
    if site.type is T.MANUFACTURER:
        return owns(site, product)
    return all_elements or site.type in READS_EVERYTHING


def may_command(site: Site, product: Product | None) -> str | None:
    """Recall, hold, release, withdraw, change of a product: None, or the code of the fault."""
    if site.type in _STATE:
        return None
    if site.type is not T.MANUFACTURER:
        return "not_for_this_site"
    return None if product is not None and owns(site, product) else "not_your_product"
