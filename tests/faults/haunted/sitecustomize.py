"""On the path of a service under test: at a named place a worker dies or waits, and its clock may be moved.

In the folder `HAUNTED`: `note` holds a place and a deed; the first worker that comes to that place removes
the note and does it: `die` (kill -9 of itself) or `wait` until there is a file `go`. At `gather` the note
stays, so that all of them wait there, each with a file `there-` of its own. `clock` has the seconds by which
the worker's wall clock is ahead; the monotonic one is left alone.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("HAUNTED", "/nowhere"))
NOTE, CLOCK = str(FOLDER / "note"), str(FOLDER / "clock")
LOOK_S = 0.002


def haunt(place: str) -> None:
    if not os.path.exists(NOTE):  # noqa: PTH110 - asked all the time
        return
    with suppress(FileNotFoundError):
        wanted, _, deed = (FOLDER / "note").read_text().partition(": ")
        if wanted == place:
            if deed == "gather":
                (FOLDER / f"there-{os.getpid()}").touch()
            else:
                (FOLDER / "note").unlink()
            if deed == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            while not (FOLDER / "go").exists():
                time.sleep(LOOK_S)
            if deed == "wait":
                (FOLDER / "go").unlink(missing_ok=True)


def haunted(before: str | None, method: Callable[..., Any], then: str | None) -> Callable[..., Any]:
    @wraps(method)
    def strange(*arguments: Any, **named: Any) -> Any:
        if before:
            haunt(before)
        result = method(*arguments, **named)
        if then:
            haunt(then)
        return result

    return strange


def ahead() -> float:
    if os.path.exists(CLOCK):  # noqa: PTH110 - asked all the time
        with suppress(FileNotFoundError, ValueError):
            return float((FOLDER / "clock").read_text())
    return 0.0


if "verifier.server" in sys.orig_argv and FOLDER.is_dir():
    real = time.time
    time.time = lambda: real() + ahead()  # before anybody has taken it for a default

    from verifier import app
    from verifier.storage import spool
    from verifier.storage.control import Control
    from verifier.storage.redis_link import RedisLink
    from verifier.storage.spool import Spool
    from verifier.storage.spool_file import SpoolFile
    from verifier.storage.status_cache import DatabaseReader, StatusCache

    # fmt: off
    PLACES: tuple[tuple[Any, str, str | None, str | None], ...] = (
        # owner         method                before it                      after it
        (StatusCache,    "fence",              "before the fence",            "between fence and commit"),
        (StatusCache,    "settle",             "between commit and settling", "between settling and answer"),
        (DatabaseReader, "find",               "before the database is read", "between lease and fill"),
        (StatusCache,    "references_settled", "between recall and wait",     "between wait and answer"),
        (Control,        "turn_off",           None,                          "after the switch went off"),
        (RedisLink,      "empty",              "before the cache is emptied", "after the cache was emptied"),
        (Control,        "turn_on",            "before the switch goes on",   "after the switch went on"),
        (Spool,          "append",             "before a scan is appended",   "between append and answer"),
        (spool,          "_copy",              None,                          "between copy and commit"),
        (SpoolFile,      "remove",             "between shipping and removal", "between removal and end"),
    )
    # fmt: on
    if "MISTAKES" in os.environ:
        import mistakes

        for mistake in os.environ["MISTAKES"].split():
            getattr(mistakes, mistake)()
    for owner, name, before, then in PLACES:
        setattr(owner, name, haunted(before, getattr(owner, name), then))
    app._now = lambda: datetime.now(UTC) + timedelta(seconds=ahead())  # type: ignore[attr-defined]
