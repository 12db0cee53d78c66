"""The returns desk over HTTP: what is counted, what it is told, and what is refused."""

from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from returning import (
    COUNTERPARTY,
    SESSIONS,
    Desk,
    dispensed,
    loaded,
    named,
    new_key,
    open_session,
    recalled,
)
from world import World

from verifier.domain.codes import element_string, from_elements


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
    "a broken seal":       (loaded,    {"seal": "broken"},      ("no",      "seal_broken", "seal_broken")),
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
    assert counted["due_at"] is None, "nobody is asked, so no answer is due"
    name = {"yes": "saleable", "no": "refused", "pending": "pending"}[resale]
    assert desk.totals() == {"scanned": 1, name: 1}


@pytest.mark.parametrize(("make", "sent"), [(foreign, {}), (loaded, {"serial": "N", "lot": "N"})])
def test_a_pack_of_which_nothing_is_known_here_is_asked_about(world: World, make: Any, sent: dict[str, Any]):
    desk = open_session(world.wholesaler)
    told = desk.scan(make(world) | sent)
    [counted] = told["packs"]
    assert (counted["asked"], counted["resale"], counted["code"]) == (
        "unknown_gtin",
        "pending",
        "unknown_gtin",
    )
    assert (counted["verdict"], counted["next_step"]) == (None, "ask_manufacturer")
    assert counted["due_at"] is None, "nobody is listed, so no answer is due"
    assert desk.totals() == {"scanned": 1, "pending": 1}


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
