"""Changes and look-ups in several processes at once, and what each look-up had to show at least."""

import threading
from collections import Counter
from typing import Self

from instances import Process, new_pack

from verifier.domain.codes import PackCode


class Traffic:
    """One thread a pack that dispenses and undoes it in turns, and readers in every process.

    A look-up that starts after a change was acknowledged must show that version or a later one.
    """

    def __init__(self, processes: list[Process], packs: int = 4) -> None:
        self._processes = processes
        self._packs = [new_pack(processes[0]) for _ in range(packs)]
        self._acknowledged = dict.fromkeys(self._packs, 0)
        self._end = threading.Event()
        self.stale: list[tuple[PackCode, int, int]] = []
        self.errors: list[BaseException] = []
        self.reads: Counter[int] = Counter()
        writers = [threading.Thread(target=self._write, args=(n, pack)) for n, pack in enumerate(self._packs)]
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
                for pack in self._packs:
                    least = self._acknowledged[pack]
                    _, version = process.find(pack)
                    self.reads[number] += 1
                    if version < least:
                        self.stale.append((pack, version, least))
        except BaseException as error:  # noqa: BLE001 - shown by the test
            self.errors.append(error)
