"""The returns desk over HTTP: what is counted, what it is told, and what is refused."""

from collections import Counter
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from returning import COUNTERPARTY, SAID, SESSIONS, Desk, Network, named, new_key, open_session, with_network
from world import World

from verifier.domain.codes import element_string, from_elements


def dispensed(world: World) -> dict[str, Any]:
    pack = world.pack(profile="us_dscsa")
    world.corner_pharmacy.dispense(pack)
    return pack


def recalled(world: World, command: str = "recall") -> dict[str, Any]:
    pack = world.pack(profile="us_dscsa", lot="BAD")
    body = {"gtin": pack["gtin"], "lot": "BAD", "reason": "Quality defect"}
    assert world.regulator.post(f"/v1/batches/{command}", body).status_code == 200
    return pack


def loaded(world: World, **more: Any) -> dict[str, Any]:
    return world.pack(profile="us_dscsa", **more)


def held(world: World) -> dict[str, Any]:
    return recalled(world, "hold")


def expired(world: World) -> dict[str, Any]:
    return loaded(world, expiry=(date.today() - timedelta(days=2)).isoformat())  # noqa: DTZ011


def foreign(world: World) -> dict[str, Any]:
    return world.pack(stored=False)


# fmt: off
OUTCOMES: dict[str, tuple[Any, dict[str, str], tuple[str, str, str]]] = {
    # what comes back, how it was loaded, what is sent otherwise; resale, code, own verdict
    "a good pack":         (loaded,    {},                      ("yes",     "ok",        "ok")),
    "a dispensed one":     (dispensed, {}, ("no", "own_state", "already_dispensed")),
    "a recalled one":      (recalled,  {},                      ("no",      "recalled",  "recalled")),
    "one on hold":         (held,      {},                      ("pending", "on_hold",   "on_hold")),
    "an expired one":      (expired,   {},                      ("no",      "expired",   "expired")),
    "an unknown serial":   (loaded,    {"serial": "N"},         ("no",      "mismatch",  "unknown_serial")),
    "another lot":         (loaded,    {"lot": "N"},            ("no",      "mismatch",  "lot_mismatch")),
    "another expiry date": (loaded,    {"expiry": "2031-01-31"}, ("no",      "mismatch",  "expiry_mismatch")),
    "a broken seal":       (loaded,    {"seal": "broken"},      ("no",      "own_state", "seal_broken")),
    "an unknown product":  (foreign,   {},                      ("pending", "not_asked", "unknown_product")),
    "an unknown batch":    (loaded, {"serial": "N", "lot": "N"}, ("pending", "not_asked", "unknown_batch")),
}
# fmt: on


@pytest.mark.parametrize("what", OUTCOMES)
def test_a_pack_of_our_own_is_decided_by_our_own_verdict(world: World, what: str):
    make, sent, (resale, code, verdict) = OUTCOMES[what]
    pack = make(world) | sent
    desk = open_session(world.wholesaler)
    told = desk.scan(pack)
    assert (told["outcome"], told["resale"], told["code"]) == ("counted", resale, code)
    [counted] = told["packs"]
    assert (counted["verdict"], counted["resale"], counted["code"]) == (verdict, resale, code)
    assert counted["asked"] == "not_asked"
    assert (counted["due_at"] is None) is (resale != "pending")
    name = {"yes": "saleable", "no": "refused", "pending": "pending"}[resale]
    assert desk.totals() == {"scanned": 1, name: 1}


@pytest.mark.parametrize(("data", "told"), [("yes", "yes"), ("unknown", "yes"), ("no", "pending")])
def test_without_transaction_data_nothing_is_sold_again(world: World, data: str, told: str):
    desk = open_session(world.wholesaler, transaction_data=data)
    assert desk.scan(loaded(world))["resale"] == told


def test_a_scan_is_in_the_history_of_the_pack_and_raises_its_alert(world: World):
    pack = dispensed(world)
    told = open_session(world.wholesaler).scan(pack)
    events = world.wholesaler.get("/v1/packs/events", gtin=pack["gtin"], serial=pack["serial"]).json["events"]
    mine = [event for event in events if event["operation"] == "returns_check"]
    assert [(event["event_id"], event["code"]) for event in mine] == [(told["event_id"], "already_dispensed")]
    assert [alert["cause"] for alert in told["alerts"]] == ["already_dispensed"]


