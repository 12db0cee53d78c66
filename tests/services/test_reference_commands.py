"""Recall, hold, release, withdraw and master data: who may, what becomes of it, and that it happens once."""

from dataclasses import asdict, replace
from typing import Any

import pytest
from desk import (
    AUTHORITY,
    MANUFACTURER,
    NOW,
    OTHER_MANUFACTURER,
    PHARMACY,
    Desk,
    new_gtin,
    new_key,
    new_ppn,
)

from verifier.domain.codes import PackCode
from verifier.domain.journal import Fault, ReferenceEvent, Replay
from verifier.domain.pack import Actor, Product
from verifier.services.commands import BatchStatus, Command, ProductStatus, command, put_product

NOT_FOR_THIS_SITE = Fault("not_for_this_site", "A site of this type may not command batches or products.")
NOT_YOUR_PRODUCT = Fault(
    "not_your_product", "This product is another manufacturer's; only its owner or the authority may do it."
)


def order(
    desk: Desk,
    name: str,
    code: PackCode,
    *,
    by: Actor = MANUFACTURER,
    key: str | None = None,
    digest: bytes = b"digest",
) -> Any:
    lot = None if name == "withdraw" else code.lot
    return command(desk.ports, by, Command(name, code.gtin, lot, "because", key or new_key(), digest))


@pytest.mark.parametrize(
    ("orders", "status", "scanned"),
    [
        ("recall", "recalled", "recalled"),
        ("hold", "on_hold", "on_hold"),
        ("release", "active", "ok"),
        ("hold release", "active", "ok"),
        ("recall release", "recalled", "recalled"),
        ("recall hold", "recalled", "recalled"),
        ("hold recall", "recalled", "recalled"),
        ("hold recall release", "recalled", "recalled"),
    ],
)
def test_commands_on_a_batch_set_its_overlays(desk: Desk, orders: str, status: str, scanned: str):
    code = desk.pack()
    for name in orders.split():
        told = order(desk, name, code)
    assert told == BatchStatus(code.gtin, code.lot, status)
    assert desk.look(code).code == scanned


def test_a_recall_leaves_a_hold_alone_and_the_other_way_round(desk: Desk):
    code = desk.pack()
    order(desk, "recall", code)
    order(desk, "hold", code)
    batch = desk.ports.reader.find(code).batch
    assert (batch.recalled, batch.on_hold) == (True, True)


def test_an_unknown_lot_is_covered_before_its_packs_are_loaded(desk: Desk):
    code = replace(desk.pack(), lot="LATER", serial="LATER")
    assert desk.look(code).code == "unknown_batch"
    assert order(desk, "recall", code) == BatchStatus(code.gtin, "LATER", "recalled")
    assert desk.look(code).code == "unknown_serial"


def test_a_withdrawal_is_of_the_product_and_leaves_its_master_data(desk: Desk):
    code = desk.pack()
    before = desk.ports.archive.product(code.gtin)
    assert order(desk, "withdraw", code) == ProductStatus(code.gtin, "withdrawn")
    assert desk.ports.archive.product(code.gtin) == replace(before, withdrawn=True)
    assert desk.look(code).code == "withdrawn"


@pytest.mark.parametrize("name", ["recall", "hold", "release", "withdraw"])
def test_a_command_is_written_down_with_its_answer(desk: Desk, name: str):
    code = desk.pack()
    with desk.clock.going():
        told = order(desk, name, code)
    ((event, answer),) = desk.commands(code.gtin)
    assert event == ReferenceEvent(
        event_id=event.event_id,
        gtin=code.gtin,
        lot=None if name == "withdraw" else code.lot,
        operation=name,
        reason="because",
        site_gln=MANUFACTURER.site.gln,
        client_id=MANUFACTURER.client_id,
        received_at=event.received_at,
        details={},
    )
    assert (event.received_at - NOW).total_seconds() == 1
    assert answer == asdict(told)


# Who may.


@pytest.mark.parametrize("name", ["recall", "withdraw"])
@pytest.mark.parametrize(
    ("who", "answer"), [(PHARMACY, NOT_FOR_THIS_SITE), (OTHER_MANUFACTURER, NOT_YOUR_PRODUCT)]
)
def test_who_may_not_leaves_no_trace(desk: Desk, name: str, who: Actor, answer: Fault):
    code, key = desk.pack(), new_key()
    assert order(desk, name, code, by=who, key=key) == answer
    assert desk.commands(code.gtin) == []
    assert desk.look(code).code == "ok"


def test_the_authority_may_command_everything(desk: Desk):
    code = desk.pack()
    assert order(desk, "recall", code, by=AUTHORITY).status == "recalled"


def test_a_product_that_is_not_there_is_not_found_and_the_key_stays_free(desk: Desk):
    code, key = replace(desk.pack(), gtin=new_gtin()), new_key()
    answer = order(desk, "recall", code, by=AUTHORITY, key=key)
    assert answer == Fault("not_found", "This product is not in the repository; send its master data first.")
    assert order(desk, "recall", code) == NOT_YOUR_PRODUCT
    desk.product(gtin=code.gtin)
    assert order(desk, "recall", code, by=AUTHORITY, key=key).status == "recalled"


# Once only.


