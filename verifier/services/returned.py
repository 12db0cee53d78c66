"""One returned pack, or one case of them, in a session: decided, counted once, written down."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from uuid import UUID

from verifier.domain.codes import PackCode
from verifier.domain.expiry import Expiry
from verifier.domain.journal import Claim, Fault, Replay
from verifier.domain.lifecycle import Action, Operation, decide
from verifier.domain.pack import Actor
from verifier.domain.resale import ANSWER_DUE, CODES, Asked, Asking, Resale, decide_resale, own_of, words
from verifier.domain.returns import (
    MOST_PACKS,
    NOT_ASKED,
    REFUSALS,
    CasePack,
    FirstScan,
    Outcome,
    ReturnedPack,
    ReturnsEvent,
    ReturnsScan,
    Session,
    case_refusal,
    strictest,
)
from verifier.domain.scan import Context, Scan
from verifier.domain.verdict import AlertRef, matching_pack
from verifier.domain.wording import returns as wording
from verifier.services import packs
from verifier.services.packs import Judged
from verifier.services.ports import Ports, Transaction

CONTEXT = "dscsaSaleableReturn"
FOREIGN = frozenset({"unknown_product", "unknown_batch"})
"""Of these packs our own repository knows nothing: the network is asked."""
PATIENCE = timedelta(seconds=10)
"""So long one request asks the network; what is left stays pending and is asked with the next recheck."""

Heard = tuple[Asking, Resale | None]
NOTHING_HEARD: Heard = (NOT_ASKED, None)


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


class Hurry:
    """Asks the network, for all the scans of one request together no longer than `PATIENCE`."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._until = ports.clock() + PATIENCE

    @property
    def may_ask(self) -> bool:
        """Is there anybody to ask, and time?"""
        return self._ports.ask is not None and self._ports.clock() < self._until

    def ask(self, actor: Actor, scan: Scan, *, associated: bool | None) -> Heard:
        """What the network says; nothing, when there is nobody to ask or no time left."""
        if self._ports.ask is None or not self.may_ask:
            return NOTHING_HEARD
        asking, resale = self._ports.ask(self._ports, actor, scan, context=CONTEXT, associated=associated)
        if resale.resale == "yes" and asking.asked is not Asked.VERIFIED:
            resale = CODES["no_answer"]
        return asking, resale

    def ask_all(self, actor: Actor, session: Session, scans: Iterable[Scan]) -> dict[tuple[str, str], Heard]:
        """About those of these packs that are not ours, by GTIN and serial, as long as there is time."""
        associated = session.transaction_data.associated
        heard = {}
        for scan in scans:
            found = self._ports.reader.find(scan.code)
            attempt = packs.attempt_of(self._ports, actor, Action.LOOK, scan)
            if decide(packs.profile_of(found), attempt, found).code in FOREIGN:
                key = scan.code.gtin, scan.code.serial
                answer = self.ask(actor, scan, associated=associated)
                if answer is not NOTHING_HEARD:
                    heard[key] = answer
        return heard


