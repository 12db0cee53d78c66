"""Every row of the verdict table: each code with its signal and its alert, brought about over HTTP."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from situations import LAST_MONTH, OVERLAYS, Pack, bring_to, overlaid
from world import World

from verifier.domain.reasons import REASONS

Verdict = Mapping[str, Any]
Prepare = Callable[[World, Callable[..., Pack]], Verdict]
PROFILES = ("eu_fmd", "us_dscsa")
STATES = ("dispensed", "exported", "sample", "free_sample", "stolen", "locked", "checked_out")
OTHER_EXPIRY = "2031-01-31"


def genuine(world: World, new: Callable[..., Pack]) -> Verdict:
    return world.corner_pharmacy.verify(new())


def unknown_product(world: World, new: Callable[..., Pack]) -> Verdict:
    return world.corner_pharmacy.verify(new(stored=False))


def unknown_serial(world: World, new: Callable[..., Pack]) -> Verdict:
    return world.corner_pharmacy.verify(new() | {"serial": "NEVER1"})


def unknown_batch(world: World, new: Callable[..., Pack]) -> Verdict:
    return world.corner_pharmacy.verify(new() | {"serial": "NEVER1", "lot": "NEVER2"})


def lot_mismatch(world: World, new: Callable[..., Pack]) -> Verdict:
    return world.corner_pharmacy.verify(new() | {"lot": "NEVER2"})


def expiry_mismatch(world: World, new: Callable[..., Pack]) -> Verdict:
    return world.corner_pharmacy.verify(new() | {"expiry": OTHER_EXPIRY})


def seal_broken(world: World, new: Callable[..., Pack]) -> Verdict:
    return world.corner_pharmacy.verify(new(), seal="broken")


def overlay(name: str) -> Prepare:
    return lambda world, new: world.corner_pharmacy.verify(new(overlay=name))


def destroyed(world: World, new: Callable[..., Pack]) -> Verdict:
    pack = new()
    world.corner_pharmacy.decommission(pack, "destroyed")
    return world.corner_pharmacy.verify(pack)


def destroyed_twice(world: World, new: Callable[..., Pack]) -> Verdict:
    pack = new()
    world.corner_pharmacy.decommission(pack, "destroyed")
    return world.other_pharmacy.decommission(pack, "destroyed")


def verified_in(state: str) -> Prepare:
    def verify(world: World, new: Callable[..., Pack]) -> Verdict:
        pack = new()
        bring_to(world, state, pack)
        return world.other_pharmacy.verify(pack)

    return verify


def asked_again(state: str) -> Prepare:
    """Just that state, asked for by another site."""

    def ask(world: World, new: Callable[..., Pack]) -> Verdict:
        pack = new()
        bring_to(world, state, pack)
        if state == "dispensed":
            return world.other_pharmacy.dispense(pack)
        return world.other_wholesaler.decommission(pack, state)

    return ask


def repeated(times: int) -> Prepare:
    """The same site dispenses once, and so many times more."""

    def repeat(world: World, new: Callable[..., Pack]) -> Verdict:
        pack = new()
        world.corner_pharmacy.dispense(pack)
        verdicts = [world.corner_pharmacy.dispense(pack) for _ in range(times)]
        return verdicts[-1]

    return repeat


def nothing_to_undo(world: World, new: Callable[..., Pack]) -> Verdict:
    return world.corner_pharmacy.reactivate(new())


def undo_of(state: str) -> Prepare:
    """The site's own change to a state without a way back."""

    def undo(world: World, new: Callable[..., Pack]) -> Verdict:
        pack = new()
        return bring_to(world, state, pack).reactivate(pack)

    return undo


def undone_elsewhere(world: World, new: Callable[..., Pack]) -> Verdict:
    pack = new()
    world.corner_pharmacy.dispense(pack)
    return world.other_pharmacy.reactivate(pack, not_supplied_to_public=True)


def undone_late(world: World, new: Callable[..., Pack]) -> Verdict:
    pack = new()
    world.corner_pharmacy.dispense(pack)
    with world.clock.at(world.clock() + timedelta(days=11)):
        return world.corner_pharmacy.reactivate(pack, not_supplied_to_public=True)


def undone_when(name: str) -> Prepare:
    """A lock is possible whatever the overlay; its undo is not."""

    def undo(world: World, new: Callable[..., Pack]) -> Verdict:
        pack = new(overlay=name)
        world.corner_pharmacy.decommission(pack, "locked")
        return world.corner_pharmacy.reactivate(pack)

    return undo


def undone_without_a_word(world: World, new: Callable[..., Pack]) -> Verdict:
    pack = new()
    world.corner_pharmacy.dispense(pack)
    return world.corner_pharmacy.reactivate(pack)


def lost_offline(world: World, new: Callable[..., Pack]) -> Verdict:
    pack = new()
    world.corner_pharmacy.dispense(pack)
    return world.other_pharmacy.dispense(pack, offline=True)


