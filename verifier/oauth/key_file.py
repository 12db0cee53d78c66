"""The file of signing keys while processes use it: watched, rotated, cleared of retired keys.

Rotation with overlap: the new key signs, those before it are published and accepted until they are retired.
Of them only the public half is kept, so that what signs is one key and no other.
"""

import fcntl
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from joserfc.jwk import ECKey

from verifier.oauth.authority import LEEWAY, TOKEN_SECONDS
from verifier.oauth.faults import MisconfiguredError
from verifier.oauth.keys import CURVE, SigningKey

LOOK_SECONDS = 2.0
OVERLAP_SECONDS = TOKEN_SECONDS + LEEWAY + 2 * LOOK_SECONDS
"""After so long no token is valid any more that the key before signed, in whichever process."""

_Mark = tuple[int, int, int]
log = logging.getLogger(__name__)


class KeyFile:
    """The keys of a file as they are now. Thread-safe.

    The file is looked at at most every `LOOK_SECONDS`, so that a rotation or a retirement is known to every
    process within that time. A file that cannot be used changes nothing: the keys from before go on.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._looked = clock()
        self._seen = _mark(path)  # before the file is read: what changes in between is read again
        self._keys = SigningKey.load_or_create(path)

    def current(self) -> SigningKey:
        """The keys, as they were at most `LOOK_SECONDS` ago."""
        if self._clock() - self._looked >= LOOK_SECONDS:
            self._look()
        return self._keys

    def fresh(self) -> SigningKey:
        """The keys as they are now: another process may know a key already that this one does not."""
        self._look()
        return self._keys

    def _look(self) -> None:
        with self._lock:
            self._looked = self._clock()
            mark = _mark(self._path)
            if mark == self._seen:
                return
            self._seen = mark
            try:
                keys = SigningKey.load(self._path)
            except (MisconfiguredError, OSError) as error:
                log.error("the signing keys stay as they were: %s", error)  # noqa: TRY400 - no trace of ours
                return
            if keys.kids != self._keys.kids:
                log.info("signing key now %s, accepted too: %s", keys.kid, ", ".join(keys.kids[1:]) or "none")
                self._keys = keys


class RetireRefused(ValueError):
    """This key cannot be retired; the message says why."""


def rotate(path: Path) -> SigningKey:
    """Let a new key sign; the keys so far stay behind it. The first key where there is no file yet.

    Raises:
        MisconfiguredError: the file is there and cannot be used.
    """
    if not path.exists():
        return SigningKey.load_or_create(path)
    path = path.resolve()  # of a link its target is replaced, not the link
    with _alone(path):
        new = ECKey.generate_key(CURVE)
        new.ensure_kid()
        return _write(path, (new, *SigningKey.load(path).keys))


def retire(
    path: Path, kid: str, *, at_once: bool = False, now: Callable[[], float] = time.time
) -> SigningKey:
    """Accept no token of this key any more.

    Args:
        path: the file.
        kid: the key's id.
        at_once: also while tokens may be valid that it signed; after a theft, for instance.
        now: seconds since 1970.

    Raises:
        RetireRefused: it signs, it is not there, or the last rotation is too recent.
        MisconfiguredError: the file cannot be used.
    """
    path = path.resolve()
    with _alone(path):
        held = SigningKey.load(path)
        if kid == held.kid:
            raise RetireRefused("This key signs; rotate first, so that another one does.")
        if kid not in held.kids:
            raise RetireRefused("No key of the file has this id; `verifier keys list` shows them.")
        wait = path.stat().st_mtime + OVERLAP_SECONDS - now()
        if wait > 0 and not at_once:
            raise RetireRefused(
                f"Tokens that it signed may be valid for another {wait:.0f} s: wait, or retire it --at-once."
            )
        return _write(path, tuple(key for key in held.keys if key.kid != kid))


def _write(path: Path, keys: tuple[ECKey, ...]) -> SigningKey:
    """Replace the file in one step: whoever reads it finds the old one or the new one, whole."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".signing-")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            for number, key in enumerate(keys):
                file.write(key.as_pem(private=number == 0))
            file.flush()
            os.fsync(file.fileno())
        if os.geteuid() == 0:  # the service's own account must be able to read it as before
            before = path.stat()
            os.chown(name, before.st_uid, before.st_gid)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
    return SigningKey.load(path)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Nobody else changes a file of this folder in the same way meanwhile."""
    try:
        folder = os.open(path.parent, os.O_RDONLY)
    except FileNotFoundError as error:
        raise MisconfiguredError("signing_key_missing", f"{path} is not there") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
        os.fsync(folder)
    finally:
        os.close(folder)


def _mark(path: Path) -> _Mark | None:
    """What tells one version of a file from another; None without a file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
