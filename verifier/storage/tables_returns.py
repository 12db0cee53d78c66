"""Returns sessions. All four are keyed, and on a sharded engine placed, by their session."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
)

from verifier.storage.tables import metadata


def _instant(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, Text(), nullable=nullable)


returns_sessions = Table(
    "returns_sessions",
    metadata,
    Column("session_id", Uuid(), primary_key=True),
    _text("site_gln"),
    _text("client_id"),
    _text("reference"),
    _text("counterparty_gln"),
    _text("transaction_data"),
    Column("expected", Integer(), nullable=True),
    _instant("opened_at"),
    _instant("closed_at", nullable=True),
    _text("closed_by", nullable=True),
    _text("summary", nullable=True),
    Index("ix_returns_sessions_site_gln", "site_gln", "opened_at"),
    Index("ix_returns_sessions_opened_at", "opened_at", "session_id"),
)

# of a line for a pack the lot is empty, of one for a lot the serial
returns_expected = Table(
    "returns_expected",
    metadata,
    Column("session_id", Uuid(), nullable=False),
    Column("gtin", BigInteger(), nullable=False),
    _text("serial"),
    _text("lot"),
    Column("count", Integer(), nullable=False),
    PrimaryKeyConstraint("session_id", "gtin", "serial", "lot"),
)

# the key is what makes a pack count once, whoever scans it at the same time
returned_packs = Table(
    "returned_packs",
    metadata,
    Column("session_id", Uuid(), nullable=False),
    Column("gtin", BigInteger(), nullable=False),
    _text("serial"),
    _text("lot", nullable=True),
    Column("expiry", Integer(), nullable=True),
    _text("sscc", nullable=True),
    Column("listed", Boolean(), nullable=True),
    _text("resale"),
    _text("code"),
    _text("next_step"),
    _text("verdict", nullable=True),
    _text("asked"),
    _text("corr_uuid", nullable=True),
    _text("responder_gln", nullable=True),
    Column("event_id", Uuid(), nullable=False),
    _instant("scanned_at"),
    _text("client_id"),
    _text("user_id", nullable=True),
    _instant("asked_at"),
    PrimaryKeyConstraint("session_id", "gtin", "serial"),
)

returns_events = Table(
    "returns_events",
    metadata,
    Column("session_id", Uuid(), nullable=False),
    Column("event_id", Uuid(), nullable=False),
    _text("operation"),
    _text("code"),
    Column("gtin", BigInteger(), nullable=True),
    _text("serial", nullable=True),
    _text("sscc", nullable=True),
    _text("site_gln"),
    _text("client_id"),
    _instant("received_at"),
    _text("answer"),
    PrimaryKeyConstraint("session_id", "event_id"),
    Index("ix_returns_events_event_id", "event_id"),
)
