"""On the path of a service under test: a worker kills itself at the place that a note names, once.

The note is a file; whoever finds its own place in it and removes it, dies.
"""

import os
import signal
import sys
from pathlib import Path


def die_at(place: str) -> None:
    note = Path(os.environ["DEATH_NOTE"])
    try:
        if note.read_text() == place:
            note.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
    except FileNotFoundError:
        pass


if "verifier.server" in sys.orig_argv:
    from verifier.storage.status_cache import StatusCache

    fence, settle = StatusCache.fence, StatusCache.settle

    def deadly_fence(self: StatusCache, *change: object) -> None:
        die_at("before the fence")
        fence(self, *change)  # type: ignore[arg-type]
        die_at("between fence and commit")

    def deadly_settle(self: StatusCache, *change: object) -> None:
        die_at("between commit and settling")
        settle(self, *change)  # type: ignore[arg-type]
        die_at("between settling and answer")

    StatusCache.fence, StatusCache.settle = deadly_fence, deadly_settle  # type: ignore[method-assign, assignment]
