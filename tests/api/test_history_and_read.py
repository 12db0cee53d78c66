"""A pack read without an alert, and its history: who sees what, and the same 404 for the rest."""

from typing import Any

import pytest
from situations import Pack
from world import Person, World

OUTSIDERS = ("corner_pharmacy", "hospital", "wholesaler")
INSIDERS = ("manufacturer", "regulator", "operator")
HISTORY = {
    "event_id", "operation", "reason", "code", "accepted", "version", "state_before", "state_after",
    "received_at", "occurred_at", "site", "client_id", "details",
}  # fmt: skip


def read(world: World, name: str, pack: Pack, *elements: str) -> tuple[int, str]:
    person: Person = getattr(world, name)
    answer = person.get("/v1/packs", **{element: pack[element] for element in elements or pack})
    return answer.status_code, answer.json["code"]


def history(person: Person, pack: Pack) -> list[dict[str, Any]] | None:
    """The events, or None when they are not found."""
    answer = person.get("/v1/packs/events", gtin=pack["gtin"], serial=pack["serial"])
    if answer.status_code == 404:
        assert answer.json["code"] == "not_found"
        return None
    assert answer.status_code == 200, answer.text
    return answer.json["events"]


@pytest.mark.parametrize("name", OUTSIDERS + INSIDERS)
def test_everybody_who_may_read_reads_a_pack_by_all_four_elements(world: World, name: str):
    assert read(world, name, world.pack()) == (200, "ok")


@pytest.mark.parametrize("name", INSIDERS)
@pytest.mark.parametrize(
    "elements", [("gtin", "serial"), ("gtin", "serial", "lot"), ("gtin", "serial", "expiry")]
)
def test_owner_authority_and_operator_need_product_code_and_serial_only(
    world: World, name: str, elements: tuple[str, ...]
):
    assert read(world, name, world.pack(), *elements) == (200, "ok")


@pytest.mark.parametrize("name", [*OUTSIDERS, "other_manufacturer"])
@pytest.mark.parametrize(
    "elements", [("gtin", "serial"), ("gtin", "serial", "lot"), ("gtin", "serial", "expiry")]
)
def test_others_who_leave_an_element_out_find_nothing(world: World, name: str, elements: tuple[str, ...]):
    assert read(world, name, world.pack(), *elements) == (404, "not_found")


def test_another_manufacturers_pack_is_not_found_by_any_elements(world: World):
    assert read(world, "other_manufacturer", world.pack()) == (404, "not_found")


@pytest.mark.parametrize("name", OUTSIDERS)
def test_unknown_and_mismatching_are_the_same_404_word_for_word(world: World, name: str):
    pack = world.pack()
    person: Person = getattr(world, name)
    wrong = [{"serial": "NEVER"}, {"serial": "NEVER", "lot": "NEVER"}, {"lot": "NEVER"}, {"expiry": "311231"}]
    answers = [person.get("/v1/packs", **(pack | change)) for change in wrong]
    answers.append(person.get("/v1/packs", **world.pack(stored=False)))
    answers.append(person.get("/v1/packs", gtin=pack["gtin"], serial=pack["serial"]))
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.data for answer in answers}) == 1


@pytest.mark.parametrize("name", INSIDERS)
def test_an_unknown_pack_is_not_found_by_anybody(world: World, name: str):
    assert read(world, name, world.pack() | {"serial": "NEVER"}, "gtin", "serial") == (404, "not_found")
    assert read(world, name, world.pack(stored=False), "gtin", "serial") == (404, "not_found")


