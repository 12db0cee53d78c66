"""What is written down about a lot and a pack, also about foreign ones: marks, open alerts."""

from datetime import date

from sqlalchemy import text

from verifier.domain.codes import PackCode
from verifier.domain.lms_policy import LotMarks
from verifier.domain.lms_rules import Mark, lot_subject
from verifier.domain.pack import Found
from verifier.domain.resale import GRAVE, Noted
from verifier.storage.direct import Session, Statement

ALERTED = (
    "EXISTS (SELECT 1 FROM alerts a WHERE a.gtin = {pack}.gtin AND a.serial = {pack}.serial"
    " AND a.closed_at IS NULL AND a.cause {which})"
)
GRAVELY = "= ANY(:grave)"
_MARK = (
    "(SELECT m.after FROM responder_rules m WHERE m.kind = 'lot' AND m.subject = :{mark}"
    " ORDER BY m.version DESC LIMIT 1) AS {mark}"
)
_MARKS = ", ".join(_MARK.format(mark=mark) for mark in Mark)
_NOTED = Statement(
    text(
        f"SELECT {ALERTED.format(pack='p', which=GRAVELY)} AS alerted, {_MARKS}"  # noqa: S608 - our own text
        " FROM (SELECT CAST(:gtin AS bigint) AS gtin, CAST(:serial AS text) AS serial) p"
    )
)


def noted(session: Session, code: PackCode, found: Found) -> Noted:
    """About the pack as it is stored, else as it was sent."""
    gtin = found.product.gtin if found.product else code.gtin
    lot = found.pack.lot if found.pack else code.lot or ""
    subjects = {mark.value: lot_subject(gtin, lot, mark) for mark in Mark}
    values = {"gtin": int(gtin), "serial": code.serial, "grave": list(GRAVE)}
    row = session.run(_NOTED, values | subjects).first
    marks = LotMarks(
        suspect=row.suspect is not None,
        illegitimate=row.illegitimate is not None,
        extended_to=date.fromisoformat(row.expiry_extended) if row.expiry_extended else None,
    )
    return Noted(marks, row.alerted)
