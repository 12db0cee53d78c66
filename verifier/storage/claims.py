"""Idempotency keys: each is taken once."""

from sqlalchemy.exc import OperationalError

from verifier.domain.journal import Claim, Fault
from verifier.storage import statements
from verifier.storage.direct import Session

IN_PROGRESS = Fault("idempotency_in_progress", "A request with this key is under way; ask again in a moment.")
REUSED = Fault(
    "idempotency_key_reused", "This key was used for another request; use a new key for a new request."
)
LOCK_NOT_AVAILABLE = "55P03"


def take(session: Session, claim: Claim, gtin: int, serial: str | None = None) -> bool | Fault:
    """Take the key for this pack or product; False when it was taken before.

    A twin under way is waited for, two seconds at most; then it is the fault `idempotency_in_progress`.
    """
    values = {
        "client_id": claim.client_id,
        "key": claim.key,
        "digest": claim.digest,
        "gtin": gtin,
        "serial": serial,
        "event_id": claim.event_id,
        "created_at": claim.at,
    }
    try:
        return session.run(statements.CLAIM, values).first is not None
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
            raise
        return IN_PROGRESS
