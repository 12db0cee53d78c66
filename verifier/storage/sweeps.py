"""Rows that go by themselves, whatever becomes of others: one row of the table here, one table swept."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import BigInteger, ColumnElement, Table, and_, case, cast, exists, false, func, or_

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


@dataclass(frozen=True, slots=True)
class Sweep:
    """The rows of a table that are `due`, counted under this name."""

    name: str
    table: Table
    due: ColumnElement[bool]


def sweeps(now: datetime) -> tuple[Sweep, ...]:
    """What goes at this instant. No step makes work for one before it, so a dry run counts the same."""
    years = {clock.start: clock.years for clock in UNKNOWN_PACK}
    closed_before = midnight(cutoff(years[Start.CONCLUSION], now))
    over = and_(alerts.c.closed_at.is_not(None), alerts.c.closed_at < closed_before)
    of_event = and_(alerts.c.gtin == events.c.gtin, alerts.c.serial == events.c.serial)
    old = and_(
        events.c.received_at < midnight(cutoff(years[Start.LAST_EVENT], now)),
        _never_loaded(events),
        ~exists().where(of_event, ~over),  # what an investigation may still want to see
    )
    used = and_(idempotency.c.created_at < now - REPLAYABLE, _event_is_there())
    return (
        Sweep("revoked_tokens", revoked_tokens, revoked_tokens.c.expires_at < now - KEPT_AFTER_EXPIRY),
        Sweep("idempotency_keys", idempotency, used),
        Sweep("counters", counters, or_(_slips_of_past_days(now), _repeats_of_gone_packs())),
        Sweep("events", events, old),
        Sweep("alerts", alerts, and_(over, _never_loaded(alerts))),
    )


def midnight(day: date) -> datetime:
    """The instant at which that day begins, UTC."""
    return datetime.combine(day, time(), UTC)


def _never_loaded(table: Table) -> ColumnElement[bool]:
    """There is no such pack; those that are there take their attempts and alerts with them."""
    return ~exists().where(packs.c.gtin == table.c.gtin, packs.c.serial == table.c.serial)


def _event_is_there() -> ColumnElement[bool]:
    """What the key stands for was written down; a key whose outcome is in doubt stays."""
    of_pack = exists().where(
        events.c.gtin == idempotency.c.gtin,
        events.c.serial == idempotency.c.serial,
        events.c.event_id == idempotency.c.event_id,
    )
    return or_(of_pack, exists().where(reference_events.c.event_id == idempotency.c.event_id))


def _slips_of_past_days(now: datetime) -> ColumnElement[bool]:
    """`slip:<gtin>:<UTC day>`; yesterday's may still be in use by a clock that is behind."""
    yesterday = (now.astimezone(UTC) - timedelta(days=1)).date()
    scope = counters.c.scope
    return and_(scope.like("slip:%"), func.right(scope, 10) < yesterday.isoformat())


def _repeats_of_gone_packs() -> ColumnElement[bool]:
    """`repeat:<gtin>:<serial>:<version>`; a serial may hold colons."""
    scope = counters.c.scope
    serial = func.regexp_replace(func.substr(scope, 23), ":[0-9]+$", "")
    known = exists().where(
        packs.c.gtin == cast(func.substr(scope, 8, 14), BigInteger), packs.c.serial == serial
    )
    return case((scope.like("repeat:%"), ~known), else_=false())
