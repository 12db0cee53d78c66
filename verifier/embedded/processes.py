"""Start a process, and recognise one later by what it runs, never by its pid alone."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

_PROC = Path("/proc")
_LOG_BYTES = 10_000_000

# Servers outlive the user who started them, so their handles, each with its log, belong to the process not
# to a session. Reaped, none stays behind as a zombie while this process goes on.
_children: list[tuple[Path, subprocess.Popen[bytes]]] = []
_children_lock = threading.Lock()


def spawn(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a command out of reach of the terminal's Ctrl-C, its output appended to the log."""
    with _open_log(log) as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment(),
            start_new_session=True,
            umask=0o077,
        )
    with _children_lock:
        _children.append((log, child))
    return child


def environment() -> dict[str, str]:
    """What a server may see of our environment: nothing secret, no language, no PG* default."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def reap(log: Path | None = None) -> bool:
    """Collect those of our children that have ended; True when none is left that writes this log."""
    with _children_lock:
        _children[:] = [(written, child) for written, child in _children if child.poll() is None]
        return all(written != log for written, _ in _children)


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for the condition, at most so long; its last value."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def command_line(pid: int) -> str:
    """What the process was started with, or calls itself now; empty when it is gone or a zombie."""
    if _PROC.joinpath("self").exists():
        try:
            return os.fsdecode(_PROC.joinpath(str(pid), "cmdline").read_bytes().replace(b"\0", b" "))
        except OSError:
            return ""
    return dict(_ps("-p", str(pid))).get(pid, "")


def matching(recognise: Callable[[str], bool]) -> list[int]:
    """The living processes whose command line is recognised."""
    if _PROC.joinpath("self").exists():
        pids = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
        return [pid for pid in pids if recognise(command_line(pid))]
    return [pid for pid, command in _ps("-A") if recognise(command)]


def send(pids: Sequence[int], number: signal.Signals) -> None:
    """Signal those that still exist."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _ps(*which: str) -> Iterator[tuple[int, str]]:
    """The same where there is no /proc: macOS."""
    lines = subprocess.run(
        ("ps", "-ww", "-o", "pid=,stat=,command=", *which), capture_output=True, text=True, check=False
    )
    for line in lines.stdout.splitlines():
        pid, state, *command = line.split(maxsplit=2)
        if command and not state.startswith("Z"):
            yield int(pid), command[0]


def _open_log(log: Path) -> BinaryIO:
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
    return os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb")
