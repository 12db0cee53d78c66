"""Answer the messages of trading partners about packs of ours (GS1 lightweight messaging, 360eee-1(b)(4)(C)).

Every verification request that could be read is written down before its answer, with who asked for whom.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from verifier.domain.codes import PackCode
from verifier.domain.journal import Fault, NewAlert, PackEvent
from verifier.domain.lifecycle import identity
from verifier.domain.lms import (
    ALERT,
    MISS,
    OPERATION,
    ConnectivityRequest,
    LmsRequest,
    gln_checks,
    response_body,
)
from verifier.domain.lms_policy import NO_MARKS, Disposition, respond
from verifier.domain.lms_rules import Rules, Standing
from verifier.domain.pack import Actor, Found, Product
from verifier.domain.profiles import load
from verifier.domain.reasons import OF_ANOTHER_CODE
from verifier.services.ports import Ports, Transaction

FAULTS = {
    "not_found": "This service answers for no product with this GTIN.",
    "requestor_blocked": "This requestor is not permitted to ask here.",
    "credential_refused": "The requestor's credential is not accepted.",
    "too_many_misses": "Too many requests of this requestor found no pack; ask again in two hours.",
}
Body = dict[str, Any]


class Desk(Protocol):
    """What the responder knows beside packs."""

    def rules(self) -> Rules:
        """Policy, blocked requestors and marked lots, as they hold now."""

    def look(
        self, code: PackCode, req_gln: str, scopes: Sequence[str], besides: Collection[str]
    ) -> tuple[Found, Standing]:
        """What is known of this code now, and how pack and requestor stand.

        An alert with one of the causes `besides` does not count; of the requestor's counters, the highest of
        these scopes.
        """

    def misses(self, req_gln: str, scopes: Sequence[str]) -> int:
        """The requestor's highest counter of these scopes."""


