"""What was asked of the network: the evidence, and what is still without an answer."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, RowMapping, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert

from verifier.domain.expiry import Expiry
from verifier.domain.questions import AskedQuestion, Pending, due_at
from verifier.domain.resale import Asked
from verifier.domain.returns import WITHOUT_ANSWER
from verifier.storage import tables_directory as tables
from verifier.storage.database import twice
from verifier.storage.direct import Session, Statement
from verifier.storage.rows import gtin_of
from verifier.storage.statements import names

# the same comes again when a transaction is run again after a commit whose answer was lost
_QUESTION = Statement(insert(tables.questions).on_conflict_do_nothing(), *names(tables.questions))
_EXCHANGE = Statement(insert(tables.exchanges).on_conflict_do_nothing(), *names(tables.exchanges))
_PENDING = Statement(
    text(
        "INSERT INTO vrs_pending (site_gln, gtin, serial, lot, expiry, code, times, first_asked_at,"
        " last_asked_at, first_sent_at, detail) VALUES (:site_gln, :gtin, :serial, :lot, :expiry, :code, 1,"
        " :at, :at, :sent_at, :detail) ON CONFLICT (site_gln, gtin, serial) DO UPDATE SET"
        " lot = excluded.lot, expiry = excluded.expiry, code = excluded.code,"
        " times = vrs_pending.times + 1, last_asked_at = excluded.last_asked_at, detail = excluded.detail,"
        " first_sent_at = coalesce(vrs_pending.first_sent_at, excluded.first_sent_at)"
    )
)
# a mismatch of what was mistyped says nothing about the pack that waits
_ANSWERED = Statement(
    text(
        "DELETE FROM vrs_pending WHERE site_gln = :site_gln AND gtin = :gtin AND serial = :serial"
        " AND (CAST(:verified AS boolean) OR (lot = :lot AND expiry = :expiry))"
    )
)


def keep(session: Session, question: AskedQuestion) -> None:
    """Write it down with its exchanges; what has no answer is pending, an answer ends that."""
    values = _values(question)
    session.run(_QUESTION, values)
    for exchange in question.exchanges:
        session.run(_EXCHANGE, asdict(exchange) | {"question_id": question.question_id})
    asked = question.asking.asked
    if asked in WITHOUT_ANSWER:
        at = question.asking.at
        sent_at = at if question.asking.corr_uuid else None
        session.run(_PENDING, values | {"at": at, "sent_at": sent_at, "code": asked.value})
    elif asked is not Asked.NOT_ASKED:
        session.run(_ANSWERED, values)


def _values(question: AskedQuestion) -> dict[str, Any]:
    code, asking = question.code, question.asking
    answer = asking.answer
    return {
        "question_id": question.question_id,
        "corr_uuid": asking.corr_uuid,
        "gtin": int(code.gtin),
        "serial": code.serial,
        "lot": code.lot or "",
        "expiry": code.expiry.number() if code.expiry else 0,
        "context": question.context,
        "site_gln": question.site_gln,
        "client_id": question.client_id,
        "asked_at": asking.at,
        "asked": asking.asked.value,
        "verified": answer.verified if answer else None,
        "failure_reason": answer.failure_reason if answer else None,
        "additional_info": answer.additional_info if answer else None,
        "responder_gln": asking.responder_gln,
        "detail": asking.detail,
        "resale": question.resale.resale,
        "code": question.resale.code,
    }


class Questions:
    """See `services.ports_vrs.Questions`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    def pending(
        self, site_gln: str, before: tuple[datetime, str, str] | None, limit: int
    ) -> Sequence[Pending]:
        """A page, the longest waiting first."""
        table = tables.pending.c
        order = (table.first_asked_at, table.gtin, table.serial)
        statement = select(tables.pending).where(table.site_gln == site_gln).order_by(*order).limit(limit)
        if before is not None:
            at, gtin, serial = before
            statement = statement.where(tuple_(*order) > tuple_(at, int(gtin), serial))

        def read() -> Sequence[RowMapping]:
            with self._engine.connect() as connection:
                return connection.execute(statement).mappings().all()

        return [_pending(row) for row in twice(read)]


def _pending(row: RowMapping) -> Pending:
    return Pending(
        gtin=gtin_of(row["gtin"]),
        serial=row["serial"],
        lot=row["lot"],
        expiry=Expiry.from_number(row["expiry"]).iso(),
        code=row["code"],
        times=row["times"],
        first_asked_at=row["first_asked_at"],
        last_asked_at=row["last_asked_at"],
        due_at=due_at(row["first_sent_at"]),
        detail=row["detail"],
    )
