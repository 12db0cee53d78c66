"""Records from years ago, written straight into the tables."""

import itertools
import json
import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, text

from verifier.domain.expiry import Expiry

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SITE = "4012345000016"
_numbers = itertools.count(1)


def ago(*, years: float = 0, days: float = 0) -> datetime:
    return NOW - timedelta(days=years * 365.25 + days)


class Past:
    """What happened long before `NOW` in this database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def run(self, statement: str, **values: Any) -> Any:
        with self._engine.begin() as connection:
            done = connection.execute(text(statement), values)
            return done.all() if done.returns_rows else done.rowcount

    def count(self, table: str, gtin: int | None = None) -> int:
        where = "" if gtin is None else f" WHERE gtin = {gtin}"
        return int(self.run(f"SELECT count(*) FROM {table}{where}")[0][0])  # noqa: S608

    def product(self, profile: str = "eu_fmd") -> int:
        gtin = 5_990_000_000_000 + next(_numbers)
        self.run("INSERT INTO products (gtin, profile) VALUES (:gtin, :profile)", gtin=gtin, profile=profile)
        return gtin

    def pack(
        self,
        gtin: int,
        *,
        released: datetime,
        expiry: date | int,
        state: str = "active",
        since: datetime | None = None,
        serial: str | None = None,
    ) -> str:
        """The serial of a pack in a lot of its own."""
        number = next(_numbers)
        serial = serial or f"S:{number:07d}"
        if isinstance(expiry, date):
            expiry = Expiry(expiry.year, expiry.month, expiry.day).number()
        lot = f"L{number}"
        self.run(
            "INSERT INTO batches (gtin, lot, created_at) VALUES (:gtin, :lot, :released)",
            gtin=gtin, lot=lot, released=released,
        )  # fmt: skip
        self.run(
            "INSERT INTO packs (gtin, serial, lot, expiry, state, state_since, version)"
            " VALUES (:gtin, :serial, :lot, :expiry, :state, :since, 1)",
            gtin=gtin, serial=serial, lot=lot, expiry=expiry, state=state, since=since or released,
        )  # fmt: skip
        return serial

    def event(self, gtin: int, serial: str, at: datetime) -> uuid.UUID:
        event_id = uuid.uuid4()
        self.run(
            "INSERT INTO events (gtin, serial, event_id, received_at, operation, code, accepted, site_gln,"
            " client_id, details, answer) VALUES (:gtin, :serial, :event_id, :at, 'verify', 'ok', true,"
            " :site, 'client', '{}', '{}')",
            gtin=gtin, serial=serial, event_id=event_id, at=at, site=SITE,
        )  # fmt: skip
        return event_id

    def alert(self, gtin: int, serial: str, at: datetime, closed: datetime | None = None) -> None:
        self.run(
            "INSERT INTO alerts (alert_id, gtin, serial, site_gln, code, day, cause, count, raised_at,"
            " last_at, closed_at, operation, client_id, event_id, details) VALUES (:id, :gtin, :serial,"
            " :site, 'A7', :day, 'already_dispensed', 1, :at, :at, :closed, 'dispense', 'client', :event,"
            " '{}')",
            id=uuid.uuid4(), gtin=gtin, serial=serial, site=SITE, day=at.date(), at=at, closed=closed,
            event=uuid.uuid4(),
        )  # fmt: skip

    def key(self, at: datetime, gtin: int, serial: str | None, event_id: uuid.UUID) -> str:
        key = f"key-{next(_numbers)}"
        self.run(
            "INSERT INTO idempotency (client_id, key, digest, gtin, serial, event_id, created_at)"
            " VALUES ('client', :key, '', :gtin, :serial, :event_id, :at)",
            key=key, gtin=gtin, serial=serial, event_id=event_id, at=at,
        )  # fmt: skip
        return key

    def command(self, gtin: int, at: datetime) -> uuid.UUID:
        event_id = uuid.uuid4()
        self.run(
            "INSERT INTO reference_events (event_id, gtin, lot, operation, site_gln, client_id, received_at,"
            " details, answer) VALUES (:id, :gtin, 'L', 'recall', :site, 'client', :at, :details, '{}')",
            id=event_id, gtin=gtin, site=SITE, at=at, details=json.dumps({}),
        )  # fmt: skip
        return event_id

    def counter(self, scope: str) -> None:
        self.run("INSERT INTO counters VALUES (:site, :scope, 1)", site=SITE, scope=scope)

    def left(self, table: str, column: str) -> set[Any]:
        return {row[0] for row in self.run(f"SELECT {column} FROM {table}")}  # noqa: S608
