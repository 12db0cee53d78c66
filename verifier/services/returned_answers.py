"""What a scan at the returns desk is told."""

from dataclasses import replace
from uuid import UUID

from verifier.domain.resale import CODES, words
from verifier.domain.returns import REFUSALS, FirstScan, Outcome, ReturnedPack, ReturnsScan, strictest
from verifier.domain.scan import Context
from verifier.domain.verdict import AlertRef
from verifier.domain.wording import returns as wording


def counted_scan(
    event_id: UUID,
    context: Context,
    counted: list[ReturnedPack],
    *alerts: AlertRef | None,
    sscc: str | None = None,
) -> ReturnsScan:
    """Packs were counted; of a case the strictest of them speaks."""
    resale = strictest(counted)
    title, advice = words(resale.code, context.language)
    return ReturnsScan(
        event_id, Outcome.COUNTED, resale.resale, resale.code, resale.next_step, title, advice,
        sscc, tuple(counted), None, tuple(alert for alert in alerts if alert),
    )  # fmt: skip


def spoken_against(told: ReturnsScan, code: str, context: Context, first: ReturnedPack) -> ReturnsScan:
    """The second scan of what is counted, with what speaks against it."""
    title, advice = words(code, context.language)
    return replace(
        told, outcome=Outcome.DUPLICATE, resale="no", code=code, next_step=CODES[code].next_step, title=title,
        advice=advice, first=first_scan(first),
    )  # fmt: skip


def refused_scan(
    event_id: UUID, context: Context, code: str, *, sscc: str | None = None, first: FirstScan | None = None
) -> ReturnsScan:
    """Nothing was counted, and why."""
    resale = REFUSALS[code]
    outcome = Outcome.DUPLICATE if code == "duplicate" else Outcome.REFUSED
    title, advice = wording.WORDS[context.language][code]
    return ReturnsScan(
        event_id, outcome, resale.resale, resale.code, resale.next_step, title, advice, sscc, (), first, ()
    )


def first_scan(pack: ReturnedPack | None) -> FirstScan | None:
    """Who was first to scan a counted pack."""
    return FirstScan(pack.event_id, pack.scanned_at, pack.client_id, pack.user) if pack else None
