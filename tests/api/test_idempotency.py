"""Exactly once for a key: replayed word for word, refused for anything else, alone among twins."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from situations import Pack, new_ppn, together
from sqlalchemy import text
from werkzeug.test import TestResponse
from world import Person, World

from verifier.oauth.clients import register
from verifier.oauth.scopes import SCOPES

REPLAYED = "Idempotency-Replayed"
TWINS = 6


def changes(world: World) -> dict[str, tuple[Person, str, Callable[[], dict[str, Any]]]]:
    """By route that needs a key: who may call it, and what makes a body that is accepted."""

    def dispensed() -> dict[str, Any]:
        pack = world.pack()
        world.corner_pharmacy.dispense(pack)
        return pack | {"not_supplied_to_public": True}

    def batch() -> dict[str, Any]:
        pack = world.pack()
        return {"gtin": pack["gtin"], "lot": pack["lot"], "reason": "test"}

    pharmacy, regulator = world.corner_pharmacy, world.regulator
    return {
        "/v1/dispense": (pharmacy, "pack", world.pack),
        "/v1/decommission": (pharmacy, "pack", lambda: world.pack() | {"reason": "sample"}),
        "/v1/reactivate": (pharmacy, "pack", dispensed),
        "/v1/batches/recall": (regulator, "batch", batch),
        "/v1/batches/hold": (regulator, "batch", batch),
        "/v1/batches/release": (regulator, "batch", batch),
        "/v1/products/withdraw": (regulator, "product", lambda: {"gtin": batch()["gtin"], "reason": "test"}),
    }


KEYED = (
    "/v1/dispense", "/v1/decommission", "/v1/reactivate", "/v1/batches/recall", "/v1/batches/hold",
    "/v1/batches/release", "/v1/products/withdraw",
)  # fmt: skip


def events(world: World, pack: Pack) -> list[dict[str, Any]]:
    answer = world.regulator.get("/v1/packs/events", gtin=pack["gtin"], serial=pack["serial"])
    return answer.json["events"] if answer.status_code == 200 else []


def test_every_route_that_changes_something_is_here(world: World):
    assert set(changes(world)) == set(KEYED)


@pytest.mark.parametrize("route", KEYED)
@pytest.mark.parametrize("key", [None, "", "x" * 256, "tab\tinside", "caf\xe9", "del\x7f"])
def test_a_key_that_is_missing_or_unprintable_is_refused(world: World, route: str, key: str | None):
    person, _, body = changes(world)[route]
    answer = person.post(route, body(), key=key)
    assert (answer.status_code, answer.json["code"]) == (400, "idempotency_key_required")


@pytest.mark.parametrize("key", ["x", " ", "x" * 255, "key with ~ !\"'blanks"])
def test_every_printable_key_is_taken(world: World, key: str):
    suffix = uuid4().hex if len(key) < 200 else ""
    answer = world.corner_pharmacy.post("/v1/dispense", world.pack(), key=f"a{key}{suffix}a"[:255])
    assert answer.status_code == 200


def test_what_is_replayed_is_word_for_word_what_was_answered(world: World):
    """All routes at once, since a command takes its second."""

    def ask_twice(route: str) -> tuple[TestResponse, TestResponse]:
        person = table[route][0]
        sent, key, http = bodies[route], uuid4().hex, world.app.test_client()
        headers = person.headers() | {"Idempotency-Key": key}
        return tuple(http.post(route, json=sent, headers=headers) for _ in range(2))

    table = changes(world)
    bodies = {route: make() for route, (_, _, make) in table.items()}
    for first, second in together([lambda r=route: ask_twice(r) for route in KEYED]):
        assert (first.status_code, second.status_code) == (200, 200)
        assert REPLAYED not in first.headers
        assert second.headers[REPLAYED] == "true"
        assert second.data == first.data
        assert second.content_type == first.content_type


def test_a_refusal_is_replayed_too_and_counted_once(world: World):
    pack = world.pack()
    world.other_pharmacy.dispense(pack)
    first, second = (world.corner_pharmacy.post("/v1/dispense", pack, key="refused") for _ in range(2))
    assert (first.status_code, second.status_code) == (409, 409)
    assert first.json["code"] == "already_dispensed"
    assert second.data == first.data
    assert second.headers[REPLAYED] == "true"
    alert = world.corner_pharmacy.get(f"/v1/alerts/{first.json['alert']['id']}").json
    assert alert["count"] == 1


def test_a_refused_unknown_pack_is_replayed_by_ppn_too(world: World):
    """The product stands under another GTIN than its NTIN."""
    ppn, _ = new_ppn(world)
    pack = world.pack(stored=False)
    world.load(pack, ppn=ppn)
    sent = {"ppn": ppn, "serial": "NEVER", "lot": pack["lot"], "expiry": pack["expiry"]}
    first, second = (world.corner_pharmacy.post("/v1/dispense", sent, key="by-ppn") for _ in range(2))
    assert (first.status_code, first.json["code"]) == (409, "unknown_serial")
    assert (second.status_code, second.data) == (409, first.data)


def test_a_replay_tells_what_was_answered_even_when_the_pack_went_on(world: World):
    pack = world.pack()
    first = world.corner_pharmacy.post("/v1/dispense", pack, key="went-on")
    world.corner_pharmacy.reactivate(pack, not_supplied_to_public=True)
    second = world.corner_pharmacy.post("/v1/dispense", pack, key="went-on")
    assert second.data == first.data
    assert world.corner_pharmacy.verify(pack)["pack"]["state"] == "active"


def test_the_order_of_names_and_blanks_make_no_other_request(world: World):
    pack = world.pack() | {"device": {"id": "till-1", "sequence": 7001}}
    headers = world.corner_pharmacy.headers() | {
        "Idempotency-Key": "order",
        "Content-Type": "application/json",
    }
    turned = {name: pack[name] for name in reversed(pack)} | {"device": {"sequence": 7001, "id": "till-1"}}
    first = world.http.post("/v1/dispense", data=json.dumps(pack), headers=headers)
    second = world.http.post("/v1/dispense", data=json.dumps(turned, indent=3), headers=headers)
    assert (first.status_code, second.status_code) == (200, 200)
    assert second.headers[REPLAYED] == "true"


@pytest.mark.parametrize(
    ("route", "change"),
    [
        ("/v1/dispense", {"serial": "OTHER"}),
        ("/v1/dispense", {"entry_mode": "manual"}),
        ("/v1/reactivate", {}),
    ],
)
def test_the_same_key_for_another_request_is_refused(world: World, route: str, change: dict[str, str]):
    pack, key = world.pack(), uuid4().hex
    world.corner_pharmacy.post("/v1/dispense", pack, key=key)
    answer = world.corner_pharmacy.post(route, pack | change, key=key)
    assert (answer.status_code, answer.json["code"]) == (422, "idempotency_key_reused")
    assert len(events(world, pack)) == 1


def test_a_key_of_a_change_is_not_free_for_a_command(world: World):
    pack, key = world.pack(), uuid4().hex
    world.operator.post("/v1/decommission", pack | {"reason": "locked"}, key=key)
    body = {"gtin": pack["gtin"], "lot": pack["lot"], "reason": "test"}
    answer = world.operator.post("/v1/batches/recall", body, key=key)
    assert (answer.status_code, answer.json["code"]) == (422, "idempotency_key_reused")
    assert world.operator.verify(pack)["code"] == "already_done_here"


def test_the_keys_of_two_clients_are_their_own_even_at_one_site(world: World):
    site = world.corner_pharmacy.site
    made = register(world.service.authority.access, "second till", site.gln, frozenset(SCOPES), world.clock())
    second_till = Person(site, made.client_id, made.client_secret, world.app.test_client())
    mine, theirs, key = world.pack(), world.pack(), uuid4().hex
    answers = [
        world.corner_pharmacy.post("/v1/dispense", mine, key=key),
        world.other_pharmacy.post("/v1/dispense", theirs, key=key),
        second_till.post("/v1/dispense", mine, key=key),
    ]
    assert [answer.json["code"] for answer in answers] == ["ok", "ok", "already_done_here"]
    assert not any(REPLAYED in answer.headers for answer in answers)


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"serial": "#"}, 422),
        ({"reason": "exported"}, 403),
        ({"expiry": "999999"}, 422),
    ],
)
def test_a_fault_does_not_use_the_key_up(world: World, fault: dict[str, str], status: int):
    pack, key = world.pack() | {"reason": "sample"}, uuid4().hex
    assert world.corner_pharmacy.post("/v1/decommission", pack | fault, key=key).status_code == status
    answer = world.corner_pharmacy.post("/v1/decommission", pack, key=key)
    assert (answer.status_code, answer.json["code"]) == (200, "ok")
    assert REPLAYED not in answer.headers


def device(number: int) -> dict[str, Any]:
    return {"device": {"id": "scanner-1", "sequence": number}}


def test_a_device_sequence_is_used_once_for_ever_by_a_change(world: World):
    first, second = world.pack(), world.pack()
    assert world.corner_pharmacy.dispense(first, **device(1))["code"] == "ok"
    answer = world.corner_pharmacy.post("/v1/dispense", second | device(1))
    assert (answer.status_code, answer.json["code"]) == (409, "device_sequence_reused")
    assert answer.content_type == "application/problem+json"
    assert world.corner_pharmacy.verify(second, **device(1))["code"] == "ok"
    assert world.corner_pharmacy.dispense(second, **device(2))["code"] == "ok"


def test_a_refused_change_uses_the_device_sequence_too(world: World):
    pack = world.pack()
    world.other_pharmacy.dispense(pack)
    assert world.corner_pharmacy.dispense(pack, **device(11))["code"] == "already_dispensed"
    answer = world.corner_pharmacy.post("/v1/dispense", world.pack() | device(11))
    assert answer.json["code"] == "device_sequence_reused"


def test_another_site_or_device_counts_by_itself(world: World):
    assert world.corner_pharmacy.dispense(world.pack(), **device(21))["code"] == "ok"
    assert world.hospital.dispense(world.pack(), **device(21))["code"] == "ok"
    other = {"device": {"id": "scanner-2", "sequence": 21}}
    assert world.corner_pharmacy.dispense(world.pack(), **other)["code"] == "ok"


def test_a_replay_by_key_is_no_second_use_of_the_device_sequence(world: World):
    pack, key = world.pack() | device(31), uuid4().hex
    answers = [world.corner_pharmacy.post("/v1/dispense", pack, key=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[1].headers[REPLAYED] == "true"


def test_a_reused_device_sequence_does_not_use_the_key_up(world: World):
    pack, key = world.pack(), uuid4().hex
    world.corner_pharmacy.dispense(world.pack(), **device(41))
    assert world.corner_pharmacy.post("/v1/dispense", pack | device(41), key=key).status_code == 409
    assert world.corner_pharmacy.post("/v1/dispense", pack | device(42), key=key).status_code == 200


def at_once(world: World, person: Person, bodies: list[Pack], keys: list[str]) -> list[TestResponse]:
    """Dispense by test clients of their own, all at the same time."""
    token = person.headers()

    def ask(body: Pack, key: str) -> TestResponse:
        return world.app.test_client().post(
            "/v1/dispense", json=body, headers=token | {"Idempotency-Key": key}
        )

    with ThreadPoolExecutor(max_workers=len(bodies)) as pool:
        return list(pool.map(ask, bodies, keys))


def test_twins_at_the_same_time_are_one_change_and_one_answer(world: World):
    for _ in range(5):
        pack = world.pack()
        answers = at_once(world, world.corner_pharmacy, [pack] * TWINS, [uuid4().hex] * TWINS)
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.data for answer in answers}) == 1
        assert sum(REPLAYED not in answer.headers for answer in answers) == 1
        assert [event["code"] for event in events(world, pack)] == ["ok"]


def test_of_many_at_the_same_time_with_keys_of_their_own_one_wins_and_all_are_recorded(world: World):
    for _ in range(5):
        pack = world.pack()
        keys = [uuid4().hex for _ in range(TWINS)]
        answers = at_once(world, world.corner_pharmacy, [pack] * TWINS, keys)
        codes = sorted(answer.json["code"] for answer in answers)
        assert codes == ["already_done_here"] * (TWINS - 1) + ["ok"]
        assert sorted(event["code"] for event in events(world, pack)) == codes
        assert [event["version"] for event in events(world, pack) if event["accepted"]] == [1]


# a key as a request holds it that has not committed yet
HELD = text(
    "INSERT INTO idempotency (client_id, key, digest, gtin, serial, event_id, created_at)"
    " VALUES (:client, :key, '\\x00', 1, 'S', gen_random_uuid(), now())"
)


def test_a_twin_that_takes_too_long_is_told_to_come_again_and_leaves_the_key_free(world: World):
    pack, key = world.pack(), uuid4().hex
    with world.service.engine.connect() as connection:
        connection.execute(HELD, {"client": world.corner_pharmacy.client_id, "key": key})
        answer = world.corner_pharmacy.post("/v1/dispense", pack, key=key)
        connection.rollback()
    assert (answer.status_code, answer.json["code"]) == (409, "idempotency_in_progress")
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.content_type == "application/problem+json"
    assert events(world, pack) == []
    assert world.corner_pharmacy.post("/v1/dispense", pack, key=key).json["code"] == "ok"
