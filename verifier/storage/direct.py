"""The statements of the scan path: written with SQLAlchemy, compiled once, run by the driver, prepared.

SQLAlchemy's own execution costs several times as much as the driver's (`docs/performance.md`). The pools,
their deadlines and the classes of the errors stay SQLAlchemy's, so nobody else sees a difference.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import ClauseElement, Engine
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DBAPIError

from verifier.storage.errors import ON_ERROR

_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]


class Statement:
    """One statement with named parameters; of an insert, into these columns."""

    def __init__(self, clause: ClauseElement, *columns: str) -> None:
        self.text = str(clause.compile(dialect=_DIALECT, column_keys=columns or None))


class Session:
    """A connection of a pool while it is held: a transaction, unless the engine commits by itself."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        try:
            self._held = engine.raw_connection()
        except psycopg.Error as error:
            raise self._as_usual(error, "connect", lost=False) from error
        self._connection: Any = self._held.driver_connection

    def run(self, statement: Statement, values: Mapping[str, Any] | None = None) -> Any:
        """The driver's cursor; its rows are named tuples.

        Raises:
            DBAPIError: what SQLAlchemy would have raised.
        """
        try:
            cursor = self._connection.cursor(row_factory=namedtuple_row)
            return cursor.execute(statement.text, values, prepare=True)
        except psycopg.Error as error:
            raise self._translated(error, statement.text) from error

    def commit(self) -> None:
        """Make it last."""
        try:
            self._connection.commit()
        except psycopg.Error as error:
            raise self._translated(error, "COMMIT") from error

    def rollback(self) -> None:
        """Forget it."""
        try:
            self._connection.rollback()
        except psycopg.Error as error:
            raise self._translated(error, "ROLLBACK") from error

    def close(self) -> None:
        """Give the connection back; what was not committed is forgotten."""
        self._held.close()

    def _translated(self, error: psycopg.Error, statement: str) -> BaseException:
        lost = self._connection.closed
        if lost:
            self._held.invalidate(error)
        return self._as_usual(error, statement, lost=lost)

    def _as_usual(self, error: psycopg.Error, statement: str, *, lost: bool) -> BaseException:
        told = self._engine.get_execution_options().get(ON_ERROR)
        if told is not None:
            told(error)
        return DBAPIError.instance(
            statement,
            None,
            error,
            psycopg.Error,
            hide_parameters=True,
            connection_invalidated=lost,
            dialect=self._engine.dialect,
        )


@contextmanager
def session(engine: Engine) -> Iterator[Session]:
    """A session for a block.

    Raises:
        SQLAlchemyError: no connection could be had.
    """
    opened = Session(engine)
    try:
        yield opened
    finally:
        opened.close()
