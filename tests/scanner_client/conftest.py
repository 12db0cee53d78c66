from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from contract_server import CLIENT, SECRET, ContractServer

from scanner_client.remote import Remote
from scanner_client.samples import write_samples


@pytest.fixture
def server() -> Iterator[ContractServer]:
    server = ContractServer()
    yield server
    server.stop()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def remote(server: ContractServer, waits: list[float]) -> Remote:
    return Remote(server.url, CLIENT, SECRET, timeout=0.5, sleep=waits.append)


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("samples")
    return folder, write_samples(folder, seed=7)
