"""What requests look like; the OpenAPI document is made from these.

Unknown fields are refused: there is no field for patient data.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct

from verifier.domain.lifecycle import Seal
from verifier.domain.scan import EntryMode

_NO_NUL = r"^[^\x00]*$"  # PostgreSQL stores none

# `$` alone would let a line feed pass at the end
Pseudonym = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$(?!\n)", description="Pseudonymous; never a name.")
]
Instant = Annotated[datetime, Meta(tz=True)]
Reason = Annotated[str, Meta(min_length=1, max_length=500, pattern=_NO_NUL)]
Key = Annotated[str, Meta(pattern=r"^[ -~]{1,255}$(?!\n)")]
GLN = Annotated[str, Meta(pattern=r"^[0-9]{13}$(?!\n)")]
Text = Annotated[str, Meta(min_length=1, max_length=200, pattern=_NO_NUL)]


def _checked_elsewhere(pattern: str, description: str) -> Meta:
    """For the document only: the pack code's own rules say what is wrong, and all of it at once."""
    return Meta(description=description, extra_json_schema={"pattern": pattern})


_SET_82 = r'^[!"%-?A-Z_a-z]{1,20}$'
GTIN = Annotated[
    str, _checked_elsewhere("^([0-9]{8}|[0-9]{12,14})$", "8, 12, 13 or 14 digits with a right check digit.")
]
PPN = Annotated[str, _checked_elsewhere("^11[0-9]{10}$", "PPN of agency 11: PZN and two check digits.")]
SERIAL = Annotated[str, _checked_elsewhere(_SET_82, "1 to 20 characters of GS1 set 82.")]
LOT = Annotated[str, _checked_elsewhere(_SET_82, "1 to 20 characters of GS1 set 82.")]
EXPIRY = Annotated[
    str,
    _checked_elsewhere(
        "^([0-9]{6}|[0-9]{4}-[0-9]{2}-[0-9]{2})$", "YYMMDD, day 00 = the month, or YYYY-MM-DD."
    ),
]


class DecommissionReason(StrEnum):
    """Why a pack leaves the supply chain; also the state that it goes to."""

    DESTROYED = "destroyed"
    EXPORTED = "exported"
    SAMPLE = "sample"
    FREE_SAMPLE = "free_sample"
    STOLEN = "stolen"
    LOCKED = "locked"
    CHECKED_OUT = "checked_out"


class DeviceIn(Struct, forbid_unknown_fields=True):
    """The device and its own running number, unique for ever at the site in changes of state."""

    id: Pseudonym
    sequence: Annotated[int, Meta(ge=0, le=2**63 - 1)]


class PackIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """A pack: the raw code, or the elements; and how it was read."""

    code: Annotated[str, Meta(max_length=8192, description="What the scanner read, GS as U+001D.")] | None = (
        None
    )
    gtin: GTIN | None = None
    ppn: PPN | None = None
    serial: SERIAL | None = None
    lot: LOT | None = None
    expiry: EXPIRY | None = None
    entry_mode: EntryMode = EntryMode.SCANNED
    seal: Seal = Seal.NOT_CHECKED
    occurred_at: Instant | None = None
    offline: bool = False
    device: DeviceIn | None = None
    user: Pseudonym | None = None
    reference: Pseudonym | None = None


class DecommissionIn(PackIn, forbid_unknown_fields=True, kw_only=True):
    """A pack and why it leaves the supply chain."""

    reason: DecommissionReason


class ReactivateIn(PackIn, forbid_unknown_fields=True, kw_only=True):
    """A pack, and of a dispense the declaration that it never left the site."""

    not_supplied_to_public: bool = False


class BatchIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """A batch and why."""

    gtin: GTIN
    lot: LOT
    reason: Reason


class ProductReasonIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """A product and why."""

    gtin: GTIN
    reason: Reason


class ProductIn(Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Master data; what is left out stays as it is."""

    name: Text | None = None
    strength: Text | None = None
    form: Text | None = None
    pack_size: Text | None = None
    ppn: PPN | None = None
    nhrn: Annotated[str, Meta(max_length=20, pattern=_NO_NUL)] | None = None
    profile: str | None = None
    manufacturer_gln: GLN | None = None


class VerifyItem(PackIn, forbid_unknown_fields=True, kw_only=True, tag_field="operation", tag="verify"):
    """One pack to verify."""


class ReturnsItem(
    PackIn, forbid_unknown_fields=True, kw_only=True, tag_field="operation", tag="returns_check"
):
    """One returned pack."""


class DispenseItem(PackIn, forbid_unknown_fields=True, kw_only=True, tag_field="operation", tag="dispense"):
    """One pack supplied to a patient."""

    idempotency_key: Key


class DecommissionItem(
    DecommissionIn, forbid_unknown_fields=True, kw_only=True, tag_field="operation", tag="decommission"
):
    """One pack that leaves the supply chain."""

    idempotency_key: Key


class ReactivateItem(
    ReactivateIn, forbid_unknown_fields=True, kw_only=True, tag_field="operation", tag="reactivate"
):
    """One change to undo."""

    idempotency_key: Key


Item = VerifyItem | ReturnsItem | DispenseItem | DecommissionItem | ReactivateItem


class BulkIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """1 to 1,000 packs."""

    items: Annotated[list[Item], Meta(min_length=1, max_length=1000)]


_RESULTS = [{"$ref": f"#/components/schemas/{name}"} for name in ("Verdict", "ReturnsVerdict", "ProblemOut")]


class BulkOut(Struct, kw_only=True):
    """A verdict (with `replayed` where it was) or a problem an item, in order."""

    results: list[Annotated[dict[str, Any], Meta(extra_json_schema={"anyOf": _RESULTS})]]
