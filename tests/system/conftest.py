from collections.abc import Iterator

import pytest
from running import Running, running


@pytest.fixture(scope="module")
def service() -> Iterator[Running]:
    """A service of the module's own, with three worker processes."""
    with running() as started:
        yield started
