"""Rows that go by themselves, whatever becomes of others: one row of the table here, one table swept."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Table,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    or_,
)

from verifier.domain.lms import MISS
from verifier.domain.retention import REPLAYABLE, UNKNOWN_PACK, Start, cutoff
from verifier.storage.access import KEPT_AFTER_EXPIRY
from verifier.storage.tables import (
    alerts,
    counters,
    events,
    idempotency,
    packs,
    reference_events,
    revoked_tokens,
)
from verifier.storage.tables_directory import exchanges, pending, questions
from verifier.storage.tables_returns import (
    returned_packs,
    returns_events,
    returns_expected,
    returns_sessions,
)
from verifier.storage.tables_vrs import presentations

RETURNS = (returned_packs, returns_events, returns_expected, returns_sessions)
"""The session last: it is what tells that the others are over."""

Due = Callable[[FromClause], ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Sweep:
    """The rows of a table, or of a part of it, for which `due` holds; counted under this name."""

    name: str
    table: Table
    due: Due


def sweeps(now: datetime) -> tuple[Sweep, ...]:
    """What goes at this instant. No step makes work for one before it, so a dry run counts the same."""
    years = {clock.start: clock.years for clock in UNKNOWN_PACK}
    seen_before = midnight(cutoff(years[Start.LAST_EVENT], now))
    closed_before = midnight(cutoff(years[Start.CONCLUSION], now))

    def of_unknown_packs(event: FromClause) -> ColumnElement[bool]:
        old = event.c.received_at < seen_before
        return and_(old, _never_loaded(event), ~_alert_needs(event, closed_before))

    def concluded(alert: FromClause) -> ColumnElement[bool]:
        closed = and_(alert.c.closed_at.is_not(None), alert.c.closed_at < closed_before)
        return and_(closed, _never_loaded(alert))

    def unused(key: FromClause) -> ColumnElement[bool]:
        return and_(key.c.created_at < now - REPLAYABLE, _event_is_there(key))

    def expired(token: FromClause) -> ColumnElement[bool]:
        return token.c.expires_at < now - KEPT_AFTER_EXPIRY

    def returned(row: FromClause) -> ColumnElement[bool]:
        """Six years from the close; an open session has no clock."""
        closed = returns_sessions.c.closed_at < closed_before
        return exists().where(returns_sessions.c.session_id == row.c.session_id, closed)

    def asked(question: FromClause) -> ColumnElement[bool]:
        """Six years from the question; an alert of the pack that is still needed keeps it."""
        return and_(question.c.asked_at < seen_before, ~_alert_needs(question, closed_before))

    def exchanged(exchange: FromClause) -> ColumnElement[bool]:
        return exists().where(questions.c.question_id == exchange.c.question_id, asked(questions))

    def idle(counter: FromClause) -> ColumnElement[bool]:
        return or_(
            _slip_of_a_past_day(counter, now), _repeat_of_a_gone_pack(counter), _old_miss(counter, now)
        )

    def used_up(presentation: FromClause) -> ColumnElement[bool]:
        return presentation.c.until < now

    return (
        Sweep("revoked_tokens", revoked_tokens, expired),
        Sweep("idempotency_keys", idempotency, unused),
        Sweep("counters", counters, idle),
        Sweep("presentations", presentations, used_up),
        Sweep("events", events, of_unknown_packs),
        Sweep("alerts", alerts, concluded),
        *(Sweep("returns", table, returned) for table in RETURNS),
        Sweep("questions", exchanges, exchanged),
        Sweep("questions", questions, asked),
        Sweep("questions", pending, lambda waiting: waiting.c.last_asked_at < seen_before),
    )


def midnight(day: date) -> datetime:
    """The instant at which that day begins, UTC."""
    return datetime.combine(day, time(), UTC)


def _alert_needs(row: FromClause, closed_before: datetime) -> ColumnElement[bool]:
    """Is there an alert of this pack that is open, or was closed since?"""
    needed = alerts.c.closed_at.is_(None) | (alerts.c.closed_at >= closed_before)
    return exists().where(alerts.c.gtin == row.c.gtin, alerts.c.serial == row.c.serial, needed)


def _never_loaded(row: FromClause) -> ColumnElement[bool]:
    """There is no such pack; those that are there take their attempts and alerts with them."""
    return ~exists().where(packs.c.gtin == row.c.gtin, packs.c.serial == row.c.serial)


def _event_is_there(key: FromClause) -> ColumnElement[bool]:
    """What the key stands for was written down; a key whose outcome is in doubt stays."""
    of_pack = exists().where(
        events.c.gtin == key.c.gtin,
        events.c.serial == key.c.serial,
        events.c.event_id == key.c.event_id,
    )
    of_command = exists().where(reference_events.c.event_id == key.c.event_id)
    return or_(of_pack, of_command, exists().where(returns_events.c.event_id == key.c.event_id))


def _slip_of_a_past_day(counter: FromClause, now: datetime) -> ColumnElement[bool]:
    """`slip:<gtin>:<UTC day>`; yesterday's may still be in use by a clock that is behind."""
    yesterday = (now.astimezone(UTC) - timedelta(days=1)).date()
    scope = counter.c.scope
    return and_(scope.like("slip:%"), func.right(scope, 10) < yesterday.isoformat())


def _old_miss(counter: FromClause, now: datetime) -> ColumnElement[bool]:
    """`lms_miss:<UTC hour>:<client>`; the last two hours count, and a clock may be behind."""
    past = (now.astimezone(UTC) - timedelta(days=1)).strftime(MISS)
    return and_(counter.c.scope.like("lms\\_miss:%"), counter.c.scope < past)


def _repeat_of_a_gone_pack(counter: FromClause) -> ColumnElement[bool]:
    """`repeat:<gtin>:<serial>:<version>`; a serial may hold colons."""
    scope = counter.c.scope
    serial = func.regexp_replace(func.substr(scope, 23), ":[0-9]+$", "")
    known = exists().where(
        packs.c.gtin == cast(func.substr(scope, 8, 14), BigInteger), packs.c.serial == serial
    )
    return case((scope.like("repeat:%"), ~known), else_=false())
