"""Server and client: from the environment, else from the file that `scanner login` wrote."""

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from platformdirs import user_config_path

_ENV = {"url": "SCANNER_URL", "client_id": "SCANNER_CLIENT_ID", "client_secret": "SCANNER_CLIENT_SECRET"}
_INSECURE = "SCANNER_INSECURE"


class ConfigError(Exception):
    """The configuration is missing, incomplete or unreadable; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Config:
    """One server and one client of it; `insecure` allows plain http beyond loopback."""

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    insecure: bool = False


def config_path(env: Mapping[str, str]) -> Path:
    """`SCANNER_CONFIG`, else `scanner.json` in the user's configuration folder."""
    named = env.get("SCANNER_CONFIG")
    return Path(named) if named else user_config_path("pack-verifier") / "scanner.json"


def load(env: Mapping[str, str]) -> Config:
    """The configuration in force.

    Environment and file are never mixed: the secret of one server must not go to the address of another.

    Raises:
        ConfigError: neither is there, or one is incomplete.
    """
    given = {name: env[variable] for name, variable in _ENV.items() if env.get(variable)}
    if not given:
        return _read(config_path(env))
    missing = [variable for name, variable in _ENV.items() if name not in given]
    if missing:
        raise ConfigError(f"{', '.join(missing)} not set; all of {', '.join(_ENV.values())} are needed")
    return Config(**given, insecure=env.get(_INSECURE) == "1")


def save(config: Config, path: Path) -> None:
    """Write the file whole or not at all, readable by its owner only (0600).

    Raises:
        ConfigError: the file cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".scanner-")  # made with 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(asdict(config), file, indent=2)
            Path(name).replace(path)
        except OSError:
            with suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error


def _read(path: Path) -> Config:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"no server is configured: run `scanner login`, or set {', '.join(_ENV.values())}"
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    known = {each.name for each in fields(Config)}
    complete = isinstance(stored, dict) and set(_ENV) <= stored.keys() <= known
    if not complete or not all(isinstance(stored[name], str) and stored[name] for name in _ENV):
        raise ConfigError(f"{path} is not a configuration of this program: run `scanner login` again")
    return Config(stored["url"], stored["client_id"], stored["client_secret"], stored.get("insecure") is True)
