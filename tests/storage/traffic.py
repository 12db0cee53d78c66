"""Changes and look-ups in several processes at once, and what each look-up had to show at least."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from instances import Process, Processes, new_pack, until

from verifier.domain.codes import PackCode


class Traffic:
    """One thread a pack that dispenses and undoes it in turns, and readers in every process.

    A look-up that starts after a change was acknowledged must show that version or a later one.
    """

    def __init__(self, processes: list[Process], packs: int = 4) -> None:
        self._processes = processes
        self.packs = [new_pack(processes[0]) for _ in range(packs)]
        self._acknowledged = dict.fromkeys(self.packs, 0)
        self._end = threading.Event()
        self.stale: list[tuple[PackCode, int, int]] = []
        self.errors: list[BaseException] = []
        self.reads: Counter[int] = Counter()
        writers = [threading.Thread(target=self._write, args=(n, pack)) for n, pack in enumerate(self.packs)]
        readers = [
            threading.Thread(target=self._read, args=(n,)) for n in range(len(processes)) for _ in range(2)
        ]
        self._threads = writers + readers

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    @property
    def changes(self) -> int:
        return sum(self._acknowledged.values())

    def _write(self, number: int, pack: PackCode) -> None:
        try:
            while not self._end.is_set():
                version = self._acknowledged[pack]
                process = self._processes[(number + version) % len(self._processes)]
                change = process.dispense if version % 2 == 0 else process.reactivate
                assert change(pack) == "ok"
                self._acknowledged[pack] = version + 1
                self._end.wait(0.002 * (1 + number))
        except BaseException as error:  # noqa: BLE001 - shown by the test
            self.errors.append(error)

    def _read(self, number: int) -> None:
        process = self._processes[number]
        try:
            while not self._end.is_set():
                for pack in self.packs:
                    least = self._acknowledged[pack]
                    _, version = process.find(pack)
                    self.reads[number] += 1
                    if version < least:
                        self.stale.append((pack, version, least))
        except BaseException as error:  # noqa: BLE001 - shown by the test
            self.errors.append(error)


@contextmanager
def running(database_url: str, redis_url: str, count: int = 2) -> Iterator[list[Process]]:
    """So many processes with their upkeep running."""
    made = Processes(database_url, redis_url)
    for _ in range(count):
        made().start()
    try:
        yield made.all
    finally:
        made.close()


def in_use(*processes: Process) -> None:
    """Until look-ups are answered from the cache again, in each of them."""
    until(lambda: processes[0].control.refresh().cache_on, "the switch on")
    pack = new_pack(processes[0])
    for process in processes:
        hits = process.outcomes["hit"]

        def hit(process: Process = process, hits: int = hits) -> bool:
            process.find(pack)
            return process.outcomes["hit"] > hits

        until(hit, "a look-up from the cache")


def passed(traffic: Traffic, changes: int) -> None:
    """Until so many more changes were acknowledged."""
    wanted = traffic.changes + changes
    until(lambda: traffic.changes >= wanted or bool(traffic.errors), "enough changes")


def admitted_anew(traffic: Traffic, processes: list[Process], epoch: int) -> None:
    """Until the switch went off after this epoch and look-ups are answered from the cache again."""
    until(lambda: processes[0].control.refresh().epoch > epoch, "the switch off")
    in_use(*processes)
    passed(traffic, 12)


def was_right(traffic: Traffic) -> None:
    """Every look-up showed the last acknowledged change, and each process did some."""
    assert not traffic.errors
    assert not traffic.stale
    assert traffic.changes
    assert all(traffic.reads.values())
