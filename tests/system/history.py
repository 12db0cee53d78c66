"""What was asked and answered when, and whether one pack after the other it could have been so."""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Self

from callers import Answer, Caller, new_key
from running import Pack, until


@dataclass(frozen=True, slots=True)
class Entry:
    """An answer about one pack: the state that it showed."""

    operation: str
    state: str
    sent: float
    done: float


class History:
    """Answers by serial. Packs here are dispensed once and stay so."""

    def __init__(self) -> None:
        self.entries: dict[str, list[Entry]] = defaultdict(list)
        self.statuses: Counter[int] = Counter()

    def add(self, operation: str, pack: Pack, answer: Answer) -> None:
        self.statuses[answer.status] += 1
        if answer.status in (200, 409):
            state = answer.body["pack"]["state"]
            self.entries[pack["serial"]].append(Entry(operation, state, answer.sent, answer.done))

    def stale(self) -> list[tuple[str, Entry]]:
        """Verifies that were sent after the dispensing was acknowledged and did not show it."""
        return self._shown_after(lambda entry: entry.operation == "dispense")

    def backwards(self) -> list[tuple[str, Entry]]:
        """Verifies that did not show it though somebody had seen it before they were sent."""
        return self._shown_after(lambda _entry: True)

    def _shown_after(self, counts: Callable[[Entry], bool]) -> list[tuple[str, Entry]]:
        wrong = []
        for serial, entries in self.entries.items():
            known = min((e.done for e in entries if e.state == "dispensed" and counts(e)), default=None)
            if known is not None:
                wrong += [(serial, e) for e in entries if e.sent > known and e.state != "dispensed"]
        return wrong


class Traffic:
    """Threads that verify a few packs over and over while others dispense them one by one.

    `insist`: ask again, with the same key, where no answer came; else an error ends the thread and the test.
    """

    def __init__(
        self,
        callers: list[Caller],
        packs: list[Pack],
        *,
        readers: int = 6,
        pause: float = 0.02,
        insist: bool = False,
    ) -> None:
        self.history = History()
        self.errors: list[BaseException] = []
        self._callers, self._packs, self._insist, self._pause = callers, packs, insist, pause
        self._next = iter(packs)
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._dispensed: list[Pack] = []
        works: list[tuple[Callable[..., None], Any]] = [(self._verify, n) for n in range(readers)]
        works += [(self._dispense, n) for n in range(2)]
        self._threads = [threading.Thread(target=self._run, args=work) for work in works]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def passed(self, dispensed: int) -> None:
        """Until so many packs were dispensed."""
        until(lambda: len(self._dispensed) >= dispensed or self.errors, f"{dispensed} packs dispensed", 60)

    def _run(self, work: Callable[[int], None], number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - shown by the test
            self.errors.append(error)

    def _ask(self, caller: Caller, ask: Callable[[], Answer]) -> Answer:
        return caller.insist(ask) if self._insist else ask()

    def _verify(self, number: int) -> None:
        random, caller = Random(number), self._callers[number % len(self._callers)]  # noqa: S311
        while not self._end.is_set():
            # mostly those that are dispensed just now, so that many of them are warm then
            near = len(self._dispensed)
            pack = self._packs[min(len(self._packs) - 1, max(0, near + random.randint(-4, 4)))]
            self.history.add("verify", pack, self._ask(caller, lambda pack=pack: caller.verify(pack)))

    def _dispense(self, number: int) -> None:
        caller = self._callers[number % len(self._callers)]
        while not self._end.wait(self._pause):
            with self._lock:
                pack = next(self._next, None)
            if pack is None:
                return
            key = new_key()
            answer = self._ask(caller, lambda pack=pack, key=key: caller.dispense(pack, key))
            self.history.add("dispense", pack, answer)
            self._dispensed.append(pack)