def test_a_pack_counts_once_and_the_second_scan_tells_who_was_first(world: World):
    desk = open_session(world.wholesaler)
    pack = loaded(world)
    first = desk.scan(pack, user="anna")
    second = desk.scan(pack, user="ben")
    assert (second["outcome"], second["resale"], second["packs"]) == ("duplicate", "no", [])
    assert second["first"]["event_id"] == first["event_id"]
    assert second["first"]["user"] == "anna"
    assert desk.totals() == {"scanned": 1, "saleable": 1, "duplicate": 1}


def test_a_pack_twice_in_one_request_counts_once(world: World):
    desk, pack = open_session(world.wholesaler), loaded(world)
    told = desk.send(pack, pack).json
    assert [each["outcome"] for each in told["results"]] == ["counted", "duplicate"]
    assert told["totals"]["scanned"] == 1


def test_the_raw_code_and_the_elements_name_the_same_pack(world: World):
    desk, pack = open_session(world.wholesaler), loaded(world)
    today = date(2026, 11, 21)
    code = from_elements(**pack, ppn=None, today=today)
    assert not isinstance(code, tuple)
    assert desk.scan({"code": element_string(code)})["resale"] == "yes"
    assert desk.scan(pack)["outcome"] == "duplicate"


def test_a_list_of_packs_tells_matched_extra_and_missing(world: World):
    packs = [loaded(world) for _ in range(3)]
    stranger = loaded(world)
    desk = open_session(world.wholesaler, expected_packs=named(*packs))
    assert desk.look()["missing"] == [
        {"gtin": pack["gtin"].rjust(14, "0"), "serial": pack["serial"], "lot": None, "count": 1}
        for pack in sorted(packs, key=lambda pack: (pack["gtin"], pack["serial"]))
    ]
    told = desk.scan_all([packs[0], packs[1], stranger])
    assert [each["packs"][0]["listed"] for each in told] == [True, True, False]
    assert desk.totals() == {
        "expected": 3, "matched": 2, "extra": 1, "missing": 1, "scanned": 3, "saleable": 3,
    }  # fmt: skip
    assert [line["serial"] for line in desk.look()["missing"]] == [packs[2]["serial"]]


def test_a_list_of_lots_counts_up_to_what_is_expected_of_each(world: World):
    gtin = world.new_gtin()
    packs = [loaded(world, gtin=gtin, lot=lot) for lot in ("A", "A", "A", "B", "C")]
    lots = [{"gtin": gtin, "lot": "A", "count": 2}, {"gtin": gtin, "lot": "B", "count": 3}]
    desk = open_session(world.wholesaler, expected_lots=lots)
    desk.scan_all(packs)
    assert desk.totals() == {
        "expected": 5, "matched": 3, "extra": 2, "missing": 2, "scanned": 5, "saleable": 5,
    }  # fmt: skip
    assert [(line["lot"], line["count"]) for line in desk.look()["missing"]] == [("B", 2)]


def test_a_scan_repeated_with_its_key_gets_its_answer_and_counts_once(world: World):
    desk, pack = open_session(world.wholesaler), loaded(world)
    key = {"idempotency_key": new_key()}
    first, again = desk.scan(pack | key), desk.scan(pack | key)
    assert again == first | {"replayed": True}
    assert desk.totals() == {"scanned": 1, "saleable": 1}
    other = desk.scan(loaded(world) | key)
    assert (other["status"], other["code"]) == (422, "idempotency_key_reused")


def test_an_opening_repeated_with_its_key_is_the_same_session(world: World):
    body = {"reference": "RMA/1", "counterparty_gln": COUNTERPARTY}
    key = new_key()
    first = world.wholesaler.post(SESSIONS, body, key=key)
    again = world.wholesaler.post(SESSIONS, body, key=key)
    assert again.json == first.json
    assert again.headers["Idempotency-Replayed"] == "true"
    other = world.wholesaler.post(SESSIONS, body | {"reference": "RMA/2"}, key=key)
    assert other.json["code"] == "idempotency_key_reused"


LINE = {"gtin": "05012345678900", "serial": "S"}
LOT = {"gtin": "05012345678900", "lot": "L", "count": 1}
WRONG_OPENINGS = [
    ({"counterparty_gln": "4012345000017"}, "counterparty_gln"),
    ({"counterparty_gln": "401234500001"}, "counterparty_gln"),
    ({"reference": ""}, "reference"),
    ({"reference": "Mrs Smith"}, "reference"),
    ({"transaction_data": "perhaps"}, "transaction_data"),
    ({"expected_packs": []}, "expected_packs"),
    ({"expected_packs": [LINE | {"gtin": "05012345678901"}]}, "expected_packs[0].gtin"),
    ({"expected_packs": [LINE | {"serial": ""}]}, "expected_packs[0].serial"),
    ({"expected_packs": [LINE, LINE]}, "expected_packs[1]"),
    ({"expected_lots": [LOT | {"lot": "x" * 21}]}, "expected_lots[0].lot"),
    ({"expected_lots": [LOT | {"count": 0}]}, "expected_lots[0].count"),
    ({"expected_lots": [LOT, LOT | {"count": 2}]}, "expected_lots[1]"),
    ({"expected_packs": [LINE], "expected_lots": [LOT]}, "expected_lots"),
    ({"patient": "x"}, "patient"),
]


