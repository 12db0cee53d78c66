"""`verifier clean` on a real database: what goes, what stays, and what happens beside it."""

import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from past import NOW, SITE, Past, ago
from sqlalchemy import Engine, event, text

from verifier.cli.main import main
from verifier.domain.lms import MISS
from verifier.storage import retention
from verifier.storage.database import connect
from verifier.storage.retention import Cleaner

NOTHING = dict.fromkeys(["packs", "events", "alerts", "idempotency_keys", "counters", "revoked_tokens"], 0)
NOTHING |= {"presentations": 0, "returns": 0, "questions": 0}


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def fresh(database: str) -> Iterator[Engine]:
    made = connect(database, pool=4)
    yield made
    made.dispose()


@pytest.fixture
def past(fresh: Engine) -> Past:
    return Past(fresh)


@pytest.fixture
def cleaned(fresh: Engine) -> Callable[..., dict[str, int]]:
    """What goes at `NOW`, after a dry run has said the same and deleted nothing."""

    def clean(now: datetime = NOW) -> dict[str, int]:
        promised = dict(Cleaner(fresh, now, dry_run=True).run())
        assert dict(Cleaner(fresh, now, dry_run=True).run()) == promised
        done = dict(Cleaner(fresh, now).run())
        assert done == promised
        assert not +Cleaner(fresh, now).run(), "a second run finds nothing"
        return NOTHING | done

    return clean


@pytest.mark.parametrize(("expiry", "cache_on"), [(date(2021, 1, 1), False), (date(2028, 1, 1), True)])
def test_copies_in_the_cache_end_when_packs_were_deleted(
    past: Past, fresh: Engine, cleaned: Any, expiry: date, *, cache_on: bool
):
    past.pack(past.product(), released=ago(years=8), expiry=expiry, state="dispensed")
    with fresh.begin() as connection:
        connection.execute(text("UPDATE control SET cache_on = true"))
    cleaned()
    with fresh.connect() as connection:
        assert connection.execute(text("SELECT cache_on FROM control")).scalar_one() == cache_on


def test_an_old_pack_goes_with_its_attempts_and_its_closed_alerts(past: Past, cleaned: Any):
    gtin = past.product()
    old = past.pack(gtin, released=ago(years=8), expiry=ago(years=5).date(), state="dispensed")
    young = past.pack(gtin, released=ago(years=1), expiry=date(2028, 1, 1))
    for serial in (old, young):
        past.event(gtin, serial, ago(years=7))
        past.event(gtin, serial, ago(days=100))
    past.alert(gtin, old, ago(years=7), closed=ago(years=6))
    assert cleaned() == NOTHING | {"packs": 1, "events": 2, "alerts": 1}
    assert past.left("packs", "serial") == past.left("events", "serial") == {young}
    assert past.count("alerts") == 0
    assert past.count("products") == 1
    assert past.count("batches", gtin) == 2, "a lot is remembered, and with it a recall"


