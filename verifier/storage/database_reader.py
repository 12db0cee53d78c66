"""Scan-time look-ups from PostgreSQL itself."""

from typing import Any

from sqlalchemy import Engine

from verifier.domain.codes import PackCode
from verifier.domain.pack import Found
from verifier.storage.database import twice
from verifier.storage.direct import Statement, session
from verifier.storage.rows import find_query, found_of


class DatabaseReader:
    """One statement on the primary for each look-up. `engine` commits by itself."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find(self, code: PackCode) -> Found:
        """What is stored now.

        Raises:
            SQLAlchemyError: the database does not answer.
        """
        query, values = find_query(code)
        return found_of(twice(lambda: self._row(query, values)))

    def _row(self, query: Statement, values: dict[str, Any]) -> Any:
        with session(self._engine) as opened:
            return opened.run(query, values).first
