"""The statements of the scan path: written with SQLAlchemy, compiled once, run by libpq, prepared.

SQLAlchemy's own execution costs several times as much, the driver's cursor half as much again
(`docs/performance.md`). Values and rows are translated by the driver; the pools, their deadlines and the
classes of the errors stay SQLAlchemy's, so nobody else sees a difference.
"""

import itertools
import re
from collections import namedtuple
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import InFailedSqlTransaction, error_from_result
from psycopg.pq import DiagnosticField, ExecStatus, TransactionStatus
from sqlalchemy import ClauseElement, Engine
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DBAPIError

from verifier.storage.errors import ON_ERROR

_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]
_PARAMETER = re.compile(r"%\((\w+)\)s|%%")
_PREPARED = "prepared"
STALE = frozenset({"0A000", "26000"})
"""SQLSTATEs of a prepared statement that is of no more use: its columns have changed, or it is gone."""
_numbers = itertools.count()


class Statement:
    """One statement with named parameters; of an insert, into these columns."""

    def __init__(self, clause: ClauseElement, *columns: str) -> None:
        self.text = str(clause.compile(dialect=_DIALECT, column_keys=columns or None))
        self.parameters = tuple(dict.fromkeys(name for name in _PARAMETER.findall(self.text) if name))
        places = {name: f"${number}" for number, name in enumerate(self.parameters, 1)}
        self.query = _PARAMETER.sub(lambda found: places.get(found[1], "%"), self.text).encode()
        self.formats = [PyFormat.TEXT] * len(self.parameters)


class _Prepared:
    """A statement on one connection: its name there, what translates its values and rows, its columns.

    A name is never used twice, so that nothing depends on whether the server still has one that we forgot.
    """

    __slots__ = ("_row", "name", "translated")

    def __init__(self, connection: Any) -> None:
        self.name = b"verifier_%d" % next(_numbers)
        self.translated = Transformer(connection)
        self._row: Any = None

    def rows(self, result: Any) -> list[Any]:
        if self._row is None:
            self._row = _row(tuple(result.fname(number).decode() for number in range(result.nfields)))
        self.translated.set_pgresult(result)
        loaded = self.translated.load_rows(0, result.ntuples, self._row)
        self.translated.set_pgresult(None)  # or it would be kept until the statement's next rows
        return loaded


@lru_cache(maxsize=1024)
def _row(names: tuple[str, ...]) -> Any:
    """What makes a named tuple of a row's values."""
    row: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc]  # noqa: PYI024
    return row._make


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows, their columns as attributes, and of how many rows the server spoke."""

    rows: list[Any]
    count: int

    @property
    def first(self) -> Any:
        """The first row, None when there is none."""
        return self.rows[0] if self.rows else None


class Session:
    """A connection of a pool while it is held: a transaction, unless the engine commits by itself."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        try:
            self._held = engine.raw_connection()
        except psycopg.Error as error:
            raise self._as_usual(error, "connect", lost=False) from error
        self._connection: Any = self._held.driver_connection

    def run(self, statement: Statement, values: Mapping[str, Any] | None = None) -> Answer:
        """Run one statement; where it has to be prepared anew and commits by itself, once more.

        Raises:
            DBAPIError: what SQLAlchemy would have raised.
        """
        try:
            return self._tried(statement, values or {})
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in STALE:
                raise
            self._forget_prepared()
            if not self._connection.autocommit:
                raise
        return self._tried(statement, values or {})

    def _tried(self, statement: Statement, values: Mapping[str, Any]) -> Answer:
        try:
            return self._answer(statement, values)
        except psycopg.Error as error:
            raise self._translated(error, statement.text) from error

    def _forget_prepared(self) -> None:
        """Prepare everything anew; a transaction that has failed lets the server forget nothing."""
        self._held.info.pop(_PREPARED, None)
        server = self._connection.pgconn
        if server.transaction_status == TransactionStatus.IDLE:
            server.exec_(b"DEALLOCATE ALL")

    def _answer(self, statement: Statement, values: Mapping[str, Any]) -> Answer:
        server = self._connection.pgconn
        if not self._connection.autocommit and server.transaction_status == TransactionStatus.IDLE:
            self._checked(server.exec_(b"BEGIN"))
        known: dict[Statement, _Prepared] = self._held.info.setdefault(_PREPARED, {})
        prepared = known.get(statement)
        if prepared is None:
            prepared = _Prepared(self._connection)
            self._checked(server.prepare(prepared.name, statement.query))
            known[statement] = prepared
        wanted = [values[name] for name in statement.parameters]
        sent = prepared.translated.dump_sequence(wanted, statement.formats)
        result = self._checked(server.exec_prepared(prepared.name, sent))
        if not result.ntuples:
            return Answer([], result.command_tuples or 0)
        return Answer(prepared.rows(result), result.ntuples)

    def _checked(self, result: Any) -> Any:
        if result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            return result
        if result.error_field(DiagnosticField.SQLSTATE) is None:
            raise psycopg.OperationalError(result.get_error_message())
        raise error_from_result(result)

    def commit(self) -> None:
        """Make it last.

        Raises:
            DBAPIError: it may not have been kept; also where a statement had failed, which no COMMIT mends.
        """
        try:
            server = self._connection.pgconn
            if server.transaction_status != TransactionStatus.IDLE:
                told = self._checked(server.exec_(b"COMMIT")).command_status
                if told != b"COMMIT":
                    raise InFailedSqlTransaction(f"the server answered {told!r} to a COMMIT")
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
