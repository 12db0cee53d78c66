"""The ports of the services in dictionaries: a second, plain implementation of `services/ports.py`.

Every test here runs on it and on the real storage, so what it does wrong is seen. One thread only.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from verifier.domain.codes import PackCode
from verifier.domain.journal import (
    Alert,
    AlertQuery,
    Claim,
    Fault,
    NewAlert,
    PackEvent,
    ReferenceEvent,
    Replay,
)
from verifier.domain.pack import Batch, Found, Pack, Product, State
from verifier.domain.ppn import ntin_to_ppn
from verifier.domain.reasons import OF_ANOTHER_CODE
from verifier.domain.scan import Device
from verifier.domain.verdict import AlertRef


class Memory:
    """Reader, store, transaction, scans and archive in one."""

    def __init__(self) -> None:
        self.products: dict[str, Product] = {}
        self.batches: dict[tuple[str, str], Batch] = {}
        self.packs: dict[tuple[str, str], Pack] = {}
        self.claims: dict[tuple[str, str], Claim] = {}
        self.devices: set[tuple[str, Device]] = set()
        self.counters: dict[tuple[str, str], int] = {}
        self.raised: dict[tuple[Any, ...], Alert] = {}
        self.journal: dict[UUID, tuple[PackEvent, bytes | None]] = {}
        self.commands: dict[UUID, tuple[ReferenceEvent, bytes]] = {}

    def run(self, work: Any) -> Any:
        before = {name: copy(table) for name, table in vars(self).items()}
        result = work(self)
        if isinstance(result, Fault):
            vars(self).update(before)
        return result

    # Once only.

    def claim(self, claim: Claim, _code: PackCode | None, _gtin: str) -> Replay | Fault | None:
        stored = self.claims.setdefault((claim.client_id, claim.key), claim)
        if stored is claim:
            return None
        if stored.digest != claim.digest:
            return Fault(
                "idempotency_key_reused",
                "This key was used for another request; use a new key for a new request.",
            )
        if stored.event_id in self.commands:
            return Replay(self.commands[stored.event_id][1], accepted=True)
        event, answer = self.journal[stored.event_id]
        return Replay(answer or b"", event.accepted)

    def claim_device(self, site_gln: str, device: Device, _event_id: UUID) -> bool:
        free = (site_gln, device) not in self.devices
        self.devices.add((site_gln, device))
        return free

    # Packs.

    def find(self, code: PackCode) -> Found:
        ppn = code.ppn or ntin_to_ppn(code.gtin)
        by_ppn = (each for each in self.products.values() if ppn is not None and each.ppn == ppn)
        product = self.products.get(code.gtin) or next(by_ppn, None)
        if product is None:
            return Found(None)
        pack = self.packs.get((product.gtin, code.serial))
        if pack is None:
            return Found(product, lot_known=(product.gtin, code.lot) in self.batches)
        return Found(product, pack, self.batches[pack.gtin, pack.lot], lot_known=True)

    def move(self, pack: Pack, target: State, site_gln: str, now: datetime) -> bool:
        name = pack.gtin, pack.serial
        if self.packs[name].version != pack.version:
            return False
        version = pack.version + 1
        self.packs[name] = replace(
            self.packs[name], state=target, version=version, state_since=now, state_site=site_gln
        )
        return True

    # Counters, alerts, journal.

    def count(self, site_gln: str, scope: str) -> int:
        self.counters[site_gln, scope] = self.counters.get((site_gln, scope), 0) + 1
        return self.counters[site_gln, scope]

    def raise_alert(self, alert: NewAlert) -> AlertRef:
        name = (alert.gtin, alert.serial, alert.site_gln, alert.code, alert.raised_at.date())
        sent = Alert(
            id=str(alert.alert_id),
            code=alert.code,
            cause=alert.cause,
            count=0,
            status="new",
            gtin=alert.gtin,
            serial=alert.serial,
            lot=alert.lot,
            expiry=alert.expiry.iso() if alert.expiry else None,
            operation=alert.operation,
            site=alert.site_gln,
            client_id=alert.client_id,
            raised_at=alert.raised_at,
            last_at=alert.raised_at,
            event_id=str(alert.event_id),
            details=alert.details,
        )
        held = self.raised.get(name) or sent
        if held.cause in OF_ANOTHER_CODE and sent.cause not in OF_ANOTHER_CODE:
            held = replace(sent, id=held.id, count=held.count, raised_at=held.raised_at)
        now = replace(held, count=held.count + 1, last_at=alert.raised_at)
        self.raised[name] = now
        return AlertRef(now.id, now.code, now.cause, now.count)

    def record(self, event: PackEvent, answer: Any) -> None:
        self.journal[event.event_id] = event, None if answer is None else msgspec.json.encode(answer)

    # Commands.

    def product(self, gtin: str) -> Product | None:
        return self.products.get(gtin)

    def mark_batch(self, gtin: str, lot: str, *, recalled: bool | None, on_hold: bool | None) -> str:
        given = {"recalled": recalled, "on_hold": on_hold}
        changes = {name: value for name, value in given.items() if value is not None}
        batch = replace(self.batches.get((gtin, lot)) or Batch(gtin, lot), **changes)
        self.batches[gtin, lot] = batch
        return "recalled" if batch.recalled else "on_hold" if batch.on_hold else "active"

    def put_product(self, product: Product) -> bool:
        taken = {each.ppn for each in self.products.values() if each.ppn and each.gtin != product.gtin}
        if product.ppn in taken:
            return False
        self.products[product.gtin] = product
        return True

    def record_reference(self, event: ReferenceEvent, answer: Any) -> None:
        self.commands[event.event_id] = event, msgspec.json.encode(answer)

    # Archive, as far as it is asked here.

    def events(self, gtin: str, serial: str) -> Sequence[PackEvent]:
        return [event for event, _ in self.journal.values() if (event.gtin, event.serial) == (gtin, serial)]

    def event(self, event_id: UUID) -> tuple[PackEvent, bytes | None] | None:
        return self.journal.get(event_id)

    def alerts(self, query: AlertQuery) -> Sequence[Alert]:
        return [alert for alert in reversed(self.raised.values()) if alert.gtin == query.gtin]