@pytest.mark.parametrize("name", INSIDERS)
@pytest.mark.parametrize(
    ("code", "wrong"), [("lot_mismatch", {"lot": "NEVER"}), ("expiry_mismatch", {"expiry": "311231"})]
)
def test_owner_authority_and_operator_are_told_which_element_does_not_match(
    world: World, name: str, code: str, wrong: Pack
):
    pack = world.pack()
    person: Person = getattr(world, name)
    for sent in (pack | wrong, {element: pack[element] for element in ("gtin", "serial")} | wrong):
        answer = person.get("/v1/packs", **sent)
        assert (answer.status_code, answer.json["code"]) == (200, code)
        assert (answer.json["accepted"], answer.json["signal"]) == (False, "red")
        assert (answer.json["alert"], answer.json["pack"]["state"]) == (None, None)
    assert world.regulator.get("/v1/alerts", gtin=pack["gtin"]).json["alerts"] == []


def test_a_read_tells_what_a_verify_tells_and_raises_nothing(world: World):
    pack = world.pack()
    world.other_pharmacy.dispense(pack)
    told = world.corner_pharmacy.get("/v1/packs", **pack).json
    assert (told["operation"], told["code"], told["accepted"]) == ("read", "already_dispensed", False)
    assert told["alert"] is None
    world.manufacturer.get("/v1/packs", gtin=pack["gtin"], serial=pack["serial"])
    assert world.regulator.get("/v1/alerts", gtin=pack["gtin"]).json["alerts"] == []
    verdict = world.corner_pharmacy.verify(pack)
    assert verdict["pack"] == told["pack"]
    assert (verdict["code"], verdict["alert"]["count"]) == ("already_dispensed", 1)


def test_a_read_by_the_manufacturer_shows_no_site(world: World):
    pack = world.pack()
    world.corner_pharmacy.dispense(pack)
    answer = world.manufacturer.get("/v1/packs", gtin=pack["gtin"], serial=pack["serial"])
    assert answer.json["pack"]["state"] == "dispensed"
    assert world.corner_pharmacy.site.gln not in answer.text
    assert world.corner_pharmacy.client_id not in answer.text


def eventful(world: World) -> Pack:
    """Verified, dispensed, refused elsewhere, undone, verified elsewhere and decommissioned there."""
    pack = world.pack()
    world.corner_pharmacy.verify(pack, user="u-1")
    world.corner_pharmacy.dispense(pack, reference="R1")
    world.other_pharmacy.dispense(pack)
    world.corner_pharmacy.reactivate(pack, not_supplied_to_public=True)
    world.other_pharmacy.verify(pack)
    world.other_pharmacy.decommission(pack, "sample")
    return pack


# fmt: off
STORY = [
    # operation      reason    code                 accepted version before       after        by
    ("verify",       None,     "ok",                True,  None, "active",    "active",    "corner_pharmacy"),
    ("dispense",     None,     "ok",                True,  1,    "active",    "dispensed", "corner_pharmacy"),
    ("dispense",     None,     "already_dispensed", False, None, "dispensed", "dispensed", "other_pharmacy"),
    ("reactivate",   None,     "ok",                True,  2,    "dispensed", "active",    "corner_pharmacy"),
    ("verify",       None,     "ok",                True,  None, "active",    "active",    "other_pharmacy"),
    ("decommission", "sample", "ok",                True,  3,    "active",    "sample",    "other_pharmacy"),
]
# fmt: on
TOLD = ("operation", "reason", "code", "accepted", "version", "state_before", "state_after")


@pytest.mark.parametrize("name", ["regulator", "operator"])
def test_authority_and_operator_see_the_whole_story_in_its_order_with_the_sites(world: World, name: str):
    events = history(getattr(world, name), eventful(world))
    assert events is not None
    assert [tuple(event[field] for field in TOLD) for event in events] == [row[:-1] for row in STORY]
    assert [event["site"] for event in events] == [getattr(world, row[-1]).site.gln for row in STORY]
    assert all(set(event) == HISTORY for event in events)
    assert [event["received_at"] for event in events] == sorted(event["received_at"] for event in events)
    assert events[0]["details"]["user"] == "u-1"
    assert events[1]["details"]["reference"] == "R1"


