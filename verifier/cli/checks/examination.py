"""All checks of one installation, in the order in which one thing rests on another."""

import os
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace

from sqlalchemy.exc import SQLAlchemyError

from verifier import embedded
from verifier.cli.checks import cache, database, machine, network
from verifier.cli.checks.finding import Finding, ok, skipped, warning, wrong
from verifier.embedded import EmbeddedError
from verifier.settings import BadSettings, Settings, from_env
from verifier.storage.condition import DatabaseFacts, database_facts, redis_facts
from verifier.storage.redis_link import CacheUnavailable


def examine(environment: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Look at everything that the settings name; nothing is started and nothing changed."""
    try:
        settings = from_env(environment)
    except BadSettings as error:
        yield wrong("D001", str(error), "Correct the environment; nothing else can be checked before.")
        return
    yield ok("D001", "All VERIFIER_ variables are understood.")
    yield machine.home(settings.home)
    yield machine.disk(settings.home)
    yield machine.signing_key(settings)
    yield machine.issuer(settings)
    yield from machine.outside_issuers(settings)
    yield from network.responder(settings)
    yield from network.requestor(settings)
    embedded_ones = settings.embedded
    if embedded_ones:
        finding, settings = _attach(settings)
        yield finding
    facts = yield from _database(settings)
    yield machine.scan_records(settings.home / "spool", facts.shipped if facts else None)
    yield from network.speaker(settings, facts.nameless if facts else None)
    yield machine.time_zones(facts.timezones if facts else None)
    yield from _cache(settings, facts, embedded_ones=embedded_ones)


def _attach(settings: Settings) -> tuple[Finding, Settings]:
    """The settings with the URLs of the embedded servers, if they run."""
    try:
        found = embedded.running(settings.home)
    except (EmbeddedError, OSError) as error:
        return wrong("D010", str(error), "The message says what to do."), settings
    if found is None:
        words = "They do not run, and are not started for this: `verifier serve` in another window does."
        return skipped("D010", words), settings
    redis_url = settings.redis_url or found.redis_url
    attached = replace(settings, database_url=found.database_url, redis_url=redis_url)
    return ok("D010", "They run; for evaluation only."), attached


def _database(settings: Settings) -> Generator[Finding, None, DatabaseFacts | None]:
    """The findings; returned are the facts on which others rest."""
    if settings.database_url is None:
        yield skipped("D011", "The embedded database does not run.")
        return None
    try:
        facts = database_facts(settings.database_url)
    except SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        remedy = "Check VERIFIER_DATABASE_URL, that the server runs, and that this machine may reach it."
        yield wrong("D011", f"It does not answer: {said}.", remedy)
        return None
    yield ok("D011", "It answers.")
    yield from database.judge(facts)
    return facts


def _cache(settings: Settings, facts: DatabaseFacts | None, *, embedded_ones: bool) -> Iterator[Finding]:
    if settings.cache_mode == "off":
        yield skipped("D021", "VERIFIER_CACHE_MODE=off: the database answers everything.")
        return
    if settings.redis_url is None:
        if embedded_ones:
            yield skipped("D021", "The embedded Redis does not run.")
            return
        remedy = "Set VERIFIER_REDIS_URL, or VERIFIER_CACHE_MODE=off if there is to be no cache."
        yield warning("D021", "There is none: the database answers everything.", remedy)
        return
    try:
        redis = redis_facts(settings.redis_url)
    except CacheUnavailable as error:
        remedy = (
            "Check VERIFIER_REDIS_URL, and that the server runs; until then the database answers everything."
        )
        yield wrong("D021", f"It does not answer: {error}.", remedy)
        return
    yield ok("D021", "It answers.")
    yield from cache.judge(redis)
    if facts is not None and facts.switch is not None:
        yield cache.switch(redis, facts.switch)
