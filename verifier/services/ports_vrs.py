"""What asking the network needs of the world. Storage and the requestor satisfy these by shape."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from verifier.domain.directory import Entry
from verifier.domain.questions import Pending, Question, Reply

Position = tuple[datetime, bool, str, int]
"""Of the entry after which a page begins: `updated_at`, is it in force, GTIN, start."""


class Directory(Protocol):
    """The look-up directory."""

    def entries(self, gtin: str) -> Sequence[Entry]:
        """Those in force for a GTIN."""

    def changes(self, since: datetime | None, after: Position | None, limit: int) -> Sequence[Entry]:
        """What changed at or after `since`, oldest first; of the same moment what was removed first."""

    def put(self, entries: Iterable[Entry]) -> Sequence[str | None]:
        """Write them; for each None, or a sentence about why it was refused."""


class Network(Protocol):
    """Other parties' verification services."""

    def ask(self, question: Question) -> Reply:
        """Ask about one pack; never raises for what a peer does."""

    def connectivity(self, entry: Entry, gtin: str, req_gln: str, context: str) -> Reply:
        """Is this service there, and does it know us? VERIFIED when it is."""


class Questions(Protocol):
    """Reads of what was asked."""

    def pending(
        self, site_gln: str, before: tuple[datetime, str, str] | None, limit: int
    ) -> Sequence[Pending]:
        """Packs of this site without an answer, the longest waiting first, after a position."""


@dataclass(frozen=True, slots=True)
class Vrs:
    """The requestor's world. `contexts` are the purposes that may be asked for, the usual one first."""

    directory: Directory
    network: Network
    questions: Questions
    contexts: tuple[str, ...]
    window_days: int
