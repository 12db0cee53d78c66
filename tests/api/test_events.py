"""One event by its id: the owner's attempt with the verdict as it was given then."""

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from problems import is_problem
from situations import Pack, command
from test_bulk import item, send
from werkzeug.test import TestResponse
from world import Person, World

Verdict = dict[str, Any]
FIELDS = {
    "event_id", "operation", "reason", "code", "accepted", "version", "state_before", "state_after",
    "received_at", "occurred_at", "site", "client_id", "details", "verdict",
}  # fmt: skip
OTHERS = ("other_pharmacy", "hospital", "wholesaler", "manufacturer", "other_manufacturer")


def show(world: World, person: Person, event_id: str) -> TestResponse:
    world.service.spool.ship()  # a scan may take two seconds otherwise
    return person.get(f"/v1/events/{event_id}")


def shown(world: World, person: Person, event_id: str) -> dict[str, Any]:
    answer = show(world, person, event_id)
    assert answer.status_code == 200, answer.text
    assert set(answer.json) == FIELDS
    return answer.json


def gone(world: World) -> Pack:
    pack = world.pack()
    world.other_pharmacy.dispense(pack)
    return pack


def dispensed_here(world: World) -> Pack:
    pack = world.pack()
    world.corner_pharmacy.dispense(pack)
    return pack


def read(world: World, pack: Pack) -> Verdict:
    return world.corner_pharmacy.get("/v1/packs", **pack).json


