"""Scan records that cost microseconds: appended to a file per process, shipped to the database by COPY.

A record is in the kernel's hands before the answer leaves, so a kill -9 of any process loses none. A power
loss may cost what was not yet shipped, less than a second of accepted, read-only scans. Shipping moves the
file's offset in the same transaction that inserts the rows: each record arrives exactly once, whatever dies.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from verifier.domain.journal import PackEvent
from verifier.storage.spool_file import SpoolFile, SpoolFull
from verifier.storage.store import Store

SHIP_EVERY_S = 0.4
LEFTOVERS_EVERY = 10  # rounds
ROTATE_BYTES = 32 << 20

_COLUMNS = (
    "gtin, serial, event_id, received_at, occurred_at, operation, reason, code, accepted,"
    " state_before, state_after, site_gln, client_id, details, answer"
)
_COPY = f"COPY events ({_COLUMNS}) FROM STDIN"
_OFFSET = (
    "INSERT INTO spool_files (file_id, shipped) VALUES (%s, 0)"
    " ON CONFLICT (file_id) DO UPDATE SET shipped = spool_files.shipped RETURNING shipped"
)
_MOVE = "UPDATE spool_files SET shipped = %s WHERE file_id = %s"
_DONE = "DELETE FROM spool_files WHERE file_id = %s"
_AWAY = (SQLAlchemyError, psycopg.OperationalError)
_REFUSED = (psycopg.DataError, psycopg.IntegrityError)

_encode = msgspec.json.Encoder().encode
_NULL = r"\N"
_END = b"\n\\."
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
_log = logging.getLogger(__name__)


class Scans:
    """See `services.ports.Scans`: the spool, and the database where the disk does not take it."""

    def __init__(self, spool: "Spool", store: Store) -> None:
        self._spool = spool
        self._store = store
        self._full = False

    def record(self, event: PackEvent, answer: Any) -> None:
        """To the file, else to the database."""
        try:
            self._spool.append(event, answer)
        except SpoolFull as error:
            if not self._full:
                _log.warning("scans are recorded in the database: the disk does not take them (%s)", error)
            self._full = True
            self._store.run(lambda tx: tx.record(event, answer))
        else:
            self._full = False


class Spool:
    """One process's file of scan records, and the thread that ships it and what dead processes left."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._engine = engine
        self._folder = folder
        self._lock = threading.Lock()
        self._shipping = threading.Lock()
        self._stop = threading.Event()
        self._away = False
        self._file: SpoolFile | None = None
        self._full: list[SpoolFile] = []
        with suppress(SpoolFull):  # then the first append tries again
            self._file = SpoolFile.create(folder)
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    def append(self, event: PackEvent, answer: Any) -> None:
        """Record a scan.

        Raises:
            SpoolFull: the disk did not take it, or the process ends; record it in the database instead.
        """
        line = _line(event, answer)
        with self._lock:
            self._writable().append(line)

    @property
    def waiting(self) -> int:
        """Bytes of records that are not known to be in the database yet."""
        with self._lock:
            files = [*self._full, *([self._file] if self._file else [])]
        return sum(file.size - file.shipped for file in files)

    def ship(self) -> None:
        """Bring everything that is there to the database.

        Raises:
            SQLAlchemyError, psycopg.Error: the database does not answer; nothing is lost.
        """
        with self._shipping:
            with self._lock:
                full, current = list(self._full), self._file
            for file in full:
                self._empty(file)
                with self._lock:
                    self._full.remove(file)
            if current is not None:
                self._move(current)

    def adopt(self) -> None:
        """Ship what processes left that are gone: their files can be locked.

        Raises:
            SQLAlchemyError, psycopg.Error: as with `ship`.
        """
        for path in self._folder.glob("*.scans"):
            try:
                file = SpoolFile.adopt(path)
                if file is not None:
                    with closing(file):
                        self._empty(file)
            except OSError as error:  # another one's file must not wait for this one
                _log.warning("%s cannot be taken over: %s", path, error.strerror)

    def close(self) -> None:
        """Ship the rest and end; what comes later is refused."""
        self._stop.set()
        self._thread.join(timeout=10)
        with self._lock:
            if self._file is not None:
                self._full.append(self._file)
            self._file = None
        if self._thread.is_alive():
            return  # it holds on to the files; their locks end with the process
        self._attempt(self.ship)
        for file in self._full:
            file.close()

    def _writable(self) -> SpoolFile:
        """The current file, a new one when it is long enough and the disk has room for another."""
        if self._stop.is_set() and self._file is None:
            raise SpoolFull("the process is ending")
        if self._file is not None and self._file.size < ROTATE_BYTES:
            return self._file
        try:
            fresh = SpoolFile.create(self._folder)
        except SpoolFull:
            if self._file is None:
                raise
            return self._file
        if self._file is not None:
            self._full.append(self._file)
        self._file = fresh
        return fresh

    def _run(self) -> None:
        rounds = 0
        while not self._stop.wait(SHIP_EVERY_S):
            if self._attempt(self.ship):
                self._away = False  # where there is nothing to adopt the database was not asked
            if rounds % LEFTOVERS_EVERY == 0:
                self._attempt(self.adopt)
            rounds += 1

    def _attempt(self, work: Callable[[], None]) -> bool:
        """Was it done? Whatever goes wrong, the records stay where they are, and the thread lives."""
        try:
            work()
        except _AWAY as error:
            if not self._away:
                _log.warning(
                    "scan records wait in %s for the database: %s", self._folder, type(error).__name__
                )
            self._away = True
        except Exception:  # noqa: BLE001
            _log.exception("shipping of scan records failed; it is tried again")
        else:
            return True
        with self._lock:
            waiting = [*self._full, *([self._file] if self._file else [])]
        for file in waiting:
            with suppress(OSError):
                file.sync()
        return False

    def _empty(self, file: SpoolFile) -> None:
        """Ship a file that grows no more, and remove it."""
        self._move(file)
        file.remove()  # before its offset is forgotten: what is shipped must never be shipped again
        with suppress(*_AWAY), self._connection() as connection:  # a row too many does no harm
            connection.execute(_DONE, (file.id,))
            connection.commit()

    def _move(self, file: SpoolFile) -> None:
        """Everything up to its present end."""
        end = file.size
        while file.shipped < end:
            before = file.shipped
            try:
                self._move_block(file, end, _copy)
            except _REFUSED as error:
                _log.warning("scan records in %s are sorted out one by one: %s", file.path, error)
                self._move_block(file, end, _copy_one_by_one)
            if file.shipped == before:
                _log.warning("the last scan record in %s was never finished, nor answered", file.path)
                return

    def _move_block(self, file: SpoolFile, end: int, write: Callable[[Any, bytes], None]) -> None:
        with self._connection() as connection, connection.transaction():
            start = int(connection.execute(_OFFSET, (file.id,)).fetchone()[0])
            block = file.read(start, end)
            if block:
                write(connection, block)
                connection.execute(_MOVE, (start + len(block), file.id))
        file.shipped = start + len(block)

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        raw = self._engine.raw_connection()
        try:
            yield raw.driver_connection
        except psycopg.OperationalError as error:
            raw.invalidate(error)
            raise
        finally:
            raw.close()


