"""The Redis of the status cache as it was found, judged. Nothing wrong with it makes an answer wrong."""

from collections.abc import Iterator

from verifier.cli.checks.finding import Finding, ok, skipped, warning, wrong
from verifier.storage.condition import RedisFacts, Switch
from verifier.storage.redis_connection import ALONE
from verifier.storage.redis_link import refusal

OLDEST = (6, 2)
_MIB = 1 << 20
_MASTER = "Give the URL of a master, of Sentinels, or of a cluster that is whole (docs/cache.md)."


def judge(facts: RedisFacts) -> Iterator[Finding]:
    """Every finding about it but its switch."""
    yield _version(facts)
    yield _memory(facts)
    yield _persistence(facts)
    yield _role(facts)
    yield _keys(facts)


def switch(facts: RedisFacts, position: Switch) -> Finding:
    """The switch in the database, which alone lets processes use the cache."""
    if position.on and position.identity == facts.identity:
        return ok("D027", "On, for this very Redis.")
    soon = "A running service switches it on within seconds; if it does not, its log says why."
    if position.on:
        found = "On, but for another Redis: this one was restarted, or some process has another URL."
        return warning("D027", found, soon)
    if position.epoch == 0:
        return ok("D027", "Off; the first start of the service switches it on.")
    return warning("D027", "Off: every look-up is answered by the database.", soon)


def _version(facts: RedisFacts) -> Finding:
    numbers = tuple(int(part) for part in facts.version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return wrong(
            "D022", f"Redis {facts.version}.", f"The cache needs Redis {oldest} or newer: upgrade it."
        )
    return ok("D022", f"Redis {facts.version}.")


def _role(facts: RedisFacts) -> Finding:
    why = refusal(facts.identity)
    if why is not None:
        return wrong("D025", f"The cache is never switched on: {why}.", _MASTER)
    if facts.identity.startswith(ALONE):
        return ok("D025", "It has no replicas and is none.")
    return ok("D025", "Another server may take its place, so it is asked for its role with every question.")


def _memory(facts: RedisFacts) -> Finding:
    if not facts.maxmemory:
        remedy = "Set maxmemory, and maxmemory-policy to allkeys-lru."
        return warning("D023", "Its memory has no limit.", remedy)
    limit = f"{facts.maxmemory / _MIB:,.0f} MiB"
    if not facts.policy.startswith("allkeys-"):
        found = f"At its limit of {limit} it refuses to write (maxmemory-policy {facts.policy})."
        return warning(
            "D023", found, "Set maxmemory-policy to allkeys-lru, so that the oldest keys make room."
        )
    return ok("D023", f"At its limit of {limit} the oldest keys make room.")


def _persistence(facts: RedisFacts) -> Finding:
    writes = [name for name, on in (("snapshots", facts.saves), ("an append-only file", facts.appends)) if on]
    if writes:
        found = f"It writes {' and '.join(writes)}; a cache that comes back empty is a better one."
        return warning("D024", found, "Set save to an empty text and appendonly to no.")
    if facts.saves is None:
        return ok("D024", "It writes no append-only file; whether snapshots, its user may not see.")
    return ok("D024", "It writes nothing to disk.")


def _keys(facts: RedisFacts) -> Finding:
    if facts.stray:
        found = "Its database holds keys of another program, so the cache is never switched on."
        return wrong(
            "D026", found, "Give the cache a database of its own: another number at the end of the URL."
        )
    if facts.stray is None:
        return skipped("D026", "There are too many keys to look at all of them, or its user may not.")
    return ok("D026", "Its database holds the cache's keys only.")