@pytest.mark.parametrize(("change", "field"), WRONG_OPENINGS)
def test_a_wrong_opening_is_refused_by_field(world: World, change: dict[str, Any], field: str):
    body = {"reference": "RMA-1", "counterparty_gln": COUNTERPARTY} | change
    answer = world.wholesaler.post(SESSIONS, body)
    assert (answer.status_code, answer.json["code"]) == (422, "invalid_request")
    assert list(answer.json["errors"]) == [field]


WRONG_SCANS = [
    ({"idempotency_key": None}, "idempotency_key_required"),
    ({"idempotency_key": ""}, "idempotency_key_required"),
    ({"gtin": "1"}, "invalid_request"),
    ({"code": "]d2010501234567890021S1"}, "invalid_request"),
    ({"sscc": "340123450000000000"}, "invalid_request"),
    ({"name": "x"}, "invalid_request"),
]


@pytest.mark.parametrize(("change", "code"), WRONG_SCANS)
def test_a_wrong_scan_is_a_problem_of_its_own_and_stops_no_other(
    world: World, change: dict[str, Any], code: str
):
    desk = open_session(world.wholesaler)
    good, other = loaded(world), loaded(world)
    told = desk.send(good | change, other).json
    assert [each["code"] for each in told["results"]] == [code, "ok"]
    assert told["totals"]["scanned"] == 1


@pytest.mark.parametrize("count", [0, 101])
def test_a_request_has_1_to_100_scans(world: World, count: int):
    answer = open_session(world.wholesaler).send(*[{"sscc": "340123450000000000"}] * count)
    assert (answer.status_code, answer.json["errors"]) == (
        422, {"scans": ["Expected an array of 1 to 100 items"]},
    )  # fmt: skip


def test_only_the_own_site_works_at_a_session_and_authorities_look_on(world: World):
    desk = open_session(world.wholesaler)
    stranger = desk.as_(world.other_wholesaler)
    assert stranger.person.get(desk.path).status_code == 404
    assert stranger.send(loaded(world)).status_code == 404
    assert stranger.recheck().status_code == 404
    assert stranger.close().status_code == 404
    assert stranger.person.get(f"{desk.path}/summary").status_code == 404
    for person in (world.regulator, world.operator):
        assert person.get(desk.path).json["id"] == desk.id
        assert desk.as_(person).close().json["code"] == "not_for_this_site"
    assert desk.totals() == {}


def test_sessions_are_listed_newest_first_by_page_and_only_the_own_ones(world: World):
    person = world.hospital
    mine = [open_session(person).id for _ in range(53)][::-1]
    page = person.get(SESSIONS)
    seen = [each["id"] for each in page.json["sessions"]]
    assert seen == mine[:50]
    following = dict(parse_qsl(urlsplit(page.headers["Link"].split(">")[0]).query))
    assert [each["id"] for each in person.get(SESSIONS, **following).json["sessions"]] == mine[50:]
    assert person.get(SESSIONS, site=world.wholesaler.site.gln).json["sessions"] == []
    theirs = world.regulator.get(SESSIONS, site=person.site.gln).json["sessions"]
    assert [each["id"] for each in theirs] == mine[:50]
    Desk(person, mine[0]).close()
    assert [each["id"] for each in person.get(SESSIONS, status="closed").json["sessions"]] == mine[:1]
    assert person.get(SESSIONS, status="shut").status_code == 422
    assert person.get(SESSIONS, cursor="x").status_code == 422


@pytest.mark.parametrize(("said", "resale"), SAID.items())
def test_of_a_pack_that_is_not_ours_the_network_is_asked_once(world: World, said: str, resale: str):
    network = Network()
    person = with_network(world, network)(world.wholesaler)
    desk, pack = open_session(person), world.pack(stored=False)
    network.says[pack["serial"]] = said
    told = desk.scan(pack)
    assert (told["outcome"], told["resale"], told["code"]) == ("counted", resale, said)
    assert told["packs"][0]["responder_gln"] == "0321012345676"
    assert told["packs"][0]["verdict"] is None
    assert desk.scan(pack)["outcome"] == "duplicate"
    assert network.asked == [(pack["serial"], "dscsaSaleableReturn", True)]


