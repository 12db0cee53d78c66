"""Who the servers run as. PostgreSQL refuses to run as root, and nobody's folders are opened for it."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from verifier.embedded import launcher
from verifier.embedded.errors import EmbeddedError
from verifier.embedded.home import Home, give
from verifier.embedded.processes import environment

_ACCOUNTS = ("verifier", "nobody", "daemon")
_PROBE_SECONDS = 20


class Way(StrEnum):
    """How a server comes to run as somebody other than root."""

    OWN = "own"  # we are not root: nothing to do
    NAMESPACE = "namespace"  # another uid inside a user namespace, our own outside
    ACCOUNT = "account"  # an unprivileged account


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a server runs as: `uid` and `gid` as the server sees them."""

    way: Way
    uid: int
    gid: int

    @property
    def owner(self) -> tuple[int, int]:
        """The uid and gid its files have for us."""
        return (self.uid, self.gid) if self.way is Way.ACCOUNT else (os.geteuid(), os.getegid())

    def command(self, program: Sequence[str], *, folder: Path, lock: Path | None) -> list[str]:
        """The command that runs the program as this one, in the folder, holding the lock."""
        return [
            *(sys.executable, "-I", "-S", launcher.__file__, str(os.getpid()), str(lock or "-")),
            *(self.way, str(self.uid), str(self.gid), str(folder), *program),
        ]

    def can_run(self, program: Path, folder: Path) -> bool:
        """Whether this one gets into the folder and can run the program: by doing it."""
        command = self.command((str(program), "--version"), folder=folder, lock=None)
        try:
            done = subprocess.run(
                command, capture_output=True, env=environment(), timeout=_PROBE_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0


@dataclass(frozen=True, slots=True)
class Binaries:
    """The server programs of an installed wheel: `folder` is one they lie below, at the end of `inside`."""

    package: str
    distribution: str
    inside: Path

    @classmethod
    def find(cls, package: str, distribution: str, pattern: str) -> "Binaries | None":
        """Look the folder up without importing the package: its import already starts to manage servers."""
        spec = find_spec(package)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            if found := sorted(Path(place).glob(pattern)):
                return cls(package, distribution, found[-1].relative_to(Path(place).parent))
        return None

    @property
    def site(self) -> Path:
        """The folder the wheel was installed into."""
        spec = find_spec(self.package)
        place = next(iter(spec.submodule_search_locations or ())) if spec else "."
        return Path(place).parent

    def within_reach(self, identity: Identity, program: str, home: Home) -> Path:
        """The folder of the programs; a private copy where the account cannot enter the original."""
        original = self.site / self.inside
        if identity.way is not Way.ACCOUNT or identity.can_run(original / program, Path("/")):
            return original
        private = home.make_private(*identity.owner)
        copy = private / f"{self.distribution}-{version(self.distribution)}"
        if not copy.exists():
            self._copy(copy, *identity.owner)
        return copy / self.inside

    def _copy(self, target: Path, uid: int, gid: int) -> None:
        """Copy programs and the libraries shipped beside them (`….libs`), all or nothing."""
        new = target.with_name(f"{target.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        for folder in (self.package, f"{self.package}.libs"):
            if (source := self.site / folder).exists():
                ignore = shutil.ignore_patterns("*.py", "__pycache__", "include", "pgxs", "*.a")
                shutil.copytree(source, new / folder, symlinks=True, ignore=ignore)
        for path in (new, *new.rglob("*")):
            give(path, uid, gid)
        new.rename(target)


def choose(home: Home, program: Path, *, namespace: bool) -> Identity:
    """Decide who the servers run as; existing data belong to somebody already.

    Raises:
        EmbeddedError: `needs_namespace`, `no_account`.
    """
    uid, gid, data = os.geteuid(), os.getegid(), home.data()
    if uid != 0 and (data or _is_named(uid)):
        return Identity(Way.OWN, uid, gid)
    if uid == 0 and data and (owner := data.stat()).st_uid != 0:
        return Identity(Way.ACCOUNT, owner.st_uid, owner.st_gid)
    account = _unprivileged()
    inside = Identity(Way.NAMESPACE, account.pw_uid, account.pw_gid)
    if namespace and inside.can_run(program, home.path):
        return inside
    if uid == 0 and data is None:
        return Identity(Way.ACCOUNT, account.pw_uid, account.pw_gid)
    what = (
        f"The data in {home.path} belong to root" if uid == 0 else f"The uid {uid} has no name in /etc/passwd"
    )
    raise EmbeddedError(
        "needs_namespace",
        f"{what}, PostgreSQL cannot be run that way, and this system grants no user namespace.",
        "Run as an ordinary account with another VERIFIER_HOME, or allow user namespaces.",
    )


def _is_named(uid: int) -> bool:
    """Whether initdb can run as this uid: it looks its name up."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _unprivileged() -> pwd.struct_passwd:
    accounts = {account.pw_name: account for account in pwd.getpwall() if account.pw_uid != 0}
    for name in _ACCOUNTS:
        if name in accounts:
            return accounts[name]
    if accounts:
        return next(iter(accounts.values()))
    raise EmbeddedError(
        "no_account", "/etc/passwd names root only, and PostgreSQL refuses to run as root.", "Add an account."
    )
