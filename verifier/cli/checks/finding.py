"""What was found about one part of an installation, in words, under a code that stays."""

from dataclasses import dataclass
from enum import StrEnum

SUBJECTS = {
    "D001": "settings",
    "D002": "home folder",
    "D003": "disk space",
    "D004": "scan records",
    "D005": "time zones",
    "D006": "signing key",
    "D007": "issuer",
    "D008": "outside issuers",
    "D010": "embedded servers",
    "D011": "database",
    "D012": "database version",
    "D013": "database primary",
    "D014": "schema",
    "D015": "clocks",
    "D016": "durability",
    "D017": "control row",
    "D021": "Redis",
    "D022": "Redis version",
    "D023": "Redis memory",
    "D024": "Redis persistence",
    "D025": "Redis replicas",
    "D026": "Redis keys",
    "D027": "cache switch",
    "D031": "GS1 messages, answering",
    "D032": "GS1 messages, asking",
    "D033": "tokens of peers",
    "D034": "GS1 messages, our GLN",
}


class Level(StrEnum):
    """How bad it is. Only `wrong` makes the command fail."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"
    SKIPPED = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """`remedy` says what to do; empty where there is nothing to do."""

    code: str
    level: Level
    found: str
    remedy: str = ""

    @property
    def subject(self) -> str:
        """What it is about."""
        return SUBJECTS[self.code]


def ok(code: str, found: str) -> Finding:
    """As it should be."""
    return Finding(code, Level.OK, found)


def warning(code: str, found: str, remedy: str) -> Finding:
    """It works, but not as well or not for as long as it should."""
    return Finding(code, Level.WARNING, found, remedy)


def wrong(code: str, found: str, remedy: str) -> Finding:
    """It does not work, or loses something."""
    return Finding(code, Level.WRONG, found, remedy)


def skipped(code: str, found: str) -> Finding:
    """It could not be looked at, and why."""
    return Finding(code, Level.SKIPPED, found)
