"""One returned pack, or one case of them, in a session: decided, counted once, written down."""

from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

from verifier.domain.codes import PackCode
from verifier.domain.expiry import Expiry
from verifier.domain.journal import Claim, Fault, Replay
from verifier.domain.lifecycle import Action, Operation, Seal, decide
from verifier.domain.lms_policy import MATCH
from verifier.domain.pack import Actor
from verifier.domain.questions import Heard
from verifier.domain.resale import CODES, Asked, Asking, Resale, decide_resale, own_of, stricter
from verifier.domain.returns import (
    MOST_PACKS,
    NOT_ASKED,
    CasePack,
    Outcome,
    ReturnedPack,
    ReturnsEvent,
    ReturnsScan,
    Session,
    case_refusal,
    contradiction,
    due_at,
    expiry_of,
    scanned_before,
)
from verifier.domain.scan import Context, Scan
from verifier.domain.verdict import AlertRef, matching_pack
from verifier.services import packs
from verifier.services.hurry import FOREIGN, NOTHING_HEARD, Hurry
from verifier.services.packs import Judged
from verifier.services.ports import Ports, Transaction
from verifier.services.returned_answers import counted_scan, first_scan, refused_scan, spoken_against
from verifier.services.vrs import suspect


@dataclass(frozen=True, slots=True)
class Order:
    """A scan that is asked for: a pack, or the case with this SSCC."""

    session_id: UUID
    what: Scan | str
    context: Context
    key: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class AskFirst(Fault):
    """Nothing is kept yet: the network has to be asked."""

    associated: bool | None = None


_LOST = Fault("lost", "Somebody has counted a pack of this case a moment ago; look again.")


def scan(ports: Ports, actor: Actor, order: Order, hurry: Hurry) -> ReturnsScan | Replay | Fault:
    """Count a pack or a case once for its key; what was counted already is told with who was first."""
    claim = Claim(actor.client_id, order.key, order.digest, ports.new_id(), ports.clock())
    heard: Heard | None = None if hurry.may_ask else NOTHING_HEARD
    while True:
        outcome = ports.store.run(
            partial(_scan, ports=ports, actor=actor, order=order, claim=claim, heard=heard)
        )
        if isinstance(outcome, AskFirst) and isinstance(order.what, Scan):
            heard = hurry.ask(actor, order.what, associated=outcome.associated)
        elif outcome is not _LOST:
            return outcome


def usable(actor: Actor, session: Session | None) -> Session | Fault:
    """An open session of the actor's own site."""
    if session is None or session.site_gln != actor.site.gln:
        return not_found()
    if session.closed_at is not None:
        return Fault("session_closed", "The session is closed; open another one for what still comes.")
    return session


def not_found() -> Fault:
    """The same answer for what is not there and for what is not to be seen."""
    return Fault("not_found", "No session is known under this id.")


def _scan(
    tx: Transaction, ports: Ports, actor: Actor, order: Order, claim: Claim, *, heard: Heard | None
) -> ReturnsScan | Replay | Fault:
    taken = tx.returns.claim(claim)
    if taken is not None:
        return taken
    session = usable(actor, tx.returns.hold(order.session_id))
    if isinstance(session, Fault):
        return session
    desk = Desk(tx, ports, actor, session)
    if isinstance(order.what, str):
        answer = desk.case(order.what, order.context, claim.event_id)
    else:
        answer = desk.pack(order.what, claim.event_id, heard)
    if isinstance(answer, ReturnsScan):
        tx.returns.record(_step(order, actor, claim, answer), answer)
    return answer


def _step(order: Order, actor: Actor, claim: Claim, answer: ReturnsScan) -> ReturnsEvent:
    pack = order.what.code if isinstance(order.what, Scan) else None
    return ReturnsEvent(
        session_id=order.session_id,
        event_id=claim.event_id,
        operation="scan",
        code="duplicate" if answer.outcome is Outcome.DUPLICATE else answer.code,
        site_gln=actor.site.gln,
        client_id=actor.client_id,
        received_at=claim.at,
        gtin=pack.gtin if pack else None,
        serial=pack.serial if pack else None,
        sscc=answer.sscc,
    )


