"""What is said about servers that cannot be had here, and with which of them the service does not start."""

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, text

from verifier.cli.checks import cache, database
from verifier.cli.checks.finding import Level
from verifier.cli.main import main
from verifier.settings import BadSettings
from verifier.storage.condition import DURABILITY, DatabaseFacts, RedisFacts, Switch, database_facts
from verifier.storage.migrate import Schema

FACTS = DatabaseFacts(
    version=180004,
    standby=False,
    read_only=False,
    ahead=0.0,
    durability=dict.fromkeys(DURABILITY, "on"),
    schema=Schema("0002", "0002", known=True),
    switch=Switch(on=False, epoch=0, identity=None),
)
REDIS = RedisFacts(
    version="8.2.1", identity="alone:a:b:0", maxmemory=256 << 20, policy="allkeys-lru",
    appends=False, saves=False, stray=False,
)  # fmt: skip


def without(name: str, value: str | None) -> dict[str, Any]:
    return {"durability": dict(FACTS.durability) | {name: value}}


# fmt: off
DATABASES: list[tuple[dict[str, Any], str, Level, str]] = [
    # what is different                                     finding                 in its words
    ({"version": 160009},                                   "D012", Level.WRONG,   "PostgreSQL 16.9"),
    ({"version": 170000},                                   "D012", Level.OK,      "PostgreSQL 17.0"),
    ({"standby": True, "read_only": True},                  "D013", Level.WRONG,   "standby"),
    ({"read_only": True},                                   "D013", Level.WRONG,   "no changes"),
    ({"schema": Schema(None, "0002", known=True)},          "D014", Level.WRONG,   "no schema"),
    ({"schema": Schema("0001", "0002", known=True)},        "D014", Level.WRONG,   "needs 0002"),
    ({"schema": Schema("0003", "0002", known=False)},       "D014", Level.WRONG,   "newer"),
    ({"ahead": 0.9},                                        "D015", Level.OK,      "agree"),
    ({"ahead": 1.5},                                        "D015", Level.WARNING, "1.5 s ahead of"),
    ({"ahead": -4.9},                                       "D015", Level.WARNING, "4.9 s behind"),
    ({"ahead": -3600.0},                                    "D015", Level.WRONG,   "3600.0 s behind"),
    (without("fsync", "off"),                               "D016", Level.WRONG,   "fsync is off"),
    (without("full_page_writes", "off"),                    "D016", Level.WRONG,   "_writes is off"),
    (without("synchronous_commit", "off"),                  "D016", Level.WRONG,   "acknowledged"),
    (without("synchronous_commit", "local"),                "D016", Level.OK,      "survives"),
    (without("synchronous_commit", "remote_apply"),         "D016", Level.OK,      "survives"),
    (without("fsync", None),                                "D016", Level.OK,      "survives"),
    ({"switch": None},                                      "D017", Level.WRONG,   "missing"),
]

REDISES: list[tuple[dict[str, Any], str, Level, str]] = [
    ({"version": "6.0.16"},                                 "D022", Level.WRONG,   "6.0.16"),
    ({"version": "6.2.14"},                                 "D022", Level.OK,      "6.2.14"),
    ({"version": "10.0.0-rc1"},                             "D022", Level.OK,      "10.0.0"),
    ({"maxmemory": 0},                                      "D023", Level.WARNING, "no limit"),
    ({"policy": "noeviction"},                              "D023", Level.WARNING, "noeviction"),
    ({"policy": "volatile-lru"},                            "D023", Level.WARNING, "volatile-lru"),
    ({"policy": "allkeys-lfu"},                             "D023", Level.OK,      "256 MiB"),
    ({"saves": True},                                       "D024", Level.WARNING, "snapshots"),
    ({"saves": True, "appends": True},                      "D024", Level.WARNING, "snapshots and an"),
    ({"saves": None},                                       "D024", Level.OK,      "may not see"),
    ({"saves": None, "appends": True},                      "D024", Level.WARNING, "append-only"),
    ({"identity": "replica:a:b:0"},                         "D025", Level.WRONG,   "is a replica"),
    ({"identity": "node:a:b:0"},                            "D025", Level.WRONG,   "redis+cluster://"),
    ({"identity": "unsettled:no agreement"},                "D025", Level.WRONG,   "do not agree"),
    ({"identity": "replicated:a:b:0"},                      "D025", Level.OK,      "with every question"),
    ({"identity": "cluster:abc"},                           "D025", Level.OK,      "with every question"),
    ({"stray": True},                                       "D026", Level.WRONG,   "another program"),
    ({"stray": None},                                       "D026", Level.SKIPPED, "too many"),
]

