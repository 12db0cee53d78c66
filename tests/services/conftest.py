"""The same tests on two implementations of the ports: dictionaries, and the storage on a PostgreSQL."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from desk import Clock, Desk, local_date
from memory_ports import Memory
from sqlalchemy import Engine, Table, insert, select

from verifier.app import build
from verifier.domain.expiry import Expiry
from verifier.domain.journal import ReferenceEvent
from verifier.domain.pack import Batch, Pack, Product
from verifier.services.ports import Ports
from verifier.settings import Settings
from verifier.storage import tables


@pytest.fixture(scope="module", params=["memory", "postgres"])
def desk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    clock = Clock()
    if request.param == "memory":
        yield in_memory(clock)
        return
    settings = Settings(
        home=Path(tmp_path_factory.mktemp("home")),
        database_url=request.getfixturevalue("new_database")(),
        cache_mode="off",
    )
    service = build(settings, clock=clock)
    put, commands = Inserts(service.engine), References(service.engine)
    yield Desk(service.ports, clock, put, commands, service.spool.ship)
    service.close()


def in_memory(clock: Clock) -> Desk:
    memory = Memory()

    def put(value: Product | Batch | Pack) -> None:
        match value:
            case Product():
                memory.products[value.gtin] = value
            case Batch():
                memory.batches[value.gtin, value.lot] = value
            case Pack():
                memory.packs[value.gtin, value.serial] = value

    def commands(gtin: str) -> list[tuple[ReferenceEvent, Any]]:
        found = [pair for pair in memory.commands.values() if pair[0].gtin == gtin]
        return [(event, msgspec.json.decode(answer)) for event, answer in found]

    ports = Ports(
        reader=memory,
        store=memory,
        scans=memory,
        archive=memory,
        clock=clock,
        new_id=uuid.uuid4,
        local_date=local_date,
    )
    return Desk(ports, clock, put, commands, lambda: None)


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
