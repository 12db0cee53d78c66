"""Returns sessions, and packs by the SSCC of their case."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    # reads go on while it is made; of a table without a single SSCC it is one pass over it
    op.create_index("ix_packs_sscc", "packs", ["sscc"], postgresql_where=sa.text("sscc IS NOT NULL"))
    op.create_table(
        "returns_sessions",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("site_gln", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("counterparty_gln", sa.Text(), nullable=False),
        sa.Column("transaction_data", sa.Text(), nullable=False),
        sa.Column("expected", sa.Integer(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_returns_sessions")),
    )
    op.create_index("ix_returns_sessions_site_gln", "returns_sessions", ["site_gln", "opened_at"])
    op.create_index("ix_returns_sessions_opened_at", "returns_sessions", ["opened_at", "session_id"])
    op.create_table(
        "returns_expected",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("gtin", sa.BigInteger(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("lot", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "gtin", "serial", "lot", name=op.f("pk_returns_expected")),
    )
    op.create_table(
        "returned_packs",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("gtin", sa.BigInteger(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("lot", sa.Text(), nullable=True),
        sa.Column("expiry", sa.Integer(), nullable=True),
        sa.Column("sscc", sa.Text(), nullable=True),
        sa.Column("listed", sa.Boolean(), nullable=True),
        sa.Column("resale", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("next_step", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("asked", sa.Text(), nullable=False),
        sa.Column("corr_uuid", sa.Text(), nullable=True),
        sa.Column("responder_gln", sa.Text(), nullable=True),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("scanned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "gtin", "serial", name=op.f("pk_returned_packs")),
    )
    op.create_table(
        "returns_events",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("gtin", sa.BigInteger(), nullable=True),
        sa.Column("serial", sa.Text(), nullable=True),
        sa.Column("sscc", sa.Text(), nullable=True),
        sa.Column("site_gln", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "event_id", name=op.f("pk_returns_events")),
    )
    op.create_index("ix_returns_events_event_id", "returns_events", ["event_id"])


def downgrade() -> None:
    for table in ("returns_events", "returned_packs", "returns_expected", "returns_sessions"):
        op.drop_table(table)
    op.drop_index("ix_packs_sscc", "packs")
