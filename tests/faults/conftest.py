from collections.abc import Callable, Iterator

import pytest
from stage import Stage, examined, staged


@pytest.fixture(scope="module")
def whole_stage(new_database: Callable[[], str]) -> Iterator[Stage]:
    """Two instances with two worker processes each, shared by the tests of a module."""
    with staged(new_database()) as made:
        yield made


@pytest.fixture
def stage(whole_stage: Stage) -> Iterator[Stage]:
    """The module's stage, well at the beginning; at the end every answer that a test got is examined."""
    yield from examined(whole_stage)
