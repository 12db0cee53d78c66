"""Returns sessions in a transaction: everything is counted from rows, so that no scan is ever lost.

A scan holds its session's row shared and a close takes it alone: what a close sees is all that there will be.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from verifier.domain.expiry import Expiry
from verifier.domain.journal import Claim, Fault, Replay
from verifier.domain.lms import AdditionalInfo, FailureReason, LmsAnswer
from verifier.domain.pack import State
from verifier.domain.resale import ANSWER_DUE, GRAVE, Asked
from verifier.domain.returns import (
    MOST_IN_A_CASE,
    WITHOUT_ANSWER,
    CasePack,
    ReturnedPack,
    ReturnsEvent,
    ReturnsLine,
    ReturnsTotals,
    Session,
    SessionQuery,
    TransactionData,
    due_at,
)
from verifier.storage import claims, direct
from verifier.storage import returns_statements as sql
from verifier.storage.rows import gtin_of

_NO_PRODUCT = 0
"""For the key of a step that is of a session and not of one product."""
_IN_TRADE = frozenset({State.ACTIVE, State.LOCKED})


class Returns:
    """See `services.ports.Returns`."""

    def __init__(self, session: direct.Session) -> None:
        self._session = session

    # Once only.

    def claim(self, claim: Claim) -> Replay | Fault | None:
        """Take the key; a twin under way is waited for, two seconds at most."""
        taken = claims.take(self._session, claim, _NO_PRODUCT)
        if isinstance(taken, Fault):
            return taken
        return None if taken else self.stored(claim)

    def stored(self, claim: Claim) -> Replay | Fault | None:
        """The answer that was given under this key; None where it was not used yet."""
        values = {"client_id": claim.client_id, "key": claim.key}
        row = self._session.run(sql.STORED, values).first
        if row is None:
            return None
        if row.digest != claim.digest:
            return claims.REUSED
        return Replay(row.answer.encode(), accepted=True)

    # Sessions.

    def open(self, session: Session, lines: Sequence[ReturnsLine]) -> None:
        """Write it down with its list."""
        values = {name: getattr(session, name) for name in Session.__dataclass_fields__ if name != "id"}
        self._session.run(sql.OPEN, values | {"session_id": session.id})
        columns = {
            "gtins": [int(line.gtin) for line in lines],
            "serials": [line.serial or "" for line in lines],
            "lots": [line.lot or "" for line in lines],
            "counts": [line.count for line in lines],
        }
        self._session.run(sql.EXPECT, columns | {"session_id": session.id})

    def read(self, session_id: UUID) -> tuple[Session, str | None] | None:
        """The session, and its summary once it is closed."""
        return _session_of(self._session.run(sql.READ, {"session_id": session_id}).first)

    def hold(self, session_id: UUID) -> Session | None:
        """The session, that nobody closes before the end of this transaction."""
        found = _session_of(self._session.run(sql.HOLD, {"session_id": session_id}).first)
        return found[0] if found else None

    def seize(self, session_id: UUID) -> Session | None:
        """The session for ourselves alone, after every scan that is under way."""
        found = _session_of(self._session.run(sql.SEIZE, {"session_id": session_id}).first)
        return found[0] if found else None

    def associate(self, session_id: UUID) -> None:
        """From now on the return has its transaction data."""
        data = TransactionData.YES.value
        self._session.run(sql.ASSOCIATE, {"session_id": session_id, "transaction_data": data})

    def close(self, session: Session, answer: Any) -> None:
        """For ever, with the answer that it got."""
        values = {"session_id": session.id, "closed_at": session.closed_at, "closed_by": session.closed_by}
        self._session.run(sql.CLOSE, values | {"summary": msgspec.json.encode(answer).decode()})

    def page(self, query: SessionQuery) -> list[Session]:
        """Newest first."""
        instant, session_id = query.before or (None, None)
        values = {
            "site": query.site,
            "reference": query.reference,
            "open": None if query.status is None else query.status == "open",
            "instant": instant,
            "session_id": session_id,
            "limit": query.limit,
        }
        found = (_session_of(row) for row in self._session.run(sql.PAGE, values).rows)
        return [pair[0] for pair in found if pair is not None]

    # Packs.

    def is_listed(self, session_id: UUID, gtin: str, serial: str, lot: str | None) -> bool:
        """Does the pack, or its lot, stand on the list?"""
        values = {"session_id": session_id, "gtin": int(gtin), "serial": serial, "lot": lot or ""}
        return bool(self._session.run(sql.LISTED, values).first[0])

    def count(self, session_id: UUID, pack: ReturnedPack, expiry: Expiry | None) -> bool:
        """Count it; False when somebody was first, who has committed by now."""
        values = _resale_columns(session_id, pack) | {
            "lot": pack.lot,
            "expiry": expiry.number() if expiry else None,
            "sscc": pack.sscc,
            "listed": pack.listed,
            "event_id": pack.event_id,
            "scanned_at": pack.scanned_at,
            "client_id": pack.client_id,
            "user_id": pack.user,
        }
        return self._session.run(sql.COUNT, values).first is not None

    def counted(self, session_id: UUID) -> int:
        """How many packs were."""
        return int(self._session.run(sql.COUNTED, {"session_id": session_id}).first.packs)

    def lock(self, session_id: UUID, gtin: str, serial: str) -> ReturnedPack | None:
        """A pack that was counted; nobody renews it before the end of this transaction."""
        values = {"session_id": session_id, "gtin": int(gtin), "serial": serial}
        row = self._session.run(sql.LOCK, values).first
        return _pack_of(row) if row else None

    def answer(self, pack: ReturnedPack) -> LmsAnswer | None:
        """What the network has said of a pack, where it is written down."""
        if pack.corr_uuid is None:
            return None
        row = self._session.run(sql.ANSWER, {"corr_uuid": pack.corr_uuid}).first
        if row is None:
            return None
        reason, info = row.failure_reason, row.additional_info
        return LmsAnswer(row.verified, reason and FailureReason(reason), info and AdditionalInfo(info))

    def renew(self, session_id: UUID, pack: ReturnedPack) -> None:
        """What is known of a pack by now."""
        self._session.run(sql.RENEW, _resale_columns(session_id, pack))

    def doubtful(self, session_id: UUID, since: datetime, today: date, limit: int) -> list[ReturnedPack]:
        """Saleable ones, judged before `since`, against which something is known here by now.

        Some of them may prove to be saleable still.
        """
        day = int(f"{today:%Y%m%d}")
        values = {"session_id": session_id, "since": since, "today": day, "limit": limit}
        values["grave"] = list(GRAVE)
        return [_pack_of(row) for row in self._session.run(sql.DOUBTFUL, values).rows]

    def case(self, session_id: UUID, sscc: str) -> tuple[list[CasePack], int]:
        """The packs that are stored with this SSCC, by GTIN and serial, and how many are counted already.

        Of a case that is too large, one pack more than it may have.
        """
        values = {"sscc": sscc, "limit": MOST_IN_A_CASE + 1}
        packs = [
            CasePack(
                gtin=gtin_of(row.gtin),
                serial=row.serial,
                lot=row.lot,
                expiry=Expiry.from_number(row.expiry),
                gone=State(row.state) not in _IN_TRADE,
            )
            for row in self._session.run(sql.CASE, values).rows
        ]
        values = {"sscc": sscc, "session_id": session_id}
        scanned = int(self._session.run(sql.COUNTED_OF_CASE, values).first.scanned)
        return sorted(packs, key=lambda pack: (pack.gtin, pack.serial)), scanned

    def pending(self, session_id: UUID, limit: int) -> list[ReturnedPack]:
        """Those that were asked about longest ago."""
        values = {"session_id": session_id, "limit": limit}
        return [_pack_of(row) for row in self._session.run(sql.PENDING, values).rows]

    def packs(self, session_id: UUID) -> list[ReturnedPack]:
        """All that were counted, by GTIN and serial."""
        return [_pack_of(row) for row in self._session.run(sql.ALL, {"session_id": session_id}).rows]

    def missing(self, session_id: UUID, limit: int | None = None) -> list[ReturnsLine]:
        """What of the list has not come; of a lot, how many packs."""
        rows = self._session.run(sql.MISSING, {"session_id": session_id, "limit": limit}).rows
        return [
            ReturnsLine(gtin_of(row.gtin), row.serial or None, row.lot or None, row.short) for row in rows
        ]

    def totals(self, session_id: UUID, now: datetime) -> ReturnsTotals:
        """Counted from the rows, in one statement."""
        waiting = [asked.value for asked in WITHOUT_ANSWER]
        values = {"session_id": session_id, "due": now - ANSWER_DUE, "waiting": waiting}
        row = self._session.run(sql.TOTALS, values).first
        listed = row.expected is not None
        matched = row.expected - row.missing if listed else None
        return ReturnsTotals(
            expected=row.expected,
            matched=matched,
            extra=row.scanned - matched if matched is not None else None,
            missing=row.missing if listed else None,
            scanned=row.scanned,
            saleable=row.saleable,
            refused=row.refused,
            pending=row.pending,
            overdue=row.overdue,
            duplicate=row.duplicate,
            refused_cases=row.refused_cases,
        )

    def record(self, event: ReturnsEvent, answer: Any) -> None:
        """Append to the journal of sessions."""
        values = {name: getattr(event, name) for name in ReturnsEvent.__dataclass_fields__}
        values["gtin"] = int(event.gtin) if event.gtin else None
        self._session.run(sql.EVENT, values | {"answer": msgspec.json.encode(answer).decode()})


def _resale_columns(session_id: UUID, pack: ReturnedPack) -> dict[str, Any]:
    names = (
        "serial",
        "resale",
        "code",
        "next_step",
        "verdict",
        "asked",
        "corr_uuid",
        "responder_gln",
        "asked_at",
    )
    return {name: getattr(pack, name) for name in names} | {"session_id": session_id, "gtin": int(pack.gtin)}


def _session_of(row: Any | None) -> tuple[Session, str | None] | None:
    if row is None:
        return None
    names = [name for name in Session.__dataclass_fields__ if name not in {"id", "transaction_data"}]
    fields = {name: getattr(row, name) for name in names}
    data = TransactionData(row.transaction_data)
    return Session(id=row.session_id, transaction_data=data, **fields), row.summary


def _pack_of(row: Any) -> ReturnedPack:
    same = [
        name
        for name in ReturnedPack.__dataclass_fields__
        if name not in {"gtin", "expiry", "asked", "user", "due_at"}
    ]
    return ReturnedPack(
        gtin=gtin_of(row.gtin),
        expiry=Expiry.from_number(row.expiry).iso() if row.expiry else None,
        asked=Asked(row.asked),
        user=row.user_id,
        due_at=due_at(row.resale, Asked(row.asked), row.corr_uuid, row.scanned_at),
        **{name: getattr(row, name) for name in same},
    )