@dataclass(frozen=True, slots=True)
class Desk:
    """An open session in one transaction, and who works at it."""

    tx: Transaction
    ports: Ports
    actor: Actor
    session: Session

    def pack(self, scan: Scan, event_id: UUID, heard: Heard | None) -> ReturnsScan | Fault:
        """Count one pack. `heard` None: the network may be asked, and was not yet."""
        judged = self._judge(scan, event_id)
        place = self.session.id, judged.gtin, scan.code.serial
        before = self.tx.returns.lock(*place)
        if before is None:
            if self.tx.returns.counted(self.session.id) >= MOST_PACKS:
                return _full()
            if heard is None and judged.decision.code in FOREIGN:
                return AskFirst("ask_first", "", associated=self.session.transaction_data.associated)
            pack = self._listed(self._counted(judged, heard or NOTHING_HEARD, event_id))
            if self.tx.returns.count(self.session.id, pack, _expiry(judged)):
                alert = self._conclude(judged) if pack.verdict is not None else None
                return counted_scan(event_id, scan.context, [pack], heard.alert if heard else None, alert)
            before = self.tx.returns.lock(*place)
        return self._twice(judged, before, event_id, heard)

    def _twice(
        self, judged: Judged, before: ReturnedPack | None, event_id: UUID, heard: Heard | None
    ) -> ReturnsScan:
        """A pack that is counted already; what this scan or the network says against it counts."""
        context = judged.scan.context
        against = contradiction(before, judged.scan) if before else None
        alert = heard.alert if heard else None
        if heard is not None and heard.resale.resale == "no":
            against = heard.resale.code
        elif against is not None:
            alert = self._against(judged, against)
        if before is None or against is None:
            return refused_scan(event_id, context, "duplicate", first=first_scan(before))
        told = counted_scan(event_id, context, [self.worsen(before, against)], alert)
        return spoken_against(told, against, context, before)

    def worsen(self, counted: ReturnedPack, against: str) -> ReturnedPack:
        """A counted and locked pack, against which something is known now."""
        worse = stricter(CODES[counted.code], CODES[against])
        now = replace(
            counted, resale=worse.resale, code=worse.code, next_step=worse.next_step, due_at=None,
            asked_at=self.ports.clock(),
        )  # fmt: skip
        self.tx.returns.renew(self.session.id, now)
        return now

    def _against(self, judged: Judged, cause: str) -> AlertRef | None:
        """Of a pack of ours by our own verdict; of another one where two carry its serial."""
        if judged.decision.code not in FOREIGN:
            return self._conclude(judged)
        event = replace(packs.event_of(judged), code=cause, accepted=False)
        self.tx.record(event, None)
        if cause != "mismatch":
            return None
        return self.tx.raise_alert(suspect(event, judged.scan.code, self.ports.new_id(), cause))

    def case(self, sscc: str, context: Context, event_id: UUID) -> ReturnsScan | Fault:
        """Count all packs of a case, each decided by itself, or none of them."""
        held, scanned = self.tx.returns.case(self.session.id, sscc)
        refusal = case_refusal(held, scanned)
        if refusal is not None:
            return self._case_refused(held, refusal, sscc, context, event_id)
        if self.tx.returns.counted(self.session.id) + len(held) > MOST_PACKS:
            return _full()
        counted: list[ReturnedPack] = []
        alerts: list[AlertRef | None] = []
        for each in held:
            judged = self._judge(Scan(_code_of(each), context), self.ports.new_id())
            pack = self._listed(self._counted(judged, NOTHING_HEARD, event_id, sscc=sscc))
            if not self.tx.returns.count(self.session.id, pack, each.expiry):
                return _LOST
            alerts.append(self._conclude(judged))
            counted.append(pack)
        return counted_scan(event_id, context, counted, *alerts, sscc=sscc)

    def _case_refused(
        self, held: list[CasePack], refusal: str, sscc: str, context: Context, event_id: UUID
    ) -> ReturnsScan:
        """Nothing is counted; a seal that is seen to be broken counts against what is counted of the case."""
        whole, broken = refusal == "duplicate", context.seal is Seal.BROKEN
        first = self.tx.returns.lock(self.session.id, held[0].gtin, held[0].serial) if whole else None
        answer = refused_scan(event_id, context, refusal, sscc=sscc, first=first_scan(first))
        if not (broken and scanned_before(refusal)):
            return answer
        renewed, alerts = [], []
        for each in held:
            before = self.tx.returns.lock(self.session.id, each.gtin, each.serial)
            if before is not None:
                judged = self._judge(Scan(_code_of(each), context), self.ports.new_id())
                alerts.append(self._conclude(judged))
                renewed.append(self.worsen(before, "seal_broken"))
        told = replace(answer, packs=tuple(renewed), alerts=tuple(alert for alert in alerts if alert))
        return spoken_against(told, "seal_broken", context, first) if first else told

    def again(self, pack: ReturnedPack, scan: Scan, heard: Heard) -> ReturnedPack | None:
        """What is known of a counted pack by now; a verdict of ours that is new is written down.

        None: nobody was asked about it, and it waits as before.
        """
        judged = self._judge(scan, self.ports.new_id())
        if judged.decision.code in FOREIGN and heard is NOTHING_HEARD:
            if pack.resale == "pending" and pack.asked is not Asked.VERIFIED:
                return None
            heard = self._said(judged, pack)
        now = self._counted(judged, heard, pack.event_id, sscc=pack.sscc)
        if now.verdict not in (None, pack.verdict):
            self._conclude(judged)
        return replace(
            now,
            scanned_at=pack.scanned_at,
            client_id=pack.client_id,
            user=pack.user,
            listed=pack.listed,
            due_at=due_at(now.resale, now.asked, now.corr_uuid, pack.scanned_at),
        )

    def _said(self, judged: Judged, pack: ReturnedPack) -> Heard:
        """What the network has said of a counted pack stays said, beside what is known here by now."""
        answer = self.tx.returns.answer(pack) or (MATCH if pack.asked is Asked.VERIFIED else None)
        asking = Asking(pack.asked, answer, pack.corr_uuid, pack.responder_gln)
        return Heard(asking, self._resale(judged, asking, expiry_of(pack)))

    def _judge(self, scan: Scan, event_id: UUID) -> Judged:
        """Our own decision, on what the database itself says."""
        attempt = packs.attempt_of(self.ports, self.actor, Action.LOOK, scan)
        found = self.tx.find(scan.code)
        profile = packs.profile_of(found)
        decision = decide(profile, attempt, found)
        operation = Operation.RETURNS_CHECK
        return Judged(event_id, self.actor, operation, scan, attempt, profile, found, decision, found)

    def _conclude(self, judged: Judged) -> AlertRef | None:
        return packs.conclude(self.tx, self.ports, judged).alert

    def _counted(
        self, judged: Judged, heard: Heard, event_id: UUID, *, sscc: str | None = None
    ) -> ReturnedPack:
        """The pack with its resale: by our own verdict, or by the network where we know nothing of it."""
        asking, resale = NOT_ASKED, heard.resale
        code, now, expiry = judged.scan.code, judged.attempt.now, _expiry(judged)
        if judged.decision.code in FOREIGN and heard is not NOTHING_HEARD:
            asking = heard.asking
        else:
            resale = self._resale(judged, asking, expiry)
        stored = matching_pack(judged.found, judged.scan)
        return ReturnedPack(
            gtin=judged.gtin,
            serial=code.serial,
            lot=stored.lot if stored else code.lot,
            expiry=expiry.iso() if expiry else None,
            sscc=sscc,
            listed=None,
            resale=resale.resale,
            code=resale.code,
            next_step=resale.next_step,
            verdict=judged.decision.code if asking.asked is Asked.NOT_ASKED else None,
            asked=asking.asked,
            corr_uuid=asking.corr_uuid,
            responder_gln=asking.responder_gln,
            event_id=event_id,
            scanned_at=now,
            client_id=judged.actor.client_id,
            user=judged.scan.context.user,
            asked_at=asking.at or now,
            due_at=due_at(resale.resale, asking.asked, asking.corr_uuid, now),
        )

    def _resale(self, judged: Judged, asking: Asking, expiry: Expiry | None) -> Resale:
        noted = self.tx.noted(judged.scan.code, judged.found)
        return decide_resale(
            own_of(judged.profile, judged.attempt, judged.found, noted),
            asking,
            expiry=expiry,
            today=judged.attempt.today,
            window_days=self.ports.window_days,
            associated=self.session.transaction_data.associated,
        )

    def _listed(self, pack: ReturnedPack) -> ReturnedPack:
        if self.session.expected is None:
            return pack
        listed = self.tx.returns.is_listed(self.session.id, pack.gtin, pack.serial, pack.lot)
        return replace(pack, listed=listed)


def _full() -> Fault:
    return Fault("session_full", f"A session has at most {MOST_PACKS:,} packs; close it and open another.")


def _expiry(judged: Judged) -> Expiry | None:
    stored = matching_pack(judged.found, judged.scan)
    return stored.expiry if stored else judged.scan.code.expiry


def _code_of(pack: CasePack) -> PackCode:
    return PackCode(pack.gtin, pack.serial, pack.lot, pack.expiry, None, ())