def test_a_manufacturer_sees_the_whole_story_without_the_sites(world: World):
    pack = eventful(world)
    events = history(world.manufacturer, pack)
    assert events is not None
    assert [tuple(event[field] for field in TOLD) for event in events] == [row[:-1] for row in STORY]
    assert {(event["site"], event["client_id"], event["details"]) for event in events} == {(None, None, None)}


@pytest.mark.parametrize("name", ["corner_pharmacy", "other_pharmacy", "hospital", "wholesaler"])
def test_a_site_sees_its_own_events_and_of_others_the_changes_without_the_site(world: World, name: str):
    events = history(getattr(world, name), eventful(world))
    assert events is not None
    seen = [row for row in STORY if row[-1] == name or row[4] is not None]
    assert [tuple(event[field] for field in TOLD) for event in events] == [row[:-1] for row in seen]
    for event, row in zip(events, seen, strict=True):
        if row[-1] == name:
            assert event["site"] == getattr(world, name).site.gln
            assert event["details"]["entry_mode"] == "scanned"
        else:
            assert (event["site"], event["client_id"], event["details"]) == (None, None, None)


def test_another_manufacturer_sees_nothing_of_it(world: World):
    assert history(world.other_manufacturer, eventful(world)) is None


@pytest.mark.parametrize("name", INSIDERS)
def test_a_pack_that_nobody_has_scanned_has_an_empty_history_for_owner_authority_and_operator(
    world: World, name: str
):
    assert history(getattr(world, name), world.pack()) == []


@pytest.mark.parametrize("name", [*OUTSIDERS, "other_manufacturer"])
def test_a_pack_that_nobody_has_scanned_is_not_found_by_others(world: World, name: str):
    assert history(getattr(world, name), world.pack()) is None


@pytest.mark.parametrize("name", [*OUTSIDERS, *INSIDERS, "other_manufacturer"])
def test_a_pack_that_is_not_there_has_no_history_until_somebody_scans_it(world: World, name: str):
    assert history(getattr(world, name), world.pack(stored=False)) is None
    assert history(getattr(world, name), world.pack() | {"serial": "NEVER"}) is None


@pytest.mark.parametrize("serial", ["é", "a b", "}{", "\ud7ff\uffff", "x" * 3000])
def test_what_no_serial_may_be_has_no_history(world: World, serial: str):
    pack = world.pack()
    world.corner_pharmacy.verify(pack)
    for _ in range(2):
        assert history(world.regulator, pack | {"serial": serial}) is None


@pytest.mark.parametrize("name", INSIDERS)
def test_the_scans_of_a_pack_that_is_not_there_are_its_history(world: World, name: str):
    pack = world.pack() | {"serial": "NEVER"}
    world.corner_pharmacy.verify(pack)
    events = history(getattr(world, name), pack) or []
    assert [event["code"] for event in events] == ["unknown_serial"]


def test_a_site_without_events_sees_none_where_only_others_looked(world: World):
    pack = world.pack()
    world.corner_pharmacy.verify(pack)
    world.corner_pharmacy.verify(pack | {"lot": "OTHER"})
    assert history(world.other_pharmacy, pack) is None
    assert len(history(world.corner_pharmacy, pack) or ()) == 2


def test_an_event_is_told_under_the_id_of_its_verdict(world: World):
    pack = world.pack()
    verdicts = [world.corner_pharmacy.verify(pack), world.corner_pharmacy.dispense(pack)]
    events = history(world.corner_pharmacy, pack) or []
    assert [event["event_id"] for event in events] == [verdict["event_id"] for verdict in verdicts]
    assert [event["received_at"] for event in events] == [verdict["received_at"] for verdict in verdicts]


def test_a_history_says_what_was_sent(world: World):
    pack = world.pack()
    world.corner_pharmacy.verify(pack | {"lot": "PRINTED", "expiry": "311200"})
    [event] = history(world.corner_pharmacy, pack) or []
    assert (event["details"]["lot"], event["details"]["expiry"]) == ("PRINTED", "2031-12")
