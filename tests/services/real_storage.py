"""The service's own ports, on a database of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
from desk import Clock, Desk
from sqlalchemy import Engine, Table, insert, select

from verifier.app import build
from verifier.domain.expiry import Expiry
from verifier.domain.journal import ReferenceEvent
from verifier.domain.pack import Batch, Pack, Product
from verifier.settings import Settings
from verifier.storage import status_cache, tables


@contextmanager
def desk(clock: Clock, database_url: str, home: Path) -> Iterator[Desk]:
    service = build(Settings(home=home, database_url=database_url, cache_mode="off"), clock=clock)
    put, commands = Inserts(service.engine), References(service.engine)
    # a command waits so long for the other processes; here are none
    with patch.object(status_cache, "PERMISSION_S", 0):
        try:
            yield Desk(service.ports, clock, put, commands, service.spool.ship)
        finally:
            service.close()


TABLES: dict[type, Table] = {Product: tables.products, Batch: tables.batches, Pack: tables.packs}


class Inserts:
    """Stores values in their tables."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, value: Product | Batch | Pack) -> None:
        columns = {name: getattr(value, name) for name in value.__dataclass_fields__}
        columns["gtin"] = int(value.gtin)
        if isinstance(columns.get("expiry"), Expiry):
            columns["expiry"] = columns["expiry"].number()
        with self._engine.begin() as connection:
            connection.execute(insert(TABLES[type(value)]), columns)


class References:
    """Reads the journal of commands, which no port reads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, gtin: str) -> list[tuple[ReferenceEvent, Any]]:
        table = tables.reference_events
        with self._engine.connect() as connection:
            rows = connection.execute(select(table).where(table.c.gtin == int(gtin))).mappings().all()
        names = [name for name in ReferenceEvent.__dataclass_fields__ if name != "gtin"]
        return [
            (
                ReferenceEvent(gtin=gtin, **{name: row[name] for name in names}),
                msgspec.json.decode(row["answer"]),
            )
            for row in rows
        ]
