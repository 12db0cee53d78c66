"""People at both instances who look at a few packs, dispense and undo them, all at once."""

import threading
import time
from collections import Counter
from http.client import HTTPException
from random import Random
from typing import Self

from callers import new_key
from ledger import Person
from running import Pack, until
from stage import Stage

PAUSE_S = 0.01


class Crowd:
    """Threads that are at work inside `with`. An unanswered change is asked for again with its key."""

    def __init__(self, stage: Stage, packs: int = 3, readers: int = 3) -> None:
        self.packs = stage.packs(packs)
        self.told: Counter[str] = Counter()
        self.errors: list[BaseException] = []
        self._end = threading.Event()
        people = [instance.pharmacy for instance in stage.both]
        self._threads = [
            threading.Thread(target=self._run, args=(self._read, number, people)) for number in range(readers)
        ] + [
            threading.Thread(target=self._run, args=(self._write, number, people)) for number in range(packs)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()
        assert not self.errors, self.errors

    def passed(self, changes: int = 6, looks: int = 30) -> None:
        """Until so many more were answered."""
        wanted = {"change": self.told["change"] + changes, "look": self.told["look"] + looks}
        until(lambda: self.errors or all(self.told[what] >= wanted[what] for what in wanted), "traffic", 40)

    def _run(self, work: object, number: int, people: list[Person]) -> None:
        try:
            work(number, people)  # type: ignore[operator]
        except BaseException as error:  # noqa: BLE001 - shown by the test
            self.errors.append(error)

    def _read(self, number: int, people: list[Person]) -> None:
        random = Random(number)  # noqa: S311
        while not self._end.wait(PAUSE_S):
            person, pack = random.choice(people), random.choice(self.packs)
            try:
                answer = person.look(pack, fresh=random.random() < 0.3)
            except (OSError, HTTPException):
                continue
            self.told["look" if answer.status == 200 else "away"] += 1

    def _write(self, number: int, people: list[Person]) -> None:
        random, pack = Random(-number), self.packs[number]  # noqa: S311
        while not self._end.wait(PAUSE_S * 4):
            name = random.choice(("dispense", "undo"))
            self._insist(name, pack, people, random)

    def _insist(self, name: str, pack: Pack, people: list[Person], random: Random) -> None:
        """Where one instance does not answer, the other is asked."""
        key, end = new_key(), time.monotonic() + 30
        while time.monotonic() < end:
            try:
                answer = getattr(random.choice(people), name)(pack, key)
                if "pack" in answer.body:
                    self.told["change"] += 1
                    return
            except (OSError, HTTPException):
                pass
            time.sleep(0.05)
        raise AssertionError(f"no answer to a {name} within 30 s")
