"""Statements that the server has prepared, and what becomes of them when they are of no more use."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from instances import Process, Processes, new_pack
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, InternalError

from verifier.domain.pack import State
from verifier.storage import database
from verifier.storage.database import connect
from verifier.storage.direct import Session, Statement, session

ALL_COLUMNS = Statement(text("SELECT * FROM shelves WHERE shelf = :shelf"))
ONE = Statement(text("SELECT CAST(:number AS int) AS number"))
PUT = Statement(text("INSERT INTO shelves VALUES (10 / CAST(:number AS int))"))
STORAGE = Path(database.__file__).parent
ADD, WIDEN = "ALTER TABLE shelves ADD COLUMN place text", "ALTER TABLE shelves ALTER COLUMN shelf TYPE bigint"


@pytest.fixture
def url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def admin(url: str) -> Iterator[Engine]:
    """Somebody else, who changes the schema."""
    made = connect(url, pool=1, autocommit=True)
    with made.connect() as connection:
        connection.execute(text("CREATE TABLE shelves (shelf int)"))
        connection.execute(text("INSERT INTO shelves VALUES (1)"))
    yield made
    made.dispose()


@pytest.fixture(params=[True, False], ids=["by itself", "in a transaction"])
def engine(request: pytest.FixtureRequest, url: str) -> Iterator[Engine]:
    """One connection."""
    made = connect(url, pool=1, autocommit=request.param)
    yield made
    made.dispose()


def run(engine: Engine, statement: Statement, **values: int) -> dict[str, object]:
    with session(engine) as opened:
        return opened.run(statement, values).first._asdict()


def once_more(engine: Engine, statement: Statement, **values: int) -> dict[str, object]:
    """As the callers do: what is in a transaction is run again, all of it."""
    with session(engine) as opened:
        if not opened._connection.autocommit:
            with pytest.raises(DBAPIError, match=r"cached plan|does not exist"):
                opened.run(statement, values)
            opened.rollback()
        return opened.run(statement, values).first._asdict()


@pytest.mark.parametrize(
    ("change", "after"), [(ADD, {"shelf": 1, "place": None}), (WIDEN, {"shelf": 1})], ids=["added", "widened"]
)
def test_a_statement_outlives_a_change_of_the_schema(
    engine: Engine, admin: Engine, change: str, after: dict[str, object]
):
    assert run(engine, ALL_COLUMNS, shelf=1) == {"shelf": 1}
    with admin.connect() as connection:
        connection.execute(text(change))
    assert once_more(engine, ALL_COLUMNS, shelf=1) == after
    assert run(engine, ALL_COLUMNS, shelf=1) == after


@pytest.mark.parametrize("order", ["DEALLOCATE ALL", "DISCARD ALL"])
def test_a_statement_that_the_server_has_forgotten_is_prepared_again(url: str, order: str):
    engine = connect(url, pool=1, autocommit=True)
    assert run(engine, ONE, number=1) == {"number": 1}
    with engine.connect() as connection:
        connection.execute(text(order))
    assert run(engine, ONE, number=2) == {"number": 2}
    engine.dispose()


def test_so_it_is_at_the_next_try_of_a_transaction(url: str):
    engine = connect(url, pool=1)
    assert run(engine, ONE, number=1) == {"number": 1}
    with engine.connect() as connection:
        connection.execute(text("DEALLOCATE ALL"))
    assert once_more(engine, ONE, number=2) == {"number": 2}
    engine.dispose()


def test_two_connections_may_know_different_columns(url: str, admin: Engine):
    engine = connect(url, pool=2, autocommit=True)
    with session(engine) as old, session(engine) as young:
        assert old.run(ALL_COLUMNS, {"shelf": 1}).first._fields == ("shelf",)
        with admin.connect() as connection:
            connection.execute(text(ADD))
        assert young.run(ALL_COLUMNS, {"shelf": 1}).first._fields == ("shelf", "place")
        assert old.run(ALL_COLUMNS, {"shelf": 1}).first._fields == ("shelf", "place")
    engine.dispose()


def test_a_change_of_a_pack_is_made_although_its_statements_were_forgotten(processes: Processes):
    process: Process = processes(None)
    pack, other = new_pack(process), new_pack(process)
    assert process.dispense(pack) == "ok"
    with process.engine.connect() as connection:  # the one that the next transaction gets
        connection.execute(text("DEALLOCATE ALL"))
    assert process.dispense(other) == "ok"
    assert process.find(other) == (State.DISPENSED, 1)


def test_no_statement_takes_whatever_columns_a_table_has():
    for path in STORAGE.rglob("*.py"):
        assert not re.search(r"(?i)\b(?:select|returning) (?:\w+\.)?\*", path.read_text()), path.name


def test_names_of_prepared_statements_are_never_used_twice(url: str):
    engine = connect(url, pool=1, autocommit=True)
    with session(engine) as opened:
        for number in range(3):
            opened.run(ONE, {"number": number})
            opened._held.info.clear()
        assert len(names(opened)) == 3
    engine.dispose()


def names(opened: Session) -> set[str]:
    listed = Statement(text("SELECT name FROM pg_prepared_statements WHERE statement LIKE '%AS number'"))
    return {row.name for row in opened.run(listed).rows}


def test_the_commit_of_a_transaction_that_has_failed_is_an_error(url: str, admin: Engine):
    engine = connect(url, pool=1)
    with session(engine) as opened:
        opened.run(PUT, {"number": 5})
        with pytest.raises(DBAPIError, match="division by zero"):
            opened.run(PUT, {"number": 0})
        with pytest.raises(InternalError, match="ROLLBACK") as refused:
            opened.commit()
        assert not refused.value.connection_invalidated
        opened.run(PUT, {"number": 2})
        opened.commit()
    with admin.connect() as connection:
        assert connection.execute(text("SELECT array_agg(shelf) FROM shelves")).scalar_one() == [1, 5]
    engine.dispose()


def test_rows_are_not_kept_once_they_are_read(url: str):
    engine = connect(url, pool=1, autocommit=True)
    with session(engine) as opened:
        assert opened.run(ONE, {"number": 1}).first.number == 1
        [prepared] = opened._held.info["prepared"].values()
        assert prepared.translated.pgresult is None
    engine.dispose()
