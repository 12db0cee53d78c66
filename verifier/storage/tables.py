"""The schema. Keys are the field's own: GTIN and serial, GTIN and lot, GLN.

Every table in the path of a change is keyed by what it can be placed by on a sharded engine: packs and
events by (gtin, serial), the rest by client or site. Products, batches and sites are reference tables.
No sequence and no trigger anywhere. GTINs are stored as numbers and expiry dates as YYYYMMDD with day 00.
"""

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    func,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _instant(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, Text(), nullable=nullable)


# Reference: what rarely changes.

sites = Table(
    "sites",
    metadata,
    Column("gln", Text(), primary_key=True),
    _text("name"),
    _text("type"),
    _text("country"),
    _text("org", nullable=True),
    Column("timezone", Text(), nullable=False, server_default="UTC"),
)

products = Table(
    "products",
    metadata,
    Column("gtin", BigInteger(), primary_key=True, autoincrement=False),
    _text("profile"),
    _text("name", nullable=True),
    _text("strength", nullable=True),
    _text("form", nullable=True),
    _text("pack_size", nullable=True),
    _text("ppn", nullable=True),
    _text("nhrn", nullable=True),
    _text("manufacturer_gln", nullable=True),
    Column("withdrawn", Boolean(), nullable=False, server_default=false()),
    UniqueConstraint("ppn"),
    Index("ix_products_manufacturer_gln", "manufacturer_gln"),
)

batches = Table(
    "batches",
    metadata,
    Column("gtin", BigInteger(), nullable=False, autoincrement=False),
    _text("lot"),
    Column("recalled", Boolean(), nullable=False, server_default=false()),
    Column("on_hold", Boolean(), nullable=False, server_default=false()),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("gtin", "lot"),
)

# Packs and what happened to them.

packs = Table(
    "packs",
    metadata,
    Column("gtin", BigInteger(), nullable=False, autoincrement=False),
    _instant("state_since"),
    Column("expiry", Integer(), nullable=False),
    Column("version", Integer(), nullable=False, server_default="0"),
    _text("serial"),
    _text("lot"),
    Column("state", Text(), nullable=False, server_default="active"),
    _text("state_site", nullable=True),
    _text("sscc", nullable=True),
    PrimaryKeyConstraint("gtin", "serial"),
    # only of packs that came with one: a load without cases pays nothing for it
    Index("ix_packs_sscc", "sscc", postgresql_where=text("sscc IS NOT NULL")),
)

events = Table(
    "events",
    metadata,
    Column("gtin", BigInteger(), nullable=False, autoincrement=False),
    _text("serial"),
    Column("event_id", Uuid(), nullable=False),
    _instant("received_at"),
    _instant("occurred_at", nullable=True),
    Column("version", Integer(), nullable=True),
    _text("operation"),
    _text("reason", nullable=True),
    _text("code"),
    Column("accepted", Boolean(), nullable=False),
    _text("state_before", nullable=True),
    _text("state_after", nullable=True),
    _text("site_gln"),
    _text("client_id"),
    Column("details", JSON(), nullable=False),
    Column("answer", Text(), nullable=True),
    PrimaryKeyConstraint("gtin", "serial", "event_id"),
    Index("ix_events_event_id", "event_id"),
    # the optimistic lock's other half: a version of a pack is made once
    Index(
        "uq_events_gtin_serial_version",
        "gtin",
        "serial",
        "version",
        unique=True,
        postgresql_where=text("version IS NOT NULL"),
    ),
)

reference_events = Table(
    "reference_events",
    metadata,
    Column("event_id", Uuid(), primary_key=True),
    Column("gtin", BigInteger(), nullable=False),
    _text("lot", nullable=True),
    _text("operation"),
    _text("reason", nullable=True),
    _text("site_gln"),
    _text("client_id"),
    _instant("received_at"),
    Column("details", JSON(), nullable=False),
    Column("answer", Text(), nullable=False),
    Index("ix_reference_events_gtin", "gtin", "received_at"),
)

# What makes a change happen once.

idempotency = Table(
    "idempotency",
    metadata,
    _text("client_id"),
    _text("key"),
    Column("digest", LargeBinary(), nullable=False),
    Column("gtin", BigInteger(), nullable=False),
    _text("serial", nullable=True),
    Column("event_id", Uuid(), nullable=False),
    _instant("created_at"),
    PrimaryKeyConstraint("client_id", "key"),
)

device_sequences = Table(
    "device_sequences",
    metadata,
    _text("site_gln"),
    _text("device_id"),
    Column("sequence", BigInteger(), nullable=False),
    Column("event_id", Uuid(), nullable=False),
    PrimaryKeyConstraint("site_gln", "device_id", "sequence"),
)

counters = Table(
    "counters",
    metadata,
    _text("site_gln"),
    _text("scope"),
    Column("count", Integer(), nullable=False),
    PrimaryKeyConstraint("site_gln", "scope"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("alert_id", Uuid(), primary_key=True),
    Column("gtin", BigInteger(), nullable=False),
    _text("serial"),
    _text("site_gln"),
    _text("code"),
    Column("day", Date(), nullable=False),
    _text("cause"),
    Column("count", Integer(), nullable=False),
    Column("status", Text(), nullable=False, server_default="new"),
    _instant("raised_at"),
    _instant("last_at"),
    _instant("closed_at", nullable=True),
    _text("operation"),
    _text("lot", nullable=True),
    Column("expiry", Integer(), nullable=True),
    _text("client_id"),
    Column("event_id", Uuid(), nullable=False),
    Column("details", JSON(), nullable=False),
    UniqueConstraint("gtin", "serial", "site_gln", "code", "day", name="uq_alerts_pack_site_code_day"),
    Index("ix_alerts_raised_at", "raised_at", "alert_id"),
    Index("ix_alerts_site_gln", "site_gln", "raised_at"),
)

# Who may ask.

clients = Table(
    "clients",
    metadata,
    Column("client_id", Text(), primary_key=True),
    _text("name"),
    _text("gln"),
    Column("scopes", ARRAY(Text()), nullable=False),
    Column("secret_hash", LargeBinary(), nullable=True),
    _text("issuer", nullable=True),
    _text("subject", nullable=True),
    _instant("created_at"),
    _instant("revoked_at", nullable=True),
    UniqueConstraint("issuer", "subject"),
)

revoked_tokens = Table(
    "revoked_tokens",
    metadata,
    Column("jti", Text(), primary_key=True),
    _instant("expires_at"),
)

# One row that every process reads once a second: see `control`.

control = Table(
    "control",
    metadata,
    Column("id", SmallInteger(), primary_key=True, autoincrement=False),
    Column("cache_on", Boolean(), nullable=False),
    Column("cache_epoch", BigInteger(), nullable=False),
    _text("cache_identity", nullable=True),
    Column("reference_generation", BigInteger(), nullable=False),
    Column("access_generation", BigInteger(), nullable=False),
)

# Files of scan records on their way: see `spool`.

spool_files = Table(
    "spool_files",
    metadata,
    Column("file_id", Text(), primary_key=True),
    Column("shipped", BigInteger(), nullable=False),
)