# fmt: off
EVERYWHERE = [
    #  code                   signal   alert
    ("ok",                    "green", None,  genuine),
    ("unknown_product",       "amber", None,  unknown_product),
    ("unknown_serial",        "red",   "A3",  unknown_serial),
    ("unknown_batch",         "red",   "A2",  unknown_batch),
    ("lot_mismatch",          "red",   "A68", lot_mismatch),
    ("expiry_mismatch",       "red",   "A52", expiry_mismatch),
    ("seal_broken",           "red",   "ATD", seal_broken),
    *((name,                  "red",   None,  overlay(name))       for name in OVERLAYS),
    *((f"already_{state}",    "red",   "A24", verified_in(state))  for state in STATES),
    *((f"already_{state}",    "red",   "A7",  asked_again(state))  for state in STATES),
    ("already_destroyed",     "red",   "DES", destroyed),
    ("already_destroyed",     "red",   "DES", destroyed_twice),
    ("already_done_here",     "amber", None,  repeated(1)),
    ("already_done_here",     "amber", None,  repeated(3)),
    ("already_done_here",     "amber", "A24", repeated(4)),
    ("undo_state_mismatch",   "red",   "A24", nothing_to_undo),
    ("undo_not_possible",     "red",   None,  undo_of("destroyed")),
    ("undo_not_possible",     "red",   None,  undo_of("stolen")),
    ("undo_other_site",       "red",   None,  undone_elsewhere),
    ("undo_expired",          "red",   None,  undone_when("expired")),
    ("undo_recalled",         "red",   None,  undone_when("recalled")),
    ("undo_recalled",         "red",   None,  undone_when("withdrawn")),
    ("replay_conflict",       "red",   "A24", lost_offline),
]
EU_ONLY = [
    ("undo_too_late",           "red", None,  undone_late),
    ("undo_supplied_to_public", "red", None,  undone_without_a_word),
]
# fmt: on
ROWS = [(profile, *row) for profile in PROFILES for row in EVERYWHERE] + [("eu_fmd", *row) for row in EU_ONLY]
COMES_WITH_BULK = {"duplicate_in_request"}


@pytest.fixture(scope="module")
def new(world: World) -> Callable[[str], Callable[..., Pack]]:
    """By regulation, what makes a fresh pack, on request of a batch under an overlay."""
    batches = {profile: overlaid(world, [{name} for name in OVERLAYS], profile) for profile in PROFILES}

    def of(profile: str) -> Callable[..., Pack]:
        def fresh(*, overlay: str | None = None, stored: bool = True) -> Pack:
            if overlay is not None:
                return world.pack(**batches[profile][frozenset({overlay})])
            return world.pack(profile=profile, stored=stored)

        return fresh

    return of


@pytest.mark.parametrize(
    ("profile", "code", "signal", "alert", "prepare"),
    ROWS,
    ids=[f"{number}-{row[0]}-{row[1]}-{row[3] or 'quiet'}" for number, row in enumerate(ROWS)],
)
def test_each_code_comes_with_its_signal_and_its_alert(
    *,
    world: World,
    new: Callable[[str], Callable[..., Pack]],
    profile: str,
    code: str,
    signal: str,
    alert: str | None,
    prepare: Prepare,
):
    verdict = prepare(world, new(profile))
    assert (verdict["code"], verdict["signal"]) == (code, signal)
    assert verdict["accepted"] is (code == "ok")
    assert verdict["title"]
    assert verdict["advice"]
    if alert is None:
        assert verdict["alert"] is None
    else:
        expected = alert if profile == "eu_fmd" else "SUSPECT"
        assert (verdict["alert"]["code"], verdict["alert"]["cause"]) == (expected, code)


def test_under_us_dscsa_an_undo_has_no_deadline_and_needs_no_declaration(world: World):
    pack = world.pack(profile="us_dscsa")
    world.corner_pharmacy.dispense(pack)
    with world.clock.at(world.clock() + timedelta(days=200)):
        assert world.corner_pharmacy.reactivate(pack)["code"] == "ok"


def test_the_table_has_a_row_for_every_code():
    assert {row[1] for row in ROWS} == set(REASONS) - COMES_WITH_BULK


def test_the_open_table_of_reasons_says_the_same(world: World):
    answer = world.http.get("/v1/reasons")
    assert answer.status_code == 200
    told = {reason["code"]: reason for reason in answer.json["reasons"]}
    assert set(told) == set(REASONS)
    for _, code, signal, alert, _ in ROWS:
        assert told[code]["signal"] == signal
        assert told[code]["title"]["en"]
        assert told[code]["advice"]["en"]
        if alert is not None and alert != "A7":
            assert told[code]["alert"] == alert


@pytest.mark.parametrize(
    ("stored", "sent", "code"),
    [
        ("2031-01-00", "2031-01-31", "ok"),
        ("2031-01-31", "310100", "ok"),
        ("2031-01-00", "2031-02-28", "expiry_mismatch"),
        ("2031-01-31", "310200", "expiry_mismatch"),
        ("2031-01-31", "310130", "expiry_mismatch"),
    ],
)
def test_a_day_00_on_either_side_compares_the_month(world: World, stored: str, sent: str, code: str):
    pack = world.pack(expiry=stored) | {"expiry": sent}
    assert world.corner_pharmacy.verify(pack)["code"] == code


def test_a_pack_with_a_past_expiry_is_expired_also_when_dispensed(world: World):
    pack = world.pack(expiry=LAST_MONTH)
    assert world.corner_pharmacy.dispense(pack)["code"] == "expired"
