"""Marks and alerts that are written down here keep a returned pack back; a second scan counts too."""

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from returning import load_case, new_sscc, open_session
from sqlalchemy import text
from standin import Responder, network
from vrs_world import alerts, ask, asking_world, enter, foreign, known
from world import World

from verifier.cli.main import main
from verifier.domain.lms_rules import Mark, mark_entry
from verifier.services import returned
from verifier.storage.responder import Ledger

Pack = dict[str, Any]
SUSPECT = {
    "verified": False,
    "verificationFailureReason": "Not_for_re-distribution",
    "additionalInfo": "Suspect",
}
EXTENDED = {"verified": True, "additionalInfo": "ExpirationExtended"}


@pytest.fixture(scope="module")
def world(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = asking_world(tmp_path_factory.mktemp("home"), new_database())
    yield made
    made.service.close()


def marked(world: World, pack: Pack, mark: Mark, until: date | None = None, *, off: bool = False) -> None:
    entry = mark_entry(pack["gtin"].zfill(14), pack["lot"], mark, until=until, off=off)
    Ledger(world.service.engine).change(entry, who="ada", why="a test", at=datetime.now(UTC))


def ours(world: World, **more: Any) -> Pack:
    return world.pack(profile="us_dscsa", **more)


def closed(world: World, alert_id: str) -> Pack | None:
    """By the command, as its answer."""
    own = {
        "VERIFIER_DATABASE_URL": world.service.settings.database_url,
        "VERIFIER_HOME": str(world.service.settings.home),
    }
    others = {name: None for name in os.environ if name.startswith("VERIFIER_")}
    done = CliRunner().invoke(main, ["alert", "close", alert_id, "--why", "a test"], env=others | own)
    return json.loads(done.stdout) if done.exit_code == 0 else None


def named_of(alert: Pack) -> Pack:
    return {"alert_id": alert["id"]} | {name: alert[name] for name in ("gtin", "serial", "code", "cause")}


def decided(told: Pack) -> tuple[str, str]:
    return told["resale"], told["code"]


def of(summary: Pack, pack: Pack) -> tuple[str, str]:
    return decided(next(each for each in summary["packs"] if each["serial"] == pack["serial"]))


@pytest.mark.parametrize("mark", [Mark.SUSPECT, Mark.ILLEGITIMATE])
def test_a_pack_of_a_marked_lot_is_not_resold_and_one_scanned_before_is_judged_again(
    world: World, mark: Mark
):
    pack, early = ours(world, lot=f"M{mark}"), open_session(world.wholesaler)
    assert decided(early.scan(pack)) == ("yes", "ok")
    marked(world, pack, mark)
    assert decided(open_session(world.wholesaler).scan(pack)) == ("no", mark.value)
    assert of(early.close().json["summary"], pack) == ("no", mark.value)
    marked(world, pack, mark, off=True)
    assert decided(open_session(world.wholesaler).scan(pack)) == ("yes", "ok")


def test_a_mark_counts_for_a_lot_of_somebody_else_too(world: World):
    pack = foreign(world, lot="STOLEN1")
    marked(world, pack, Mark.ILLEGITIMATE)
    with network(peer := Responder(known(pack))):
        enter(world, pack["gtin"], peer.url)
        assert decided(ask(world.wholesaler, pack)) == ("no", "illegitimate")
        assert decided(open_session(world.wholesaler).scan(pack)) == ("no", "illegitimate")
    assert alerts(world.wholesaler, pack) == [], "the manufacturer has said nothing against it"


def test_a_lot_whose_expiry_is_extended_may_be_resold_until_then(world: World):
    pack = ours(world, lot="LONGER", expiry="2026-01-31")
    assert decided(open_session(world.wholesaler).scan(pack)) == ("no", "expired")
    marked(world, pack, Mark.EXPIRY_EXTENDED, date(2099, 1, 1))
    desk = open_session(world.wholesaler)
    assert decided(desk.scan(pack)) == ("yes", "ok")
    assert of(desk.close().json["summary"], pack) == ("yes", "ok")
    assert decided(world.wholesaler.post("/v1/returns/check", pack, key=None).json) == ("no", "expired")


def test_an_extended_expiry_hides_nothing_else(world: World):
    pack = ours(world, lot="LONGHELD", expiry="2026-01-31")
    marked(world, pack, Mark.EXPIRY_EXTENDED, date(2099, 1, 1))
    body = {"gtin": pack["gtin"], "lot": pack["lot"], "reason": "Quality"}
    assert world.regulator.post("/v1/batches/hold", body).status_code == 200
    assert decided(open_session(world.wholesaler).scan(pack)) == ("pending", "on_hold")


def test_a_pack_with_an_open_alert_waits_until_somebody_has_looked_into_it(world: World):
    pack = ours(world)
    early = open_session(world.wholesaler)
    assert decided(early.scan(pack)) == ("yes", "ok")
    world.corner_pharmacy.verify(pack, seal="broken")
    late = open_session(world.wholesaler)
    told = late.scan(pack)
    assert (*decided(told), told["next_step"]) == ("pending", "alert_open", "look_at_alert")
    assert of(early.close().json["summary"], pack) == ("pending", "alert_open")
    [raised] = alerts(world.corner_pharmacy, pack)
    assert closed(world, raised["id"]) == {**named_of(raised), "status": "closed"}
    assert {decided(each) for each in late.recheck().json["packs"]} == {("yes", "ok")}
    assert closed(world, raised["id"]) is None, "it is closed already"
    shown = world.corner_pharmacy.get(f"/v1/alerts/{raised['id']}").json
    assert (shown["status"], shown["details"]["closed"]["why"]) == ("closed", "a test")
    world.corner_pharmacy.verify(pack, seal="broken")
    assert decided(open_session(world.wholesaler).scan(pack)) == ("pending", "alert_open"), "it opens again"


PASSING = {
    "a state that does not matter any more": "dispense",
    "the same pack twice in a request": "bulk",
    "a mistyped lot": "slip",
}


@pytest.mark.parametrize("what", PASSING)
def test_an_alert_that_says_nothing_against_the_pack_itself_keeps_it_back_no_longer(world: World, what: str):
    pack = ours(world)
    if PASSING[what] == "dispense":
        world.corner_pharmacy.dispense(pack)
        assert world.hospital.dispense(pack)["alert"] is not None
        world.corner_pharmacy.reactivate(pack)
    elif PASSING[what] == "bulk":
        item = {"operation": "verify"} | pack
        body = {"items": [item, item]}
        assert world.corner_pharmacy.post("/v1/bulk", body, key=None).json["results"][1]["accepted"] is False
    else:
        assert world.corner_pharmacy.verify(pack | {"lot": "OTHER"})["code"] == "lot_mismatch"
    assert decided(open_session(world.wholesaler).scan(pack)) == ("yes", "ok")


def test_what_the_network_has_once_called_suspect_waits_although_it_now_says_yes(world: World):
    pack, spared = foreign(world), foreign(world)
    with network(peer := Responder(known(pack, **SUSPECT))):
        enter(world, pack["gtin"], peer.url)
        told = open_session(world.wholesaler).scan(pack)
        assert decided(told) == ("no", "suspect")
        assert [alert["cause"] for alert in told["alerts"]] == ["suspect"]
    with network(peer := Responder(known(pack), known(spared))):
        enter(world, pack["gtin"], peer.url)
        enter(world, spared["gtin"], peer.url)
        assert decided(ask(world.wholesaler, pack)) == ("pending", "alert_open")
        desk = open_session(world.wholesaler)
        assert decided(desk.scan(pack)) == ("pending", "alert_open")
        assert decided(desk.scan(spared)) == ("yes", "ok")


def test_a_pack_that_the_network_calls_suspect_meanwhile_is_not_signed_as_saleable(
    world: World,
):
    pack = foreign(world)
    desk = open_session(world.wholesaler)
    with network(peer := Responder(known(pack))):
        enter(world, pack["gtin"], peer.url)
        assert decided(desk.scan(pack)) == ("yes", "ok")
    with network(peer := Responder(known(pack, **SUSPECT))):
        enter(world, pack["gtin"], peer.url)
        assert ask(world.wholesaler, pack)["code"] == "suspect"
    summary = desk.close().json["summary"]
    assert of(summary, pack) == ("pending", "alert_open")
    assert summary["packs"][0]["asked"] == "verified", "what was said stays written down"


@pytest.mark.parametrize(("data", "after"), [({}, ("no", "expired")), (EXTENDED, ("yes", "ok"))])
def test_a_pack_that_expires_while_the_session_is_open_is_not_saleable_at_its_close(
    world: World, data: Pack, after: tuple[str, str]
):
    today = datetime.now(UTC).date()
    pack = foreign(world, expiry=today.isoformat())
    desk = open_session(world.wholesaler)
    with network(peer := Responder(known(pack, **data))):
        enter(world, pack["gtin"], peer.url)
        assert decided(desk.scan(pack)) == ("yes", "ok")
    world.clock.moved = timedelta(days=2)
    try:
        world.wholesaler._token = None
        assert of(desk.close().json["summary"], pack) == after
    finally:
        world.clock.moved = timedelta(0)
        world.wholesaler._token = None


CONTRADICTIONS = {
    "another lot": ({"lot": "OTHER"}, "mismatch", "lot_mismatch"),
    "another expiry date": ({"expiry": "2035-01-31"}, "mismatch", "expiry_mismatch"),
    "a broken seal": ({"seal": "broken"}, "seal_broken", "seal_broken"),
}


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_a_second_scan_that_contradicts_the_first_takes_the_pack_out_of_what_is_saleable(
    world: World, what: str
):
    sent, code, cause = CONTRADICTIONS[what]
    pack, desk = ours(world), open_session(world.wholesaler)
    assert decided(desk.scan(pack)) == ("yes", "ok")
    told = desk.scan(pack | sent)
    assert (told["outcome"], *decided(told)) == ("duplicate", "no", code)
    assert told["first"] is not None
    assert [alert["cause"] for alert in told["alerts"]] == [cause]
    [renewed] = told["packs"]
    assert decided(renewed) == ("no", code)
    assert desk.totals() == {"scanned": 1, "refused": 1, "duplicate": 1}
    assert decided(desk.scan(pack)) == ("no", "duplicate")
    assert of(desk.close().json["summary"], pack) == ("no", code)


def test_two_packs_of_somebody_else_with_one_serial_and_different_print_are_a_suspicion(world: World):
    pack, desk = foreign(world), open_session(world.wholesaler)
    with network(peer := Responder(known(pack))):
        enter(world, pack["gtin"], peer.url)
        assert decided(desk.scan(pack)) == ("yes", "ok")
        told = desk.scan(pack | {"lot": "FAKE"})
    assert (told["outcome"], *decided(told)) == ("duplicate", "no", "mismatch")
    assert [(alert["code"], alert["cause"]) for alert in told["alerts"]] == [("SUSPECT", "mismatch")]
    assert len(peer.requests) == 1
    assert desk.totals() == {"scanned": 1, "refused": 1, "duplicate": 1}
    [raised] = alerts(world.wholesaler, pack)
    event = world.wholesaler.get(f"/v1/events/{raised['event_id']}").json
    assert (event["operation"], event["code"], event["accepted"]) == ("returns_check", "mismatch", False)


def test_a_graver_answer_of_the_same_day_takes_the_place_of_the_first_in_its_alert(world: World):
    pack = foreign(world)
    illegitimate = SUSPECT | {"additionalInfo": "Illegitimate"}
    for data in (SUSPECT, illegitimate, SUSPECT):
        with network(peer := Responder(known(pack, **data))):
            enter(world, pack["gtin"], peer.url)
            ask(world.wholesaler, pack)
    assert [(each["cause"], each["count"]) for each in alerts(world.wholesaler, pack)] == [
        ("illegitimate", 3)
    ]


def test_transaction_data_that_is_found_later_frees_what_waits_for_it_and_nobody_is_asked_again(world: World):
    own, pack = ours(world), foreign(world)
    desk = open_session(world.wholesaler, transaction_data="no")
    with network(peer := Responder(known(pack))):
        enter(world, pack["gtin"], peer.url)
        assert [decided(each) for each in desk.scan_all([own, pack])] == [
            ("pending", "no_transaction_data")
        ] * 2
        assert desk.recheck().json["totals"]["pending"] == 2
        answer = world.wholesaler.post(f"{desk.path}/recheck", {"transaction_data": "yes"})
    assert {decided(each) for each in answer.json["packs"]} == {("yes", "ok")}
    assert (len(peer.requests), desk.look()["transaction_data"]) == (1, "yes")
    assert desk.close().json["summary"]["totals"]["saleable"] == 2


@pytest.mark.parametrize("sent", [{"transaction_data": "no"}, {"transaction_data": 1}, {"other": "yes"}])
def test_a_recheck_takes_nothing_else(world: World, sent: Pack):
    desk = open_session(world.wholesaler, transaction_data="no")
    assert world.wholesaler.post(f"{desk.path}/recheck", sent).status_code == 422
    assert desk.look()["transaction_data"] == "no"


@pytest.mark.parametrize("alone", [0, 1])
def test_a_label_that_is_scanned_again_with_a_broken_seal_takes_back_what_is_counted_of_the_case(
    world: World, alone: int
):
    sscc, gtin = new_sscc(), world.new_gtin()
    packs = [world.pack(gtin=gtin, stored=False) for _ in range(3)]
    load_case(world, packs, sscc)
    desk = open_session(world.wholesaler)
    desk.scan(packs[0]) if alone else desk.scan({"sscc": sscc})
    told = desk.scan({"sscc": sscc}, seal="broken")
    assert (told["resale"], told["code"]) == ("no", "case_partly_scanned" if alone else "seal_broken")
    assert {decided(each) for each in told["packs"]} == {("no", "seal_broken")}
    assert {alert["cause"] for alert in told["alerts"]} == {"seal_broken"}
    assert desk.look()["totals"]["refused"] == (1 if alone else 3)
    assert desk.look()["totals"]["saleable"] == 0


def test_a_broken_seal_is_not_hidden_by_the_alert_of_another_cause_on_the_same_day(world: World):
    pack = ours(world)
    policy = {"verified": False, "verificationFailureReason": "Manufacturer_policy"}
    with network(peer := Responder(known(pack, **policy))):
        enter(world, pack["gtin"], peer.url)
        assert ask(world.wholesaler, pack)["code"] == "policy"
    world.wholesaler.verify(pack, seal="broken")
    assert [each["cause"] for each in alerts(world.wholesaler, pack)] == ["seal_broken"]
    assert decided(open_session(world.wholesaler).scan(pack)) == ("pending", "alert_open")


def test_what_the_network_says_of_an_ntin_is_said_of_its_product(world: World):
    pack = ours(world)
    with world.service.engine.begin() as connection:
        connection.execute(
            text("UPDATE products SET ppn = '111234567842' WHERE gtin = :gtin"), {"gtin": int(pack["gtin"])}
        )
    by_ntin = pack | {"gtin": "04150123456782"}
    with network(peer := Responder(known(by_ntin, **SUSPECT))):
        enter(world, by_ntin["gtin"], peer.url)
        assert ask(world.wholesaler, by_ntin)["code"] == "suspect"
    for sent in (pack, by_ntin):
        assert decided(open_session(world.wholesaler).scan(sent)) == ("pending", "alert_open")


def test_in_a_full_session_a_second_scan_is_still_heard(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(returned, "MOST_PACKS", 1)
    pack, desk = ours(world), open_session(world.wholesaler)
    desk.scan(pack)
    assert desk.scan(ours(world))["code"] == "session_full"
    assert desk.scan(pack)["code"] == "duplicate"
    assert desk.scan(pack | {"lot": "OTHER"})["code"] == "mismatch"
    assert desk.totals() == {"scanned": 1, "refused": 1, "duplicate": 2}
