"""This machine: folders, disk, time zones, keys, addresses."""

import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from verifier.cli.checks.finding import Finding, ok, skipped, warning, wrong
from verifier.oauth.faults import MisconfiguredError
from verifier.oauth.issuers import KeysUnavailableError, load_issuers
from verifier.oauth.keys import SigningKey
from verifier.settings import Settings

SCARCE_BYTES, LITTLE_BYTES = 256 << 20, 2 << 30
LATE_S = 60
"""A running service ships scan records twice a second."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def home(folder: Path) -> Finding:
    """Can the service keep its files there, and nobody else see them?"""
    place = folder.absolute()
    if not place.exists():
        parent = next(parent for parent in place.parents if parent.exists())
        if os.access(parent, os.W_OK | os.X_OK):
            return ok("D002", f"{place} is not there yet; the first start makes it.")
        return wrong("D002", f"{place} cannot be made by this account.", "Choose another VERIFIER_HOME.")
    if not place.is_dir() or not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        return wrong("D002", f"{place} cannot be written by this account.", "Choose another VERIFIER_HOME.")
    mode = stat.S_IMODE(place.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        found = f"{place} has mode {mode:04o}: others on this machine can look into it."
        return warning("D002", found, f"chmod 700 {place}")
    return ok("D002", f"{place} can be written, and by nobody else.")


def disk(folder: Path) -> Finding:
    """Is there room for scan records and, embedded, for the database?"""
    place = folder.absolute()
    there = next(parent for parent in (place, *place.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    found = f"{size(free)} free at {there}."
    remedy = "Make room there, or choose another VERIFIER_HOME."
    if free < SCARCE_BYTES:
        return wrong("D003", found, remedy)
    return warning("D003", found, remedy) if free < LITTLE_BYTES else ok("D003", found)


def scan_records(folder: Path, shipped: Mapping[str, int] | None) -> Finding:
    """Files of scan records that wait for the database, with their size and age.

    Args:
        folder: where they lie.
        shipped: bytes that are in the database, by file; None when it cannot be asked.
    """
    waiting: list[tuple[int, float]] = []
    for path in folder.glob("*.scans"):
        try:
            status = path.stat()
        except FileNotFoundError:  # shipped this very moment
            continue
        left = status.st_size - (shipped or {}).get(path.stem, 0)
        if left > 0:
            waiting.append((left, time.time() - status.st_mtime))
    if not waiting:
        return ok("D004", "No scan record waits for the database.")
    total, oldest = sum(left for left, _ in waiting), max(age for _, age in waiting)
    files = f"{len(waiting)} file{'s' if len(waiting) > 1 else ''}"
    if shipped is None:
        return skipped("D004", f"Up to {size(total)} in {files}; what of it is in the database is not known.")
    found = f"{size(total)} in {files}, the oldest written {duration(oldest)} ago."
    if oldest < LATE_S:
        return ok("D004", found)
    return warning("D004", found, "Start the service with this VERIFIER_HOME: it ships what was left behind.")


def time_zones(names: Iterable[str] | None) -> Finding:
    """Are time zone rules there, and those of the sites among them? None: the sites are not known."""
    missing = []
    for name in ("Europe/Berlin", *(names or ())):
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            missing.append(name)
    if missing:
        found = f"Not known: {', '.join(sorted(set(missing)))}. Expiry at such a site cannot be decided."
        return wrong(
            "D005", found, "Install the package tzdata, or correct the site with `verifier site add`."
        )
    if names is None:
        return ok("D005", "There are time zone rules; the sites could not be asked for.")
    return ok("D005", "The time zones of all sites are known.")


def signing_key(settings: Settings) -> Finding:
    """Is it there, whole, and readable by its owner only?"""
    path = settings.signing_key
    if not path.exists():
        return ok("D006", f"{path} is not there yet; the first start makes it.")
    try:
        held = SigningKey.load(path)
    except (MisconfiguredError, OSError) as error:
        remedy = (
            "Set it right, or move it away: the next start makes a new one, and every client logs in anew."
        )
        return wrong("D006", f"{error}.", remedy)
    older = len(held.keys) - 1
    if older:
        found = f"{held.kid} signs; {older} older accepted too."
        return ok("D006", found)
    return ok("D006", f"{held.kid} signs.")


def issuer(settings: Settings) -> Finding:
    """Do tokens travel over TLS?"""
    if settings.insecure:
        remedy = "Unset VERIFIER_INSECURE once TLS is in front of the service."
        return warning("D007", "VERIFIER_INSECURE=1: tokens may travel in clear text.", remedy)
    if settings.issuer is None:
        return ok("D007", "The address at which it is served; for use on this machine only.")
    parts = urlsplit(settings.issuer)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        found = f"{settings.issuer} is not https: tokens travel in clear text."
        return wrong("D007", found, "Put TLS in front, and set VERIFIER_ISSUER to the https address.")
    return ok("D007", f"{settings.issuer}.")


def outside_issuers(settings: Settings) -> Iterator[Finding]:
    """Can the keys of each be fetched from here?"""
    if settings.oauth_issuers_file is None:
        return
    try:
        issuers = load_issuers(settings.oauth_issuers_file)
    except MisconfiguredError as error:
        yield wrong("D008", f"{error}.", "Correct the file; deploy/oauth-issuers.example.json shows how.")
        return
    for each in issuers:
        name = each.profile.issuer
        try:
            number = each.keys.ask()
        except KeysUnavailableError as error:
            remedy = "Check jwks_url, and that this machine may reach it (name service, firewall, proxy)."
            yield wrong("D008", f"The keys of {name} cannot be fetched: {error}.", remedy)
            continue
        if number:
            yield ok("D008", f"{name} publishes {number} usable key{'s' if number > 1 else ''}.")
        else:
            remedy = "Compare the algorithms in the file with those of its keys."
            yield wrong("D008", f"{name} publishes no key that could be used.", remedy)


def size(number: float) -> str:
    """A number of bytes for people."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if number < 1024:  # noqa: PLR2004
            return f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:,.1f} TiB"


def duration(seconds: float) -> str:
    """So long, for people."""
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        number = int(seconds // length)
        if number:
            return f"{number} {unit}{'s' if number > 1 else ''}"
    return f"{seconds:.0f} s"
