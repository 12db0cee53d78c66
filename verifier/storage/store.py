"""Transactions: compare-and-set, claims, counters, alerts and the journal, all of it or nothing."""

import logging
import random
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, IntegrityError

from verifier.domain.codes import PackCode
from verifier.domain.journal import Claim, Fault, NewAlert, PackEvent, ReferenceEvent, Replay
from verifier.domain.pack import Found, Pack, Product, State
from verifier.domain.questions import AskedQuestion
from verifier.domain.reasons import OF_ANOTHER_CODE
from verifier.domain.resale import GRAVE, Noted
from verifier.domain.scan import Device
from verifier.domain.verdict import AlertRef
from verifier.storage import claims, questions, statements
from verifier.storage.direct import STALE, Session
from verifier.storage.direct import session as opened
from verifier.storage.noted import noted
from verifier.storage.returns import Returns
from verifier.storage.rows import find_query, found_of, gtin_of, ppn_of, product_of

Result = TypeVar("Result")
ATTEMPTS = 4
_AGAIN = frozenset({"40001", "40P01", claims.LOCK_NOT_AVAILABLE}) | STALE
_log = logging.getLogger(__name__)


class Cache(Protocol):
    """The writer's side of the status cache."""

    def fence(self, session: Session, gtin: str, serial: str, version: int) -> None:
        """Before the commit of a changed pack."""

    def settle(self, gtin: str, serial: str, version: int) -> None:
        """After it."""

    def references_changed(self, session: Session) -> None:
        """Before the commit of a changed product or batch."""

    def references_settled(self) -> None:
        """After it."""