def test_a_pack_of_our_own_is_asked_of_nobody(world: World):
    network = Network()
    desk = open_session(with_network(world, network)(world.wholesaler))
    desk.scan_all([loaded(world), dispensed(world), loaded(world) | {"serial": "NEVER"}])
    assert network.asked == []


def test_a_pending_pack_is_asked_again_until_it_is_answered(world: World):
    network = Network()
    desk = open_session(with_network(world, network)(world.wholesaler))
    packs = [world.pack(stored=False) for _ in range(3)]
    desk.scan_all(packs)
    network.says |= {packs[0]["serial"]: "ok", packs[1]["serial"]: "mismatch"}
    told = desk.recheck().json
    assert Counter(pack["resale"] for pack in told["packs"]) == {"yes": 1, "no": 1, "pending": 1}
    assert desk.totals() == {"scanned": 3, "saleable": 1, "refused": 1, "pending": 1}
    network.asked.clear()
    assert [pack["serial"] for pack in desk.recheck().json["packs"]] == [packs[2]["serial"]]
    assert [serial for serial, _, _ in network.asked] == [packs[2]["serial"]]


def test_a_recheck_repeated_with_its_key_asks_nobody(world: World):
    network = Network()
    desk = open_session(with_network(world, network)(world.wholesaler))
    desk.scan(world.pack(stored=False))
    key = new_key()
    first = desk.recheck(key=key)
    network.asked.clear()
    again = desk.recheck(key=key)
    assert again.data == first.data
    assert network.asked == []


def test_a_hold_that_is_lifted_makes_the_pack_saleable_at_the_next_recheck(world: World):
    desk, pack = open_session(world.wholesaler), recalled(world, "hold")
    desk.scan(pack)
    body = {"gtin": pack["gtin"], "lot": "BAD", "reason": "Cleared"}
    assert world.regulator.post("/v1/batches/release", body).status_code == 200
    assert [each["resale"] for each in desk.recheck().json["packs"]] == ["yes"]


def test_after_24_hours_a_pending_pack_is_overdue(world: World):
    desk = open_session(world.wholesaler)
    desk.scan(world.pack(stored=False))
    [waiting] = desk.look()["pending"]
    assert desk.look()["totals"]["overdue"] == 0
    world.clock.moved = timedelta(hours=24, seconds=1)
    try:
        world.wholesaler._token = None
        assert desk.look()["totals"]["overdue"] == 1
        assert desk.look()["pending"][0]["due_at"] == waiting["due_at"]
    finally:
        world.clock.moved = timedelta(0)
        world.wholesaler._token = None


def test_a_scan_that_loses_while_the_network_is_asked_is_a_duplicate(world: World):
    network = Network()
    desk = open_session(with_network(world, network)(world.wholesaler))
    pack = world.pack(stored=False)
    other = desk.as_(world.wholesaler)
    network.says[pack["serial"]] = "ok"
    network.meanwhile = lambda: other.scan(pack, user="ben")
    told = desk.scan(pack, user="anna")
    assert (told["outcome"], told["resale"], told["first"]["user"]) == ("duplicate", "no", "ben")
    assert desk.totals() == {"scanned": 1, "pending": 1, "duplicate": 1}


def test_a_session_that_closes_while_the_network_is_asked_counts_the_pack_no_more(world: World):
    network = Network()
    desk = open_session(with_network(world, network)(world.wholesaler))
    pack = world.pack(stored=False)
    network.says[pack["serial"]] = "ok"
    network.meanwhile = lambda: desk.as_(world.wholesaler).close()
    assert desk.scan(pack)["code"] == "session_closed"
    assert desk.totals() == {}


def test_of_two_rechecks_at_once_the_first_answer_stays(world: World):
    network = Network()
    desk = open_session(with_network(world, network)(world.wholesaler))
    pack = world.pack(stored=False)
    desk.scan(pack)

    def other() -> None:
        network.meanwhile = lambda: None
        network.says[pack["serial"]] = "mismatch"
        assert [each["resale"] for each in desk.recheck().json["packs"]] == ["no"]
        network.says[pack["serial"]] = "ok"

    network.meanwhile = other
    assert desk.recheck().json["packs"] == []
    assert desk.totals() == {"scanned": 1, "refused": 1}
