"""The same tests on two implementations of the ports: dictionaries, and the storage on a PostgreSQL."""

import uuid
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from desk import Clock, Desk, local_date
from memory_ports import Memory

from verifier.domain.journal import ReferenceEvent
from verifier.domain.pack import Batch, Pack, Product
from verifier.services.ports import Ports


@pytest.fixture(scope="module", params=["memory", "postgres"])
def desk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    clock = Clock()
    if request.param == "memory":
        yield in_memory(clock)
        return
    import real_storage  # noqa: PLC0415 - what runs in memory needs nothing of it

    home = tmp_path_factory.mktemp("home")
    with real_storage.desk(clock, request.getfixturevalue("new_database")(), home) as real:
        yield real


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
        vrs=None,  # nobody is asked here
        sign=lambda kind, payload: f"{kind}.{len(payload)}.",
    )
    return Desk(ports, clock, put, commands, lambda: None)
