import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from sqlalchemy import Engine, create_engine, make_url, text
from world import World, new_world

from verifier.embedded import Servers, servers
from verifier.settings import Settings
from verifier.storage.database import connect
from verifier.storage.migrate import migrate

_numbers = itertools.count()


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory, worker: str) -> Iterator[Servers]:
    """One PostgreSQL and one Redis for the whole run, whatever the number of test processes."""
    base = tmp_path_factory.getbasetemp()
    home = (base if worker == "main" else base.parent) / "servers"
    with servers(home) as started:
        yield started


@pytest.fixture(scope="session")
def worker() -> str:
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


@pytest.fixture(scope="session")
def new_database(running: Servers, worker: str) -> Iterator[Callable[[], str]]:
    """Makes a fresh, migrated database and says where it is."""
    admin = create_engine(running.database_url, isolation_level="AUTOCOMMIT")
    base = make_url(running.database_url)

    def create(name: str, template: str = "template1") -> str:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        return base.set(database=name).render_as_string(hide_password=False)

    template = f"template_{worker}"
    engine = connect(create(template), pool=1)
    migrate(engine)
    engine.dispose()
    yield lambda: create(f"test_{worker}_{next(_numbers)}", template)
    admin.dispose()


@pytest.fixture(scope="session")
def redis_url(running: Servers, worker: str) -> str:
    """A Redis database of this test process's own."""
    if running.redis_url is None:
        pytest.skip("no Redis on this machine")
    number = int(worker.removeprefix("gw")) + 1 if worker.startswith("gw") else 0
    return running.redis_url.replace("db=0", f"db={number}")


@pytest.fixture(scope="module")
def engine(new_database: Callable[[], str]) -> Iterator[Engine]:
    """A fresh, migrated database for each module."""
    made = connect(new_database(), pool=16)
    yield made
    made.dispose()


@pytest.fixture(scope="module", params=["fast", "off"])
def world(
    request: pytest.FixtureRequest,
    new_database: Callable[[], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    """The whole service in this process, on real servers, with and without its cache."""
    redis = request.getfixturevalue("redis_url") if request.param == "fast" else None
    settings = Settings(
        home=Path(tmp_path_factory.mktemp("home")),
        database_url=new_database(),
        redis_url=redis,
        cache_mode=request.param,
        issuer="http://localhost",
        open_routes=True,
    )
    made = new_world(settings)
    yield made
    made.service.close()


# the same examples every time, and no example fails for being slow on a busy machine
hypothesis.settings.register_profile("suite", deadline=None, derandomize=True)
hypothesis.settings.load_profile("suite")
