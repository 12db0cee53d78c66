"""A file of scan records: appended line by line, locked for the life of its process. Knows no database."""

import fcntl
import os
import uuid
from contextlib import suppress
from pathlib import Path

READ_BYTES = 1 << 20
_CLOSED = -1


class SpoolFull(Exception):
    """The record could not be appended; the file is as it was before."""


class SpoolFile:
    """One file. `size` counts whole records only, `shipped` what is known to be in the database."""

    def __init__(self, path: Path, descriptor: int, size: int) -> None:
        self.path = path
        self.id = path.stem
        self.size = size
        self.shipped = 0
        self._descriptor = descriptor
        self._torn = False

    @classmethod
    def create(cls, folder: Path) -> "SpoolFile":
        """A new one; locked before anybody else can see it under its name.

        Raises:
            SpoolFull: the disk takes no file.
        """
        name = uuid.uuid4().hex
        hidden, path = folder / f".{name}", folder / f"{name}.scans"
        try:
            descriptor = os.open(
                hidden, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            raise SpoolFull(error.strerror) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            hidden.rename(path)
        except OSError as error:
            os.close(descriptor)
            with suppress(OSError):
                hidden.unlink()
            raise SpoolFull(error.strerror) from None
        return cls(path, descriptor, 0)

    @classmethod
    def adopt(cls, path: Path) -> "SpoolFile | None":
        """One whose process is gone; None when it lives, or somebody else was faster.

        Raises:
            OSError: it cannot be opened.
        """
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
        """All of the line, or nothing.

        Raises:
            SpoolFull: nothing.
        """
        try:
            self._mend()
            self._torn = True  # until all of it is there
            written = os.write(self._descriptor, line)
            if written != len(line):
                self._mend()
                raise SpoolFull("short write")
        except OSError as error:
            raise SpoolFull(error.strerror) from None
        self._torn = False
        self.size += written

    def _mend(self) -> None:
        """Cut off what a failed write may have left: the next record must not be glued to it."""
        if self._torn:
            os.ftruncate(self._descriptor, self.size)
            self._torn = False

    def read(self, start: int, end: int) -> bytes:
        """The next whole lines; none when `start` lies behind the end, as after a loss of power it may."""
        if start >= end:
            return b""
        block = os.pread(self._descriptor, min(end - start, READ_BYTES), start)
        return block[: block.rfind(b"\n") + 1]

    def sync(self) -> None:
        """To the disk."""
        if self._descriptor != _CLOSED:
            os.fdatasync(self._descriptor)

    def remove(self) -> None:
        """For good: after a loss of power too it does not come back."""
        self.path.unlink(missing_ok=True)
        self.close()
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        """Leave it to whoever comes next; once only, since its number may soon be another file's."""
        descriptor, self._descriptor = self._descriptor, _CLOSED
        if descriptor != _CLOSED:
            os.close(descriptor)