SWITCHES = [
    (Switch(on=True,  epoch=3, identity="alone:a:b:0"),         Level.OK,      "On, for this very Redis"),
    (Switch(on=True,  epoch=3, identity="alone:a:c:0"),         Level.WARNING, "another Redis"),
    (Switch(on=False, epoch=4, identity="alone:a:b:0"),         Level.WARNING, "Off:"),
    (Switch(on=False, epoch=0, identity=None),                  Level.OK,      "first start"),
]
# fmt: on


@pytest.mark.parametrize(("change", "code", "level", "words"), DATABASES)
def test_a_database_is_judged(change: dict[str, Any], code: str, level: Level, words: str):
    found = {finding.code: finding for finding in database.judge(replace(FACTS, **change))}
    assert found[code].level is level
    assert words in found[code].found
    assert all(finding.level is Level.OK for finding in found.values() if finding.code != code)


@pytest.mark.parametrize(("change", "code", "level", "words"), REDISES)
def test_a_redis_is_judged(change: dict[str, Any], code: str, level: Level, words: str):
    found = {finding.code: finding for finding in cache.judge(replace(REDIS, **change))}
    assert found[code].level is level
    assert words in found[code].found
    assert all(finding.level is Level.OK for finding in found.values() if finding.code != code)


@pytest.mark.parametrize(("position", "level", "words"), SWITCHES)
def test_a_switch_is_judged(position: Switch, level: Level, words: str):
    found = cache.switch(REDIS, position)
    assert found.level is level
    assert words in found.found


# With what the service does not start.


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"version": 160009}, "E005", "PostgreSQL 17 or newer"),
        ({"standby": True}, "E006", "to the primary"),
        ({"read_only": True}, "E006", "default_transaction_read_only"),
        ({"schema": Schema("0001", "0002", known=True)}, "E007", "Run `verifier migrate`"),
        ({"schema": Schema(None, "0002", known=True)}, "E007", "Run `verifier migrate`"),
        ({"schema": Schema("0003", "0002", known=False)}, "E007", "Install the version"),
    ],
)
def test_the_start_is_refused_with_a_code_and_what_to_do(change: dict[str, Any], code: str, words: str):
    with pytest.raises(BadSettings, match=words) as refused:
        database.refuse_start(database.judge(replace(FACTS, **change)))
    assert refused.value.code == code


@pytest.mark.parametrize(
    "change",
    [{}, {"ahead": 3600.0}, without("fsync", "off"), {"switch": Switch(on=False, epoch=9, identity=None)}],
)
def test_what_a_person_may_want_for_a_while_stops_no_start(change: dict[str, Any]):
    database.refuse_start(database.judge(replace(FACTS, **change)))


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE alembic_version SET version_num = '0001'", "E007: The schema is 0001"),
        ("UPDATE alembic_version SET version_num = '9999'", "E007: The schema 9999 is newer"),
        ("DROP TABLE alembic_version", "E007: The database has no schema. Run `verifier migrate`."),
    ],
)
def test_serve_says_it_and_ends(new_database: Any, tmp_path: Path, statement: str, words: str):
    url = new_database()
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
    environment = {"VERIFIER_DATABASE_URL": url, "VERIFIER_HOME": str(tmp_path), "VERIFIER_CACHE_MODE": "off"}
    done = CliRunner().invoke(main, ["serve", "--port", str(free_port())], env=environment)
    assert done.exit_code == 1, done.output
    assert words in done.stderr
    assert not (tmp_path / "signing-key.pem").exists()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_facts_are_read_from_a_real_server(new_database: Any):
    facts = database_facts(new_database())
    assert facts.version >= 180000
    assert facts.schema.found == facts.schema.newest
    assert facts.durability == {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
    assert (facts.standby, facts.read_only, facts.timezones, facts.shipped) == (False, False, (), {})
