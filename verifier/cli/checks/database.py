"""The database as it was found, judged; with some findings the service must not even start."""

from collections.abc import Iterable, Iterator

from verifier.cli.checks.finding import Finding, Level, ok, warning, wrong
from verifier.settings import BadSettings
from verifier.storage.condition import DatabaseFacts

OLDEST = 17
"""PostgreSQL 17 knows `transaction_timeout`, on which the status cache relies."""
NOTICED_S, TOLERATED_S = 1.0, 5.0
"""A difference of clocks that is worth a word; one that tokens of another machine do not survive."""

START_CODES = {"D012": "E005", "D013": "E006", "D014": "E007"}
_DURABLE = {
    "fsync": "a power loss may destroy the database",
    "full_page_writes": "a power loss may destroy the database",
    "synchronous_commit": "a power loss may take back what was acknowledged",
}


def judge(facts: DatabaseFacts) -> Iterator[Finding]:
    """Every finding about it."""
    yield _version(facts)
    yield _primary(facts)
    yield _schema(facts)
    yield _clock(facts)
    yield _durability(facts)
    if facts.schema.found == facts.schema.newest:
        yield _control(facts)


def refuse_start(findings: Iterable[Finding]) -> None:
    """Stop the start with what is wrong.

    Raises:
        BadSettings: E005 PostgreSQL is too old, E006 it takes no changes, E007 the schema is not the newest.
    """
    for finding in findings:
        if finding.level is Level.WRONG and finding.code in START_CODES:
            raise BadSettings(START_CODES[finding.code], f"{finding.found} {finding.remedy}")


def _version(facts: DatabaseFacts) -> Finding:
    major, minor = divmod(facts.version, 10_000)
    name = f"PostgreSQL {major}.{minor}."
    if major < OLDEST:
        return wrong("D012", name, f"The service needs PostgreSQL {OLDEST} or newer: upgrade the server.")
    return ok("D012", name)


def _primary(facts: DatabaseFacts) -> Finding:
    if facts.standby:
        remedy = "Set VERIFIER_DATABASE_URL to the primary; look-ups on a standby would be stale."
        return wrong("D013", "The server is a standby in recovery.", remedy)
    if facts.read_only:
        remedy = "Set default_transaction_read_only to off for this role and database."
        return wrong("D013", "The server takes no changes.", remedy)
    return ok("D013", "The server takes changes.")


def _schema(facts: DatabaseFacts) -> Finding:
    schema = facts.schema
    if schema.found is None:
        return wrong("D014", "The database has no schema.", "Run `verifier migrate`.")
    if not schema.known:
        remedy = "Install the version of this program that made it, or a newer one."
        return wrong("D014", f"The schema {schema.found} is newer than this program.", remedy)
    if schema.found != schema.newest:
        found = f"The schema is {schema.found}, this program needs {schema.newest}."
        return wrong("D014", found, "Run `verifier migrate`.")
    return ok("D014", f"The schema is {schema.found}, the newest.")


def _clock(facts: DatabaseFacts) -> Finding:
    apart = abs(facts.ahead)
    if apart < NOTICED_S:
        return ok("D015", "The clocks of this machine and of the database agree.")
    which = "ahead of" if facts.ahead > 0 else "behind"
    found = f"The clock of the database is {apart:.1f} s {which} this machine's."
    judged = wrong if apart > TOLERATED_S else warning
    return judged("D015", found, "Let a time service (NTP) set the clocks of both machines.")


def _durability(facts: DatabaseFacts) -> Finding:
    for name, danger in _DURABLE.items():
        if facts.durability.get(name) == "off":
            return wrong("D016", f"{name} is off: {danger}.", f"Set {name} to on.")
    return ok("D016", "What is committed survives a power loss.")


def _control(facts: DatabaseFacts) -> Finding:
    if facts.switch is None:
        remedy = "Restore the table from a backup, or insert the row as the first migration does."
        return wrong("D017", "The control row is missing; no scan can be answered.", remedy)
    return ok("D017", "The control row is there.")
