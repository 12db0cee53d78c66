"""The look-up directory, and the questions that were asked of the network.

Expiry dates are YYYYMMDD; a directory entry's span is open where it is 0 or 99991231.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    false,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ExcludeConstraint

from verifier.storage.tables import metadata

directory = Table(
    "vrs_directory",
    metadata,
    Column("gtin", BigInteger(), nullable=False, autoincrement=False),
    Column("start_exp", Integer(), nullable=False, autoincrement=False),
    Column("end_exp", Integer(), nullable=False),
    Column("url", Text(), nullable=False),
    Column("owner_gln", Text(), nullable=True),
    Column("contact", Text(), nullable=True),
    Column("external", Boolean(), nullable=False, server_default=true()),
    Column("resolver", Boolean(), nullable=False, server_default=false()),
    Column("removed", Boolean(), nullable=False, server_default=false()),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("gtin", "start_exp"),
    # a GTIN and an expiry date have one service; as ranges of numbers, which need no extension
    ExcludeConstraint(
        (text("int8range(gtin, gtin, '[]')"), "&&"),
        (text("int4range(start_exp, end_exp, '[]')"), "&&"),
        name="ex_vrs_directory_span",
        using="gist",
        where=text("NOT removed"),
    ),
    Index("ix_vrs_directory_updated_at", "updated_at", "gtin", "start_exp"),
)

questions = Table(
    "vrs_questions",
    metadata,
    Column("question_id", Uuid(), primary_key=True),
    Column("corr_uuid", Text(), nullable=True),
    Column("gtin", BigInteger(), nullable=False),
    Column("serial", Text(), nullable=False),
    Column("lot", Text(), nullable=False),
    Column("expiry", Integer(), nullable=False),
    Column("context", Text(), nullable=False),
    Column("site_gln", Text(), nullable=False),
    Column("client_id", Text(), nullable=False),
    Column("asked_at", DateTime(timezone=True), nullable=False),
    Column("asked", Text(), nullable=False),
    Column("verified", Boolean(), nullable=True),
    Column("failure_reason", Text(), nullable=True),
    Column("additional_info", Text(), nullable=True),
    Column("responder_gln", Text(), nullable=True),
    Column("detail", Text(), nullable=True),
    Column("resale", Text(), nullable=False),
    Column("code", Text(), nullable=False),
    Index("ix_vrs_questions_pack", "gtin", "serial", "asked_at"),
)

exchanges = Table(
    "vrs_exchanges",
    metadata,
    Column("question_id", Uuid(), nullable=False),
    Column("number", SmallInteger(), nullable=False, autoincrement=False),
    Column("request_line", Text(), nullable=False),
    Column("sent_at", DateTime(timezone=True), nullable=False),
    Column("milliseconds", Double(), nullable=False),
    Column("status", SmallInteger(), nullable=True),
    Column("body", Text(), nullable=True),
    Column("fault", Text(), nullable=True),
    PrimaryKeyConstraint("question_id", "number"),
)

pending = Table(
    "vrs_pending",
    metadata,
    Column("site_gln", Text(), nullable=False),
    Column("gtin", BigInteger(), nullable=False, autoincrement=False),
    Column("serial", Text(), nullable=False),
    Column("lot", Text(), nullable=False),
    Column("expiry", Integer(), nullable=False),
    Column("code", Text(), nullable=False),
    Column("times", Integer(), nullable=False),
    Column("first_asked_at", DateTime(timezone=True), nullable=False),
    Column("last_asked_at", DateTime(timezone=True), nullable=False),
    Column("detail", Text(), nullable=True),
    Column("first_sent_at", DateTime(timezone=True), nullable=True),
    PrimaryKeyConstraint("site_gln", "gtin", "serial"),
    Index("ix_vrs_pending_first_asked_at", "site_gln", "first_asked_at", "gtin", "serial"),
)
