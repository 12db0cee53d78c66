"""One user's time with the servers of a home: come, have them watched over, leave."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from verifier.embedded import lock, processes
from verifier.embedded.errors import EmbeddedError
from verifier.embedded.home import Home
from verifier.embedded.postgres import NAME, Postgres
from verifier.embedded.redis import Redis

WATCH_SECONDS = 0.25
RETRY_SECONDS = 5.0

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the servers are.

    Attributes:
        database_url: for SQLAlchemy; psycopg takes it without `+psycopg`.
        redis_url: for `redis.from_url`; None when no Redis could be had.
        notes: sentences for the person who started this.
    """

    database_url: str
    redis_url: str | None
    notes: tuple[str, ...]


def _silent(_sentence: str) -> None:
    pass


@contextmanager
def servers(
    home: Path = Path("var"), *, progress: Progress = _silent, redis: bool = True, namespace: bool = True
) -> Iterator[Servers]:
    """Use the servers of this home: attach to them when they run, else start them; the last user stops them.

    Whatever dies in between is started again by a watching thread of any user that is left.

    Args:
        home: the folder of everything embedded; made, for its owner only, when it is missing.
        progress: takes short sentences, now and later from the watching thread.
        redis: whether a Redis is wanted at all.
        namespace: matters to root only. False: try no user namespace, use an unprivileged account at once.

    Raises:
        EmbeddedError: with a code, what to do, and the end of the log.
    """
    user = _User(Home.open(home), progress, redis=redis, namespace=namespace)
    process = os.getpid()
    try:
        yield user.come()
    finally:
        # A forked worker leaves through here too when it exits; the servers are not its to stop.
        if os.getpid() == process:
            user.leave()


def running(home: Path = Path("var")) -> Servers | None:
    """Where the servers of this home are while they run, else None; nothing is started, made or changed.

    Raises:
        EmbeddedError: `data_missing`.
    """
    found = Home(home.expanduser().resolve())
    if not Postgres(found).healthy():
        return None
    redis = Redis(found)
    with_redis = found.alive_lock("redis").exists() and redis.healthy()
    return Servers(*_urls(found, with_redis=with_redis), ())


def _urls(home: Home, *, with_redis: bool) -> tuple[str, str | None]:
    password = quote(home.password() or "", safe="")
    folder = quote(str(Postgres(home).socket_folder))
    database = f"postgresql+psycopg://{NAME}:{password}@/{NAME}?host={folder}"
    return database, f"unix://{quote(str(Redis(home).socket))}?db=0" if with_redis else None


class _User:
    def __init__(self, home: Home, progress: Progress, *, redis: bool, namespace: bool) -> None:
        self._home = home
        self._progress = progress
        self._postgres = Postgres(home, namespace)
        self._redis = Redis(home, namespace)
        self._wants_redis = redis
        self._seat: lock.Seat | None = None
        self._watch: _Watch | None = None

    def come(self) -> Servers:
        notes: list[str] = []
        with self._alone():
            self._seat = lock.Seat(self._home.users_lock)
            self._postgres.ensure(self._progress)
            used: list[Postgres | Redis] = [self._postgres]
            if self._wants_redis:
                try:
                    self._redis.ensure(self._progress)
                    used.append(self._redis)
                except EmbeddedError as error:
                    notes.append(f"No Redis, so the database answers everything. {error}")
            if data := self._home.private():
                notes.append(
                    f"Running as root, so the servers use an unprivileged account and the folder {data}."
                )
            urls = _urls(self._home, with_redis=self._redis in used)
        self._watch = _Watch(used, self._alone, self._progress)
        self._watch.start()
        return Servers(*urls, tuple(notes))

    def leave(self) -> None:
        if self._watch:
            self._watch.end()
        if self._seat is None:
            return
        with self._alone():
            if self._seat.leave():
                self._redis.stop()
                self._postgres.stop()
                self._home.remove_sockets()

    def _alone(self) -> AbstractContextManager[None]:
        waiting = "Waiting for another process to start or stop the servers."
        return lock.exclusive(self._home.start_lock, lambda: self._progress(waiting))


class _Watch(threading.Thread):
    """Starts again what has died. Every user has one, so any of them may leave or be killed."""

    def __init__(
        self,
        used: Sequence[Postgres | Redis],
        alone: Callable[[], AbstractContextManager[None]],
        progress: Progress,
    ) -> None:
        super().__init__(name="embedded-watch", daemon=True)
        self._used, self._alone, self._progress = used, alone, progress
        self._ended = threading.Event()

    def run(self) -> None:
        pause = WATCH_SECONDS
        while not self._ended.wait(pause):
            pause = WATCH_SECONDS
            processes.reap()
            try:
                if not all(server.healthy() for server in self._used):
                    self._revive()
            except (EmbeddedError, OSError) as error:
                self._progress(str(error))
                pause = RETRY_SECONDS

    def end(self) -> None:
        """Return when nothing will be started any more."""
        self._ended.set()
        self.join()

    def _revive(self) -> None:
        with self._alone():
            for server in self._used:
                if not server.healthy() and not self._ended.is_set():
                    self._progress(f"{server.name} has died; starting it again.")
                    server.ensure(self._progress)