EXPIRED, OPEN = ago(years=5).date(), -1
# fmt: off
PACKS: list[tuple[str, float, float, float | None, float | None, tuple[str, float] | None, bool]] = [
    # all in years ago, an expiry also as it is stored; None: never was
    # profile    expiry    released  attempt  alert closed  state               goes
    ("eu_fmd",   5,        8,        None,    None,         None,               True),
    ("eu_fmd",   0.9,      8,        None,    None,         None,               False),
    ("eu_fmd",   20251100, 8,        None,    None,         None,               False),
    ("eu_fmd",   20251000, 8,        None,    None,         None,               True),
    ("eu_fmd",   5,        4.9,      None,    None,         None,               False),
    ("eu_fmd",   5,        8,        0.24,    None,         None,               False),
    ("eu_fmd",   5,        8,        0.26,    None,         None,               True),
    ("eu_fmd",   5,        8,        7,       OPEN,         None,               False),
    ("eu_fmd",   5,        8,        7,       0.1,          None,               True),
    ("us_dscsa", 5,        8,        None,    None,         None,               True),
    ("us_dscsa", -1,       8,        None,    None,         None,               False),
    ("us_dscsa", 5,        5.9,      None,    None,         None,               False),
    ("us_dscsa", 5,        8,        5.9,     None,         None,               False),
    ("us_dscsa", 5,        8,        6.1,     None,         None,               True),
    ("us_dscsa", 5,        8,        7,       5.9,          None,               False),
    ("us_dscsa", 5,        8,        7,       6.1,          None,               True),
    ("us_dscsa", 5,        8,        7,       OPEN,         None,               False),
    ("us_dscsa", 5,        8,        None,    None,         ("destroyed", 5.9), False),
    ("us_dscsa", 5,        8,        None,    None,         ("destroyed", 6.1), True),
    ("us_dscsa", 5,        8,        None,    None,         ("locked", 1),      True),
    ("unheard",  5,        8,        None,    None,         None,               False),
]
# fmt: on


@pytest.mark.parametrize("row", PACKS, ids=lambda row: f"{row[0]} {'goes' if row[-1] else 'stays'}")
def test_a_pack_goes_when_its_last_clock_has_run_out(past: Past, cleaned: Any, row: Any):
    profile, expiry, released, attempt, closed, state, goes = row
    gtin = past.product(profile)
    dated = expiry if expiry > 10_000 else ago(years=expiry).date()
    word, since = state or ("active", released)
    serial = past.pack(gtin, released=ago(years=released), expiry=dated, state=word, since=ago(years=since))
    if attempt is not None:
        past.event(gtin, serial, ago(years=attempt))
    if closed is not None:
        past.alert(gtin, serial, ago(years=7), None if closed is OPEN else ago(years=closed))
    about = {"packs": 1, "events": attempt is not None, "alerts": closed is not None}
    assert cleaned() == (NOTHING | about if goes else NOTHING)
    assert past.count("packs") == past.count("packs", gtin) == (not goes)


def test_a_serial_is_free_again_only_when_its_pack_is_gone(past: Past, cleaned: Any):
    gtin = past.product()
    serial = past.pack(gtin, released=ago(years=8), expiry=EXPIRED)
    again = "INSERT INTO packs SELECT * FROM packs WHERE gtin = :gtin ON CONFLICT DO NOTHING"
    assert past.run(again, gtin=gtin) == 0
    assert cleaned()["packs"] == 1
    past.pack(gtin, released=NOW, expiry=date(2030, 1, 1), serial=serial)
    assert cleaned() == NOTHING


def test_attempts_on_a_pack_that_was_never_loaded_stay_for_six_years(past: Past, cleaned: Any):
    gtin = past.product()
    ids = {years: past.event(gtin, "FALSE", ago(years=years)) for years in (5.9, 6.1, 20)}
    watched = past.event(gtin, "WATCHED", ago(years=9))
    past.alert(gtin, "WATCHED", ago(years=9))
    past.event(gtin, "SETTLED", ago(years=9))
    past.alert(gtin, "SETTLED", ago(years=9), closed=ago(years=6.1))
    recent = past.event(gtin, "RECENT", ago(years=9))
    past.alert(gtin, "RECENT", ago(years=9), closed=ago(years=5.9))
    assert cleaned() == NOTHING | {"events": 3, "alerts": 1}
    assert past.left("events", "event_id") == {ids[5.9], watched, recent}
    assert past.left("alerts", "serial") == {"WATCHED", "RECENT"}


def test_an_idempotency_key_stays_for_ninety_days_and_while_its_outcome_is_in_doubt(past: Past, cleaned: Any):
    gtin = past.product()
    serial = past.pack(gtin, released=ago(years=1), expiry=date(2030, 1, 1))
    done = past.event(gtin, serial, ago(days=95))
    young = past.key(ago(days=89.9), gtin, serial, done)
    past.key(ago(days=90.1), gtin, serial, done)
    past.key(ago(days=90.1), gtin, None, past.command(gtin, ago(days=95)))
    doubtful = past.key(ago(days=200), gtin, serial, uuid.uuid4())
    assert cleaned() == NOTHING | {"idempotency_keys": 2}
    assert past.left("idempotency", "key") == {young, doubtful}


