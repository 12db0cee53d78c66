"""Settings from the environment: one frozen object, loud on bad values, checked in combination."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from verifier.domain.gs1 import gtin_fault

PREFIX = "VERIFIER_"
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_DATABASE = re.compile(r"postgresql(\+psycopg)?://")
_PASSWORD = re.compile(r"(?i)([?&][a-z_]*password=)[^&]*")
_HOSTS = r"rediss?\+{kind}://([^/?]*@)?[^/?@,]+(,[^/?@,]+)*"
_SENTINELS = re.compile(_HOSTS.format(kind="sentinel") + r"/[^/?]+(/\d*)?(\?.*)?")
_CLUSTER = re.compile(_HOSTS.format(kind="cluster") + r"/?(\?.*)?")
_GLN_DIGITS = 13
_MOST_MISSES = 1_000_000
_WORDS = {
    "cache_mode": ("fast", "off"),
    "log_level": ("debug", "info", "warning", "error"),
    "vrs_auth": ("token", "proxy"),
    "vrs_credentials": ("off", "warn", "require"),
}


class BadSettings(Exception):
    """The start is refused. `code` is stable (E001 …); the sentence says what to change.

    E001 to E004 are found here, E005 to E007 where the database is looked at (`cli.checks.database`).
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(f"{code}: {sentence}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Settings:
    """All of it. None as a database or Redis URL means the embedded server."""

    home: Path = Path("var")
    database_url: str | None = field(default=None, metadata={"secret": True})
    redis_url: str | None = field(default=None, metadata={"secret": True})
    cache_mode: str = "fast"
    issuer: str | None = None
    audience: str = "verifier"
    oauth_issuers_file: Path | None = None
    signing_key_file: Path | None = None
    responder_gln: str | None = None
    vrs_auth: str = "token"
    vrs_credentials: str = "off"
    vrs_file: Path | None = None
    vrs_misses_per_hour: int = 100
    requestor_file: Path | None = None
    open_routes: bool | None = None
    insecure: bool = False
    log_level: str = "info"

    @property
    def embedded(self) -> bool:
        """Does the service start its own PostgreSQL?"""
        return self.database_url is None

    @property
    def signing_key(self) -> Path:
        """Where the key lies that signs access tokens."""
        return self.signing_key_file or self.home / "signing-key.pem"

    @property
    def routes_open(self) -> bool:
        """Are /metrics and /docs open? In the embedded default, or when it is said."""
        return self.embedded if self.open_routes is None else self.open_routes

    def environment(self) -> dict[str, str]:
        """The variables that `from_env` reads back as these very settings, for a process of our own."""
        values = {PREFIX + item.name.upper(): getattr(self, item.name) for item in fields(self)}
        words = {True: "1", False: "0", None: ""}
        return {
            name: words[value] if isinstance(value, bool) or value is None else str(value)
            for name, value in values.items()
        }

    def masked(self) -> dict[str, str | bool | None]:
        """Every setting by its variable's name, without secrets."""
        shown: dict[str, str | bool | None] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            name = PREFIX + item.name.upper()
            if value is not None and item.metadata.get("secret"):
                shown[name] = _mask(value)
            else:
                shown[name] = value if isinstance(value, bool) or value is None else str(value)
        return shown


def from_env(environment: Mapping[str, str]) -> Settings:
    """Read `VERIFIER_*`; unknown names and bad values are refused.

    Raises:
        BadSettings: E001 unknown variable, E002 bad value, E003 a combination that cannot be.
    """
    given = {
        name.removeprefix(PREFIX).lower(): value.strip()
        for name, value in environment.items()
        if name.startswith(PREFIX) and value.strip()
    }
    known = {item.name: item for item in fields(Settings)}
    for name in given:
        if name not in known:
            raise BadSettings(
                "E001", f"{PREFIX}{name.upper()} is no setting; `verifier config` lists them all."
            )
    settings = Settings(**{name: _read(known[name].type, value, name) for name, value in given.items()})
    _check(settings)
    return settings


def check_bind(settings: Settings, host: str) -> None:
    """Refuse to be reached from outside without TLS in front.

    Raises:
        BadSettings: E004, when the address is not loopback and the issuer not https.
    """
    https = settings.issuer is not None and settings.issuer.startswith("https://")
    if host not in _LOOPBACK and not https and not settings.insecure:
        raise BadSettings(
            "E004",
            f"{host} can be reached from outside, but VERIFIER_ISSUER is not https. Put TLS in front"
            " and set it, or set VERIFIER_INSECURE=1 if you accept tokens in clear text.",
        )


def _check(settings: Settings) -> None:
    _check_words(settings)
    _check_vrs(settings)
    if settings.database_url is not None and not _DATABASE.match(settings.database_url):
        raise BadSettings(
            "E002", "VERIFIER_DATABASE_URL must begin with postgresql://; PostgreSQL is the database."
        )
    if settings.redis_url is not None and not _is_redis(settings.redis_url):
        raise BadSettings(
            "E002",
            "VERIFIER_REDIS_URL must begin with redis://, rediss:// or unix://; or it is"
            " redis+sentinel://host:port,host:port/service/0, or redis+cluster://host:port,host:port.",
        )
    if settings.issuer is not None and not _is_issuer(_split(settings.issuer)):
        raise BadSettings(
            "E002", "VERIFIER_ISSUER must be an http or https address without query or fragment."
        )
    if settings.redis_url is not None and settings.cache_mode == "off":
        raise BadSettings(
            "E003", "VERIFIER_REDIS_URL is set, but VERIFIER_CACHE_MODE=off: unset one of them."
        )
    files = (
        settings.oauth_issuers_file,
        settings.signing_key_file,
        settings.vrs_file,
        settings.requestor_file,
    )
    for path in files:
        if path is not None and not path.is_file():
            raise BadSettings("E002", f"{path} cannot be read; give the path of an existing file.")


def _check_words(settings: Settings) -> None:
    for name, words in _WORDS.items():
        if getattr(settings, name) not in words:
            *others, last = words
            raise BadSettings(
                "E002",
                f"{PREFIX}{name.upper()} is {', '.join(others)} or {last}, not {getattr(settings, name)!r}.",
            )


def _check_vrs(settings: Settings) -> None:
    if settings.responder_gln is not None and gtin_fault(settings.responder_gln, lengths=(_GLN_DIGITS,)):
        raise BadSettings(
            "E002", "VERIFIER_RESPONDER_GLN must be a GLN of 13 digits, the last a check digit."
        )
    if not 1 <= settings.vrs_misses_per_hour <= _MOST_MISSES:
        raise BadSettings("E002", f"VERIFIER_VRS_MISSES_PER_HOUR is a number from 1 to {_MOST_MISSES}.")
    if settings.vrs_file is None and (settings.vrs_auth, settings.vrs_credentials) != ("token", "off"):
        raise BadSettings(
            "E003",
            "VERIFIER_VRS_AUTH=proxy and VERIFIER_VRS_CREDENTIALS need VERIFIER_VRS_FILE, which says whom"
            " to trust.",
        )


def _read(kind: Any, value: str, name: str) -> Any:
    """One value as the type of its field."""
    if kind in (Path, Path | None):
        return Path(value)
    if kind is int:
        if not re.fullmatch("[0-9]{1,9}", value):
            raise BadSettings("E002", f"{PREFIX}{name.upper()} is a number, not {value!r}.")
        return int(value)
    if kind not in (bool, bool | None):
        return value
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    try:
        return words[value.lower()]
    except KeyError:
        raise BadSettings("E002", f"{PREFIX}{name.upper()} is 1 or 0, not {value!r}.") from None


def _split(url: str) -> SplitResult:
    """The parts of a URL, all empty when it is none."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _is_redis(url: str) -> bool:
    """One server, Sentinels with the name of their service, or nodes of a cluster."""
    one = _split(url).scheme in ("redis", "rediss", "unix")
    return one or bool(_SENTINELS.fullmatch(url) or _CLUSTER.fullmatch(url))


def _is_issuer(url: SplitResult) -> bool:
    """RFC 8414, section 2; http is allowed for a service on the loopback or behind a proxy."""
    return url.scheme in ("http", "https") and bool(url.hostname) and not url.query and not url.fragment


def _mask(url: str) -> str:
    """Without the password, which may stand before the host or in a parameter (libpq, redis-py)."""
    parts = _split(url)
    if not parts.scheme:
        return "***"
    if parts.password:
        url = url.replace(f":{parts.password}@", ":***@", 1)
    return _PASSWORD.sub(r"\1***", url)
