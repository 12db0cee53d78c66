"""How long a return is kept: six years from its close, all of it or nothing; open ones for ever."""

from datetime import UTC, datetime, timedelta

import pytest
from returning import named, open_session
from sqlalchemy import text
from world import World

from verifier.storage.retention import Cleaner

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TABLES = ("returns_sessions", "returned_packs", "returns_events", "returns_expected")


@pytest.mark.parametrize("world", ["off"], indirect=True, scope="module")
def test_a_return_goes_six_years_after_its_close_and_an_open_one_stays(world: World):
    def ago(years: float) -> datetime:
        return NOW - timedelta(days=years * 365.25)

    pack = world.pack(profile="us_dscsa")
    ids = {}
    for name, opened, closed in (("over", 9, 6.1), ("young", 9, 5.9), ("open", 9, None)):
        with world.clock.at(ago(opened)):
            desk = open_session(world.wholesaler, expected_packs=named(pack))
            desk.scan(pack)
        if closed:
            with world.clock.at(ago(closed)):
                desk.close()
        ids[name] = desk.id
    promised = dict(Cleaner(world.service.engine, NOW, dry_run=True).run())
    assert promised["returns"] == 1 + 1 + 3 + 1
    assert promised["idempotency_keys"] == 8
    assert dict(Cleaner(world.service.engine, NOW).run()) == promised
    with world.service.engine.connect() as connection:
        for table in TABLES:
            left = connection.execute(text(f"SELECT DISTINCT session_id FROM {table}")).scalars().all()  # noqa: S608
            assert {str(each) for each in left} == {ids["young"], ids["open"]}, table
    assert not +Cleaner(world.service.engine, NOW).run()
