"""The tables of the GS1 messages' responder."""

from sqlalchemy import Column, DateTime, Integer, LargeBinary, PrimaryKeyConstraint, Table, Text

from verifier.storage.tables import metadata

# A ledger: rows are added and never changed. The next version of a subject is made once.
responder_rules = Table(
    "responder_rules",
    metadata,
    Column("kind", Text(), nullable=False),
    Column("subject", Text(), nullable=False),
    Column("version", Integer(), nullable=False, autoincrement=False),
    Column("before", Text(), nullable=True),
    Column("after", Text(), nullable=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("who", Text(), nullable=False),
    Column("why", Text(), nullable=False),
    PrimaryKeyConstraint("kind", "subject", "version"),
)

# Presentations that were used, each for one request, until they are too old to be used at all.
presentations = Table(
    "presentations",
    metadata,
    Column("digest", LargeBinary(), primary_key=True),
    Column("request", LargeBinary(), nullable=False),
    Column("until", DateTime(timezone=True), nullable=False),
)
