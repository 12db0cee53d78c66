"""The keys that sign our access tokens: ES256, in one PEM file that every process of the service shares."""

import os
import re
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySetSerialization

from verifier.oauth.faults import MisconfiguredError

ALGORITHM = "ES256"
CURVE = "P-256"
_BLOCK = re.compile(r"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----\n?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The keys of the file, in its order: the first signs, all are published and accepted.

    A key that was replaced stays in the file, behind its successor, until its last token has expired. The
    `kid` of each is its thumbprint (RFC 7638).
    """

    keys: tuple[ECKey, ...]

    @classmethod
    def load_or_create(cls, path: Path) -> Self:
        """The keys in the file; a new one, readable by its owner only, when there is no file.

        Raises:
            MisconfiguredError: others may use the file, or it is not P-256 keys with a private one first.
        """
        if not path.exists():
            _create(path)
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The keys in the file.

        Raises:
            MisconfiguredError: there is no file, or as with `load_or_create`.
        """
        text = _read(path)
        if text is None:
            raise MisconfiguredError("signing_key_missing", f"{path} is not there")
        return cls(_parse(path, text))

    def current(self) -> Self:
        """These very keys: a value does not change. See `key_file.KeyFile` for a file that does."""
        return self

    fresh = current

    @property
    def signer(self) -> ECKey:
        """The private key in use."""
        return self.keys[0]

    @property
    def kid(self) -> str:
        """The id of the private key in use."""
        return str(self.signer.kid)

    @property
    def kids(self) -> tuple[str, ...]:
        """The ids of all keys, the one in use first."""
        return tuple(str(key.kid) for key in self.keys)

    def public_jwks(self) -> KeySetSerialization:
        """The public halves as a JWK set (RFC 7517 section 5)."""
        return {
            "keys": [key.as_dict(private=False, use="sig", alg=ALGORITHM) for key in self.keys],
        }


def _read(path: Path) -> str | None:
    """The file's text, None without a file; the mode is that of the very file that is read."""
    try:
        with path.open(encoding="ascii") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise MisconfiguredError(
                    "signing_key_exposed", f"{path} has mode {mode:04o}, others may use it; make it 0600"
                )
            return file.read()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise _unusable(path) from error


def _create(path: Path) -> None:
    """A new key, whole or not at all. Of several processes the first one's key stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".signing-")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(ECKey.generate_key(CURVE).as_pem(private=True))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(name, path)  # never replaces a key with which another process may have signed
    finally:
        Path(name).unlink()


def _parse(path: Path, text: str) -> tuple[ECKey, ...]:
    try:
        keys = tuple(ECKey.import_key(block) for block in _BLOCK.findall(text))
    except (JoseError, ValueError) as error:
        raise _unusable(path) from error
    if not keys or not keys[0].is_private or any(key.curve_name != CURVE for key in keys):
        raise _unusable(path)
    for key in keys:
        key.ensure_kid()
    return keys


def _unusable(path: Path) -> MisconfiguredError:
    return MisconfiguredError(
        "signing_key_unusable", f"{path} must hold PEM keys on {CURVE}, a private one first"
    )
