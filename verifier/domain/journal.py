"""What is written down: attempts on packs, commands on batches and products, alerts."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from verifier.domain.codes import PackCode
from verifier.domain.expiry import Expiry


@dataclass(frozen=True, slots=True)
class PackEvent:
    """One attempt on one pack, accepted or refused. `version` is the pack's new one, else None."""

    event_id: UUID
    gtin: str
    serial: str
    operation: str
    reason: str | None
    code: str
    accepted: bool
    version: int | None
    state_before: str | None
    state_after: str | None
    site_gln: str
    client_id: str
    received_at: datetime
    occurred_at: datetime | None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReferenceEvent:
    """A command on a batch (recall, hold, release) or a product (withdraw, change)."""

    event_id: UUID
    gtin: str
    lot: str | None
    operation: str
    reason: str | None
    site_gln: str
    client_id: str
    received_at: datetime
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewAlert:
    """An alert to raise; the same pack, site, code and UTC day is one alert."""

    alert_id: UUID
    gtin: str
    serial: str
    lot: str | None
    expiry: Expiry | None
    site_gln: str
    client_id: str
    code: str
    cause: str
    operation: str
    event_id: UUID
    raised_at: datetime
    details: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def about(
        cls,
        event: PackEvent,
        sent: PackCode,
        *,
        alert_id: UUID,
        code: str,
        cause: str,
        details: dict[str, Any],
    ) -> "NewAlert":
        """Of an attempt, with the print as it was sent."""
        return cls(
            alert_id=alert_id,
            gtin=event.gtin,
            serial=event.serial,
            lot=sent.lot,
            expiry=sent.expiry,
            site_gln=event.site_gln,
            client_id=event.client_id,
            code=code,
            cause=cause,
            operation=event.operation,
            event_id=event.event_id,
            raised_at=event.received_at,
            details=details,
        )


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert as it is read. `site` is None for whom the site is not to be shown."""

    id: str
    code: str
    cause: str
    count: int
    status: str
    gtin: str
    serial: str
    lot: str | None
    expiry: str | None
    operation: str
    site: str | None
    client_id: str | None
    raised_at: datetime
    last_at: datetime
    event_id: str
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AlertQuery:
    """Which alerts; `before` is the position after which to go on, `limit` the length of a page.

    `manufacturer_gln`: those of its products, and those that were raised at its own site.
    `standing_gtin`: under which the product stands that was asked for; alerts of either GTIN are wanted.
    """

    limit: int
    site: str | None = None
    manufacturer_gln: str | None = None
    status: str | None = None
    gtin: str | None = None
    standing_gtin: str | None = None
    lot: str | None = None
    code: str | None = None
    before: tuple[datetime, UUID] | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to do something once: the client's key and the digest of what it stands for."""

    client_id: str
    key: str
    digest: bytes
    event_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Replay:
    """The answer that was given when the key was first used, word for word."""

    answer: bytes
    accepted: bool


@dataclass(frozen=True, slots=True)
class Fault:
    """A request that cannot be served as sent; `code` is one of the contract's section 6.

    `field` is the one that is wrong, where it is one.
    """

    code: str
    detail: str
    field: str | None = None
