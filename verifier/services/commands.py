"""Recall, hold, release, withdraw, and the master data of a product: commands on batches and products."""

from dataclasses import dataclass, replace
from typing import Any

from verifier.domain.journal import Claim, Fault, ReferenceEvent, Replay
from verifier.domain.pack import Actor, Product
from verifier.domain.permissions import may_command
from verifier.domain.ppn import ppn_to_ntin
from verifier.services.ports import Ports, Transaction
from verifier.services.standing import standing_gtin

# what each command does to the overlays (recalled, on_hold); None leaves one alone
BATCH_COMMANDS: dict[str, dict[str, bool | None]] = {
    "recall": {"recalled": True, "on_hold": None},
    "hold": {"recalled": None, "on_hold": True},
    "release": {"recalled": None, "on_hold": False},
}

FAULTS = {
    "not_for_this_site": "A site of this type may not command batches or products.",
    "not_your_product": "This product is another manufacturer's; only its owner or the authority may do it.",
}


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """The answer of a command on a batch: `status` is recalled, on_hold or active."""

    gtin: str
    lot: str
    status: str


@dataclass(frozen=True, slots=True)
class ProductStatus:
    """The answer of a withdrawal."""

    gtin: str
    status: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command with its idempotency key; `lot` is None for a product."""

    name: str
    gtin: str
    lot: str | None
    reason: str
    key: str
    digest: bytes


def command(ports: Ports, actor: Actor, order: Command) -> BatchStatus | ProductStatus | Replay | Fault:
    """Do it once; every worker knows before the answer leaves (Art. 36 exception, Art. 40)."""
    order = replace(order, gtin=standing_gtin(ports, order.gtin))
    event_id, now = ports.new_id(), ports.clock()
    claim = Claim(actor.client_id, order.key, order.digest, event_id, now)

    def work(tx: Transaction) -> BatchStatus | ProductStatus | Replay | Fault:
        product = tx.product(order.gtin)
        refusal = may_command(actor.site, product)
        if refusal is not None:
            return Fault(refusal, FAULTS[refusal])
        taken = tx.claim(claim, None, order.gtin)
        if taken is not None:
            return taken
        if product is None:
            return Fault("not_found", "This product is not in the repository; send its master data first.")
        answer = apply(tx, order, product)
        tx.record_reference(
            ReferenceEvent(
                event_id=event_id,
                gtin=order.gtin,
                lot=order.lot,
                operation=order.name,
                reason=order.reason,
                site_gln=actor.site.gln,
                client_id=actor.client_id,
                received_at=now,
            ),
            answer,
        )
        return answer

    return ports.store.run(work)


def apply(tx: Transaction, order: Command, product: Product) -> BatchStatus | ProductStatus:
    """Set the overlay of the batch or of the product."""
    if order.lot is None:
        tx.put_product(replace(product, withdrawn=True))
        return ProductStatus(product.gtin, "withdrawn")
    return BatchStatus(
        product.gtin, order.lot, tx.mark_batch(product.gtin, order.lot, **BATCH_COMMANDS[order.name])
    )


def put_product(ports: Ports, actor: Actor, gtin: str, fields: dict[str, Any]) -> Product | Fault:
    """Write a product's master data. A manufacturer may write its own, and a new one in its own name.

    By the NTIN of a product that stands under another GTIN it is that product which is written: a second
    one would take the packs that are scanned by the NTIN away from it.
    """
    gtin = standing_gtin(ports, gtin)
    event_id, now = ports.new_id(), ports.clock()

    def work(tx: Transaction) -> Product | Fault:
        stored = tx.product(gtin)
        wanted = replace(stored or Product(gtin), **fields)
        for product in (stored or wanted, wanted):
            refusal = may_command(actor.site, product)
            if refusal is not None:
                return Fault(refusal, FAULTS[refusal])
        if ("ppn" in fields and stands_as_ntin(tx, wanted)) or not tx.put_product(wanted):
            return Fault("invalid_request", "Another product has this PPN.", field="ppn")
        event = ReferenceEvent(
            event_id=event_id,
            gtin=gtin,
            lot=None,
            operation="product",
            reason=None,
            site_gln=actor.site.gln,
            client_id=actor.client_id,
            received_at=now,
            details=fields,
        )
        tx.record_reference(event, wanted)
        return wanted

    return ports.store.run(work)


def stands_as_ntin(tx: Transaction, product: Product) -> bool:
    """Is the product's PPN that of another one, which stands under the NTIN?"""
    ntin = ppn_to_ntin(product.ppn) if product.ppn else None
    return ntin is not None and ntin != product.gtin and tx.product(ntin) is not None
