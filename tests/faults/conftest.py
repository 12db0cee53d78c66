from collections.abc import Callable, Iterator

import pytest
from premise import RUNS, NothingShown
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


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Again, on a stage that is well, while a run has shown nothing; the last run is pytest's own."""
    stage = pyfuncitem.funcargs.get("stage")
    if not isinstance(stage, Stage):
        return None
    given = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    for _ in range(RUNS - 1):
        try:
            pyfuncitem.obj(**given)
        except NothingShown:
            stage.well()
        else:
            return True
    return None
