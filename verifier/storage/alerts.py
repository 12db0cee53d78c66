"""The end of an alert, with who closed it and why."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import Engine, text

from verifier.storage.direct import Statement, session
from verifier.storage.rows import gtin_of

CLOSED = "closed"
# what it was raised with stays as it is
_CLOSE = Statement(
    text(
        "UPDATE alerts SET status = :status, closed_at = :at,"
        " details = CAST(CAST(details AS jsonb) || CAST(:closing AS jsonb) AS json)"
        " WHERE alert_id = :alert_id AND closed_at IS NULL RETURNING gtin, serial, code, cause"
    )
)


@dataclass(frozen=True, slots=True)
class Closing:
    """Who closed it, why, when."""

    who: str
    why: str
    at: datetime


def close(engine: Engine, alert_id: UUID, closing: Closing) -> dict[str, str] | None:
    """Close an open alert; None when there is none with this id. The same again on its day opens it again."""
    values = {
        "alert_id": alert_id,
        "status": CLOSED,
        "at": closing.at,
        "closing": msgspec.json.encode({CLOSED: closing}).decode(),
    }
    with session(engine) as opened:
        row = opened.run(_CLOSE, values).first
        opened.commit()
    if row is None:
        return None
    named = {"gtin": gtin_of(row.gtin), "serial": row.serial, "code": row.code, "cause": row.cause}
    return {"alert_id": str(alert_id), "status": CLOSED, **named}
