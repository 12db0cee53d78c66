"""How long what was asked is kept: six years, and longer while an alert of the pack needs it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from standin import Responder
from vrs_world import ask, asking_world, enter, foreign, known, rows
from world import World

from verifier.storage.retention import Cleaner

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def world(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = asking_world(tmp_path_factory.mktemp("asked"), new_database())
    yield made
    made.service.close()


def test_questions_go_after_six_years_with_what_was_sent_and_a_suspicion_keeps_them(world: World):
    old, young, suspect, waiting = (foreign(world) for _ in range(4))
    with Responder(known(old), known(young), known(suspect | {"lot": "OTHER"})) as responder:
        for pack in (old, young, suspect):
            enter(world, pack["gtin"], responder.url)
        for pack, years in ((old, 6.1), (suspect, 6.1), (waiting, 6.1), (young, 5.9)):
            with world.clock.at(NOW - timedelta(days=years * 365.25)):
                ask(world.wholesaler, pack)
    assert alerts_of(world) == [suspect["serial"]]
    promised = dict(Cleaner(world.service.engine, NOW, dry_run=True).run())
    assert promised["questions"] == 1 + 1 + 1 + 1  # two questions, one exchange, one that waits
    assert dict(Cleaner(world.service.engine, NOW).run()) == promised
    left = {row["serial"] for row in rows(world, "SELECT serial FROM vrs_questions")}
    assert left == {young["serial"], suspect["serial"]}
    assert len(rows(world, "SELECT 1 FROM vrs_exchanges")) == 2
    assert rows(world, "SELECT 1 FROM vrs_pending") == []
    assert not +Cleaner(world.service.engine, NOW).run()


def alerts_of(world: World) -> list[str]:
    return [row["serial"] for row in rows(world, "SELECT serial FROM alerts WHERE closed_at IS NULL")]
