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
from typing import Any

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import DiagnosticField, ExecStatus, TransactionStatus
from sqlalchemy import ClauseElement, Engine
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DBAPIError

from verifier.storage.errors import ON_ERROR

_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]
_PARAMETER = re.compile(r"%\((\w+)\)s|%%")
_PREPARED = "prepared"
_numbers = itertools.count()


class Statement:
    """One statement with named parameters; of an insert, into these columns."""

    def __init__(self, clause: ClauseElement, *columns: str) -> None:
        self.text = str(clause.compile(dialect=_DIALECT, column_keys=columns or None))
        self.parameters = tuple(dict.fromkeys(name for name in _PARAMETER.findall(self.text) if name))
        places = {name: f"${number}" for number, name in enumerate(self.parameters, 1)}
        self.query = _PARAMETER.sub(lambda found: places.get(found[1], "%"), self.text).encode()
        self.name = b"verifier_%d" % next(_numbers)
        self.formats = [PyFormat.TEXT] * len(self.parameters)
        self._row: Any = None

    def row(self, result: Any) -> Any:
        """What makes a named tuple of a row's values; the columns are those of the first result."""
        if self._row is None:
            names = [result.fname(number).decode() for number in range(result.nfields)]
            row: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc]  # noqa: PYI024
            self._row = row._make
        return self._row


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
        """Run one statement.

        Raises:
            DBAPIError: what SQLAlchemy would have raised.
        """
        try:
            return self._answer(statement, values or {})
        except psycopg.Error as error:
            raise self._translated(error, statement.text) from error

    def _answer(self, statement: Statement, values: Mapping[str, Any]) -> Answer:
        server = self._connection.pgconn
        if not self._connection.autocommit and server.transaction_status == TransactionStatus.IDLE:
            self._checked(server.exec_(b"BEGIN"))
        prepared: dict[bytes, Any] = self._held.info.setdefault(_PREPARED, {})
        translated = prepared.get(statement.name)
        if translated is None:
            self._checked(server.prepare(statement.name, statement.query))
            translated = prepared[statement.name] = Transformer(self._connection)
        sent = translated.dump_sequence([values[name] for name in statement.parameters], statement.formats)
        result = self._checked(server.exec_prepared(statement.name, sent))
        if not result.ntuples:
            return Answer([], result.command_tuples or 0)
        translated.set_pgresult(result)
        return Answer(translated.load_rows(0, result.ntuples, statement.row(result)), result.ntuples)

    def _checked(self, result: Any) -> Any:
        if result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            return result
        if result.error_field(DiagnosticField.SQLSTATE) is None:
            raise psycopg.OperationalError(result.get_error_message())
        raise error_from_result(result)

    def commit(self) -> None:
        """Make it last."""
        try:
            server = self._connection.pgconn
            if server.transaction_status != TransactionStatus.IDLE:
                self._checked(server.exec_(b"COMMIT"))
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
