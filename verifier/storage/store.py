"""Transactions: compare-and-set, claims, counters, alerts and the journal, all of it or nothing."""

import logging
import random
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import Connection, Engine, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from verifier.domain.codes import PackCode
from verifier.domain.journal import Claim, Fault, NewAlert, PackEvent, ReferenceEvent, Replay
from verifier.domain.pack import Found, Pack, Product, State
from verifier.domain.scan import Device
from verifier.domain.verdict import AlertRef
from verifier.storage import tables
from verifier.storage.rows import find_query, found_of, gtin_of, ppn_of, product_of

Result = TypeVar("Result")
ATTEMPTS = 4
_LOCK_NOT_AVAILABLE = "55P03"
_AGAIN = frozenset({"40001", "40P01", _LOCK_NOT_AVAILABLE})
_log = logging.getLogger(__name__)

_CLAIM = (
    insert(tables.idempotency)
    .on_conflict_do_nothing(index_elements=["client_id", "key"])
    .returning(text("event_id"))
)
_STORED = text(
    "SELECT i.digest, i.gtin, i.serial, e.answer, e.accepted, e.version FROM idempotency i"
    " LEFT JOIN events e ON e.gtin = i.gtin AND e.serial = i.serial AND e.event_id = i.event_id"
    " WHERE i.client_id = :client_id AND i.key = :key"
)
_STORED_REFERENCE = text(
    "SELECT e.answer FROM idempotency i JOIN reference_events e ON e.event_id = i.event_id"
    " WHERE i.client_id = :client_id AND i.key = :key"
)
_CANONICAL = text("SELECT gtin FROM products WHERE gtin = :gtin OR ppn = :ppn ORDER BY gtin <> :gtin LIMIT 1")
_DEVICE = insert(tables.device_sequences).on_conflict_do_nothing().returning(text("sequence"))
_MOVE = text(
    "UPDATE packs SET state = :state, version = version + 1, state_since = :now, state_site = :site"
    " WHERE gtin = :gtin AND serial = :serial AND version = :version"
)
_COUNT = text(
    "INSERT INTO counters (site_gln, scope, count) VALUES (:site, :scope, 1)"
    " ON CONFLICT (site_gln, scope) DO UPDATE SET count = counters.count + 1 RETURNING count"
)
_RAISE = (
    insert(tables.alerts)
    .on_conflict_do_update(
        constraint="uq_alerts_pack_site_code_day",
        set_={"count": tables.alerts.c.count + 1, "last_at": text("excluded.last_at")},
    )
    .returning(tables.alerts.c.alert_id, tables.alerts.c.code, tables.alerts.c.cause, tables.alerts.c.count)
)
_EVENT = insert(tables.events).on_conflict_do_nothing(index_elements=["gtin", "serial", "event_id"])
"""The same event comes again when a transaction is run again after a commit whose answer was lost."""
_PRODUCT = text("SELECT * FROM products WHERE gtin = :gtin FOR UPDATE")
_BATCH = text(
    "INSERT INTO batches (gtin, lot, recalled, on_hold) VALUES (:gtin, :lot, coalesce(:recalled, false),"
    " coalesce(:on_hold, false)) ON CONFLICT (gtin, lot) DO UPDATE SET"
    " recalled = coalesce(:recalled, batches.recalled), on_hold = coalesce(:on_hold, batches.on_hold)"
    " RETURNING recalled, on_hold"
)


class Cache(Protocol):
    """The writer's side of the status cache."""

    def fence(self, connection: Connection, gtin: str, serial: str, version: int) -> None:
        """Before the commit of a changed pack."""

    def settle(self, gtin: str, serial: str, version: int) -> None:
        """After it."""

    def references_changed(self, connection: Connection) -> None:
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
        with self._engine.connect() as connection:
            transaction = Transaction(connection, self._cache)
            result = work(transaction)
            if isinstance(result, Fault):
                connection.rollback()
                transaction.forget_changes()
            else:
                transaction.before_commit()
                connection.commit()
        return result, transaction


