"""From a request's fields to a scan: the pack code read, the circumstances taken over, faults named."""

from datetime import UTC, datetime, timedelta

from verifier import metrics
from verifier.api import schemas
from verifier.api.bodies import invalid
from verifier.api.problems import Problem
from verifier.api.runtime import language, ports
from verifier.domain.codes import PackCode, Unreadable, from_elements, parse
from verifier.domain.lifecycle import Operation
from verifier.domain.pack import Actor
from verifier.domain.scan import Context, Device, Scan
from verifier.services import packs

AHEAD = timedelta(minutes=5)
RAW_LIMIT = 512
ELEMENTS = ("gtin", "ppn", "serial", "lot", "expiry")


def scan_of(actor: Actor, operation: Operation, sent: schemas.PackIn) -> Scan:
    """The pack code and its circumstances.

    Raises:
        Problem: 422 `unreadable_code` (recorded when product code and serial are legible) or
            `invalid_request`.
    """
    context = context_of(sent)
    if sent.code is None:
        scan = Scan(elements_of(sent), context)
    else:
        for name in ELEMENTS:
            if getattr(sent, name) is not None:
                raise invalid(name, "Send the raw code or the elements, not both.")
        scan = Scan(code_of(actor, operation, sent.code, context), context)
    missing = packs.missing_elements(ports(), scan)
    if not missing:
        return scan
    if sent.code is None:
        raise Problem(
            "invalid_request",
            f"This product's regulation asks for {' and '.join(missing)}.",
            errors={name: ["This element is missing."] for name in missing},
        )
    lacking = Unreadable(
        f"missing_{missing[0]}",
        f"The code carries no {missing[0]}; scan the square code on the pack, or type all four elements.",
        scan.code.gtin,
        scan.code.serial,
    )
    raise unreadable(actor, operation, lacking, context)


def code_of(actor: Actor, operation: Operation, raw: str, context: Context) -> PackCode:
    """The raw code read."""
    parsed = parse(raw, today=ports().clock().date())
    if isinstance(parsed, Unreadable):
        raise unreadable(actor, operation, parsed, context)
    return parsed


def unreadable(actor: Actor, operation: Operation, what: Unreadable, context: Context) -> Problem:
    """The problem, after the attempt was written down."""
    packs.record_unreadable(ports(), actor, operation, what, context)
    metrics.SCANS.labels(operation, "unreadable_code").inc()
    return Problem("unreadable_code", what.detail, reason=str(what.reason))


def elements_of(sent: schemas.PackIn) -> PackCode:
    """The elements read; every wrong one is named."""
    code = from_elements(
        gtin=sent.gtin,
        ppn=sent.ppn,
        serial=sent.serial or "",
        lot=sent.lot,
        expiry=sent.expiry,
        today=ports().clock().date(),
    )
    if isinstance(code, PackCode):
        return code
    errors: dict[str, list[str]] = {}
    for error in code:
        errors.setdefault(error.field, []).append(error.detail)
    raise Problem("invalid_request", "The pack cannot be identified by what was sent.", errors=errors)


def context_of(sent: schemas.PackIn) -> Context:
    """The circumstances of the scan."""
    device = sent.device
    return Context(
        entry_mode=sent.entry_mode,
        seal=sent.seal,
        occurred_at=claimed_time(sent.occurred_at),
        offline=sent.offline,
        device=Device(device.id, device.sequence) if device else None,
        user=sent.user,
        reference=sent.reference,
        raw=sent.code[:RAW_LIMIT].encode("unicode_escape").decode() if sent.code is not None else None,
        language=language(),
    )


def claimed_time(given: datetime | None) -> datetime | None:
    """When it happened by the clock of the device, in UTC."""
    if given is None:
        return None
    try:
        claimed = given.astimezone(UTC)
    except OverflowError:
        raise invalid("occurred_at", "This lies before the year 1.") from None
    if claimed > ports().clock() + AHEAD:
        raise invalid("occurred_at", "This lies in the future; check the clock of the device.")
    return claimed
