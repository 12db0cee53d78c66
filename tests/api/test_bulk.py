"""Many packs in one request: each item as a request of its own, in order, and none stops the rest."""

import json
from typing import Any
from uuid import uuid4

import pytest
from problems import is_problem
from situations import Pack, command
from werkzeug.test import TestResponse
from world import Person, World

from verifier.oauth.clients import register

Item = dict[str, Any]
CHANGES = ("dispense", "decommission", "reactivate")
LOOKS = ("verify", "returns_check")
ROUTES = {name: f"/v1/{name}" for name in (*CHANGES, "verify")} | {"returns_check": "/v1/returns/check"}


def item(operation: str, pack: Pack, **more: Any) -> Item:
    """One item, with a key of its own where it needs one."""
    key = {"idempotency_key": uuid4().hex} if operation in CHANGES else {}
    reason = {"reason": "sample"} if operation == "decommission" else {}
    return {"operation": operation} | key | reason | pack | more


def send(person: Person, *items: Any) -> list[dict[str, Any]]:
    answer = ask(person, *items)
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "application/json"
    results = answer.json["results"]
    assert len(results) == len(items)
    return results


def ask(person: Person, *items: Any) -> TestResponse:
    return person.post("/v1/bulk", {"items": items}, key=None)


def codes(results: list[dict[str, Any]]) -> list[str]:
    return [result["code"] for result in results]


def events(world: World, pack: Pack) -> list[tuple[str, str]]:
    answer = world.regulator.get("/v1/packs/events", gtin=pack["gtin"], serial=pack["serial"])
    found = answer.json["events"] if answer.status_code == 200 else []
    return [(event["operation"], event["code"]) for event in found]


def client_at(world: World, person: Person, *scopes: str) -> Person:
    """Another client at the same site."""
    made = register(world.service.authority.access, "bulk", person.site.gln, frozenset(scopes), world.clock())
    return Person(person.site, made.client_id, made.client_secret, world.app.test_client())


# Each item as a request of its own.


def test_every_operation_answers_as_its_own_route_does(world: World):
    """Beside ids and times."""
    pharmacy, packs = world.corner_pharmacy, [world.pack() for _ in range(2)]
    for pack in packs:
        pharmacy.verify(pack)
    steps = ("verify", "dispense", "verify", "reactivate", "returns_check", "decommission", "dispense")
    more = {"reactivate": {"not_supplied_to_public": True}}
    alone, one_by_one = packs
    bodies = [item(step, one_by_one, **more.get(step, {})) for step in steps]
    for step, body in zip(steps, bodies, strict=True):
        given = item(step, alone, **more.get(step, {}))
        given = {name: value for name, value in given.items() if name not in ("operation", "idempotency_key")}
        answer = pharmacy.post(ROUTES[step], given)
        [result] = send(pharmacy, body)
        assert comparable(result) == comparable(answer.json), step


def comparable(verdict: dict[str, Any]) -> dict[str, Any]:
    pack = {
        name: verdict["pack"][name]
        for name in verdict["pack"]
        if name not in ("gtin", "serial", "state_since")
    }
    return verdict | {"event_id": 0, "received_at": 0, "pack": pack}


def test_results_come_in_the_order_of_the_items(world: World):
    known = [world.pack() for _ in range(5)]
    unknown = [pack | {"serial": f"NEVER{n}"} for n, pack in enumerate(known)]
    order = [pack for pair in zip(known, unknown, strict=True) for pack in pair]
    results = send(world.corner_pharmacy, *(item("verify", pack) for pack in order))
    assert [result["pack"]["serial"] for result in results] == [pack["serial"] for pack in order]
    assert codes(results) == ["ok", "unknown_serial"] * 5


def test_a_later_item_sees_what_an_earlier_one_did(world: World):
    pack = world.pack()
    results = send(
        world.corner_pharmacy,
        item("verify", pack),
        item("dispense", pack),
        item("decommission", pack),
        item("reactivate", pack, not_supplied_to_public=True),
        item("returns_check", pack),
    )
    assert codes(results) == ["ok", "ok", "already_done_here", "ok", "ok"]
    assert [result["pack"]["state"] for result in results] == [
        "active", "dispensed", "dispensed", "active", "active",
    ]  # fmt: skip
    assert results[4]["resale"] == "yes"