def scan(ports: Ports, actor: Actor, order: Order, hurry: Hurry) -> ReturnsScan | Replay | Fault:
    """Count a pack or a case once for its key; what was counted already is told with who was first."""
    claim = Claim(actor.client_id, order.key, order.digest, ports.new_id(), ports.clock())
    heard = None if hurry.may_ask else NOTHING_HEARD
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
    if tx.returns.counted(session.id) >= MOST_PACKS:
        return Fault(
            "session_full", f"A session has at most {MOST_PACKS:,} packs; close it and open another."
        )
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
        code=answer.code,
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
        first = self.tx.returns.first(*place)
        if first is None:
            if heard is None and judged.decision.code in FOREIGN:
                return AskFirst("ask_first", "", associated=self.session.transaction_data.associated)
            pack = self._listed(self._counted(judged, heard or NOTHING_HEARD, event_id))
            if self.tx.returns.count(self.session.id, pack, _expiry(judged)):
                alert = self._conclude(judged) if pack.verdict is not None else None
                return _told(event_id, scan.context, [pack], [alert] if alert else [])
            first = self.tx.returns.first(*place)
        return _refused(event_id, scan.context, "duplicate", first=first)

    def case(self, sscc: str, context: Context, event_id: UUID) -> ReturnsScan | Fault:
        """Count all packs of a case, each decided by itself, or none of them."""
        held, scanned = self.tx.returns.case(self.session.id, sscc)
        refusal = case_refusal(held, scanned)
        if refusal is not None:
            twice = refusal == "duplicate"
            first = self.tx.returns.first(self.session.id, held[0].gtin, held[0].serial) if twice else None
            return _refused(event_id, context, refusal, sscc=sscc, first=first)
        counted, alerts = [], []
        for each in held:
            judged = self._judge(Scan(_code_of(each), context), self.ports.new_id())
            pack = self._listed(self._counted(judged, NOTHING_HEARD, event_id, sscc=sscc))
            if not self.tx.returns.count(self.session.id, pack, each.expiry):
                return _LOST
            alert = self._conclude(judged)
            counted.append(pack)
            alerts += [alert] if alert else []
        return _told(event_id, context, counted, alerts, sscc=sscc)

    def again(self, pack: ReturnedPack, scan: Scan, heard: Heard) -> ReturnedPack | None:
        """What is known of a counted pack by now; a verdict of ours that is new is written down.

        None: nobody was asked about it, and it waits as before.
        """
        judged = self._judge(scan, self.ports.new_id())
        foreign = judged.decision.code in FOREIGN
        if foreign and heard is NOTHING_HEARD and pack.resale == "pending":
            return None
        now = self._counted(judged, heard, pack.event_id, sscc=pack.sscc)
        if foreign and heard is NOTHING_HEARD:  # what the network has said stays said
            now = replace(now, asked=pack.asked, corr_uuid=pack.corr_uuid, responder_gln=pack.responder_gln)
        if now.verdict not in (None, pack.verdict):
            self._conclude(judged)
        return replace(
            now,
            scanned_at=pack.scanned_at,
            client_id=pack.client_id,
            user=pack.user,
            listed=pack.listed,
            due_at=pack.scanned_at + ANSWER_DUE if now.resale == "pending" else None,
        )

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
        asking, resale = heard if judged.decision.code in FOREIGN else NOTHING_HEARD
        code, now, expiry = judged.scan.code, judged.attempt.now, _expiry(judged)
        if resale is None:
            resale = decide_resale(
                own_of(judged.decision, judged.found, judged.scan),
                asking,
                expiry=expiry,
                today=judged.attempt.today,
                window_days=self.ports.window_days,
                associated=self.session.transaction_data.associated,
            )
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
            due_at=now + ANSWER_DUE if resale.resale == "pending" else None,
        )

    def _listed(self, pack: ReturnedPack) -> ReturnedPack:
        if self.session.expected is None:
            return pack
        listed = self.tx.returns.is_listed(self.session.id, pack.gtin, pack.serial, pack.lot)
        return replace(pack, listed=listed)


def _expiry(judged: Judged) -> Expiry | None:
    stored = matching_pack(judged.found, judged.scan)
    return stored.expiry if stored else judged.scan.code.expiry


def _code_of(pack: CasePack) -> PackCode:
    return PackCode(pack.gtin, pack.serial, pack.lot, pack.expiry, None, ())


def _told(
    event_id: UUID,
    context: Context,
    counted: list[ReturnedPack],
    alerts: list[AlertRef],
    sscc: str | None = None,
) -> ReturnsScan:
    resale = strictest(counted)
    title, advice = words(resale.code, context.language)
    return ReturnsScan(
        event_id, Outcome.COUNTED, resale.resale, resale.code, resale.next_step, title, advice,
        sscc, tuple(counted), None, tuple(alerts),
    )  # fmt: skip


def _refused(
    event_id: UUID, context: Context, code: str, *, sscc: str | None = None, first: FirstScan | None = None
) -> ReturnsScan:
    resale = REFUSALS[code]
    outcome = Outcome.DUPLICATE if code == "duplicate" else Outcome.REFUSED
    title, advice = wording.WORDS[context.language][code]
    return ReturnsScan(
        event_id, outcome, resale.resale, resale.code, resale.next_step, title, advice, sscc, (), first, ()
    )