@dataclass(frozen=True, slots=True)
class Responder:
    """How this service answers.

    `gln` is its own, None for that of each product's manufacturer. A requestor with `misses` misses in an
    hour through one client is refused there for the rest of that hour and the next one.
    """

    desk: Desk
    misses: int
    gln: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with what was found of its pack."""

    event_id: UUID
    actor: Actor
    request: LmsRequest
    now: datetime
    found: Found

    @property
    def gtin(self) -> str:
        """Under which the product stands."""
        return self.found.product.gtin if self.found.product else self.request.code.gtin


@dataclass(frozen=True, slots=True)
class Answered:
    """The body of the message, and in a word what it says, for figures."""

    body: Body
    code: str


def verify(ports: Ports, responder: Responder, actor: Actor, request: LmsRequest) -> Answered | Fault:
    """Does this product identifier correspond to one that the manufacturer assigned (360eee(28))?

    Fault `not_found` for a GTIN that we do not answer for, `requestor_blocked`, `too_many_misses`.
    """
    rules, now = responder.desk.rules(), ports.clock()
    if request.req_gln in rules.blocked:
        return turn_away(ports, actor, request, "requestor_blocked")
    found, standing = responder.desk.look(
        request.code, request.req_gln, miss_scopes(actor, now), OF_ANOTHER_CODE
    )
    asked = Asked(ports.new_id(), actor, request, now, found)
    if standing.misses >= responder.misses:
        return refuse(ports, asked, "too_many_misses")
    gln = speaker(responder, asked.found.product)
    if gln is None:
        return refuse(ports, asked, "not_found")
    pack = asked.found.pack
    answer, disposition = respond(
        request.code,
        asked.found,
        marks=rules.marks_of(pack.gtin, pack.lot) if pack else NO_MARKS,
        alerted=standing.alerted,
        today=ports.local_date(now, actor.site.timezone),
        policy=rules.policy,
    )
    body = response_body(answer, at=now, responder_gln=gln, corr_uuid=request.corr_uuid)
    missed = disposition is Disposition.MISMATCH
    code = (identity(request.code, asked.found) if missed else disposition) or "ok"
    event = event_of(asked, str(code), accepted=answer.verified)
    if answer.verified:
        ports.scans.record(event, body)
    else:
        ports.store.run(lambda tx: write(tx, ports, asked, event, body, missed=missed))
    return Answered(body, str(code))


def connectivity(
    ports: Ports, responder: Responder, actor: Actor, request: ConnectivityRequest
) -> str | Fault:
    """The GLN that answers for this product; the same faults as of a verification."""
    now, req_gln = ports.clock(), request.req_gln
    if req_gln in responder.desk.rules().blocked:
        return Fault("requestor_blocked", FAULTS["requestor_blocked"])
    hours = miss_scopes(actor, now)
    if responder.desk.misses(req_gln, hours) >= responder.misses:
        return Fault("too_many_misses", FAULTS["too_many_misses"])
    gln = speaker(responder, ports.archive.product(request.gtin))
    if gln is None:
        ports.store.run(lambda tx: tx.count(req_gln, hours[0]))
        return Fault("not_found", FAULTS["not_found"])
    return gln


def speaker(responder: Responder, product: Product | None) -> str | None:
    """Who answers for this product; None where nobody does by message.

    Packs under another regulation are verified in that regulation's own system. No directory of the network
    leads here for them, so to the network their GTIN is as unknown as one that is not in the repository.
    """
    if product is None or not load(product.profile).speaks_lms:
        return None
    return responder.gln or product.manufacturer_gln


def turn_away(ports: Ports, actor: Actor, request: LmsRequest, code: str) -> Fault:
    """Refuse a requestor without looking for the pack."""
    return refuse(ports, Asked(ports.new_id(), actor, request, ports.clock(), Found(None)), code)


def refuse(ports: Ports, asked: Asked, code: str) -> Fault:
    """Written down like an answer; an unknown GTIN is a miss."""
    unknown = code == "not_found"
    event = event_of(asked, "unknown_product" if unknown else code, accepted=False)

    def work(tx: Transaction) -> None:
        if unknown:
            tx.count(asked.request.req_gln, miss_scopes(asked.actor, asked.now)[0])
        tx.record(event, None)

    ports.store.run(work)
    return Fault(code, FAULTS[code])


def write(tx: Transaction, ports: Ports, asked: Asked, event: PackEvent, body: Body, *, missed: bool) -> None:
    """A negative answer; a miss is counted and, for the manufacturer, an alert."""
    if missed:
        tx.count(asked.request.req_gln, miss_scopes(asked.actor, asked.now)[0])
        tx.raise_alert(alert_of(asked, event, ports.new_id()))
    tx.record(event, body)


def alert_of(asked: Asked, event: PackEvent, alert_id: UUID) -> NewAlert:
    """What a mismatch is for the manufacturer. It does not make the real pack suspect for others."""
    return NewAlert.about(
        event, asked.request.code, alert_id=alert_id, code=ALERT, cause=event.code, details=event.details
    )


def event_of(asked: Asked, code: str, *, accepted: bool) -> PackEvent:
    """The request as it is written down: who asked for whom, what, what was found and decided."""
    request, pack, site = asked.request, asked.found.pack, asked.actor.site
    expiry = request.code.expiry
    details: dict[str, Any] = {
        "req_gln": request.req_gln,
        "corr_uuid": request.corr_uuid,
        "context": request.context,
        "lot": request.code.lot,
        "expiry": expiry.iso() if expiry else None,
    }
    if not gln_checks(request.req_gln):
        details["req_gln_check_digit"] = False
    if request.credential is not None:
        details["credential"] = list(request.credential) or ["ok"]
    if request.more:
        details["more"] = dict(request.more)
    state = pack.state if pack else None
    return PackEvent(
        event_id=asked.event_id,
        gtin=asked.gtin,
        serial=request.code.serial,
        operation=OPERATION,
        reason=None,
        code=code,
        accepted=accepted,
        version=None,
        state_before=state,
        state_after=state,
        site_gln=site.gln,
        client_id=asked.actor.client_id,
        received_at=asked.now,
        occurred_at=None,
        details=details,
    )


def miss_scopes(actor: Actor, now: datetime) -> tuple[str, str]:
    """The counters of this hour's misses and of the last hour's.

    Each client has its own of a requestor: any client can name any requestor, and must not lock it out for
    the others.
    """
    this, last = (hour.strftime(MISS) for hour in (now, now - timedelta(hours=1)))
    return f"{this}:{actor.client_id}", f"{last}:{actor.client_id}"