ATTEMPTS: dict[str, Callable[[World, Person], Verdict]] = {
    "a green verify": lambda w, p: p.verify(w.pack()),
    "a red verify": lambda w, p: p.verify(gone(w)),
    "a verify of an unknown product": lambda w, p: p.verify(w.pack(stored=False)),
    "a verify of another lot": lambda w, p: p.verify(w.pack() | {"lot": "OTHER"}),
    "a dispense": lambda w, p: p.dispense(w.pack()),
    "a refused dispense": lambda w, p: p.dispense(gone(w)),
    "a decommission": lambda w, p: p.decommission(w.pack(), "destroyed"),
    "a refused decommission": lambda w, p: p.decommission(gone(w), "sample"),
    "an undo": lambda w, p: p.reactivate(dispensed_here(w), not_supplied_to_public=True),
    "a refused undo": lambda w, p: p.reactivate(dispensed_here(w)),
    "a check of a return": lambda w, p: p.returns_check(w.pack()),
    "a refused check of a return": lambda w, p: p.returns_check(gone(w)),
    "a read": lambda w, p: p.get("/v1/packs", **w.pack()).json,
    "a red read": lambda w, p: p.get("/v1/packs", **gone(w)).json,
    "a verify in bulk": lambda w, p: send(p, item("verify", w.pack()))[0],
    "a dispense in bulk": lambda w, p: send(p, item("dispense", w.pack()))[0],
    "a duplicate in bulk": lambda w, p: send(p, *[item("verify", w.pack(serial="TWICE"))] * 2)[1],
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_the_owner_sees_the_verdict_as_it_was_given(world: World, attempt: str):
    verdict = ATTEMPTS[attempt](world, world.corner_pharmacy)
    event = shown(world, world.corner_pharmacy, verdict["event_id"])
    assert event["verdict"] == verdict
    for name in ("event_id", "operation", "code", "accepted", "received_at"):
        assert event[name] == verdict[name]
    assert event["site"] == world.corner_pharmacy.site.gln
    assert event["client_id"] == world.corner_pharmacy.client_id


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_an_event_is_there_as_soon_as_its_verdict_is(world: World, attempt: str):
    """Nobody hurries the shipping of the scans here."""
    verdict = ATTEMPTS[attempt](world, world.corner_pharmacy)
    answer = world.corner_pharmacy.get(f"/v1/events/{verdict['event_id']}")
    assert answer.status_code == 200, answer.text
    assert answer.json["verdict"] == verdict


def test_an_event_that_never_was_is_waited_for_a_second_and_no_longer(world: World):
    before = time.monotonic()
    is_problem(world.corner_pharmacy.get(f"/v1/events/{uuid4()}"), 404, "not_found")
    assert time.monotonic() - before < 2


def test_it_shows_what_was_found_what_became_of_it_and_the_circumstances(world: World):
    sent = {
        "user": "u-1", "reference": "R-7", "seal": "intact", "entry_mode": "manual", "offline": True,
        "occurred_at": "2026-01-02T03:04:05.678+01:00", "device": {"id": "till-1", "sequence": 9},
    }  # fmt: skip
    pack = world.pack()
    verdict = world.corner_pharmacy.decommission(pack, "sample", **sent)
    event = shown(world, world.corner_pharmacy, verdict["event_id"])
    assert (event["reason"], event["version"]) == ("sample", 1)
    assert (event["state_before"], event["state_after"]) == ("active", "sample")
    assert event["occurred_at"] == "2026-01-02T02:04:05.678000Z"
    given = {name: sent[name] for name in sent if name != "occurred_at"}
    printed = {"lot": pack["lot"], "expiry": pack["expiry"], "ppn": None}
    assert {name: value for name, value in event["details"].items() if value is not None} == {
        name: value for name, value in (given | printed).items() if value is not None
    }


def test_the_raw_code_is_shown_with_its_control_characters_spelt_out(world: World):
    pack = world.pack()
    day = pack["expiry"][2:].replace("-", "")
    raw = f"]d201{pack['gtin']}17{day}10{pack['lot']}\x1d21{pack['serial']}"
    event = shown(world, world.corner_pharmacy, world.corner_pharmacy.verify({"code": raw})["event_id"])
    assert event["details"]["raw"] == raw.replace("\x1d", "\\x1d")


def test_it_shows_what_was_said_then_even_when_everything_has_changed_since(world: World):
    pack = world.pack()
    verdict = world.corner_pharmacy.verify(pack)
    world.other_pharmacy.dispense(pack)
    command(world, world.regulator, "batches/recall", pack["gtin"], pack["lot"])
    world.manufacturer.put(f"/v1/products/{pack['gtin']}", {"name": "Another name"})
    event = shown(world, world.corner_pharmacy, verdict["event_id"])
    assert event["verdict"] == verdict
    assert event["verdict"]["pack"]["product"]["name"] == "Painaway"
    assert event["state_after"] == "active"


def test_the_words_stay_in_the_language_in_which_they_were_said(world: World):
    pack = world.pack()
    said = world.corner_pharmacy.post("/v1/dispense", pack, Accept_Language="fr").json
    event = shown(world, world.corner_pharmacy, said["event_id"])
    assert event["verdict"]["title"] == said["title"] != world.corner_pharmacy.dispense(world.pack())["title"]


def test_a_replay_is_the_event_of_the_first_time(world: World):
    pack, key = world.pack(), uuid4().hex
    first = world.corner_pharmacy.post("/v1/dispense", pack, key=key).json
    world.corner_pharmacy.post("/v1/dispense", pack, key=key)
    assert shown(world, world.corner_pharmacy, first["event_id"])["verdict"] == first


def test_a_code_that_could_not_be_read_has_an_event_without_a_verdict(world: World):
    pack = world.pack()
    code = f"]d201{pack['gtin']}21{pack['serial']}"
    answer = world.corner_pharmacy.post("/v1/dispense", {"code": code, "user": "u-1"})
    is_problem(answer, 422, "unreadable_code")
    history = world.corner_pharmacy.get("/v1/packs/events", gtin=pack["gtin"], serial=pack["serial"])
    [told] = history.json["events"]
    event = shown(world, world.corner_pharmacy, told["event_id"])
    assert (event["code"], event["reason"], event["accepted"]) == ("unreadable_code", "missing_lot", False)
    assert event["verdict"] is None
    assert (event["version"], event["state_before"], event["state_after"]) == (None, None, None)
    assert event["details"]["user"] == "u-1"
    is_problem(show(world, world.other_pharmacy, told["event_id"]), 404, "not_found")


@pytest.fixture(scope="module")
def nothing(world: World) -> bytes:
    """What is said of an event that never was."""
    return show(world, world.corner_pharmacy, str(uuid4())).data


@pytest.mark.parametrize("attempt", ["a green verify", "a dispense", "a refused dispense"])
@pytest.mark.parametrize("who", OTHERS)
def test_another_site_finds_nothing_whatever_it_was(world: World, nothing: bytes, attempt: str, who: str):
    """Also the manufacturer of the pack: the verdict would tell nothing of the site, the event all of it."""
    verdict = ATTEMPTS[attempt](world, world.corner_pharmacy)
    answer = show(world, getattr(world, who), verdict["event_id"])
    is_problem(answer, 404, "not_found")
    assert answer.data == nothing


@pytest.mark.parametrize("attempt", ["a green verify", "a dispense", "a refused dispense"])
@pytest.mark.parametrize("who", ["regulator", "operator"])
def test_authority_and_operator_see_every_event_with_its_site(world: World, attempt: str, who: str):
    verdict = ATTEMPTS[attempt](world, world.corner_pharmacy)
    event = shown(world, getattr(world, who), verdict["event_id"])
    assert event["verdict"] == verdict
    assert event["site"] == world.corner_pharmacy.site.gln
    assert event == shown(world, world.corner_pharmacy, verdict["event_id"])


@pytest.mark.parametrize("who", ["wholesaler", "manufacturer", "regulator", "operator"])
def test_every_type_of_site_sees_its_own(world: World, who: str):
    person = getattr(world, who)
    verdict = person.verify(world.pack())
    assert shown(world, person, verdict["event_id"])["verdict"] == verdict


GARBAGE = [
    "x",
    "1",
    "nil",
    "00000000-0000-0000-0000-000000000000",
    "00000000-0000-0000-0000-00000000000g",
    "0000_0000-0000-0000-0000-000000000000",
    "0" * 33,
    "a" * 3000,
    "%00",
    "%FF",
    "\u0661" * 32,
    "' OR 1=1 --",
    "{}",
    "..%2Falerts",
]


@pytest.mark.parametrize("event_id", GARBAGE)
def test_what_is_no_id_is_not_found(world: World, event_id: str):
    for person in (world.corner_pharmacy, world.regulator):
        is_problem(person.get(f"/v1/events/{event_id}"), 404, "not_found")


def test_an_alert_leads_to_its_event_and_no_alert_id_is_an_event_id(world: World):
    verdict = world.corner_pharmacy.verify(gone(world))
    alert = world.corner_pharmacy.get(f"/v1/alerts/{verdict['alert']['id']}").json
    assert shown(world, world.corner_pharmacy, alert["event_id"])["verdict"] == verdict
    is_problem(show(world, world.corner_pharmacy, alert["id"]), 404, "not_found")


def test_ids_are_the_same_however_they_are_written(world: World):
    verdict = world.corner_pharmacy.dispense(world.pack())
    written = UUID(verdict["event_id"])
    for form in (str(written).upper(), written.hex, f"urn:uuid:{written}"):
        assert shown(world, world.corner_pharmacy, form)["event_id"] == verdict["event_id"]
