"""File locks: who starts, who uses, and which server lives.

A lock of the kernel goes with the process that holds it, however that dies. A pid written to a file does not:
it may be a zombie's, or belong to a stranger by now. So every server inherits the locked descriptor of a file
of its own, and lives exactly as long as that file is locked. This holds also for its orphaned children, and
across containers that share the folder.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


@contextmanager
def exclusive(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock alone; `waiting` is called once when somebody else has it at the moment."""
    fd = _open(path)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        # Unlocked by name: a process forked in between has the descriptor too, so closing ours is not enough.
        fcntl.flock(fd, fcntl.LOCK_UN)
        os.close(fd)


def held(path: Path) -> bool:
    """True while some process holds the lock of this file exclusively."""
    fd = _open(path)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(fd, fcntl.LOCK_UN)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(fd)


class Seat:
    """One user of a home. Taken and left under the start lock, so that nobody sits down meanwhile."""

    def __init__(self, path: Path) -> None:
        self._fd = _open(path)
        fcntl.flock(self._fd, fcntl.LOCK_SH)

    def leave(self) -> bool:
        """Give the seat back; True when no other user is left."""
        last = False
        with suppress(BlockingIOError):
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            last = True
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        os.close(self._fd)
        return last
