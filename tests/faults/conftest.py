from collections.abc import Callable, Iterator

import pytest
from ledger import Ledger
from stage import Stage, staged


@pytest.fixture(scope="module")
def whole_stage(new_database: Callable[[], str]) -> Iterator[Stage]:
    """Two instances with two worker processes each, shared by the tests of a module."""
    with staged(new_database()) as made:
        yield made


@pytest.fixture
def stage(whole_stage: Stage) -> Iterator[Stage]:
    """The module's stage, well at the beginning; at the end every answer that a test got is examined."""
    yield from examined(whole_stage)


def examined(stage: Stage) -> Iterator[Stage]:
    stage.well()
    stage.ledger = ledger = Ledger()
    for instance in stage.both:
        instance.pharmacy.ledger = instance.other.ledger = ledger
    yield stage
    for instance in stage.both:
        instance.calm()
    ledger.check()
    stage.journal_agrees()
