"""What the responder of GS1 messages reads and keeps beside packs: its rules, who has missed too often."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, text

from verifier.domain.codes import PackCode
from verifier.domain.lms_rules import Change, Entry, Kind, Rules, Standing, rules_of
from verifier.domain.pack import Found
from verifier.storage import rows
from verifier.storage.control import Control, forget_references
from verifier.storage.database import twice
from verifier.storage.direct import Session, Statement, session
from verifier.storage.noted import ALERTED
from verifier.storage.tables_vrs import responder_rules

_NEWEST = Statement(
    text(
        "SELECT DISTINCT ON (kind, subject) kind, subject, version, after FROM responder_rules"
        " ORDER BY kind, subject, version DESC"
    )
)
_OF_SUBJECT = Statement(
    text(
        "SELECT version, after FROM responder_rules WHERE kind = :kind AND subject = :subject"
        " ORDER BY version DESC LIMIT 1"
    )
)
_ADD = Statement(responder_rules.insert(), *(column.name for column in responder_rules.c))
_LOG = Statement(
    text(
        "SELECT kind, subject, before, after, at, who, why FROM responder_rules"
        " WHERE kind = ANY(:kinds) ORDER BY at, kind, subject, version"
    )
)
_LOT = Statement(text("SELECT EXISTS (SELECT 1 FROM batches WHERE gtin = :gtin AND lot = :lot) AS known"))
_MISSES = (
    "SELECT coalesce(max(count), 0) AS misses FROM counters"
    " WHERE site_gln = :req_gln AND scope = ANY(:scopes)"
)
_OF_REQUESTOR = Statement(text(_MISSES))
_LOOK = """
SELECT m.misses, f.*, {alerted} AS alerted
  FROM ({misses}) m LEFT JOIN ({find}) f ON true
"""
_ALERTED = ALERTED.format(pack="f", which="<> ALL(:besides)")
_BY_GTIN, _BY_PPN = (
    Statement(text(_LOOK.format(misses=_MISSES, find=find, alerted=_ALERTED)))
    for find in (rows.BY_GTIN, rows.BY_PPN)
)
_PRESENT = Statement(
    text(
        "INSERT INTO presentations (digest, request, until) VALUES (:digest, :request, :until)"
        " ON CONFLICT (digest) DO UPDATE SET digest = excluded.digest RETURNING request"
    )
)


class Ledger:
    """The rules as they are written down. `engine` with transactions."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def change(self, entry: Entry, *, who: str, why: str, at: datetime) -> Change:
        """Write it down; every process knows within a second.

        Raises:
            IntegrityError: somebody else changed this subject at the same moment.
        """
        with session(self._engine) as opened:
            held = opened.run(_OF_SUBJECT, {"kind": entry.kind, "subject": entry.subject}).first
            before = held.after if held else None
            opened.run(
                _ADD,
                {
                    "kind": entry.kind,
                    "subject": entry.subject,
                    "version": held.version + 1 if held else 1,
                    "before": before,
                    "after": entry.value,
                    "at": at,
                    "who": who,
                    "why": why,
                },
            )
            forget_references(opened)
            opened.commit()
        return Change(entry, before, at, who, why)

    def knows_lot(self, gtin: str, lot: str) -> bool:
        """Are there packs of this lot, or orders about it?"""
        with session(self._engine) as opened:
            return bool(opened.run(_LOT, {"gtin": int(gtin), "lot": lot}).first.known)

    def log(self, *kinds: Kind) -> list[Change]:
        """Every change of these kinds, oldest first."""
        with session(self._engine) as opened:
            made = opened.run(_LOG, {"kinds": list(kinds)}).rows
        return [
            Change(Entry(Kind(row.kind), row.subject, row.after), row.before, row.at, row.who, row.why)
            for row in made
        ]

    def entries(self) -> list[Entry]:
        """The newest entry of each subject, by kind and subject."""
        with session(self._engine) as opened:
            return _entries(opened)


class Responder:
    """See `services.responder.Desk`. `engine` commits by itself.

    The rules are remembered under the control row's reference generation, as copies of products are.
    """

    def __init__(self, engine: Engine, control: Control) -> None:
        self._engine = engine
        self._control = control
        self._held: tuple[int, Rules] | None = None

    def rules(self) -> Rules:
        """What holds now."""
        snapshot, held = self._control.current(), self._held
        if snapshot is not None and held is not None and held[0] == snapshot.reference_generation:
            return held[1]
        rules = rules_of(twice(self._read))
        if snapshot is not None:
            self._held = snapshot.reference_generation, rules
        return rules

    def look(
        self, code: PackCode, req_gln: str, scopes: Sequence[str], besides: Collection[str]
    ) -> tuple[Found, Standing]:
        """One statement on the primary for all: asking the cache first would be a round trip more."""
        ppn = rows.ppn_of(code)
        query = _BY_GTIN if ppn is None else _BY_PPN
        values = {
            "gtin": int(code.gtin),
            "ppn": ppn,
            "serial": code.serial,
            "lot": code.lot,
            "req_gln": req_gln,
            "scopes": list(scopes),
            "besides": list(besides),
        }
        row = twice(lambda: self._row(query, values))
        found = rows.found_of(row if row.gtin is not None else None)
        return found, Standing(row.alerted, row.misses)

    def misses(self, req_gln: str, scopes: Sequence[str]) -> int:
        """The highest of the counters."""
        values = {"req_gln": req_gln, "scopes": list(scopes)}
        return int(twice(lambda: self._row(_OF_REQUESTOR, values)).misses)

    def _row(self, query: Statement, values: Mapping[str, Any]) -> Any:
        with session(self._engine) as opened:
            return opened.run(query, values).first

    def present(self, digest: bytes, request: bytes, until: datetime) -> bool:
        """Use a presentation for this request: False when it was used for another one before."""
        values = {"digest": digest, "request": request, "until": until}
        with session(self._engine) as opened:
            return bytes(opened.run(_PRESENT, values).first.request) == request

    def _read(self) -> list[Entry]:
        with session(self._engine) as opened:
            return _entries(opened)


def _entries(opened: Session) -> list[Entry]:
    newest = opened.run(_NEWEST).rows
    return [Entry(Kind(row.kind), row.subject, row.after) for row in newest]