class Transaction:
    """See `services.ports.Transaction`."""

    def __init__(self, connection: Connection, cache: Cache) -> None:
        self._connection = connection
        self._cache = cache
        self._moved: list[tuple[str, str, int]] = []
        self._replayed: list[tuple[str, str, int]] = []
        self._references = False

    # The life of the transaction.

    def before_commit(self) -> None:
        """Fence what changed, as late as possible, while the row locks are held."""
        for gtin, serial, version in self._moved:
            self._cache.fence(self._connection, gtin, serial, version)
        if self._references:
            self._cache.references_changed(self._connection)

    def forget_changes(self) -> None:
        """After a rollback nothing of this transaction is to be settled."""
        self._moved.clear()
        self._references = False

    def acknowledge(self) -> None:
        """Return when no reader can see what was before; a replay repeats this step."""
        for gtin, serial, version in (*self._moved, *self._replayed):
            self._cache.settle(gtin, serial, version)
        if self._references:
            self._cache.references_settled()

    # Once only.

    def claim(self, claim: Claim, code: PackCode | None, gtin: str) -> Replay | Fault | None:
        """Take the key; a twin under way is waited for, two seconds at most."""
        canonical = self._canonical(code) if code else int(gtin)
        values = {
            "client_id": claim.client_id,
            "key": claim.key,
            "digest": claim.digest,
            "gtin": canonical,
            "serial": code.serial if code else None,
            "event_id": claim.event_id,
            "created_at": claim.at,
        }
        try:
            taken = self._connection.execute(_CLAIM, values).first()
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            return Fault(
                "idempotency_in_progress", "A request with this key is under way; ask again in a moment."
            )
        return None if taken else self._stored(claim)

    def _stored(self, claim: Claim) -> Replay | Fault:
        names = {"client_id": claim.client_id, "key": claim.key}
        row = self._connection.execute(_STORED, names).one()
        if row.digest != claim.digest:
            return Fault(
                "idempotency_key_reused",
                "This key was used for another request; use a new key for a new request.",
            )
        if row.serial is None:
            self._references = True
            answer = self._connection.execute(_STORED_REFERENCE, names).scalar_one()
            return Replay(answer.encode(), accepted=True)
        if row.version is not None:
            self._replayed.append((gtin_of(row.gtin), row.serial, row.version))
        return Replay(row.answer.encode(), row.accepted)

    def claim_device(self, site_gln: str, device: Device, event_id: UUID) -> bool:
        """Unique for ever."""
        values = {
            "site_gln": site_gln,
            "device_id": device.id,
            "sequence": device.sequence,
            "event_id": event_id,
        }
        return self._connection.execute(_DEVICE, values).first() is not None

    # Packs.

    def find(self, code: PackCode) -> Found:
        """From the database itself, never from the cache."""
        query, values = find_query(code)
        return found_of(self._connection.execute(query, values).mappings().one_or_none())

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
        if self._connection.execute(_MOVE, values).rowcount != 1:
            return False
        self._moved.append((pack.gtin, pack.serial, pack.version + 1))
        return True

    def _canonical(self, code: PackCode) -> int:
        """The GTIN under which the pack's events stand: of a PPN, its product's."""
        ppn = ppn_of(code)
        if ppn is None:
            return int(code.gtin)
        row = self._connection.execute(_CANONICAL, {"gtin": int(code.gtin), "ppn": ppn}).first()
        return int(row.gtin) if row else int(code.gtin)

    # Counters, alerts, journal.

    def count(self, site_gln: str, scope: str) -> int:
        """One more, and how many there are now."""
        return int(self._connection.execute(_COUNT, {"site": site_gln, "scope": scope}).scalar_one())

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
            "details": alert.details,
        }
        row = self._connection.execute(_RAISE, values).one()
        return AlertRef(str(row.alert_id), row.code, row.cause, row[3])

    def record(self, event: PackEvent, answer: Any) -> None:
        """Append to the journal."""
        self._connection.execute(_EVENT, _columns(event, answer))

    # Commands.

    def product(self, gtin: str) -> Product | None:
        """Locked, so that two commands on one product come one after the other."""
        row = self._connection.execute(_PRODUCT, {"gtin": int(gtin)}).mappings().one_or_none()
        return product_of(row) if row else None

    def mark_batch(self, gtin: str, lot: str, *, recalled: bool | None, on_hold: bool | None) -> str:
        """The overlays that are given; the strongest word for what the batch is now."""
        values = {"gtin": int(gtin), "lot": lot, "recalled": recalled, "on_hold": on_hold}
        row = self._connection.execute(_BATCH, values).one()
        self._references = True
        return "recalled" if row.recalled else "on_hold" if row.on_hold else "active"

    def put_product(self, product: Product) -> bool:
        """New or changed; after False the transaction can only be rolled back."""
        values = _fields(product) | {"gtin": int(product.gtin)}
        changes = {name: value for name, value in values.items() if name != "gtin"}
        statement = (
            insert(tables.products)
            .values(values)
            .on_conflict_do_update(index_elements=["gtin"], set_=changes)
        )
        try:
            self._connection.execute(statement)
        except IntegrityError:
            return False
        self._references = True
        return True

    def record_reference(self, event: ReferenceEvent, answer: Any) -> None:
        """Append to the journal of commands."""
        self._connection.execute(tables.reference_events.insert(), _columns(event, answer))
        self._references = True


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _columns(event: PackEvent | ReferenceEvent, answer: Any) -> dict[str, Any]:
    encoded = None if answer is None else msgspec.json.encode(answer).decode()
    return _fields(event) | {"gtin": int(event.gtin), "answer": encoded}


def _worth_another(error: DBAPIError) -> bool:
    """Lost races and lost connections; after the latter the claim tells what became of the first try."""
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _AGAIN
