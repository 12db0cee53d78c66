"""One instance of the service, what may befall it, and the people who use it."""

import os
import signal
from pathlib import Path
from typing import Any

from callers import Caller
from ledger import Ledger, Person
from proxy import Proxy
from running import Running, kill, until

from verifier.domain.pack import Site, SiteType
from verifier.oauth.clients import Credentials

HAUNTED = Path(__file__).parent / "haunted"
SITES = {
    "pharmacy": Site("4012345000016", "Corner", SiteType.PHARMACY, "DE"),
    "other": Site("4012345000023", "Other", SiteType.PHARMACY, "DE"),
    "operator": Site("4012345000078", "Operator", SiteType.OPERATOR, "DE"),
}


class Instance(Running):
    """One `verifier serve` with its proxies and the people who use it."""

    def __init__(self, home: Path, redis: Proxy, database: Proxy, **more: Any) -> None:
        super().__init__(home, **more)
        self.redis_proxy, self.database_proxy = redis, database
        self.haunted = home / "haunted"
        self.haunted.mkdir(parents=True)
        self.environment |= {"PYTHONPATH": str(HAUNTED), "HAUNTED": str(self.haunted)}
        self.pharmacy: Person
        self.other: Person
        self.operator: Caller

    def admit(self, credentials: dict[str, Credentials], ledger: Ledger) -> None:
        """The people, with tokens."""
        callers = {
            name: Caller(self.port, SITES[name].gln, one.client_id, one.client_secret)
            for name, one in credentials.items()
        }
        for caller in callers.values():
            caller.log_in()
        self.pharmacy = Person(callers["pharmacy"], ledger)
        self.other = Person(callers["other"], ledger)
        self.operator = callers["operator"]

    def haunt(self, place: str, deed: str) -> None:
        """The first worker that comes there dies, or waits for `go`; or all of them gather there."""
        for old in (self.haunted / "go", *self.haunted.glob("there-*")):
            old.unlink(missing_ok=True)
        (self.haunted / "note").write_text(f"{place}: {deed}")

    def someone_there(self) -> bool:
        return not (self.haunted / "note").exists()

    def all_there(self) -> bool:
        return len(list(self.haunted.glob("there-*"))) == len(self.workers())

    def go(self) -> None:
        (self.haunted / "go").touch()

    def go_and_haunt(self, place: str, deed: str) -> None:
        """Let go who waits, and be ready at the next place."""
        (self.haunted / "note").write_text(f"{place}: {deed}")
        self.go()

    def kill_one(self) -> None:
        """A worker, by kill -9; until there is another one."""
        before = self.workers()
        kill(before[0])
        until(lambda: before[0] not in self.workers(), "the worker gone")
        until(lambda: len(self.workers()) == len(before), "another one in its place")

    def move_clock(self, seconds: float) -> None:
        (self.haunted / "clock").write_text(str(seconds))

    def calm(self) -> None:
        """Nothing goes wrong here any more."""
        self.redis_proxy.mend()
        self.database_proxy.mend()
        self.move_clock(0)
        self.go()
        (self.haunted / "note").unlink(missing_ok=True)
        for pid in self.workers():
            os.kill(pid, signal.SIGCONT)
