"""What requests of the returns desk look like, and its longer answers."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct

from verifier.api.openapi import ProblemOut, ref
from verifier.api.schemas import GLN, GTIN, LOT, SERIAL, Key, PackIn
from verifier.domain.returns import MOST_PACKS, ReturnsScan, ReturnsTotals, TransactionData

MOST_LINES = 5000
MOST_SCANS = 100

Reference = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9._/-]{1,64}$(?!\n)", description="Of the return; never a name.")
]
SSCC = Annotated[
    str, Meta(description="18 digits with a right check digit.", extra_json_schema={"pattern": "^[0-9]{18}$"})
]


class ExpectedPackIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """One pack that is to come back."""

    gtin: GTIN
    serial: SERIAL


class ExpectedLotIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """So many packs of a lot."""

    gtin: GTIN
    lot: LOT
    count: Annotated[int, Meta(ge=1, le=MOST_PACKS)]


class ReturnsSessionIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """A return: of whom, under which reference, and what is to come: single packs, lots, or nobody knows."""

    reference: Reference
    counterparty_gln: GLN
    transaction_data: TransactionData = TransactionData.UNKNOWN
    expected_packs: Annotated[list[ExpectedPackIn], Meta(min_length=1, max_length=MOST_LINES)] | None = None
    expected_lots: Annotated[list[ExpectedLotIn], Meta(min_length=1, max_length=MOST_LINES)] | None = None


class NothingIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """Nothing: the address says it all."""


class RecheckIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """`transaction_data`: the return's has been found since the session was opened."""

    transaction_data: Literal["yes"] | None = None


class ScanIn(PackIn, forbid_unknown_fields=True, kw_only=True):
    """A pack by its code or its elements, or a case by its SSCC."""

    sscc: SSCC | None = None


class ReturnsScanIn(ScanIn, forbid_unknown_fields=True, kw_only=True):
    """The same with its key."""

    idempotency_key: Key


class ReturnsScansIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """1 to 100 scans."""

    scans: Annotated[list[ReturnsScanIn], Meta(min_length=1, max_length=MOST_SCANS)]


_RESULTS = [ref(ReturnsScan), ref(ProblemOut)]


class ReturnsScansOut(Struct, kw_only=True):
    """An answer (with `replayed` where it was) or a problem a scan, in order; and how the session stands."""

    results: list[Annotated[dict[str, Any], Meta(extra_json_schema={"anyOf": _RESULTS})]]
    totals: ReturnsTotals


class ReturnsSessionLine(Struct, kw_only=True):
    """A session in a list."""

    id: UUID
    status: str
    site: str
    client_id: str
    reference: str
    counterparty_gln: str
    transaction_data: TransactionData
    opened_at: datetime
    closed_at: datetime | None


class ReturnsSessions(Struct, kw_only=True):
    """Newest first; the header Link leads to the next page."""

    sessions: list[ReturnsSessionLine]
