from collections.abc import Iterator

import pytest
from running import Running, running


@pytest.fixture(scope="module")
def service() -> Iterator[Running]:
    """A service of the module's own, with three worker processes."""
    with running() as started:
        yield started


@pytest.fixture
def doomed() -> Iterator[Running]:
    """A service that a test may kill."""
    with running() as started:
        yield started
