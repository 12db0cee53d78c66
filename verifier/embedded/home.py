"""The folder that everything embedded lives in, and the places elsewhere that it remembers.

lock, users                 a start or stop in progress; the present users
postgres.alive, redis.alive locked by each server while it lives
password                    of the database role, 0600
postgres/                   the data folder
run/                        the sockets; a link when the path here would be too long for one
private                     only as root without user namespaces: a link to a folder of the servers' account
postgres.log, redis.log
"""

import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from verifier.embedded.errors import EmbeddedError

# sun_path holds 104 bytes on macOS and 108 on Linux, with the final zero.
_SOCKET_FOLDER_BYTES = 103 - len("/.s.PGSQL.5432")
# PostgreSQL takes a list of socket folders, divided by commas; addresses are easier without escapes too.
_PLAIN = re.compile(r"[A-Za-z0-9._/+=-]+")


@dataclass(frozen=True, slots=True)
class Home:
    """One set of embedded servers. `path` is absolute, without links."""

    path: Path

    @classmethod
    def open(cls, path: Path) -> "Home":
        """Make the folder, readable by its owner only, unless it is there.

        Raises:
            EmbeddedError: `home_unusable`.
        """
        try:
            home = cls(path.expanduser().resolve())
            home.path.parent.mkdir(parents=True, exist_ok=True)
            home.path.mkdir(mode=0o700, exist_ok=True)
            usable = os.access(home.path, os.R_OK | os.W_OK | os.X_OK)
        except OSError as error:
            raise EmbeddedError("home_unusable", f"{path} cannot be used: {error}.", _OTHER_HOME) from error
        if not usable:
            raise EmbeddedError(
                "home_unusable", f"{home.path} cannot be written by this account.", _OTHER_HOME
            )
        return home

    @property
    def start_lock(self) -> Path:
        """Locked by one process during a start or a stop."""
        return self.path / "lock"

    @property
    def users_lock(self) -> Path:
        """Locked by each user, together."""
        return self.path / "users"

    def alive_lock(self, server: str) -> Path:
        """Locked by the server `postgres` or `redis`."""
        return self.path / f"{server}.alive"

    def log(self, server: str) -> Path:
        """What the server wrote."""
        return self.path / f"{server}.log"

    def private(self) -> Path | None:
        """The folder elsewhere, if this home has one.

        Raises:
            EmbeddedError: `data_missing` when it is remembered but gone: never start empty in silence.
        """
        link = self.path / "private"
        if not link.is_symlink():
            return None
        folder = link.readlink()
        if not folder.is_dir():
            raise EmbeddedError(
                "data_missing",
                f"The data of {self.path} were kept in {folder}, which is gone.",
                f"Bring that folder back, or remove {link} to begin with an empty database.",
            )
        return folder

    def make_private(self, uid: int, gid: int) -> Path:
        """A folder elsewhere that only this account can enter; the same each time."""
        if folder := self.private():
            return folder
        state = Path("/var/lib")
        parent = state if os.access(state, os.W_OK) else Path(tempfile.gettempdir())
        folder = Path(tempfile.mkdtemp(prefix="verifier-", dir=parent))
        give(folder, uid, gid)
        replace_link(self.path / "private", folder)
        return folder

    def data(self) -> Path | None:
        """The data folder, if there is one already."""
        for base in (self.path, self.private()):
            if base and (base / "postgres" / "PG_VERSION").exists():
                return base / "postgres"
        return None

    def sockets(self) -> Path:
        """The folder of the sockets; it may not exist yet."""
        base = (self.data() or self.path / "postgres").parent
        link = self.path / "run"
        return link.readlink() if link.is_symlink() else base / "run"

    def make_sockets(self, uid: int, gid: int) -> Path:
        """The folder of the sockets, short, 0700 and this account's."""
        folder = self.sockets()
        if _is_private(folder, uid):
            return folder
        if folder.is_dir() and not folder.is_symlink() and folder.parent in {self.path, self.private()}:
            shutil.rmtree(folder)
        link = self.path / "run"
        if link.is_symlink():
            link.unlink()
        folder = self.sockets()
        if _fits_a_socket(folder):
            folder.mkdir(mode=0o700)
        else:
            temporary = tempfile.gettempdir()
            short = temporary if _fits_a_socket(Path(temporary, "verifier-12345678")) else "/tmp"  # noqa: S108
            folder = Path(tempfile.mkdtemp(prefix="verifier-", dir=short))
            replace_link(link, folder)
        give(folder, uid, gid)
        return folder

    def remove_sockets(self) -> None:
        """Once all servers have stopped, leave nothing in the temporary folder either."""
        with suppress(OSError):  # not empty: not only ours
            self.sockets().rmdir()
        link = self.path / "run"
        if link.is_symlink():
            link.unlink()

    def password(self) -> str | None:
        """The password of the database role, if one was made."""
        file = self.path / "password"
        return file.read_text().strip() if file.exists() else None

    def make_password(self) -> str:
        """The password, made now if there is none."""
        if password := self.password():
            return password
        password = secrets.token_urlsafe(32)
        write_private(self.path / "password", f"{password}\n")
        return password


_OTHER_HOME = "Choose another folder with VERIFIER_HOME."


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600 that is there entirely or not at all, also after a power failure."""
    _replace(path, lambda new: _write(new, text))
    sync_folder(path.parent)


def give(path: Path, uid: int, gid: int) -> None:
    """Make it this account's, unless it is ours and is to be."""
    if uid != os.geteuid():
        os.chown(path, uid, gid, follow_symlinks=False)


def replace_link(link: Path, target: Path) -> None:
    """Point a link to a folder in one step."""
    _replace(link, lambda new: new.symlink_to(target))


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable (fsync(2), of the directory)."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _replace(path: Path, make: Callable[[Path], None]) -> None:
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    make(new)
    new.replace(path)


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _is_private(folder: Path, uid: int) -> bool:
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return False
    return (
        stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) == stat.S_IRWXU and status.st_uid == uid
    )


def _fits_a_socket(folder: Path) -> bool:
    return len(os.fsencode(folder)) <= _SOCKET_FOLDER_BYTES and _PLAIN.fullmatch(str(folder)) is not None
