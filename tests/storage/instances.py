"""Several processes of the service as far as storage goes, in one process: each with its own connections,
its own view of the control row and its own cache, on one database and one Redis."""

import itertools
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from verifier.domain.codes import PackCode
from verifier.domain.expiry import Expiry
from verifier.domain.journal import Fault, PackEvent, Replay
from verifier.domain.lifecycle import Action, Operation
from verifier.domain.load import PackRow
from verifier.domain.pack import Actor, Site, SiteType, State
from verifier.domain.scan import Context, Scan
from verifier.domain.verdict import Verdict
from verifier.services import commands, packs
from verifier.services.ports import Ports
from verifier.storage.archive import Archive
from verifier.storage.control import PERMISSION_S, Control
from verifier.storage.database import connect
from verifier.storage.loader import Loader
from verifier.storage.redis_link import Link, NoRedis
from verifier.storage.redis_links import link_to
from verifier.storage.status_cache import StatusCache
from verifier.storage.store import Store

PHARMACY = Actor(
    "client-1", Site("4012345000016", "Corner", SiteType.PHARMACY, "DE"), frozenset({"dispense"})
)
OPERATOR = Actor("client-2", Site("4012345000078", "Operator", SiteType.OPERATOR, "DE"), frozenset())
EXPIRY = Expiry.from_number(20990131)
PATIENCE_S = 20
MICROSECOND = 2.0**-20
_numbers = itertools.count(1)


class Clock:
    """A monotonic clock that goes on by a microsecond a look, and by what is slept."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += MICROSECOND
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Died(BaseException):
    """Stands for the end of a process at this very point: nothing after it is run."""


class Recorded:
    """Scans written down at once."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def record(self, event: PackEvent, answer: Any) -> None:
        self._store.run(lambda tx: tx.record(event, answer))


class Process:
    """One process. Its upkeep runs when `tick` is called, or by itself after `start`."""

    def __init__(
        self,
        database_url: str,
        redis_url: str | None,
        clock: Callable[[], float],
        connections: int = 20,
    ) -> None:
        self.outcomes: Counter[str] = Counter()
        self.engine = connect(database_url, pool=20)
        self._reads = connect(database_url, pool=20, autocommit=True)
        self.control = Control(self._reads, clock)
        self.link: Link = link_to(redis_url, connections=connections) if redis_url else NoRedis()
        self.cache = StatusCache(self._reads, self.control, self.link, count=self._count)
        self.store = Store(self.engine, self.cache)
        self.ports = Ports(
            reader=self.cache,
            store=self.store,
            scans=Recorded(self.store),
            archive=Archive(self.engine),
            clock=lambda: datetime.now(UTC),
            new_id=uuid.uuid4,
            local_date=lambda instant, _timezone: instant.date(),
            vrs=None,  # nobody is asked here
            sign=lambda kind, payload: f"{kind}.{len(payload)}.",
        )

    def _count(self, outcome: str) -> None:
        self.outcomes[outcome] += 1

    def start(self) -> None:
        self.control.start(self.cache.upkeep)

    def tick(self) -> None:
        """What the thread of a real process does a few times a second."""
        self.cache.upkeep(self.control.refresh())

    def close(self) -> None:
        self.control.stop()
        self.link.close()
        self.engine.dispose()
        self._reads.dispose()

    # What people do.

    def find(self, code: PackCode) -> tuple[State, int]:
        """The pack's state and version as a scan sees them."""
        pack = self.cache.find(code).pack
        assert pack is not None
        return pack.state, pack.version

    def verify(self, code: PackCode) -> str:
        return packs.look(self.ports, PHARMACY, Operation.VERIFY, Scan(code, Context())).code

    def dispense(self, code: PackCode, key: str | None = None) -> str:
        return self.change(Action.DISPENSE, Operation.DISPENSE, code, key)

    def reactivate(self, code: PackCode, key: str | None = None) -> str:
        return self.change(Action.REACTIVATE, Operation.REACTIVATE, code, key)

    def change(self, action: Action, operation: Operation, code: PackCode, key: str | None = None) -> str:
        """The verdict's code; `replay` where the stored answer came."""
        order = packs.Order(
            operation,
            action,
            Scan(code, Context()),
            key or new_key(),
            operation.encode(),
            not_supplied_to_public=True,
        )
        answer = packs.change(self.ports, PHARMACY, order)
        if isinstance(answer, Replay):
            return "replay"
        assert isinstance(answer, Verdict), answer
        return answer.code

    def command(self, name: str, code: PackCode) -> None:
        """Recall, hold, release the pack's batch; withdraw its product."""
        lot = None if name == "withdraw" else code.lot
        order = commands.Command(name, code.gtin, lot, "test", new_key(), b"digest")
        answer = commands.command(self.ports, OPERATOR, order)
        assert not isinstance(answer, Fault), answer

    # What is in Redis.

    def key(self, code: PackCode) -> str:
        return self.cache._key(self.control.refresh(), code.gtin, code.serial)

    def redis(self, *command: Any) -> Any:
        return self.link.ask(self.link.probe(), *command)

    def held(self, code: PackCode) -> bytes | None:
        """The bytes in the cache for this pack."""
        return self.redis("GET", self.key(code))

    def warm(self, code: PackCode) -> None:
        """Until the pack is answered from the cache."""
        before = self.outcomes["hit"]
        for _ in range(3):
            self.find(code)
        assert self.outcomes["hit"] > before, self.outcomes


