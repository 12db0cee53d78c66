"""Who may read the events of a pack and the alerts. Art. 38: own data, and the status of packs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from verifier.domain.codes import PackCode
from verifier.domain.journal import Alert, AlertQuery, Fault, PackEvent
from verifier.domain.pack import Actor, Found, Site, SiteType
from verifier.domain.permissions import READS_EVERYTHING, owns
from verifier.services.ports import Ports
from verifier.services.standing import standing_gtin

PAGE = 50


@dataclass(frozen=True, slots=True)
class ShownEvent:
    """An event as this reader may see it: without the site, the client and the circumstances of others."""

    event: PackEvent
    own: bool


def history(ports: Ports, actor: Actor, gtin: str, serial: str) -> Sequence[ShownEvent] | Fault:
    """The attempts on a pack, oldest first; Fault `not_found` when this reader may see none.

    Owner, authority and operator may know that a pack is there, also when nobody has scanned it yet.
    """
    site, everything = actor.site, actor.site.type in READS_EVERYTHING
    found = ports.reader.find(PackCode(gtin, serial, lot=None, expiry=None, ppn=None, notes=()))
    owner = found.product is not None and owns(site, found.product)
    if site.type is SiteType.MANUFACTURER and not owner:
        return not_found()
    shown: list[ShownEvent] = []
    for event in recorded(ports, found, gtin, serial):
        own = everything or event.site_gln == site.gln
        if own or owner or event.version is not None:
            shown.append(ShownEvent(event, own))
    there = found.pack is not None and (owner or everything)
    return shown if shown or there else not_found()


def recorded(ports: Ports, found: Found, gtin: str, serial: str) -> Sequence[PackEvent]:
    """What stands under the product's GTIN, and under the one that was sent.

    Of an NTIN the latter are the attempts from before its product was known.
    """
    gtins = {gtin, found.standing(gtin)}
    events = [event for each in gtins for event in ports.archive.events(each, serial)]
    return events if len(gtins) == 1 else sorted(events, key=lambda event: event.received_at)


def event(ports: Ports, actor: Actor, event_id: str) -> tuple[PackEvent, bytes | None] | Fault:
    """One own attempt with the answer that was given then; authority and operator may see all."""
    try:
        found = ports.archive.event(UUID(event_id))
    except ValueError:
        found = None
    if found is None:
        return not_found()
    own = actor.site.type in READS_EVERYTHING or found[0].site_gln == actor.site.gln
    return found if own else not_found()


def alerts(ports: Ports, actor: Actor, query: AlertQuery) -> Sequence[Alert] | Fault:
    """A page of alerts, newest first: own ones, of a manufacturer those of its products too, or all."""
    site = actor.site
    if query.gtin is not None:
        query = replace(query, standing_gtin=standing_gtin(ports, query.gtin))
    if site.type in READS_EVERYTHING:
        return ports.archive.alerts(query)
    if site.type is SiteType.MANUFACTURER:
        if query.site is not None:
            return Fault("not_for_this_site", "A manufacturer sees its products' alerts without their sites.")
        found = ports.archive.alerts(replace(query, manufacturer_gln=site.gln))
        return [as_seen_by_owner(site, each) for each in found]
    if query.site not in (None, site.gln):
        return []
    return ports.archive.alerts(replace(query, site=site.gln))


def alert(ports: Ports, actor: Actor, alert_id: str) -> Alert | Fault:
    """One alert, when this reader may see it."""
    try:
        found = ports.archive.alert(UUID(alert_id))
    except ValueError:
        found = None
    if found is None:
        return not_found()
    if actor.site.type in READS_EVERYTHING or found.site == actor.site.gln:
        return found
    product = ports.archive.product(found.gtin)
    if product is not None and owns(actor.site, product):
        return as_seen_by_owner(actor.site, found)
    return not_found()


def as_seen_by_owner(owner: Site, found: Alert) -> Alert:
    """What a manufacturer sees: of others' alerts nothing that tells which pharmacy it was."""
    return found if found.site == owner.gln else replace(found, site=None, client_id=None, details={})


def not_found() -> Fault:
    """The same answer for what is not there and for what is not to be seen."""
    return Fault("not_found", "Nothing is known under this name.")
