"""The returns desk: open a session, count what comes back, ask again, close it with a signed summary.

Each step is one transaction with its idempotency key, its rows and its line in the journal. The network is
asked between two of them, never inside one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from verifier.domain.codes import PackCode
from verifier.domain.journal import Claim, Fault, Replay
from verifier.domain.pack import Actor
from verifier.domain.permissions import READS_EVERYTHING
from verifier.domain.questions import Heard
from verifier.domain.resale import Asked
from verifier.domain.returns import (
    SUMMARY_TYPE,
    ReturnedPack,
    ReturnsEvent,
    ReturnsLine,
    ReturnsTotals,
    Session,
    SessionQuery,
    TransactionData,
    expiry_of,
)
from verifier.domain.scan import Context, Scan
from verifier.domain.verdict import AlertRef
from verifier.services import returned
from verifier.services.hurry import NOTHING_HEARD, Hurry
from verifier.services.ports import Ports, Transaction

PAGE = 50
MOST_PENDING = 20
"""So many packs are asked about again in one request, and so many shown: those that have waited longest."""
JUDGED_AT_ONCE = 500
"""Packs that a close judges again in one transaction, which has to end soon."""
_DOUBTFUL = Fault("doubtful", "Something has become known of a pack; judge it again.")
MOST_SHOWN = 100
"""Lines of the list; the summary has them all."""


@dataclass(frozen=True, slots=True)
class Key:
    """The idempotency key of a step, and the digest of what it stands for."""

    key: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class NewSession:
    """What a session is opened with; no lines means that nobody said what is to come."""

    reference: str
    counterparty_gln: str
    transaction_data: TransactionData
    lines: tuple[ReturnsLine, ...]


@dataclass(frozen=True, slots=True)
class ReturnsSession:
    """A session as it is shown, with the packs that have waited longest and the first lines still missing."""

    id: UUID
    status: str
    site: str
    client_id: str
    reference: str
    counterparty_gln: str
    transaction_data: TransactionData
    opened_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    totals: ReturnsTotals
    pending: tuple[ReturnedPack, ...]
    missing: tuple[ReturnsLine, ...]


@dataclass(frozen=True, slots=True)
class ReturnsRecheck:
    """The packs that were asked about again, as they stand now, and the alerts of the answers."""

    event_id: UUID
    packs: tuple[ReturnedPack, ...]
    totals: ReturnsTotals
    alerts: tuple[AlertRef, ...]


@dataclass(frozen=True, slots=True)
class ReturnsSummary:
    """The end of a session: the summary to read, and the same signed, as a JWS in compact form."""

    session_id: UUID
    closed_at: datetime
    summary: dict[str, Any]
    jws: str


def open_session(ports: Ports, actor: Actor, wanted: NewSession, key: Key) -> ReturnsSession | Replay | Fault:
    """Open a session."""
    session = Session(
        id=ports.new_id(),
        site_gln=actor.site.gln,
        client_id=actor.client_id,
        reference=wanted.reference,
        counterparty_gln=wanted.counterparty_gln,
        transaction_data=wanted.transaction_data,
        expected=sum(line.count for line in wanted.lines) if wanted.lines else None,
        opened_at=ports.clock(),
    )
    claim = Claim(actor.client_id, key.key, key.digest, session.id, session.opened_at)

    def work(tx: Transaction) -> ReturnsSession | Replay | Fault:
        taken = tx.returns.claim(claim)
        if taken is not None:
            return taken
        tx.returns.open(session, wanted.lines)
        answer = shown(tx, session, session.opened_at)
        step = ReturnsEvent(
            session.id, session.id, "open", "ok", actor.site.gln, actor.client_id, session.opened_at
        )
        tx.returns.record(step, answer)
        return answer

    return ports.store.run(work)


def session(ports: Ports, actor: Actor, session_id: UUID) -> ReturnsSession | Fault:
    """A session as it stands: of the own site; authority and operator see all."""

    def work(tx: Transaction) -> ReturnsSession | Fault:
        found = tx.returns.read(session_id)
        if found is None or not may_see(actor, found[0]):
            return returned.not_found()
        return shown(tx, found[0], ports.clock())

    return ports.store.run(work)


def sessions(ports: Ports, actor: Actor, query: SessionQuery) -> list[Session]:
    """A page of sessions, newest first."""
    if actor.site.type not in READS_EVERYTHING:
        if query.site not in (None, actor.site.gln):
            return []
        query = replace(query, site=actor.site.gln)
    return ports.store.run(lambda tx: list(tx.returns.page(query)))


def summary(ports: Ports, actor: Actor, session_id: UUID) -> str | Fault:
    """The answer that the close gave, word for word."""

    def work(tx: Transaction) -> str | Fault:
        found = tx.returns.read(session_id)
        if found is None or not may_see(actor, found[0]):
            return returned.not_found()
        return found[1] or Fault("session_open", "Close the session; the summary is made then.")

    return ports.store.run(work)


def close(
    ports: Ports, actor: Actor, session_id: UUID, key: Key, *, issuer: str
) -> ReturnsSummary | Replay | Fault:
    """Freeze the totals, name what is missing, sign it; a scan at the same time is in it or refused.

    What our own repository knows by now, such as a recall since the scan, is in it too.
    """
    claim = Claim(actor.client_id, key.key, key.digest, ports.new_id(), ports.clock())
    today = ports.local_date(claim.at, actor.site.timezone)

    def work(tx: Transaction) -> ReturnsSummary | Replay | Fault:
        taken = tx.returns.claim(claim)
        if taken is not None:
            return taken
        held = returned.usable(actor, tx.returns.seize(session_id))
        if isinstance(held, Fault):
            return held
        if tx.returns.doubtful(session_id, claim.at, today, 1):
            return _DOUBTFUL
        now = ports.clock()
        closed = replace(held, closed_at=now, closed_by=actor.client_id)
        content = told(tx, closed, now) | {
            "iss": issuer,
            "iat": int(now.timestamp()),
            "jti": str(claim.event_id),
        }
        answer = ReturnsSummary(session_id, now, content, ports.sign(SUMMARY_TYPE, content))
        tx.returns.close(closed, answer)
        step = ReturnsEvent(session_id, claim.event_id, "close", "ok", actor.site.gln, actor.client_id, now)
        tx.returns.record(step, answer)
        return answer

    while (outcome := ports.store.run(work)) is _DOUBTFUL:
        fault = ports.store.run(
            lambda tx: judge_again(tx, ports, actor, session_id, since=claim.at, today=today)
        )
        if fault is not None:
            return fault
    return outcome


def judge_again(
    tx: Transaction, ports: Ports, actor: Actor, session_id: UUID, *, since: datetime, today: date
) -> Fault | None:
    """Judge some of the packs that are doubtful since then; each of them once."""
    held = returned.usable(actor, tx.returns.hold(session_id))
    if isinstance(held, Fault):
        return held
    desk = returned.Desk(tx, ports, actor, held)
    for pack in tx.returns.doubtful(session_id, since, today, JUDGED_AT_ONCE):
        held_now = tx.returns.lock(session_id, pack.gtin, pack.serial)
        if held_now is not None and held_now.resale == "yes":
            now = desk.again(pack, scan_of(pack), NOTHING_HEARD) or pack
            tx.returns.renew(session_id, replace(now, asked_at=max(now.asked_at, since)))
    return None


def recheck(
    ports: Ports, actor: Actor, session_id: UUID, key: Key, *, found_data: bool = False
) -> ReturnsRecheck | Replay | Fault:
    """Ask again about the pending packs that have waited longest; `found_data`: now with transaction data."""
    claim = Claim(actor.client_id, key.key, key.digest, ports.new_id(), ports.clock())

    def find(tx: Transaction) -> tuple[Session, list[ReturnedPack]] | Replay | Fault:
        taken = tx.returns.stored(claim)
        if taken is not None:
            return taken
        held = returned.usable(actor, tx.returns.hold(session_id))
        if isinstance(held, Fault):
            return held
        return _with_data(held, found_data), tx.returns.pending(session_id, MOST_PENDING)

    found = ports.store.run(find)
    if isinstance(found, Replay | Fault):
        return found
    held, pending = found
    unanswered = [scan_of(pack) for pack in pending if pack.asked is not Asked.VERIFIED]
    asked = Hurry(ports).ask_all(actor, held, unanswered)

    def work(tx: Transaction) -> ReturnsRecheck | Replay | Fault:
        taken = tx.returns.claim(claim)
        if taken is not None:
            return taken
        seen = tx.returns.seize(session_id) if found_data else tx.returns.hold(session_id)
        held = returned.usable(actor, seen)
        if isinstance(held, Fault):
            return held
        if found_data:
            tx.returns.associate(held.id)
        renewed = renew(returned.Desk(tx, ports, actor, _with_data(held, found_data)), pending, asked)
        totals = tx.returns.totals(session_id, ports.clock())
        alerts = tuple(heard.alert for heard in asked.values() if heard.alert)
        answer = ReturnsRecheck(claim.event_id, renewed, totals, alerts)
        step = ReturnsEvent(
            session_id, claim.event_id, "recheck", "ok", actor.site.gln, actor.client_id, claim.at
        )
        tx.returns.record(step, answer)
        return answer

    return ports.store.run(work)


def renew(
    desk: returned.Desk, pending: Sequence[ReturnedPack], asked: Mapping[tuple[str, str], Heard]
) -> tuple[ReturnedPack, ...]:
    """The packs that still wait, as they are by what was heard of them; none of which nothing is new."""
    renewed = []
    for pack in sorted(pending, key=lambda pack: (pack.gtin, pack.serial)):
        held = desk.tx.returns.lock(desk.session.id, pack.gtin, pack.serial)
        heard = asked.get((pack.gtin, pack.serial), NOTHING_HEARD)
        if held is not None and held.resale != "pending" and heard.resale.resale == "no":
            renewed.append(desk.worsen(held, heard.resale.code))
        if held is None or held.resale != "pending":
            continue
        now = desk.again(held, scan_of(held), heard)
        if now is not None:
            desk.tx.returns.renew(desk.session.id, now)
            renewed.append(now)
    return tuple(renewed)


def _with_data(held: Session, found_data: bool) -> Session:  # noqa: FBT001
    return replace(held, transaction_data=TransactionData.YES) if found_data else held


def may_see(actor: Actor, found: Session) -> bool:
    """The session's own site; authority and operator."""
    return found.site_gln == actor.site.gln or actor.site.type in READS_EVERYTHING