@pytest.mark.parametrize("name", ["hold", "withdraw"])
def test_a_key_that_comes_again_gets_the_answer_that_was_given(desk: Desk, name: str):
    code, key = desk.pack(), new_key()
    order(desk, name, code, key=key)
    order(desk, "release", code)
    again = order(desk, name, code, key=key)
    assert isinstance(again, Replay)
    assert again.accepted
    assert [event.operation for event, _ in desk.commands(code.gtin)] == [name, "release"]
    assert desk.look(code).code == ("withdrawn" if name == "withdraw" else "ok")


def test_a_key_is_for_one_request_and_the_clients_own(desk: Desk):
    code, key = desk.pack(), new_key()
    order(desk, "hold", code, key=key)
    refused = order(desk, "hold", code, key=key, digest=b"another body")
    assert isinstance(refused, Fault)
    assert refused.code == "idempotency_key_reused"
    assert order(desk, "hold", code, key=key, by=AUTHORITY).status == "on_hold"


def test_who_may_not_is_not_told_what_was_answered_before(desk: Desk):
    code, key = desk.pack(), new_key()
    order(desk, "recall", code, key=key)
    sold = replace(desk.ports.archive.product(code.gtin), manufacturer_gln=OTHER_MANUFACTURER.site.gln)
    desk.ports.store.run(lambda tx: tx.put_product(sold))
    assert order(desk, "recall", code, key=key) == NOT_YOUR_PRODUCT


# Master data.

FIELDS = {
    "name": "Painaway",
    "strength": "500 mg",
    "form": "tablet",
    "pack_size": "20",
    "profile": "us_dscsa",
}
OWN = {"manufacturer_gln": MANUFACTURER.site.gln}


def test_a_manufacturer_writes_a_new_product_in_its_own_name(desk: Desk):
    gtin = new_gtin()
    told = put_product(desk.ports, MANUFACTURER, gtin, FIELDS | OWN)
    assert told == Product(gtin, **FIELDS, **OWN)
    assert desk.ports.archive.product(gtin) == told


def test_what_is_not_given_stays(desk: Desk):
    product = desk.product(strength="500 mg", withdrawn=True)
    told = put_product(desk.ports, MANUFACTURER, product.gtin, {"name": "Painaway forte"})
    assert told == replace(product, name="Painaway forte")
    assert desk.ports.archive.product(product.gtin) == told


def test_a_change_of_a_product_is_written_down_with_its_fields(desk: Desk):
    gtin = new_gtin()
    with desk.clock.going():
        told = put_product(desk.ports, MANUFACTURER, gtin, FIELDS | OWN)
    ((event, answer),) = desk.commands(gtin)
    assert event == ReferenceEvent(
        event_id=event.event_id,
        gtin=gtin,
        lot=None,
        operation="product",
        reason=None,
        site_gln=MANUFACTURER.site.gln,
        client_id=MANUFACTURER.client_id,
        received_at=event.received_at,
        details=FIELDS | OWN,
    )
    assert (event.received_at - NOW).total_seconds() == 1
    assert answer == asdict(told)


@pytest.mark.parametrize(
    ("stored", "fields", "who", "answer"),
    [
        (True, {"name": "X"}, PHARMACY, NOT_FOR_THIS_SITE),
        (False, {"name": "X"}, PHARMACY, NOT_FOR_THIS_SITE),
        (True, {"name": "X"}, OTHER_MANUFACTURER, NOT_YOUR_PRODUCT),
        (True, {"manufacturer_gln": OTHER_MANUFACTURER.site.gln}, OTHER_MANUFACTURER, NOT_YOUR_PRODUCT),
        (True, {"manufacturer_gln": OTHER_MANUFACTURER.site.gln}, MANUFACTURER, NOT_YOUR_PRODUCT),
        (True, {"manufacturer_gln": None}, MANUFACTURER, NOT_YOUR_PRODUCT),
        (False, {"manufacturer_gln": OTHER_MANUFACTURER.site.gln}, MANUFACTURER, NOT_YOUR_PRODUCT),
        (False, {"name": "X"}, MANUFACTURER, NOT_YOUR_PRODUCT),
    ],
)
def test_nobody_writes_in_anothers_name(
    desk: Desk,
    stored: bool,  # noqa: FBT001
    fields: dict[str, Any],
    who: Actor,
    answer: Fault,
):
    before = desk.product() if stored else None
    gtin = before.gtin if before else new_gtin()
    assert put_product(desk.ports, who, gtin, fields) == answer
    assert desk.ports.archive.product(gtin) == before
    assert desk.commands(gtin) == []


def test_the_authority_may_hand_a_product_over(desk: Desk):
    product = desk.product()
    handed = {"manufacturer_gln": OTHER_MANUFACTURER.site.gln}
    assert put_product(desk.ports, AUTHORITY, product.gtin, handed) == replace(product, **handed)


def test_two_products_never_have_one_ppn(desk: Desk):
    first, second = desk.product(ppn=new_ppn()), desk.product()
    told = put_product(desk.ports, MANUFACTURER, second.gtin, {"ppn": first.ppn, "name": "X"})
    assert told == Fault("invalid_request", "Another product has this PPN.", field="ppn")
    assert desk.ports.archive.product(second.gtin) == second
    assert desk.commands(second.gtin) == []
    assert put_product(desk.ports, MANUFACTURER, first.gtin, {"ppn": first.ppn}) == first
