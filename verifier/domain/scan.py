"""What comes in with a pack code: how it was read, when, by which device."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from verifier.domain.codes import PackCode
from verifier.domain.lifecycle import Seal


class EntryMode(StrEnum):
    """How the code was read; typing slips are forgiven in manual mode only."""

    SCANNED = "scanned"
    IMAGE = "image"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Device:
    """A device and its own running number; unique for ever at its site in changes of state."""

    id: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Context:
    """Everything about a scan beside the code. `user` and `reference` are pseudonyms chosen by the site.

    `occurred_at` is the time claimed by the client; decisions use the time of receipt.
    """

    entry_mode: EntryMode = EntryMode.SCANNED
    seal: Seal = Seal.NOT_CHECKED
    occurred_at: datetime | None = None
    offline: bool = False
    device: Device | None = None
    user: str | None = None
    reference: str | None = None
    raw: str | None = None
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Scan:
    """A pack code with its context."""

    code: PackCode
    context: Context
