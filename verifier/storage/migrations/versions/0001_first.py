"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("gtin", sa.BigInteger(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("site_gln", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), server_default="new", nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("lot", sa.Text(), nullable=True),
        sa.Column("expiry", sa.Integer(), nullable=True),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("alert_id", name=op.f("pk_alerts")),
        sa.UniqueConstraint("gtin", "serial", "site_gln", "code", "day", name="uq_alerts_pack_site_code_day"),
    )
    op.create_index("ix_alerts_raised_at", "alerts", ["raised_at", "alert_id"], unique=False)
    op.create_index("ix_alerts_site_gln", "alerts", ["site_gln", "raised_at"], unique=False)
    op.create_table(
        "batches",
        sa.Column("gtin", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("lot", sa.Text(), nullable=False),
        sa.Column("recalled", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("on_hold", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("gtin", "lot", name=op.f("pk_batches")),
    )
    op.create_table(
        "clients",
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("gln", sa.Text(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=True),
        sa.Column("issuer", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_clients")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_clients_issuer_subject")),
    )
    op.create_table(
        "control",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("cache_on", sa.Boolean(), nullable=False),
        sa.Column("cache_epoch", sa.BigInteger(), nullable=False),
        sa.Column("cache_identity", sa.Text(), nullable=True),
        sa.Column("reference_generation", sa.BigInteger(), nullable=False),
        sa.Column("access_generation", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_control")),
    )
    op.create_table(
        "counters",
        sa.Column("site_gln", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("site_gln", "scope", name=op.f("pk_counters")),
    )
    op.create_table(
        "device_sequences",
        sa.Column("site_gln", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("site_gln", "device_id", "sequence", name=op.f("pk_device_sequences")),
    )
    op.create_table(
        "events",
        sa.Column("gtin", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("state_before", sa.Text(), nullable=True),
        sa.Column("state_after", sa.Text(), nullable=True),
        sa.Column("site_gln", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("gtin", "serial", "event_id", name=op.f("pk_events")),
    )
    op.create_index(
        "uq_events_gtin_serial_version",
        "events",
        ["gtin", "serial", "version"],
        unique=True,
        postgresql_where=sa.text("version IS NOT NULL"),
    )
    op.create_table(
        "idempotency",
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("gtin", sa.BigInteger(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=True),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("client_id", "key", name=op.f("pk_idempotency")),
    )
    op.create_table(
        "packs",
        sa.Column("gtin", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expiry", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("lot", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        sa.Column("state_site", sa.Text(), nullable=True),
        sa.Column("sscc", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("gtin", "serial", name=op.f("pk_packs")),
    )
    op.create_table(
        "products",
        sa.Column("gtin", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("strength", sa.Text(), nullable=True),
        sa.Column("form", sa.Text(), nullable=True),
        sa.Column("pack_size", sa.Text(), nullable=True),
        sa.Column("ppn", sa.Text(), nullable=True),
        sa.Column("nhrn", sa.Text(), nullable=True),
        sa.Column("manufacturer_gln", sa.Text(), nullable=True),
        sa.Column("withdrawn", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("gtin", name=op.f("pk_products")),
        sa.UniqueConstraint("ppn", name=op.f("uq_products_ppn")),
    )
    op.create_index("ix_products_manufacturer_gln", "products", ["manufacturer_gln"], unique=False)
    op.create_table(
        "reference_events",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("gtin", sa.BigInteger(), nullable=False),
        sa.Column("lot", sa.Text(), nullable=True),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("site_gln", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_reference_events")),
    )
    op.create_index("ix_reference_events_gtin", "reference_events", ["gtin", "received_at"], unique=False)
    op.create_table(
        "revoked_tokens",
        sa.Column("jti", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("jti", name=op.f("pk_revoked_tokens")),
    )
    op.create_table(
        "sites",
        sa.Column("gln", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("org", sa.Text(), nullable=True),
        sa.Column("timezone", sa.Text(), server_default="UTC", nullable=False),
        sa.PrimaryKeyConstraint("gln", name=op.f("pk_sites")),
    )
    op.create_index("ix_events_event_id", "events", ["event_id"], unique=False)
    op.create_table(
        "spool_files",
        sa.Column("file_id", sa.Text(), nullable=False),
        sa.Column("shipped", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("file_id", name=op.f("pk_spool_files")),
    )
    op.execute(
        "INSERT INTO control (id, cache_on, cache_epoch, reference_generation, access_generation)"
        " VALUES (1, false, 0, 0, 0)"
    )


def downgrade() -> None:
    op.drop_table("spool_files")
    op.drop_index("ix_events_event_id", table_name="events")
    op.drop_table("sites")
    op.drop_table("revoked_tokens")
    op.drop_index("ix_reference_events_gtin", table_name="reference_events")
    op.drop_table("reference_events")
    op.drop_index("ix_products_manufacturer_gln", table_name="products")
    op.drop_table("products")
    op.drop_table("packs")
    op.drop_table("idempotency")
    op.drop_index(
        "uq_events_gtin_serial_version", table_name="events", postgresql_where=sa.text("version IS NOT NULL")
    )
    op.drop_table("events")
    op.drop_table("device_sequences")
    op.drop_table("counters")
    op.drop_table("control")
    op.drop_table("clients")
    op.drop_table("batches")
    op.drop_index("ix_alerts_site_gln", table_name="alerts")
    op.drop_index("ix_alerts_raised_at", table_name="alerts")
    op.drop_table("alerts")
