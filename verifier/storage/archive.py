"""Reads of what was written down: events, alerts, master data."""

import threading
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, RowMapping, Select, or_, select, tuple_

from verifier.domain.expiry import Expiry
from verifier.domain.journal import Alert, AlertQuery, PackEvent
from verifier.domain.pack import Product
from verifier.storage.database import twice
from verifier.storage.rows import gtin_of, product_of
from verifier.storage.tables import alerts, events, products

# A green scan comes here from its file (`spool`) 0.4 s after its answer, and whoever got the answer may
# ask for the event at once. Nothing in an id tells that it is such a one, so every miss waits for it; but
# never more of them than this, since each holds one of the threads that answer scans.
UNTIL_SHIPPED_S = (0.1, 0.2, 0.3, 0.4)
WAITING = 2


class Archive:
    """See `services.ports.Archive`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._may_wait = threading.BoundedSemaphore(WAITING)

    def product(self, gtin: str) -> Product | None:
        """The product of that GTIN."""
        rows = self._rows(select(products).where(products.c.gtin == int(gtin)))
        return product_of(rows[0]) if rows else None

    def events(self, gtin: str, serial: str) -> Sequence[PackEvent]:
        """All attempts on this pack, oldest first."""
        names = [name for name in PackEvent.__dataclass_fields__ if name != "gtin"]
        statement = (
            select(*(events.c[name] for name in names))
            .where(events.c.gtin == int(gtin), events.c.serial == serial)
            .order_by(events.c.received_at, events.c.version, events.c.event_id)
        )
        return [PackEvent(gtin=gtin, **row) for row in self._rows(statement)]

    def event(self, event_id: UUID) -> tuple[PackEvent, bytes | None] | None:
        """One attempt with the answer that it got; one that is on its way here is waited for."""
        found = self._event(event_id)
        if found is not None or not self._may_wait.acquire(blocking=False):
            return found
        try:
            for pause in UNTIL_SHIPPED_S:
                time.sleep(pause)
                found = self._event(event_id)
                if found is not None:
                    break
        finally:
            self._may_wait.release()
        return found

    def _event(self, event_id: UUID) -> tuple[PackEvent, bytes | None] | None:
        names = list(PackEvent.__dataclass_fields__)
        statement = select(*(events.c[name] for name in names), events.c.answer)
        rows = self._rows(statement.where(events.c.event_id == event_id))
        if not rows:
            return None
        row = rows[0]
        fields = {name: row[name] for name in names} | {"gtin": gtin_of(row["gtin"])}
        return PackEvent(**fields), row["answer"].encode() if row["answer"] else None

    def alert(self, alert_id: UUID) -> Alert | None:
        """One alert."""
        rows = self._rows(select(alerts).where(alerts.c.alert_id == alert_id))
        return alert_of(rows[0]) if rows else None

    def alerts(self, query: AlertQuery) -> Sequence[Alert]:
        """A page, newest first."""
        wanted: dict[str, Any] = {
            "site_gln": query.site,
            "status": query.status,
            "lot": query.lot,
            "code": query.code,
        }
        statement = (
            select(alerts).order_by(alerts.c.raised_at.desc(), alerts.c.alert_id.desc()).limit(query.limit)
        )
        for name, value in wanted.items():
            if value is not None:
                statement = statement.where(alerts.c[name] == value)
        gtins = {int(gtin) for gtin in (query.gtin, query.standing_gtin) if gtin}
        if gtins:
            statement = statement.where(alerts.c.gtin.in_(gtins))
        if query.manufacturer_gln is not None:
            owned = select(products.c.gtin).where(products.c.manufacturer_gln == query.manufacturer_gln)
            own = alerts.c.site_gln == query.manufacturer_gln
            statement = statement.where(or_(alerts.c.gtin.in_(owned), own))
        if query.before is not None:
            statement = statement.where(tuple_(alerts.c.raised_at, alerts.c.alert_id) < tuple_(*query.before))
        return [alert_of(row) for row in self._rows(statement)]

    def _rows(self, statement: Select[Any]) -> Sequence[RowMapping]:
        def read() -> Sequence[RowMapping]:
            with self._engine.connect() as connection:
                return connection.execute(statement).mappings().all()

        return twice(read)


def alert_of(row: RowMapping) -> Alert:
    """A row of `alerts`."""
    return Alert(
        id=str(row["alert_id"]),
        code=row["code"],
        cause=row["cause"],
        count=row["count"],
        status=row["status"],
        gtin=gtin_of(row["gtin"]),
        serial=row["serial"],
        lot=row["lot"],
        expiry=Expiry.from_number(row["expiry"]).iso() if row["expiry"] else None,
        operation=row["operation"],
        site=row["site_gln"],
        client_id=row["client_id"],
        raised_at=row["raised_at"],
        last_at=row["last_at"],
        event_id=str(row["event_id"]),
        details=row["details"],
    )