class Processes:
    """The processes on one database and one Redis, closed together."""

    def __init__(
        self, database_url: str, redis_url: str | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.database_url, self.redis_url = database_url, redis_url
        self.clock = clock
        self.all: list[Process] = []

    def sleep(self, seconds: float) -> None:
        """Let so much time go by on a clock that stands still."""
        assert isinstance(self.clock, Clock)
        self.clock.sleep(seconds)

    def __call__(self, redis_url: str | None = "", **more: Any) -> Process:
        """One more; with no Redis when `redis_url` is None."""
        url = self.redis_url if redis_url == "" else redis_url
        process = Process(self.database_url, url, self.clock, **more)
        self.all.append(process)
        return process

    def admitted(self, count: int) -> list[Process]:
        """So many, with the cache on and a permission in each."""
        made = [self() for _ in range(count)]
        self.admit()
        return made

    def admit(self) -> None:
        """The switch on, and every process with a fresh permission."""
        first = self.all[0]
        first.tick()
        self.sleep(PERMISSION_S)
        first.tick()
        for process in self.all:
            assert process.control.refresh().cache_on

    def close(self) -> None:
        for process in self.all:
            process.close()


def new_key() -> str:
    return f"key-{next(_numbers)}"


def new_pack(process: Process, serial: str | None = None, gtin: str | None = None) -> PackCode:
    """A fresh pack of a fresh product, in the database."""
    number = next(_numbers)
    code = PackCode(gtin or f"{number:014d}", serial or f"S{number}", "LOT1", EXPIRY, None, ())
    load(process, code)
    return code


def load(process: Process, code: PackCode) -> None:
    row = PackRow(2, code.gtin, code.serial, code.lot or "", EXPIRY.number(), None, ())
    loader = Loader(process.engine, "eu_fmd")
    result = loader.load([row], dry_run=False, reject=lambda _: None, progress=lambda _: None)
    assert result.loaded == 1


def learn(process: Process, pack: PackCode) -> None:
    """Product and batch are known, so that the next look-up goes to Redis; nothing is held for the pack."""
    process.find(pack)
    process.redis("DEL", process.key(pack))


class Gate:
    """Stops whoever comes first to a place until it is opened; those who come later go through."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._open = threading.Event()
        self._first = threading.Lock()

    def stop_here(self) -> None:
        if self._first.acquire(blocking=False):
            self._reached.set()
            assert self._open.wait(PATIENCE_S), "the gate was never opened"

    def wait(self) -> None:
        assert self._reached.wait(PATIENCE_S), "nobody came to the gate"

    def open(self) -> None:
        self._open.set()


@contextmanager
def behind(
    gate: Gate,
    where: object,
    name: str,
    *,
    before: bool = False,
    only: Callable[..., bool] = lambda *_: True,
) -> Iterator[None]:
    """A gate before or after a method of this one object."""
    method = getattr(where, name)

    def gated(*args: Any, **kwargs: Any) -> Any:
        chosen = only(*args)
        if before and chosen:
            gate.stop_here()
        result = method(*args, **kwargs)
        if chosen and not before:
            gate.stop_here()
        return result

    setattr(where, name, gated)
    try:
        yield
    finally:
        gate.open()
        delattr(where, name)


class Doing:
    """Something in a thread of its own; `result` waits for it."""

    def __init__(self, work: Callable[..., Any], *args: Any) -> None:
        self._outcome: list[Any] = []
        self._error: list[BaseException] = []
        self._work, self._args = work, args
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._outcome.append(self._work(*self._args))
        except BaseException as error:  # noqa: BLE001 - handed over to the thread that waits
            self._error.append(error)

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def result(self) -> Any:
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "it never came to an end"
        if self._error:
            raise self._error[0]
        return self._outcome[0]


def until(condition: Callable[[], bool], what: str = "the condition") -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"{what} never held"
        time.sleep(0.02)