def _copy(connection: Any, block: bytes) -> None:
    """The file holds rows as COPY takes them, so that shipping costs next to nothing here."""
    if _END in b"\n" + block:  # damage that COPY would take for the end of its data
        raise psycopg.DataError("a line that means the end of the data")
    with connection.cursor().copy(_COPY) as copy:
        copy.write(block)


def _copy_one_by_one(connection: Any, block: bytes) -> None:
    """For a block that the database refuses: one row that it will never take must not hold up the others."""
    for line in block.split(b"\n")[:-1]:
        try:
            with connection.transaction():
                _copy(connection, line + b"\n")
        except psycopg.errors.UniqueViolation:
            pass  # it is there: a copy of a file that somebody put back
        except _REFUSED as error:
            _log.error("a damaged scan record was left out (%d bytes): %s", len(line), type(error).__name__)


def _line(event: PackEvent, answer: Any) -> bytes:
    """The row in the text format of COPY."""
    occurred = event.occurred_at
    texts = (
        str(int(event.gtin)),
        _text(event.serial),
        str(event.event_id),
        event.received_at.isoformat(),
        _NULL if occurred is None else occurred.isoformat(),
        event.operation,
        _text(event.reason),
        event.code,
        "t" if event.accepted else "f",
        event.state_before or _NULL,
        event.state_after or _NULL,
        _text(event.site_gln),
        _text(event.client_id),
        _json(event.details),
        _json(answer),
    )
    return ("\t".join(texts) + "\n").encode()


def _text(text: str | None) -> str:
    return _NULL if text is None else text.translate(_ESCAPES)


def _json(value: Any) -> str:
    """JSON holds no control characters as such, only backslashes."""
    return _encode(value).decode().replace("\\", "\\\\")
