"""The look-up directory, questions to the network and their exchanges, and what has no answer yet."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "vrs_directory",
        sa.Column("gtin", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("start_exp", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("end_exp", sa.Integer(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("owner_gln", sa.Text(), nullable=True),
        sa.Column("contact", sa.Text(), nullable=True),
        sa.Column("external", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("resolver", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("removed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("gtin", "start_exp", name=op.f("pk_vrs_directory")),
        postgresql.ExcludeConstraint(
            (sa.text("int8range(gtin, gtin, '[]')"), "&&"),
            (sa.text("int4range(start_exp, end_exp, '[]')"), "&&"),
            name="ex_vrs_directory_span",
            using="gist",
            where=sa.text("NOT removed"),
        ),
    )
    op.create_index(
        "ix_vrs_directory_updated_at", "vrs_directory", ["updated_at", "gtin", "start_exp"], unique=False
    )
    op.create_table(
        "vrs_questions",
        sa.Column("question_id", sa.Uuid(), nullable=False),
        sa.Column("corr_uuid", sa.Text(), nullable=True),
        sa.Column("gtin", sa.BigInteger(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("lot", sa.Text(), nullable=False),
        sa.Column("expiry", sa.Integer(), nullable=False),
        sa.Column("context", sa.Text(), nullable=False),
        sa.Column("site_gln", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked", sa.Text(), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=True),
        sa.Column("failure_reason", sa.Text(), nullable=True),
        sa.Column("additional_info", sa.Text(), nullable=True),
        sa.Column("responder_gln", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("resale", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("question_id", name=op.f("pk_vrs_questions")),
    )
    op.create_index("ix_vrs_questions_pack", "vrs_questions", ["gtin", "serial", "asked_at"], unique=False)
    op.create_table(
        "vrs_exchanges",
        sa.Column("question_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("request_line", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("milliseconds", sa.Double(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("question_id", "number", name=op.f("pk_vrs_exchanges")),
    )
    op.create_table(
        "vrs_pending",
        sa.Column("site_gln", sa.Text(), nullable=False),
        sa.Column("gtin", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("lot", sa.Text(), nullable=False),
        sa.Column("expiry", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("first_asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("site_gln", "gtin", "serial", name=op.f("pk_vrs_pending")),
    )
    op.create_index(
        "ix_vrs_pending_first_asked_at",
        "vrs_pending",
        ["site_gln", "first_asked_at", "gtin", "serial"],
        unique=False,
    )


def downgrade() -> None:
    for table in ("vrs_pending", "vrs_exchanges", "vrs_questions", "vrs_directory"):
        op.drop_table(table)