def shown(tx: Transaction, found: Session, now: datetime) -> ReturnsSession:
    """With its totals; of a closed one those that its summary has."""
    return ReturnsSession(
        id=found.id,
        status="open" if found.closed_at is None else "closed",
        site=found.site_gln,
        client_id=found.client_id,
        reference=found.reference,
        counterparty_gln=found.counterparty_gln,
        transaction_data=found.transaction_data,
        opened_at=found.opened_at,
        closed_at=found.closed_at,
        closed_by=found.closed_by,
        totals=tx.returns.totals(found.id, found.closed_at or now),
        pending=tuple(tx.returns.pending(found.id, MOST_PENDING)),
        missing=tuple(tx.returns.missing(found.id, MOST_SHOWN)),
    )


def told(tx: Transaction, closed: Session, now: datetime) -> dict[str, Any]:
    """What a summary says, in values that every reader of the signed text knows."""
    session = asdict(closed) | {"site": closed.site_gln}
    del session["site_gln"], session["expected"]
    content = {
        "session": session,
        "totals": asdict(tx.returns.totals(closed.id, now)),
        "missing": [asdict(line) for line in tx.returns.missing(closed.id)],
        "packs": [asdict(pack) for pack in tx.returns.packs(closed.id)],
    }
    return {name: plain(value) for name, value in content.items()}


def plain(value: Any) -> Any:
    """Ids and times as text (RFC 3339)."""
    match value:
        case dict():
            return {name: plain(each) for name, each in value.items()}
        case list():
            return [plain(each) for each in value]
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case UUID():
            return str(value)
    return value


def scan_of(pack: ReturnedPack) -> Scan:
    """The scan of a pack that was counted, once more."""
    code = PackCode(pack.gtin, pack.serial, pack.lot, expiry_of(pack), None, ())
    return Scan(code, Context(user=pack.user))
