"""Many packs in one request, exactly once: keys, replays, duplicates, and what fails in between."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from situations import Pack, new_ppn
from sqlalchemy.exc import OperationalError
from test_bulk import CHANGES, LOOKS, ROUTES, ask, codes, events, item, send
from world import World

from verifier.api import bulk, operations
from verifier.services import packs as service
from verifier.storage.store import Store

REPLAYED = "Idempotency-Replayed"


def ready(world: World, operation: str) -> Pack:
    """A fresh pack on which this change is accepted."""
    pack = world.pack()
    if operation == "reactivate":
        world.corner_pharmacy.dispense(pack)
    return pack


def change(world: World, operation: str) -> dict[str, Any]:
    declared = {"not_supplied_to_public": True} if operation == "reactivate" else {}
    return item(operation, ready(world, operation), **declared)


# Keys.


def test_a_whole_batch_is_replayed_word_for_word(world: World):
    """Accepted, refused, duplicate: whatever had a verdict has it again, and nothing is done twice."""
    gone, twice = world.pack(), world.pack()
    world.other_pharmacy.dispense(gone)
    changes = [change(world, operation) for operation in CHANGES]
    changes += [item("dispense", gone), item("dispense", twice), item("dispense", twice)]
    first = ask(world.corner_pharmacy, *changes)
    assert codes(first.json["results"]) == ["ok"] * 3 + ["already_dispensed", "ok", "duplicate_in_request"]
    assert not any("replayed" in result for result in first.json["results"])
    second, third = ask(world.corner_pharmacy, *changes), ask(world.corner_pharmacy, *changes)
    assert second.data == third.data
    assert second.data.replace(b',"replayed":true}', b"}") == first.data
    assert second.json["results"] == [result | {"replayed": True} for result in first.json["results"]]
    assert events(world, twice) == [("dispense", "ok"), ("dispense", "duplicate_in_request")]
    assert events(world, gone)[-1] == ("dispense", "already_dispensed")
    assert len(events(world, gone)) == 2


def test_replayed_and_new_items_stand_side_by_side(world: World):
    old, new = (change(world, "dispense") for _ in range(2))
    send(world.corner_pharmacy, old)
    results = send(world.corner_pharmacy, new, old)
    assert ["replayed" in result for result in results] == [False, True]
    assert codes(results) == ["ok", "ok"]


@pytest.mark.parametrize("operation", CHANGES)
def test_a_key_of_the_single_route_is_replayed_in_bulk(world: World, operation: str):
    sent = change(world, operation)
    body = {name: value for name, value in sent.items() if name not in ("operation", "idempotency_key")}
    alone = world.corner_pharmacy.post(ROUTES[operation], body, key=sent["idempotency_key"])
    assert alone.status_code == 200
    [result] = send(world.corner_pharmacy, sent)
    assert result == alone.json | {"replayed": True}


@pytest.mark.parametrize("operation", CHANGES)
def test_a_key_of_a_bulk_item_is_replayed_on_the_single_route(world: World, operation: str):
    sent = change(world, operation)
    body = {name: value for name, value in sent.items() if name not in ("operation", "idempotency_key")}
    [result] = send(world.corner_pharmacy, sent)
    alone = world.corner_pharmacy.post(ROUTES[operation], body, key=sent["idempotency_key"])
    assert (alone.status_code, alone.headers[REPLAYED]) == (200, "true")
    assert alone.json == result


def test_a_key_of_another_operation_is_not_the_same_request(world: World):
    sent = change(world, "dispense")
    send(world.corner_pharmacy, sent)
    [result] = send(world.corner_pharmacy, sent | {"operation": "reactivate"})
    assert result["code"] == "idempotency_key_reused"


def test_the_same_key_twice_in_a_request_is_one_item_sent_twice(world: World):
    """A key comes before the decision, so this is a replay and no duplicate."""
    sent = change(world, "dispense")
    first, second = send(world.corner_pharmacy, sent, sent)
    assert second == first | {"replayed": True}
    assert events(world, sent) == [("dispense", "ok")]


def test_the_same_key_for_two_packs_is_good_for_the_first(world: World):
    sent, other = change(world, "dispense"), world.pack()
    results = send(
        world.corner_pharmacy, sent, item("dispense", other) | {"idempotency_key": sent["idempotency_key"]}
    )
    assert codes(results) == ["ok", "idempotency_key_reused"]
    assert events(world, other) == []


def test_a_look_needs_no_key_and_a_header_is_nobodys(world: World):
    for _ in range(2):
        sent = {"items": [item("dispense", world.pack()), item("verify", world.pack())]}
        answer = world.corner_pharmacy.post("/v1/bulk", sent, key="bulk-header")
        assert codes(answer.json["results"]) == ["ok", "ok"]
        assert REPLAYED not in answer.headers


# Duplicates.


@pytest.mark.parametrize("operation", [*LOOKS, "dispense", "decommission"])
@pytest.mark.parametrize(("profile", "alert"), [("eu_fmd", "DUP"), ("us_dscsa", "SUSPECT")])
def test_the_second_time_is_a_duplicate_with_an_alert(world: World, operation: str, profile: str, alert: str):
    pack, other = world.pack(profile=profile), world.pack()
    results = send(world.corner_pharmacy, *(item(operation, each) for each in (pack, other, pack, pack)))
    assert codes(results) == ["ok", "ok", "duplicate_in_request", "duplicate_in_request"]
    for number, result in enumerate(results[2:], start=1):
        assert (result["signal"], result["accepted"]) == ("red", False)
        told = {name: result["alert"][name] for name in ("code", "cause", "count")}
        assert told == {"code": alert, "cause": "duplicate_in_request", "count": number}
    assert results[2]["alert"]["id"] == results[3]["alert"]["id"]
    assert codes(world.regulator.get("/v1/alerts", gtin=pack["gtin"]).json["alerts"]) == [alert]
    if operation == "returns_check":
        assert results[2]["resale"] == "no"


def test_an_undo_counts_once_too(world: World):
    pack = ready(world, "reactivate")
    undo = [item("reactivate", pack, not_supplied_to_public=True) for _ in range(2)]
    assert codes(send(world.corner_pharmacy, *undo)) == ["ok", "duplicate_in_request"]
    assert world.corner_pharmacy.verify(pack)["pack"]["state"] == "active"


def test_different_operations_on_one_pack_and_two_requests_are_no_duplicates(world: World):
    pack = world.pack()
    items = [item(name, pack) for name in ("verify", "returns_check", "decommission")]
    assert codes(send(world.corner_pharmacy, *items)) == ["ok", "ok", "ok"]
    again = send(world.corner_pharmacy, *(item(name, pack) for name in ("verify", "decommission")))
    assert codes(again) == ["already_done_here", "already_done_here"]


def test_two_reasons_are_one_operation(world: World):
    pack = world.pack()
    reasons = ("sample", "destroyed")
    results = send(world.corner_pharmacy, *(item("decommission", pack, reason=reason) for reason in reasons))
    assert codes(results) == ["ok", "duplicate_in_request"]


def test_two_serials_two_products_or_two_cases_are_two_packs(world: World):
    pack = world.pack(serial="abc")
    others = [pack | {"serial": "ABC"}, world.pack(serial="abc")]
    world.load(others[0])
    assert (
        codes(send(world.corner_pharmacy, *(item("dispense", each) for each in (pack, *others))))
        == ["ok"] * 3
    )


def written(pack: Pack, how: str, ppn: str, ntin: str) -> Pack:
    day = pack["expiry"][2:].replace("-", "")
    rest = {name: pack[name] for name in ("serial", "lot", "expiry")}
    return {
        "gtin": pack,
        "gtin without its zero": pack | {"gtin": pack["gtin"].removeprefix("0")},
        "other lot": pack | {"lot": "OTHER"},
        "ppn": rest | {"ppn": ppn},
        "ntin": rest | {"gtin": ntin},
        "raw": {"code": f"]d201{pack['gtin']}17{day}10{pack['lot']}\x1d21{pack['serial']}"},
        "ifa": {"code": f"[)>\x1e06\x1d9N{ppn}\x1d1T{pack['lot']}\x1dD{day}\x1dS{pack['serial']}\x1e\x04"},
    }[how]


@pytest.mark.parametrize("operation", ["verify", "dispense"])
@pytest.mark.parametrize("own_gtin", [True, False])
@pytest.mark.parametrize("how", ["gtin", "gtin without its zero", "other lot", "ppn", "ntin", "raw", "ifa"])
def test_however_it_is_written_it_is_the_same_pack(world: World, operation: str, own_gtin: bool, how: str):  # noqa: FBT001
    """Also where the product stands under a GTIN of its own beside its PPN."""
    ppn, ntin = new_ppn(world)
    pack = world.pack(gtin=None if own_gtin else ntin, stored=False)
    world.load(pack, ppn=ppn)
    other = written(pack, how, ppn, ntin)
    for first, second in ((pack, other), (other, pack)):
        looks = send(world.corner_pharmacy, item("verify", first), item("verify", second))
        assert looks[1]["code"] == "duplicate_in_request"
    if operation == "dispense":
        results = send(world.corner_pharmacy, item("dispense", pack), item("dispense", other))
        assert codes(results) == ["ok", "duplicate_in_request"]


def test_a_first_one_that_was_a_fault_has_not_counted(world: World):
    pack = world.pack()
    world.corner_pharmacy.dispense(world.pack(), device={"id": "bulk", "sequence": 1})
    keyless = item("dispense", pack)
    del keyless["idempotency_key"]
    results = send(
        world.corner_pharmacy,
        keyless,
        item("dispense", pack, device={"id": "bulk", "sequence": 1}),
        item("dispense", pack, patient="x"),
        item("dispense", pack),
        item("dispense", pack),
    )
    assert codes(results) == [
        "idempotency_key_required", "device_sequence_reused", "invalid_request", "ok", "duplicate_in_request",
    ]  # fmt: skip


def test_a_first_one_that_was_refused_has_counted(world: World):
    pack = world.pack()
    world.other_pharmacy.dispense(pack)
    results = send(world.corner_pharmacy, item("dispense", pack), item("dispense", pack))
    assert codes(results) == ["already_dispensed", "duplicate_in_request"]


def test_a_duplicate_takes_its_device_sequence(world: World):
    pack = world.pack()
    device = [{"device": {"id": "bulk-dup", "sequence": number}} for number in range(2)]
    results = send(world.corner_pharmacy, *(item("dispense", pack, **each) for each in device))
    assert codes(results) == ["ok", "duplicate_in_request"]
    answer = world.corner_pharmacy.post("/v1/dispense", world.pack() | device[1])
    assert answer.json["code"] == "device_sequence_reused"


# What fails in between.


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, error: Exception, serials: set[str]) -> Iterator[list[str]]:
    """Every transaction about these packs fails; the packs that were asked for."""
    asked: list[str] = []
    works: Callable[..., Any] = service.change

    def change(ports: Any, actor: Any, order: Any) -> Any:
        asked.append(order.scan.code.serial)
        if order.scan.code.serial in serials:
            raise error
        return works(ports, actor, order)

    with monkeypatch.context() as patched:
        patched.setattr(operations.packs, "change", change)
        yield asked


AWAY = OperationalError("SELECT", {}, Exception("secret of the database"))


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(AWAY, 503, "database_unavailable"), (ValueError("secret of ours"), 500, "internal_error")],
)
def test_a_failure_at_one_item_is_that_items_answer(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
):
    items = [change(world, "dispense") for _ in range(3)]
    with failing(monkeypatch, error, {items[1]["serial"]}):
        answer = ask(world.corner_pharmacy, *items)
    results = answer.json["results"]
    assert codes(results) == ["ok", code, "ok"]
    assert (results[1]["status"], results[1]["type"]) == (status, f"/problems/{code}")
    assert "secret" not in answer.text
    again = send(world.corner_pharmacy, *items)
    assert codes(again) == ["ok", "ok", "ok"]
    assert ["replayed" in result for result in again] == [True, False, True]


def test_a_database_that_is_away_is_not_asked_for_every_item(world: World, monkeypatch: pytest.MonkeyPatch):
    """Each may take its time to fail, and nobody waits for a thousand of them."""
    items = [change(world, "dispense") for _ in range(bulk.PATIENCE * 2 + 3)]
    serials = [sent["serial"] for sent in items]
    alive = serials[bulk.PATIENCE - 1]
    with failing(monkeypatch, AWAY, set(serials) - {alive}) as asked:
        results = send(world.corner_pharmacy, *items)
    expected = ["database_unavailable"] * len(items)
    expected[bulk.PATIENCE - 1] = "ok"
    assert codes(results) == expected
    assert asked == serials[: bulk.PATIENCE * 2]
    assert codes(send(world.corner_pharmacy, *items)) == ["ok"] * len(items)


def test_after_a_failure_the_same_pack_is_no_duplicate(world: World, monkeypatch: pytest.MonkeyPatch):
    pack = world.pack()
    run, failed = Store.run, []

    def once(self: Store, work: Any) -> Any:
        if not failed:
            failed.append(True)
            raise AWAY
        return run(self, work)

    monkeypatch.setattr(Store, "run", once)
    results = send(world.corner_pharmacy, item("dispense", pack), item("dispense", pack))
    assert codes(results) == ["database_unavailable", "ok"]
