"""Scan records that cost microseconds: appended to a file per process, shipped to the database by COPY.

A record is in the kernel's hands before the answer leaves, so a kill -9 of any process loses none. A power
loss may cost what was not yet shipped, less than a second of accepted, read-only scans. Shipping moves the
file's offset in the same transaction that inserts the rows: each record arrives exactly once, whatever dies.
"""

import fcntl
import logging
import os
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from verifier.domain.journal import PackEvent
from verifier.storage.store import Store

SHIP_EVERY_S = 0.4
LEFTOVERS_EVERY = 10  # rounds
ROTATE_BYTES = 32 << 20
READ_BYTES = 8 << 20

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

_encode = msgspec.json.Encoder().encode
_log = logging.getLogger(__name__)


class SpoolFull(Exception):
    """The record could not be appended; the file is as it was before."""


class Scans:
    """See `services.ports.Scans`: the spool, and the database where the disk does not take it."""

    def __init__(self, spool: "Spool", store: Store) -> None:
        self._spool = spool
        self._store = store

    def record(self, event: PackEvent, answer: Any) -> None:
        """To the file, else to the database."""
        try:
            self._spool.append(event, answer)
        except SpoolFull as error:
            _log.warning("scan recorded in the database: the disk did not take it (%s)", error)
            self._store.run(lambda tx: tx.record(event, answer))


class Spool:
    """One process's file of scan records, and the thread that ships it and what dead processes left."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._engine = engine
        self._folder = folder
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._file = _File.create(folder)
        self._full: list[_File] = []
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    def append(self, event: PackEvent, answer: Any) -> None:
        """Record a scan.

        Raises:
            SpoolFull: the disk did not take it; record it in the database instead.
        """
        line = _encode((*_row(event), _encode(answer).decode())) + b"\n"
        with self._lock:
            self._file.append(line)
            if self._file.size >= ROTATE_BYTES:
                self._full.append(self._file)
                self._file = _File.create(self._folder)

    def ship(self) -> None:
        """Bring everything that is there to the database.

        Raises:
            SQLAlchemyError: the database does not answer; nothing is lost.
        """
        with self._lock:
            full, current = list(self._full), self._file
        for file in full:
            self._empty(file)
            self._full.remove(file)
        self._move(current, current.size)

    def close(self) -> None:
        """Ship the rest and end."""
        self._stop.set()
        self._thread.join(timeout=10)
        try:
            self.ship()
            self._empty(self._file)
        except SQLAlchemyError:
            _log.warning("scan records stay in %s until the next start", self._file.path)
            self._file.close()

    def _run(self) -> None:
        rounds = 0
        while not self._stop.wait(SHIP_EVERY_S):
            try:
                self.ship()
                if rounds % LEFTOVERS_EVERY == 0:
                    self._adopt()
                rounds += 1
            except SQLAlchemyError as error:
                _log.warning("scan records wait for the database: %s", type(error).__name__)
                self._file.sync()
            except Exception:  # noqa: BLE001 - whatever it is, the records stay where they are
                _log.exception("shipping of scan records failed; it is tried again")
                self._file.sync()

    def _adopt(self) -> None:
        """Ship what processes left that are gone: their files can be locked."""
        for path in self._folder.glob("*.scans"):
            file = _File.adopt(path)
            if file is not None:
                self._empty(file)

    def _empty(self, file: "_File") -> None:
        """Ship a file that grows no more, and remove it."""
        self._move(file, file.size)
        file.remove()  # before its offset is forgotten: what is shipped must never be shipped again
        raw = self._engine.raw_connection()
        try:
            raw.cursor().execute(_DONE, (file.id,))
            raw.commit()
        finally:
            raw.close()

    def _move(self, file: "_File", end: int) -> None:
        while file.shipped < end:
            before = file.shipped
            self._move_block(file, end)
            if file.shipped == before:
                return  # a line that its writer did not live to finish; it was never answered

    def _move_block(self, file: "_File", end: int) -> None:
        raw: Any = self._engine.raw_connection()
        try:
            connection = raw.driver_connection
            with connection.transaction():
                cursor = connection.cursor()
                start = int(cursor.execute(_OFFSET, (file.id,)).fetchone()[0])
                block = file.read(start, min(end, start + READ_BYTES))
                with cursor.copy(_COPY) as copy:
                    for row in _rows(block, file):
                        copy.write_row(row)
                cursor.execute(_MOVE, (start + len(block), file.id))
            file.shipped = start + len(block)
        finally:
            raw.close()


class _File:
    """An append-only file, locked for the life of its process."""

    def __init__(self, path: Path, descriptor: int, size: int) -> None:
        self.path = path
        self.id = path.stem
        self.size = size
        self.shipped = 0
        self._descriptor = descriptor

    @classmethod
    def create(cls, folder: Path) -> "_File":
        """A new one; locked before anybody else can see it under its name."""
        name = uuid.uuid4().hex
        hidden, path = folder / f".{name}", folder / f"{name}.scans"
        descriptor = os.open(hidden, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        hidden.rename(path)
        return cls(path, descriptor, 0)

    @classmethod
    def adopt(cls, path: Path) -> "_File | None":
        """One whose process is gone; None when it lives, or somebody else was faster."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if not path.exists():  # shipped and removed by another process in between
            os.close(descriptor)
            return None
        return cls(path, descriptor, os.fstat(descriptor).st_size)

    def append(self, line: bytes) -> None:
        """All of the line, or nothing and SpoolFull."""
        try:
            written = os.write(self._descriptor, line)
        except OSError as error:
            written, reason = 0, error.strerror
        else:
            reason = "short write"
        if written != len(line):
            os.ftruncate(self._descriptor, self.size)
            raise SpoolFull(reason)
        self.size += written

    def read(self, start: int, end: int) -> bytes:
        """Whole lines only."""
        block = os.pread(self._descriptor, end - start, start)
        return block[: block.rfind(b"\n") + 1]

    def sync(self) -> None:
        """To the disk, when the database cannot take it now."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Leave it to whoever comes next."""
        os.close(self._descriptor)

    def remove(self) -> None:
        """It is empty."""
        self.path.unlink(missing_ok=True)
        self.close()


def _row(event: PackEvent) -> tuple[Any, ...]:
    return (
        int(event.gtin), event.serial, event.event_id, event.received_at, event.occurred_at, event.operation,
        event.reason, event.code, event.accepted, event.state_before, event.state_after, event.site_gln,
        event.client_id, _encode(event.details).decode(),
    )  # fmt: skip


def _rows(block: bytes, file: _File) -> Iterator[tuple[Any, ...]]:
    for line in block.splitlines():
        try:
            yield tuple(msgspec.json.decode(line))
        except msgspec.DecodeError:
            _log.warning("a damaged scan record in %s was left out (%d bytes)", file.path.name, len(line))
