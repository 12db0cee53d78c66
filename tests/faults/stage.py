"""Two instances of the service on one database and one Redis, each reaching both by proxies of its own."""

import itertools
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
from callers import all_at_once
from ledger import Ledger
from own_redis import OwnRedis
from premise import premise
from proxy import Address, Loop, Proxy
from running import Pack, until
from serving import SITES, Instance
from wires import Postgres, Words, kind_of

from verifier.domain.gs1 import check_digit
from verifier.domain.load import PackRow
from verifier.oauth.clients import Credentials, register
from verifier.oauth.keys import SigningKey
from verifier.oauth.scopes import SCOPES
from verifier.storage.access import Access
from verifier.storage.cache_worth import Worth
from verifier.storage.control import PERMISSION_S
from verifier.storage.database import connect
from verifier.storage.loader import Loader

LOOPBACK = ("127.0.0.1", 0)
EXPIRY, LOT = 20991231, "LOT1"
LOOKS = 16
DEAD_S = 20.0
PROBED_S = 0.5
"""By then every process has asked a Redis anew that it had given up."""
_numbers = itertools.count(1)
# of packs for which the cache is always asked, whatever the process thinks of its worth by now
_serials = filter(Worth.watches, (f"S{number:06d}" for number in itertools.count(1)))


def of_kind(kind: str, pack: Pack | None = None) -> Callable[[Words], bool]:
    """Commands of the status cache of one kind (`wires.kind_of`), about one pack when it is given."""
    tag = tag_of(pack).encode() if pack else b""
    return lambda words: kind_of(words) == kind and any(tag in word for word in words)


def with_sql(*texts: str) -> Callable[[Words], bool]:
    """Statements in which all of these occur."""
    return lambda words: all(text.encode() in words[0] for text in texts)


def tag_of(pack: Pack) -> str:
    return f"{{{pack['gtin']}:{pack['serial']}}}"


