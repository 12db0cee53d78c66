"""Ask the network about a pack that is not our own, and say whether it may be sold again.

What was asked and answered is kept, together with the alert and the journal, before our own answer leaves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from verifier.domain.codes import PackCode
from verifier.domain.directory import Entry, choose
from verifier.domain.journal import NewAlert, PackEvent
from verifier.domain.lifecycle import Action
from verifier.domain.pack import Actor, Found
from verifier.domain.questions import AskedQuestion, Heard, Question, Reply
from verifier.domain.resale import Asked, Asking, Own, decide_resale, own_of, suspicion
from verifier.domain.scan import Scan
from verifier.domain.verdict import AlertRef
from verifier.services.packs import attempt_of, profile_of
from verifier.services.ports import Ports, Transaction

OPERATION = "vrs_verify"
ALERT = "SUSPECT"
"""21 U.S.C. 360eee(21): reason to believe; what `us_dscsa` calls every alert."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A service of the directory, and what came of the connectivity check."""

    entry: Entry
    reply: Reply


def ask(ports: Ports, actor: Actor, scan: Scan, *, context: str, associated: bool | None) -> Heard:
    """Ask whoever the directory names for this GTIN and expiry date.

    Args:
        ports: the world.
        actor: who asks; the GLN of their site is the `reqGLN`.
        scan: of the pack, with lot and expiry, which the standard needs.
        context: the purpose, one of `ports.vrs.contexts`.
        associated: has the return its transaction data? None when nobody said.
    """
    code, now, corr_uuid = scan.code, ports.clock(), str(ports.new_id())
    reply = _reply(ports, actor, code, context, corr_uuid)
    asking = Asking(
        asked=reply.asked,
        answer=reply.answer,
        corr_uuid=corr_uuid if reply.sent else None,
        responder_gln=reply.responder_gln,
        at=now,
        detail=reply.detail,
    )
    found = ports.reader.find(scan.code)
    own = _own(ports, actor, scan, found)
    resale = decide_resale(
        own,
        asking,
        expiry=code.expiry,
        today=ports.local_date(now, actor.site.timezone),
        window_days=ports.vrs.window_days,
        associated=associated,
    )
    asked = AskedQuestion(
        question_id=UUID(corr_uuid),
        code=code,
        context=context,
        site_gln=actor.site.gln,
        client_id=actor.client_id,
        asking=asking,
        resale=resale,
        exchanges=reply.exchanges,
    )
    return Heard(asking, resale, _keep(ports, asked, found.standing(code.gtin), suspicion(own, asking), now))


def reach(ports: Ports, actor: Actor, gtin: str) -> Sequence[Reached]:
    """Check the connection to every service that the directory names for a GTIN."""
    return [
        Reached(entry, ports.vrs.network.connectivity(entry, gtin, actor.site.gln, ports.vrs.contexts[0]))
        for entry in ports.vrs.directory.entries(gtin)
    ]


def _reply(ports: Ports, actor: Actor, code: PackCode, context: str, corr_uuid: str) -> Reply:
    if code.lot is None or code.expiry is None:
        return Reply(Asked.NOT_ASKED, detail="lot and expiry are needed")
    entry = choose(ports.vrs.directory.entries(code.gtin), code.expiry)
    if entry is None:
        return Reply(Asked.UNKNOWN_GTIN, detail="not in the directory")
    return ports.vrs.network.ask(Question(code, entry, context, actor.site.gln, corr_uuid))


def _own(ports: Ports, actor: Actor, scan: Scan, found: Found) -> Own:
    """What our own rules say of what our repository knows, also where that is only the product or the lot."""
    noted = ports.store.run(lambda tx: tx.noted(scan.code, found))
    return own_of(profile_of(found), attempt_of(ports, actor, Action.LOOK, scan), found, noted)


def _keep(ports: Ports, asked: AskedQuestion, gtin: str, cause: str | None, now: datetime) -> AlertRef | None:
    """The evidence, the attempt in the journal, and of a suspicious answer the alert, all or nothing.

    Attempt and alert under the GTIN under which the product stands here.
    """
    code = asked.code
    event = PackEvent(
        event_id=asked.question_id,
        gtin=gtin,
        serial=code.serial,
        operation=OPERATION,
        reason=asked.context,
        code=asked.resale.code,
        accepted=asked.resale.resale == "yes",
        version=None,
        state_before=None,
        state_after=None,
        site_gln=asked.site_gln,
        client_id=asked.client_id,
        received_at=now,
        occurred_at=None,
        details={
            "asked": asked.asking.asked.value,
            "responder_gln": asked.asking.responder_gln,
            "lot": code.lot,
            "expiry": code.expiry.iso() if code.expiry else None,
        },
    )
    alert_id = ports.new_id()

    def work(tx: Transaction) -> AlertRef | None:
        tx.record_question(asked)
        raised = tx.raise_alert(suspect(event, code, alert_id, cause)) if cause else None
        tx.record(event, None)
        return raised

    return ports.store.run(work)


def suspect(event: PackEvent, code: PackCode, alert_id: UUID, cause: str) -> NewAlert:
    """The alert about a pack that this attempt has given reason to believe is suspect."""
    details = {"responder_gln": event.details.get("responder_gln")}
    return NewAlert.about(event, code, alert_id=alert_id, code=ALERT, cause=cause, details=details)