def missed(at: datetime) -> str:
    """The counter of a requestor's misses through one client, in the hour of that instant."""
    return f"{at.strftime(MISS)}:some-client"


def test_counters_go_with_their_day_or_their_pack(past: Past, cleaned: Any):
    gtin = past.product()
    serial = past.pack(gtin, released=ago(years=1), expiry=date(2030, 1, 1), serial="A:1:2")
    today, yesterday = NOW.date(), NOW.date() - timedelta(days=1)
    kept = {
        f"slip:{gtin:014d}:{today}",
        f"slip:{gtin:014d}:{yesterday}",
        f"repeat:{gtin:014d}:{serial}:7",
        missed(NOW - timedelta(hours=24)),
        "something else",
    }
    gone = {
        f"slip:{gtin:014d}:{today - timedelta(days=2)}",
        f"repeat:{gtin:014d}:A:1:7",
        f"repeat:{gtin + 1:014d}:{serial}:7",
        missed(NOW - timedelta(hours=25)),
    }
    for scope in kept | gone:
        past.counter(scope)
    assert cleaned() == NOTHING | {"counters": len(gone)}
    assert past.left("counters", "scope") == kept


def test_a_revoked_token_goes_once_it_has_expired_anyway(past: Past, cleaned: Any):
    for jti, expires in (
        ("old", ago(days=1)),
        ("late", NOW - timedelta(seconds=30)),
        ("valid", ago(days=-1)),
    ):
        past.run("INSERT INTO revoked_tokens VALUES (:jti, :at)", jti=jti, at=expires)
    assert cleaned() == NOTHING | {"revoked_tokens": 1}
    assert past.left("revoked_tokens", "jti") == {"late", "valid"}


def test_device_sequences_and_commands_stay_for_ever(past: Past, cleaned: Any):
    gtin = past.product()
    past.command(gtin, ago(years=30))
    past.run("INSERT INTO device_sequences VALUES (:site, 'till', 1, :id)", site=SITE, id=uuid.uuid4())
    assert cleaned(NOW + timedelta(days=36_500)) == NOTHING
    assert (past.count("device_sequences"), past.count("reference_events")) == (1, 1)


# In small steps, beside others.


def many(past: Past, number: int) -> int:
    """A product with so many packs that go, each with two attempts, and as many that stay."""
    gtin = past.product()
    for _ in range(number):
        old = past.pack(gtin, released=ago(years=8), expiry=EXPIRED)
        for _ in range(2):
            past.event(gtin, old, ago(years=7))
        past.pack(gtin, released=ago(years=1), expiry=date(2030, 1, 1))
    return gtin


