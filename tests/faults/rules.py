"""What is to become of single questions and answers on their way."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from wires import Words

PATIENCE_S = 20
LOOK_S = 0.003
ANSWERED = frozenset({"lose", "late", "cut after", "half", "instead"})
"""What concerns an answer."""


async def until(condition: Callable[[], bool]) -> None:
    """For what other threads set."""
    while not condition():  # noqa: ASYNC110 - an asyncio.Event cannot be set from another thread
        await asyncio.sleep(LOOK_S)


@dataclass(eq=False)
class Rule:
    """What becomes of the next `times` questions that `match`.

    `what`: `drop` the question never arrives; `lose` its answer never does; `late` the answer comes after
    `seconds`; `hold` the question waits until `release`, whoever has hung up meanwhile; `repeat` it arrives
    again after `seconds`, by another connection; `cut` the connection ends before it, `cut after` after it
    was answered there; `half` after half of its answer; `instead` another answer comes, made of the true one.
    """

    match: Callable[[Words], bool]
    what: str
    times: float = 1
    seconds: float = 0.0
    instead: Callable[[bytes], bytes] | None = None
    seen: int = 0
    met: threading.Event = field(default_factory=threading.Event)
    _released: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        """Let go what is held, and hold nothing more."""
        self.times = 0
        self._released.set()

    def wait(self) -> None:
        """Until a question met it."""
        assert self.met.wait(PATIENCE_S), f"no question to {self.what} ever came"

    def takes(self, words: Words) -> bool:
        if self.seen >= self.times or not words or not self.match(words):
            return False
        self.seen += 1
        self.met.set()
        return True

    async def released(self) -> None:
        await until(self._released.is_set)