class Stage:
    """All of it. `a` speaks to its servers by Unix sockets, `b` by TCP."""

    def __init__(
        self,
        folder: Path,
        database_url: str,
        *,
        workers: int = 2,
        threads: int = 4,
        attentive: bool = True,
        mistakes: str = "",
    ) -> None:
        self.folder = folder
        self._mistakes = {"MISTAKES": mistakes} if mistakes else {}
        self._size = {"workers": workers, "threads": threads}
        self._attentive = attentive
        self.ledger = Ledger()
        self.redis = OwnRedis(folder)
        self.redis.start()
        self.engine = connect(database_url, pool=2)
        self._database = database_url.replace("postgresql+psycopg", "postgresql")
        self._loop = Loop()
        self.gtin = f"0501234{next(_numbers):06d}"
        self.gtin += check_digit(self.gtin)
        (self.known,) = self.packs(1)
        access = Access(self.engine)
        self.credentials: dict[str, Credentials] = {}
        for name, site in SITES.items():
            access.add_site(site)
            self.credentials[name] = register(access, name, site.gln, frozenset(SCOPES), datetime.now(UTC))
        SigningKey.load_or_create(folder / "key.pem")
        self.a = self._instance("a", folder / "a.sock", folder / "a")
        self.b = self._instance("b", LOOPBACK, LOOPBACK)
        self.both = (self.a, self.b)

    def _instance(self, name: str, redis_at: Address, database_at: Address) -> Instance:
        parts = urlsplit(self._database)
        socket = Path(parse_qs(parts.query)["host"][0]) / ".s.PGSQL.5432"
        if isinstance(database_at, Path):
            database_at.mkdir()
            database_at /= ".s.PGSQL.5432"
        redis = Proxy(self._loop, redis_at, self.redis.socket)
        database = Proxy(self._loop, database_at, socket, Postgres, attentive=self._attentive)
        return Instance(
            self.folder / f"home-{name}",
            redis,
            database,
            **self._size,
            **self._mistakes,
            VERIFIER_DATABASE_URL=_database_url(parts, database.address),
            VERIFIER_REDIS_URL=_redis_url(redis.address),
            VERIFIER_SIGNING_KEY_FILE=str(self.folder / "key.pem"),
            VERIFIER_ISSUER="http://verifier.test",
            VERIFIER_OPEN_ROUTES="1",
        )

    def start(self) -> None:
        all_at_once(instance.start for instance in self.both)
        for instance in self.both:
            instance.admit(self.credentials, self.ledger)

    def close(self) -> None:
        for instance in self.both:
            instance.kill_everything()
            instance.redis_proxy.close()
            instance.database_proxy.close()
        self._loop.close()
        self.engine.dispose()
        self.redis.kill()

    # Packs.

    def pack(self) -> Pack:
        """A new one, only on paper."""
        return {"gtin": self.gtin, "serial": next(_serials), "lot": LOT, "expiry": "2099-12-31"}

    def load(self, packs: list[Pack]) -> None:
        rows = [
            PackRow(n, p["gtin"], p["serial"], p["lot"], EXPIRY, None, ()) for n, p in enumerate(packs, 2)
        ]
        loader = Loader(self.engine, "eu_fmd")
        done = loader.load(rows, dry_run=False, reject=lambda _: None, progress=lambda _: None)
        assert done.loaded == len(packs)

    def packs(self, count: int, lot: str = LOT) -> list[Pack]:
        """Fresh ones, in the database."""
        made = [self.pack() | {"lot": lot} for _ in range(count)]
        self.load(made)
        return made

    def lot(self) -> str:
        """One that nobody has used before."""
        return f"LOT{next(_numbers)}"

    def warm_pack(self) -> Pack:
        """A fresh one that every process answers from the cache."""
        (pack,) = self.packs(1)
        self.warm(pack)
        return pack

    def warm(self, pack: Pack, *instances: Instance) -> None:
        def held() -> bool:
            for instance in instances or self.both:
                instance.pharmacy.look(pack, fresh=True)
            return self.is_held(pack, b"V:")

        until(held, "a value in the cache")
        for _ in range(LOOKS // 2):
            held()

    def seen(self, pack: Pack, *instances: Instance) -> set[str]:
        """The states that many looks show, each by a connection of its own: every worker is asked."""
        asked = instances or self.both
        return {one.other.state(pack) for _ in range(LOOKS // len(asked)) for one in asked}

    def codes(self, pack: Pack, *instances: Instance) -> set[str]:
        """The codes that many looks give, likewise."""
        asked = instances or self.both
        return {one.other.look(pack, fresh=True).code for _ in range(LOOKS // len(asked)) for one in asked}

    def until_dead(self, instance: Instance, pack: Pack) -> None:
        """Look until no answer comes.

        Raises:
            OSError, HTTPException: that is it.
        """
        end = time.monotonic() + DEAD_S
        while time.monotonic() < end:
            instance.other.look(pack, fresh=True)

    # What is in the servers.

    def held(self, pack: Pack) -> dict[str, bytes]:
        """What Redis holds for this pack, by key."""
        with self.redis.client() as client:
            keys = [key for key in client.scan_iter(count=1000) if tag_of(pack).encode() in key]
            return {key.decode(): value for key in keys if (value := client.get(key)) is not None}

    def evict(self, pack: Pack) -> None:
        held = self.held(pack)
        premise(held, "something to evict")
        with self.redis.client() as client:
            client.delete(*held)

    def is_held(self, pack: Pack, begin: bytes) -> bool:
        return any(value.startswith(begin) for value in self.held(pack).values())

    def connection(self, **more: Any) -> Any:
        """To the database itself, past the proxies."""
        return psycopg.connect(self._database, autocommit=True, **more)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.connection() as connection:
            return list(connection.execute(query, values).fetchall())

    def epoch(self) -> int:
        return int(self.rows("SELECT cache_epoch FROM control")[0][0])

    def is_on(self) -> bool:
        return bool(self.rows("SELECT cache_on FROM control")[0][0])

    def turn_off(self) -> None:
        with self.connection() as connection:
            connection.execute(
                "UPDATE control SET cache_on = false, cache_epoch = cache_epoch + 1 WHERE cache_on"
            )

    def accepted(self, pack: Pack) -> list[str]:
        """The accepted changes of a pack in the journal, in the order of their versions."""
        query = "SELECT operation FROM events WHERE serial = %s AND version IS NOT NULL ORDER BY version"
        return [operation for (operation,) in self.rows(query, pack["serial"])]

    # Well again.

    def well(self) -> None:
        """Until nothing goes wrong any more and both instances answer from the cache."""
        for instance in self.both:
            instance.calm()
        time.sleep(PROBED_S)
        until(self.is_on, "the switch on")
        self.warm_pack()

    def journal_agrees(self) -> None:
        """Every version of a pack was made by one accepted change, and the pack stands at the last one."""
        wrong = self.rows(
            "SELECT p.serial, p.version, count(e.version), max(e.version) FROM packs p LEFT JOIN events e"
            " ON e.gtin = p.gtin AND e.serial = p.serial AND e.version IS NOT NULL WHERE p.gtin = %s"
            " GROUP BY p.serial, p.version HAVING p.version <> count(e.version)"
            " OR p.version <> coalesce(max(e.version), 0)",
            int(self.gtin),
        )
        assert not wrong, wrong


def _database_url(parts: Any, address: Address) -> str:
    begin = f"postgresql+psycopg://{parts.username}:{parts.password}@"
    if isinstance(address, Path):
        return f"{begin}{parts.path}?host={address.parent}"
    host, port = address
    return f"{begin}{host}:{port}{parts.path}?sslmode=disable&gssencmode=disable"


def _redis_url(address: Address) -> str:
    if isinstance(address, Path):
        return f"unix://{address}?db=0"
    return f"redis://{address[0]}:{address[1]}/0"


@contextmanager
def staged(database_url: str, **more: Any) -> Iterator[Stage]:
    """A stage in a short folder, removed with all that is on it."""
    folder = Path(tempfile.mkdtemp(prefix="stage-", dir="/tmp"))
    made = Stage(folder, database_url, **more)
    try:
        made.start()
        made.well()
        yield made
    finally:
        made.close()
        shutil.rmtree(folder, ignore_errors=True)


def examined(stage: Stage) -> Iterator[Stage]:
    stage.well()
    stage.ledger = ledger = Ledger()
    for instance in stage.both:
        instance.pharmacy.ledger = instance.other.ledger = ledger
    yield stage
    for instance in stage.both:
        instance.calm()
    ledger.check()
    stage.journal_agrees()


def permission_over() -> None:
    """So long that nobody's permission from before is good any more."""
    time.sleep(PERMISSION_S + 0.1)


__all__ = ["Instance", "Stage", "all_at_once", "examined", "of_kind", "permission_over", "staged", "with_sql"]