def test_each_transaction_takes_a_page_at_most_and_a_dry_run_counts_the_same(
    past: Past, fresh: Engine, cleaned: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(retention, "PAGE", 7)
    gtin = many(past, 10)
    crowded = past.pack(gtin, released=ago(years=8), expiry=EXPIRED)
    for _ in range(20):
        past.event(gtin, crowded, ago(years=7))
    deleted: list[int] = []

    @event.listens_for(fresh, "commit")
    def on_commit(_connection: Any) -> None:
        deleted.append(0)

    @event.listens_for(fresh, "after_cursor_execute")
    def after(_c: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("DELETE"):
            deleted[-1] += cursor.rowcount

    assert cleaned() == NOTHING | {"packs": 11, "events": 40}
    steps = sorted(number for number in deleted if number)
    assert steps[-1] == 21, "one pack with everything about it is never divided"
    assert steps[-2] <= 7
    assert past.count("packs") == 10


class Killed(BaseException):
    pass


@pytest.mark.parametrize("step", range(2, 9))
def test_a_run_that_dies_leaves_whole_packs_and_the_next_one_finishes(
    past: Past, fresh: Engine, monkeypatch: pytest.MonkeyPatch, step: int
):
    monkeypatch.setattr(retention, "PAGE", 5)
    many(past, 6)
    steps = iter(range(1, 1000))

    def die(_counts: Any) -> None:
        if next(steps) == step:
            raise Killed

    with pytest.raises(Killed):
        Cleaner(fresh, NOW, progress=die).run()
    orphans = (
        "SELECT count(*) FROM events e LEFT JOIN packs p ON p.gtin = e.gtin AND p.serial = e.serial"
        " WHERE p.gtin IS NULL"
    )
    assert past.run(orphans)[0][0] == 0
    Cleaner(fresh, NOW).run()
    assert (past.count("packs"), past.count("events")) == (6, 0)


def test_a_change_that_is_under_way_comes_first(past: Past, fresh: Engine):
    gtin = past.product("us_dscsa")
    past.pack(gtin, released=ago(years=8), expiry=EXPIRED)
    runs: list[Any] = []
    with fresh.connect() as changing:
        change = "UPDATE packs SET state = 'destroyed', state_since = :now, version = 2 WHERE gtin = :gtin"
        changing.execute(text(change), {"now": ago(days=1), "gtin": gtin})
        cleaner = threading.Thread(target=lambda: runs.append(dict(Cleaner(fresh, NOW).run())))
        cleaner.start()
        waiting = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        while not past.run(waiting)[0][0]:
            assert cleaner.is_alive()
            time.sleep(0.01)
        changing.commit()
    cleaner.join()
    assert runs[0]["packs"] == 0, "destroyed yesterday: kept for six years"
    assert past.count("packs") == 1


def test_an_attempt_that_comes_in_meanwhile_is_not_deleted(past: Past, fresh: Engine, database: str):
    gtin = past.product()
    serial = past.pack(gtin, released=ago(years=8), expiry=EXPIRED)
    past.event(gtin, serial, ago(years=7))
    other = connect(database, pool=1)
    late: list[uuid.UUID] = []

    @event.listens_for(fresh, "before_cursor_execute")
    def come_in(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("DELETE FROM events"):
            late.append(Past(other).event(gtin, serial, ago(days=0)))

    counts = Cleaner(fresh, NOW).run()
    other.dispose()
    assert (counts["packs"], counts["events"]) == (1, 1)
    assert past.left("events", "event_id") == set(late)
    assert len(late) == 1


# The command.


def ran(database: str, home: Path, *arguments: str) -> Any:
    environment = {name: None for name in os.environ if name.startswith("VERIFIER_")}
    environment |= {"VERIFIER_DATABASE_URL": database, "VERIFIER_HOME": str(home)}
    return CliRunner().invoke(main, ["clean", *arguments], env=environment)


def test_the_command_says_what_it_did(past: Past, database: str, tmp_path: Path):
    many(past, 3)
    dry = ran(database, tmp_path, "--dry-run", "--json")
    assert json.loads(dry.stdout) == {"dry_run": True, **NOTHING, "packs": 3, "events": 6}
    assert past.count("packs") == 6
    shown = ran(database, tmp_path, "--dry-run")
    assert "would be deleted" in shown.stdout
    done = ran(database, tmp_path, "--json")
    assert json.loads(done.stdout) == {"dry_run": False, **NOTHING, "packs": 3, "events": 6}
    assert (done.exit_code, past.count("packs")) == (0, 3)


def test_on_an_older_schema_it_says_what_to_do(past: Past, database: str, tmp_path: Path):
    past.run("ALTER TABLE alerts DROP COLUMN closed_at")
    refused = ran(database, tmp_path)
    assert refused.exit_code == 1
    assert "Run `verifier migrate` first." in refused.stderr