def test_every_item_is_recorded_under_its_id(world: World):
    pack = world.pack()
    items = [item("verify", pack), item("dispense", pack), item("dispense", pack)]
    results = send(world.corner_pharmacy, *items)
    answer = world.corner_pharmacy.get("/v1/packs/events", gtin=pack["gtin"], serial=pack["serial"])
    recorded = {event["event_id"]: event["code"] for event in answer.json["events"]}
    assert recorded == {result["event_id"]: result["code"] for result in results}


def test_words_come_in_the_language_of_the_request(world: World):
    pack = world.pack()
    headers = {"Accept-Language": "de"}
    alone = world.corner_pharmacy.post("/v1/verify", pack, key=None, **headers).json
    answer = world.corner_pharmacy.post("/v1/bulk", {"items": [item("verify", pack)]}, key=None, **headers)
    assert answer.json["results"][0]["title"] == alone["title"] != world.corner_pharmacy.verify(pack)["title"]


@pytest.mark.parametrize("scope", ["verify", "dispense", "decommission", "returns"])
def test_each_item_needs_its_own_scope(world: World, scope: str):
    needed = {
        "verify": {"verify"}, "dispense": {"dispense"}, "decommission": {"decommission"},
        "reactivate": {"dispense", "decommission"}, "returns_check": {"returns"},
    }  # fmt: skip
    till = client_at(world, world.corner_pharmacy, scope)
    results = send(till, *(item(name, world.pack()) for name in needed))
    for name, result in zip(needed, results, strict=True):
        assert (result["code"] != "insufficient_scope") == (scope in needed[name]), name


def test_whoever_has_none_of_the_scopes_may_not_send_any(world: World):
    reader = client_at(world, world.corner_pharmacy, "packs:read")
    body = is_problem(ask(reader, item("verify", world.pack())), 403, "insufficient_scope")
    assert "results" not in body


def test_an_undo_in_bulk_needs_the_scope_of_what_it_undoes(world: World):
    dispensed, sampled = world.pack(), world.pack()
    world.corner_pharmacy.dispense(dispensed)
    world.corner_pharmacy.decommission(sampled, "sample")
    till = client_at(world, world.corner_pharmacy, "dispense")
    undo = {"not_supplied_to_public": True}
    results = send(till, item("reactivate", dispensed, **undo), item("reactivate", sampled, **undo))
    assert codes(results) == ["ok", "insufficient_scope"]
    assert world.corner_pharmacy.verify(sampled)["pack"]["state"] == "sample"


# fmt: off
NOT_FOR = [
    # who            operation        reason
    ("manufacturer", "dispense",      None),
    ("regulator",    "dispense",      None),
    ("operator",     "dispense",      None),
    ("regulator",    "returns_check", None),
    ("operator",     "returns_check", None),
    ("hospital",     "decommission",  "exported"),
    ("operator",     "decommission",  "stolen"),
    ("regulator",    "decommission",  "checked_out"),
]
# fmt: on


@pytest.mark.parametrize(("who", "operation", "reason"), NOT_FOR)
def test_each_item_needs_a_site_of_the_right_type(world: World, who: str, operation: str, reason: str | None):
    pack, other = world.pack(), world.pack()
    refused = item(operation, pack) | ({"reason": reason} if reason else {})
    results = send(getattr(world, who), refused, item("verify", other), item("decommission", other))
    assert codes(results) == ["not_for_this_site", "ok", "ok"]
    assert results[0]["status"] == 403
    assert events(world, pack) == []


# Bad items, and bad requests.


