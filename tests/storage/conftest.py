from collections.abc import Callable, Iterator

import pytest
from instances import Clock, Process, Processes
from own_redis import OwnRedis

from verifier.storage import redis_connection, redis_link, status_cache

PATIENCE_S = 0.5


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a living Redis takes longer than the service waits; these tests are not about it."""
    for name in ("socket_timeout", "socket_connect_timeout"):
        monkeypatch.setitem(redis_connection._OPTIONS, name, PATIENCE_S)
    monkeypatch.setattr(redis_link, "SLOW_S", PATIENCE_S)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Moved by what the cache sleeps, so that nothing is waited for and nothing runs out."""
    made = Clock()
    monkeypatch.setattr(status_cache, "time", made)
    return made


@pytest.fixture
def processes(new_database: Callable[[], str], redis_url: str, clock: Clock) -> Iterator[Processes]:
    """As many processes as a test wants on a database of its own and this test process's Redis."""
    made = Processes(new_database(), redis_url, clock)
    yield made
    made.close()


@pytest.fixture
def three(processes: Processes) -> list[Process]:
    """Processes with the cache on: in most tests a writer, a slow reader, and another one."""
    return processes.admitted(3)


@pytest.fixture
def own_redis() -> Iterator[OwnRedis]:
    """A Redis that a test may kill, stop and restart."""
    with OwnRedis.started() as server:
        yield server
