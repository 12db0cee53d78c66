"""What was written down: the events of a pack, alerts; and the table of reasons."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from flask import Response
from flask_smorest import Blueprint
from msgspec import Meta

from verifier.api.bodies import invalid, parameters
from verifier.api.commands import encoded, identify
from verifier.api.openapi import answers, faults, query
from verifier.api.pages import by_instant, cursor, position
from verifier.api.problems import of_fault
from verifier.api.runtime import ports
from verifier.api.security import open_route, secured
from verifier.domain.gs1 import GTIN_LENGTH, is_digits
from verifier.domain.journal import Alert, AlertQuery, Fault
from verifier.domain.pack import Actor
from verifier.domain.reasons import LANGUAGES, REASONS, words
from verifier.services import archive

blueprint = Blueprint("archive", __name__, url_prefix="/v1", description="What was written down.")
ALERT = "The alert that it raises, or null; the next two say when it is another, or raised only then."
IF_ASKED = "The alert in its place where the pack is already in just the state that was asked for."
WHEN_REPEATED = "The alert that is raised only after several repeats by the same site."
QUIET = "What the European hub calls the case; no alert is raised."
FILTERS = ("status", "gtin", "lot", "code", "site")


@dataclass(frozen=True, slots=True)
class EventOut:
    """One attempt. Site, client and circumstances are null for others' events."""

    event_id: str
    operation: str
    reason: str | None
    code: str
    accepted: bool
    version: int | None
    state_before: str | None
    state_after: str | None
    received_at: datetime
    occurred_at: datetime | None
    site: str | None
    client_id: str | None
    details: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class EventWithVerdict(EventOut):
    """One own attempt, and the verdict as it was given then; null for a code that could not be read."""

    verdict: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Events:
    """Oldest first."""

    events: list[EventOut]


@dataclass(frozen=True, slots=True)
class Alerts:
    """Newest first; the header Link leads to the next page."""

    alerts: list[Alert]


@dataclass(frozen=True, slots=True)
class ReasonOut:
    """One code of a verdict; title and advice by language."""

    code: str
    signal: str
    alert: Annotated[str | None, Meta(description=ALERT)]
    alert_if_asked: Annotated[str | None, Meta(description=IF_ASKED)]
    alert_when_repeated: Annotated[str | None, Meta(description=WHEN_REPEATED)]
    quiet_code: Annotated[str | None, Meta(description=QUIET)]
    title: dict[str, str]
    advice: dict[str, str]


@dataclass(frozen=True, slots=True)
class Reasons:
    """Every code."""

    reasons: list[ReasonOut]


@blueprint.get("/packs/events")
@query(gtin="GTIN", serial="Serial number")
@answers(Events, "The attempts on this pack that you may see.")
@faults(401, 403, 404, 422)
@secured("audit:read")
def events(actor: Actor) -> Response:
    """What happened to a pack."""
    asked = parameters("gtin", "serial")
    for name in ("gtin", "serial"):
        if name not in asked:
            raise invalid(name, "This parameter is missing.")
    gtin = asked["gtin"]
    if not (len(gtin) == GTIN_LENGTH and is_digits(gtin)):
        gtin = identify(gtin).gtin  # 14 digits are taken as they are: a wrong check digit is recorded too
    shown = archive.history(ports(), actor, gtin, asked["serial"])
    if isinstance(shown, Fault):
        raise of_fault(shown)
    return encoded(Events([event_out(item) for item in shown]))


@blueprint.get("/events/<event_id>")
@answers(EventWithVerdict, "The attempt with the verdict given then.")
@faults(401, 403, 404)
@secured("audit:read")
def event(actor: Actor, event_id: str) -> Response:
    """One own attempt."""
    found = archive.event(ports(), actor, event_id)
    if isinstance(found, Fault):
        raise of_fault(found)
    attempt, stored = found
    shown = asdict(event_out(archive.ShownEvent(attempt, own=True)))
    return encoded(shown | {"verdict": msgspec.Raw(stored) if stored else None})


@blueprint.get("/alerts")
@query(
    required=(),
    status="new, …",
    gtin="GTIN",
    lot="Lot",
    code="Alert code",
    site="GLN (authority, operator)",
    cursor="From the header Link",
)
@answers(Alerts, "A page of alerts, newest first.")
@faults(401, 403, 422)
@secured("alerts:read")
def alerts(actor: Actor) -> Response:
    """Alerts that you may see."""
    wanted = parameters(*FILTERS, "cursor")
    before = position(wanted.pop("cursor", None), by_instant)
    if "gtin" in wanted:
        wanted["gtin"] = identify(wanted["gtin"]).gtin
    asked = AlertQuery(limit=archive.PAGE + 1, before=before, **wanted)
    page = archive.alerts(ports(), actor, asked)
    if isinstance(page, Fault):
        raise of_fault(page)
    response = encoded(Alerts(list(page[: archive.PAGE])))
    if len(page) > archive.PAGE:
        last = page[archive.PAGE - 1]
        following = urlencode(wanted | {"cursor": cursor(last.raised_at.isoformat(), last.id)})
        response.headers["Link"] = f'</v1/alerts?{following}>; rel="next"'
    return response


@blueprint.get("/alerts/<alert_id>")
@answers(Alert, "The alert.")
@faults(401, 403, 404)
@secured("alerts:read")
def alert(actor: Actor, alert_id: str) -> Response:
    """One alert."""
    found = archive.alert(ports(), actor, alert_id)
    if isinstance(found, Fault):
        raise of_fault(found)
    return encoded(found)


@blueprint.get("/reasons")
@answers(Reasons, "Every code of a verdict.")
@open_route
def reasons() -> Response:
    """Every code with signal, alert code, title and advice."""
    table = [
        ReasonOut(
            code=reason.code,
            signal=reason.signal,
            alert=reason.alert or reason.alert_when_repeated,
            alert_if_asked=reason.alert_if_asked,
            alert_when_repeated=reason.alert_when_repeated,
            quiet_code=reason.quiet_code,
            title={language: words(reason.code, "", language)[0] for language in LANGUAGES},
            advice={language: words(reason.code, "", language)[1] for language in LANGUAGES},
        )
        for reason in REASONS.values()
    ]
    return encoded(Reasons(table))


def event_out(shown: archive.ShownEvent) -> EventOut:
    """The event as this reader may see it."""
    event, own = shown.event, shown.own
    return EventOut(
        event_id=str(event.event_id),
        operation=event.operation,
        reason=event.reason,
        code=event.code,
        accepted=event.accepted,
        version=event.version,
        state_before=event.state_before,
        state_after=event.state_after,
        received_at=event.received_at,
        occurred_at=event.occurred_at,
        site=event.site_gln if own else None,
        client_id=event.client_id if own else None,
        details=event.details if own else None,
    )
