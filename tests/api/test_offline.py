"""What happened before it was sent: both times are kept, the rules at receipt decide, conflicts are named."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from problems import is_problem
from situations import Pack, bring_to, command
from test_bulk import codes, item, send
from world import Person, World

STATES = ("dispensed", "exported", "destroyed", "sample", "free_sample", "stolen", "locked", "checked_out")
AT = "2026-01-02T03:04:05Z"
OFFLINE = {"offline": True, "occurred_at": AT}


def shown(world: World, person: Person, verdict: dict[str, Any]) -> dict[str, Any]:
    world.service.spool.ship()  # a scan may take two seconds otherwise
    return person.get(f"/v1/events/{verdict['event_id']}").json


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


# Two times.


@pytest.mark.parametrize("operation", ["verify", "returns_check", "dispense", "decommission", "reactivate"])
def test_both_times_are_kept_and_shown(world: World, operation: str):
    pack, person = world.pack(), world.corner_pharmacy
    if operation == "reactivate":
        person.dispense(pack)
    before = datetime.now(UTC)
    more = {"decommission": {"reason": "sample"}, "reactivate": {"not_supplied_to_public": True}}
    verdict = getattr(person, operation)(pack, **more.get(operation, {}), **OFFLINE)
    assert (verdict["code"], verdict["notes"]) == ("ok", ["offline"])
    assert instant(verdict["received_at"]) >= before
    event = shown(world, person, verdict)
    assert instant(event["occurred_at"]) == instant(AT)
    assert event["received_at"] == verdict["received_at"]
    assert event["details"]["offline"] is True
    history = person.get("/v1/packs/events", gtin=pack["gtin"], serial=pack["serial"]).json["events"]
    assert instant(history[-1]["occurred_at"]) == instant(AT)


def test_a_refused_one_keeps_both_times_too(world: World):
    verdict = world.corner_pharmacy.dispense(world.pack() | {"lot": "OTHER"}, **OFFLINE)
    assert (verdict["code"], verdict["notes"]) == ("lot_mismatch", ["offline"])
    event = shown(world, world.corner_pharmacy, verdict)
    assert (instant(event["occurred_at"]), event["details"]["offline"]) == (instant(AT), True)


def test_the_time_of_the_client_without_offline_is_kept_and_noted_nowhere(world: World):
    verdict = world.corner_pharmacy.dispense(world.pack(), occurred_at=AT)
    assert verdict["notes"] == []
    event = shown(world, world.corner_pharmacy, verdict)
    assert instant(event["occurred_at"]) == instant(AT)
    assert "offline" not in event["details"]


def test_offline_false_is_as_if_nothing_had_been_said(world: World):
    verdict = world.corner_pharmacy.dispense(world.pack(), offline=False)
    assert verdict["notes"] == []
    event = shown(world, world.corner_pharmacy, verdict)
    assert event["occurred_at"] is None
    assert "offline" not in event["details"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05+00:00"),
        ("2026-01-02T03:04:05.123456Z", "2026-01-02T03:04:05.123456+00:00"),
        ("2026-01-01T00:30:00-11:00", "2026-01-01T11:30:00+00:00"),
    ],
)
def test_times_are_kept_in_utc_to_the_microsecond(world: World, given: str, kept: str):
    event = shown(world, world.corner_pharmacy, world.corner_pharmacy.verify(world.pack(), occurred_at=given))
    assert instant(event["occurred_at"]) == instant(kept)
    assert event["occurred_at"].endswith("Z")


@pytest.mark.parametrize(("minutes", "refused"), [(-60, False), (4, False), (6, True)])
def test_a_time_more_than_five_minutes_ahead_is_refused(world: World, minutes: int, refused: bool):  # noqa: FBT001
    ahead = (world.clock() + timedelta(minutes=minutes)).isoformat()
    answer = world.corner_pharmacy.post("/v1/dispense", world.pack() | OFFLINE | {"occurred_at": ahead})
    if refused:
        assert list(is_problem(answer, 422, "invalid_request")["errors"]) == ["occurred_at"]
    else:
        assert answer.json["code"] == "ok"


# Decided by the rules at receipt.


def test_a_pack_that_expired_meanwhile_is_expired(world: World):
    """It was in date when it was handed out; what to do about that is for a person."""
    today = world.clock().date()
    pack = world.pack(expiry=(today - timedelta(days=1)).isoformat())
    then = (world.clock() - timedelta(days=3)).isoformat()
    verdict = world.corner_pharmacy.dispense(pack, offline=True, occurred_at=then)
    assert (verdict["code"], verdict["pack"]["state"]) == ("expired", "active")


def test_a_batch_recalled_meanwhile_is_recalled(world: World):
    pack = world.pack()
    then = (world.clock() - timedelta(hours=1)).isoformat()
    command(world, world.regulator, "batches/recall", pack["gtin"], pack["lot"])
    verdict = world.corner_pharmacy.dispense(pack, offline=True, occurred_at=then)
    assert verdict["code"] == "recalled"


def test_a_pack_loaded_meanwhile_is_known(world: World):
    verdict = world.corner_pharmacy.dispense(world.pack(), **OFFLINE)
    assert verdict["code"] == "ok"


def test_an_undo_in_time_that_comes_too_late_is_too_late(world: World):
    pack = world.pack()
    dispensed = instant(world.corner_pharmacy.dispense(pack)["received_at"])
    then = (dispensed + timedelta(days=1)).isoformat()
    undo = {"not_supplied_to_public": True, "offline": True, "occurred_at": then}
    with world.clock.at(dispensed + timedelta(days=10, seconds=1)):
        assert world.corner_pharmacy.reactivate(pack, **undo)["code"] == "undo_too_late"
    with world.clock.at(dispensed + timedelta(days=10)):
        assert world.corner_pharmacy.reactivate(pack, **undo)["code"] == "ok"


def test_the_state_dates_from_the_receipt(world: World):
    pack = world.pack()
    verdict = world.corner_pharmacy.dispense(pack, **OFFLINE)
    assert verdict["pack"]["state_since"] == verdict["received_at"]


# Who lost.


ASKED = ("dispense", "exported", "sample", "free_sample", "checked_out", "destroyed", "stolen", "locked")
TAKES_A_LOCKED_ONE = {"destroyed", "stolen"}


def late(person: Person, asked: str, pack: Pack, **more: Any) -> dict[str, Any]:
    if asked == "dispense":
        return person.dispense(pack, **OFFLINE, **more)
    return person.decommission(pack, asked, **OFFLINE, **more)


@pytest.mark.parametrize("state", STATES)
def test_what_lost_to_another_site_is_a_conflict_with_an_alert(world: World, state: str):
    """Each change against each state; only what the table allows to a locked pack is allowed."""
    for asked in ASKED:
        pack = world.pack()
        winner = bring_to(world, state, pack)
        loser = world.other_wholesaler
        assert loser.site.gln != winner.site.gln
        verdict = late(loser, asked, pack)
        if state == "locked" and asked in TAKES_A_LOCKED_ONE:
            assert (verdict["code"], verdict["pack"]["state"]) == ("ok", asked)
            continue
        assert (verdict["code"], verdict["signal"]) == ("replay_conflict", "red"), asked
        assert verdict["pack"]["state"] == state
        told = {name: verdict["alert"][name] for name in ("code", "cause", "count")}
        assert told == {"code": "A24", "cause": "replay_conflict", "count": 1}
        assert "offline" in verdict["notes"]


def test_a_conflict_under_dscsa_is_a_suspect(world: World):
    pack = world.pack(profile="us_dscsa")
    world.corner_pharmacy.dispense(pack)
    alert = world.other_pharmacy.dispense(pack, **OFFLINE)["alert"]
    assert (alert["code"], alert["cause"]) == ("SUSPECT", "replay_conflict")


def test_the_same_without_offline_is_the_refusal_by_state(world: World):
    pack = world.pack()
    world.corner_pharmacy.dispense(pack)
    assert world.other_pharmacy.dispense(pack, occurred_at=AT)["code"] == "already_dispensed"


def test_a_time_before_the_winners_changes_nothing(world: World):
    """The first to arrive has won, whatever the clocks say."""
    pack = world.pack()
    won = instant(world.corner_pharmacy.dispense(pack)["received_at"])
    before = (won - timedelta(hours=1)).isoformat()
    verdict = world.other_pharmacy.dispense(pack, offline=True, occurred_at=before)
    assert verdict["code"] == "replay_conflict"


@pytest.mark.parametrize("state", STATES)
def test_what_the_same_site_did_is_no_conflict(world: World, state: str):
    pack = world.pack()
    who = bring_to(world, state, pack)
    expected = f"already_{state}" if state in ("stolen", "destroyed") else "already_done_here"
    for asked in set(ASKED) - (TAKES_A_LOCKED_ONE if state == "locked" else set()):
        if asked == "dispense" or who is world.wholesaler:
            assert late(who, asked, pack)["code"] == expected, asked


def test_another_client_of_the_same_site_is_the_same_site(world: World):
    pack = world.pack()
    world.corner_pharmacy.dispense(pack)
    again = world.person(world.corner_pharmacy.site.gln, world.corner_pharmacy.site.type)
    assert again.client_id != world.corner_pharmacy.client_id
    assert again.dispense(pack, **OFFLINE)["code"] == "already_done_here"


@pytest.mark.parametrize("operation", ["verify", "returns_check"])
def test_a_look_has_nothing_to_lose(world: World, operation: str):
    pack = world.pack()
    world.corner_pharmacy.dispense(pack)
    verdict = getattr(world.other_pharmacy, operation)(pack, **OFFLINE)
    assert verdict["code"] == "already_dispensed"


def test_what_another_reason_refuses_first_is_no_conflict(world: World):
    gone = world.pack()
    world.corner_pharmacy.dispense(gone)
    assert world.other_pharmacy.dispense(gone, seal="broken", **OFFLINE)["code"] == "seal_broken"
    assert world.other_pharmacy.dispense(gone | {"lot": "OTHER"}, **OFFLINE)["code"] == "lot_mismatch"


@pytest.mark.parametrize(
    ("state", "code"),
    [("dispensed", "undo_other_site"), ("sample", "undo_other_site"), ("locked", "undo_other_site"),
     ("stolen", "undo_not_possible"), ("destroyed", "undo_not_possible")],
)  # fmt: skip
def test_an_undo_of_anothers_change_keeps_its_own_words(world: World, state: str, code: str):
    pack = world.pack()
    bring_to(world, state, pack)
    undo = world.other_wholesaler.reactivate(pack, not_supplied_to_public=True, **OFFLINE)
    assert undo["code"] == code


def test_after_an_undo_an_offline_change_wins(world: World):
    pack = world.pack()
    world.corner_pharmacy.dispense(pack)
    world.corner_pharmacy.reactivate(pack, not_supplied_to_public=True)
    assert world.other_pharmacy.dispense(pack, **OFFLINE)["code"] == "ok"


def test_a_queue_sent_in_bulk_is_decided_item_by_item(world: World):
    lost, won = world.pack(), world.pack()
    world.corner_pharmacy.dispense(lost)
    queue = [
        item("dispense", pack, **OFFLINE, device={"id": "queue", "sequence": n})
        for n, pack in enumerate((lost, won))
    ]
    results = send(world.other_pharmacy, *queue)
    assert codes(results) == ["replay_conflict", "ok"]
    again = send(world.other_pharmacy, *queue)
    assert again == [result | {"replayed": True} for result in results]