class Store:
    """Runs units of work; the answer of `run` may be acknowledged."""

    def __init__(self, engine: Engine, cache: Cache) -> None:
        self._engine = engine
        self._cache = cache

    def run(self, work: Callable[["Transaction"], Result]) -> Result:
        """See `services.ports.Store.run`.

        Raises:
            SQLAlchemyError: the database does not answer; whether a change was kept is found out by its key.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                result, transaction = self._once(work)
            except DBAPIError as error:
                if attempt == ATTEMPTS or not _worth_another(error):
                    raise
                _log.info(
                    "transaction run again: %s", getattr(error.orig, "sqlstate", None) or "connection lost"
                )
                time.sleep(random.uniform(0.005, 0.03) * attempt)  # noqa: S311 - jitter, no secret
            else:
                transaction.acknowledge()
                return result
        raise AssertionError("unreachable")

    def _once(self, work: Callable[["Transaction"], Result]) -> tuple[Result, "Transaction"]:
        with opened(self._engine) as session:
            transaction = Transaction(session, self._cache)
            result = work(transaction)
            if isinstance(result, Fault):
                session.rollback()
                transaction.forget_changes()
            else:
                transaction.before_commit()
                session.commit()
        return result, transaction


class Transaction:
    """See `services.ports.Transaction`."""

    def __init__(self, session: Session, cache: Cache) -> None:
        self.returns = Returns(session)
        self._session = session
        self._cache = cache
        self._moved: dict[tuple[str, str], int] = {}
        self._shown: dict[tuple[str, str], int] = {}
        self._references = False

    # The life of the transaction.

    def before_commit(self) -> None:
        """Fence what changed, as late as possible, while the row locks are held."""
        for (gtin, serial), version in self._moved.items():
            self._cache.fence(self._session, gtin, serial, version)
        if self._references:
            self._cache.references_changed(self._session)

    def forget_changes(self) -> None:
        """After a rollback nothing of this transaction is to be settled."""
        self._moved.clear()
        self._shown.clear()
        self._references = False

    def acknowledge(self) -> None:
        """Return when no reader can see what was before the change, or before what a refusal or replay tells.

        Whoever is refused because of a change learns of it, perhaps before it is acknowledged: after that
        no look may show less.
        """
        for (gtin, serial), version in (self._shown | self._moved).items():
            self._cache.settle(gtin, serial, version)
        if self._references:
            self._cache.references_settled()

    # Once only.

    def claim(self, claim: Claim, code: PackCode | None, gtin: str) -> Replay | Fault | None:
        """Take the key; a twin under way is waited for, two seconds at most."""
        canonical = self._canonical(code) if code else int(gtin)
        taken = claims.take(self._session, claim, canonical, code.serial if code else None)
        if isinstance(taken, Fault):
            return taken
        return None if taken else self._stored(claim)

    def _stored(self, claim: Claim) -> Replay | Fault:
        names = {"client_id": claim.client_id, "key": claim.key}
        row = self._session.run(statements.STORED, names).first
        if row.digest != claim.digest:
            return claims.REUSED
        if row.serial is None:
            self._references = True
            answer = self._session.run(statements.STORED_REFERENCE, names).first[0]
            return Replay(answer.encode(), accepted=True)
        if row.version:
            self._shown[gtin_of(row.gtin), row.serial] = row.version
        return Replay(row.answer.encode(), row.accepted)

    def claim_device(self, site_gln: str, device: Device, event_id: UUID) -> bool:
        """Unique for ever."""
        values = {
            "site_gln": site_gln,
            "device_id": device.id,
            "sequence": device.sequence,
            "event_id": event_id,
        }
        return self._session.run(statements.DEVICE, values).first is not None

    # Packs.

    def find(self, code: PackCode) -> Found:
        """From the database itself, never from the cache."""
        query, values = find_query(code)
        found = found_of(self._session.run(query, values).first)
        if found.pack is not None and found.pack.version:
            self._shown[found.pack.gtin, found.pack.serial] = found.pack.version
        return found

    def move(self, pack: Pack, target: State, site_gln: str, now: datetime) -> bool:
        """Compare-and-set."""
        values = {
            "gtin": int(pack.gtin),
            "serial": pack.serial,
            "version": pack.version,
            "state": target.value,
            "now": now,
            "site": site_gln,
        }
        if self._session.run(statements.MOVE, values).count != 1:
            return False
        self._moved[pack.gtin, pack.serial] = pack.version + 1
        return True

    def _canonical(self, code: PackCode) -> int:
        """The GTIN under which the pack's events stand: of a PPN, its product's."""
        ppn = ppn_of(code)
        if ppn is None:
            return int(code.gtin)
        row = self._session.run(statements.CANONICAL, {"gtin": int(code.gtin), "ppn": ppn}).first
        return int(row.gtin) if row else int(code.gtin)

    # Counters, alerts, journal.

    def count(self, site_gln: str, scope: str) -> int:
        """One more, and how many there are now."""
        return int(self._session.run(statements.COUNT, {"site": site_gln, "scope": scope}).first[0])

    def raise_alert(self, alert: NewAlert) -> AlertRef:
        """One alert for the same pack, site, code and UTC day."""
        values = {
            "alert_id": alert.alert_id,
            "gtin": int(alert.gtin),
            "serial": alert.serial,
            "site_gln": alert.site_gln,
            "code": alert.code,
            "day": alert.raised_at.date(),
            "cause": alert.cause,
            "count": 1,
            "raised_at": alert.raised_at,
            "last_at": alert.raised_at,
            "operation": alert.operation,
            "lot": alert.lot,
            "expiry": alert.expiry.number() if alert.expiry else None,
            "client_id": alert.client_id,
            "event_id": alert.event_id,
            "details": _json(alert.details),
            "of_another_code": list(OF_ANOTHER_CODE),
            "grave": list(GRAVE),
        }
        row = self._session.run(statements.RAISE, values).first
        return AlertRef(str(row.alert_id), row.code, row.cause, row[3])

    def record(self, event: PackEvent, answer: Any) -> None:
        """Append to the journal."""
        self._session.run(statements.EVENT, _columns(event, answer))

    # Commands.

    def product(self, gtin: str) -> Product | None:
        """Locked, so that two commands on one product come one after the other."""
        row = self._session.run(statements.PRODUCT, {"gtin": int(gtin)}).first
        return product_of(row) if row else None

    def mark_batch(self, gtin: str, lot: str, *, recalled: bool | None, on_hold: bool | None) -> str:
        """The overlays that are given; the strongest word for what the batch is now."""
        values = {"gtin": int(gtin), "lot": lot, "recalled": recalled, "on_hold": on_hold}
        row = self._session.run(statements.BATCH, values).first
        self._references = True
        return "recalled" if row.recalled else "on_hold" if row.on_hold else "active"

    def put_product(self, product: Product) -> bool:
        """New or changed; after False the transaction can only be rolled back."""
        try:
            self._session.run(statements.PUT_PRODUCT, _fields(product) | {"gtin": int(product.gtin)})
        except IntegrityError:
            return False
        self._references = True
        return True

    def record_reference(self, event: ReferenceEvent, answer: Any) -> None:
        """Append to the journal of commands."""
        self._session.run(statements.REFERENCE_EVENT, _columns(event, answer))
        self._references = True

    def noted(self, code: PackCode, found: Found) -> Noted:
        """Marks of the lot, open alerts on the pack."""
        return noted(self._session, code, found)

    def record_question(self, question: AskedQuestion) -> None:
        """With its exchanges."""
        questions.keep(self._session, question)


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _columns(event: PackEvent | ReferenceEvent, answer: Any) -> dict[str, Any]:
    written = {"gtin": int(event.gtin), "details": _json(event.details)}
    return _fields(event) | written | {"answer": None if answer is None else _json(answer)}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _worth_another(error: DBAPIError) -> bool:
    """Lost races and lost connections; after the latter the claim tells what became of the first try."""
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _AGAIN