def bad_items(world: World) -> dict[str, tuple[Any, str]]:
    """By what is wrong with it: an item and the code of its answer."""
    pack, gone, taken = world.pack(), world.pack(), uuid4().hex
    world.other_pharmacy.dispense(gone)
    world.corner_pharmacy.dispense(world.pack(), device={"id": "bad-items", "sequence": 1})
    world.corner_pharmacy.post("/v1/dispense", world.pack(), key=taken)
    recalled = world.pack()
    command(world, world.regulator, "batches/recall", recalled["gtin"], recalled["lot"])
    keyless = item("dispense", pack)
    del keyless["idempotency_key"]
    return {
        "no object": (["dispense"], "invalid_request"),
        "nothing": (None, "invalid_request"),
        "empty": ({}, "invalid_request"),
        "no operation": (pack, "invalid_request"),
        "an unknown operation": (item("read", pack), "invalid_request"),
        "an operation that is no text": (item("verify", pack) | {"operation": ["verify"]}, "invalid_request"),
        "an unknown field": (item("verify", pack, patient="x"), "invalid_request"),
        "a field of another operation": (item("verify", pack, reason="sample"), "invalid_request"),
        "a missing element": (item("verify", {"gtin": pack["gtin"]}), "invalid_request"),
        "a wrong element": (item("dispense", pack, serial="#"), "invalid_request"),
        "both code and elements": (item("verify", pack, code="x"), "invalid_request"),
        "an unreadable code": (item("verify", {"code": "5012345678900"}), "unreadable_code"),
        "no key": (keyless, "idempotency_key_required"),
        "a key that is no text": (item("dispense", pack, idempotency_key=7), "idempotency_key_required"),
        "an unprintable key": (item("dispense", pack, idempotency_key="a\tb"), "idempotency_key_required"),
        "a long key": (item("dispense", pack, idempotency_key="x" * 256), "idempotency_key_required"),
        "a key used before": (item("dispense", pack, idempotency_key=taken), "idempotency_key_reused"),
        "a device sequence used before": (
            item("dispense", pack, device={"id": "bad-items", "sequence": 1}), "device_sequence_reused",
        ),
        "no reason": (item("decommission", pack) | {"reason": None}, "invalid_request"),
        "a reason for others": (item("decommission", pack, reason="stolen"), "not_for_this_site"),
        "ahead of its time": (item("verify", pack, occurred_at="2999-01-01T00:00:00Z"), "invalid_request"),
        "an unknown product": (item("dispense", world.pack(stored=False)), "unknown_product"),
        "a refused pack": (item("dispense", gone), "already_dispensed"),
        "a recalled pack": (item("verify", recalled), "recalled"),
    }  # fmt: skip


def test_one_bad_item_of_every_kind_never_stops_the_rest(world: World):
    bad = bad_items(world)
    good = [world.pack() for _ in range(len(bad) + 1)]
    items = [item("dispense", good[0])]
    for (wrong, _), pack in zip(bad.values(), good[1:], strict=True):
        items += [wrong, item("dispense", pack)]
    results = send(world.corner_pharmacy, *items)
    assert codes(results[::2]) == ["ok"] * len(good)
    assert dict(zip(bad, codes(results[1::2]), strict=True)) == {
        name: code for name, (_, code) in bad.items()
    }
    for result in results[1::2]:
        if "type" in result:
            assert result["type"] == f"/problems/{result['code']}"
            assert result["status"] >= 400
            assert result["title"]
            assert result["detail"]
        else:
            assert result["accepted"] is False


def test_an_unreadable_item_with_a_legible_serial_is_recorded_too(world: World):
    pack = world.pack()
    code = f"]d201{pack['gtin']}21{pack['serial']}"
    [result] = send(world.corner_pharmacy, item("dispense", {"code": code}))
    assert (result["code"], result["reason"]) == ("unreadable_code", "missing_lot")
    assert events(world, pack) == [("dispense", "unreadable_code")]


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({}, "items"),
        ({"items": []}, "items"),
        ({"items": None}, "items"),
        ({"items": {}}, "items"),
        ({"items": "verify"}, "items"),
        ({"items": [{}] * 1001}, "items"),
        ({"items": [{}], "idempotency_key": "a"}, "idempotency_key"),
        ([], "body"),
        ("items", "body"),
        (None, "body"),
    ],
)
def test_a_request_that_is_no_list_of_1_to_1000_items_is_refused_whole(world: World, sent: Any, field: str):
    headers = world.corner_pharmacy.headers() | {"Content-Type": "application/json"}
    answer = world.http.post("/v1/bulk", data=json.dumps(sent), headers=headers)
    assert field in is_problem(answer, 422, "invalid_request")["errors"]


def test_over_the_limit_is_too_large_and_nothing_is_done(world: World):
    pack = world.pack()
    items = [item("dispense", pack), item("verify", {"code": "x" * 1024 * 1024})]
    is_problem(ask(world.corner_pharmacy, *items), 413, "too_large")
    assert events(world, pack) == []


def test_a_thousand_items_in_one_request(world: World):
    first = world.pack()
    packs = [first | {"serial": world.serial()} for _ in range(999)]
    world.load(*packs)
    packs.append(first)
    items = [item("dispense" if number % 4 == 0 else "verify", pack) for number, pack in enumerate(packs)]
    results = send(world.corner_pharmacy, *items)
    assert codes(results) == ["ok"] * 1000
    assert [result["operation"] for result in results] == [sent["operation"] for sent in items]
    assert [result["pack"]["serial"] for result in results] == [pack["serial"] for pack in packs]
