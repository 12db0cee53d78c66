"""Of two conditions that both hold, which one is told: the table of the order of decision, row by row."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from situations import LAST_MONTH, Pack, bring_to, command, overlaid
from world import Person, World

from verifier.domain.gs1 import check_digit
from verifier.domain.pack import SiteType

Verdict = Mapping[str, Any]
TEN_DAYS = timedelta(days=10)
TICK = timedelta(microseconds=1)
ALL = ("withdrawn", "recalled", "expired", "on_hold")
NEIGHBOURS = [("withdrawn", "recalled"), ("recalled", "expired"), ("expired", "on_hold"), ("on_hold",), ALL]
COMBINATIONS = [(), ("withdrawn",), *NEIGHBOURS, ("recalled",), ("expired",)]

# operations that ask seal and overlays; a site whose type may do each
IN_TRADE: dict[str, Callable[..., Verdict]] = {
    "verify": lambda world, pack, **more: world.other_wholesaler.verify(pack, **more),
    "returns_check": lambda world, pack, **more: world.other_wholesaler.returns_check(pack, **more),
    "dispense": lambda world, pack, **more: world.other_wholesaler.dispense(pack, **more),
    **{
        reason: lambda world, pack, r=reason, **more: world.other_wholesaler.decommission(pack, r, **more)
        for reason in ("exported", "sample", "free_sample", "checked_out")
    },
}


@pytest.fixture(scope="module")
def new(world: World) -> Callable[..., Pack]:
    """Makes a fresh pack of a batch under these overlays."""
    batches = overlaid(world, COMBINATIONS)
    return lambda *overlays: world.pack(**batches[frozenset(overlays)])


@pytest.mark.parametrize("operation", IN_TRADE)
@pytest.mark.parametrize(
    ("overlays", "state", "more", "code"),
    [
        ((), "active", {}, "ok"),
        (("withdrawn",), "active", {"serial": "NEVER"}, "unknown_serial"),
        (("withdrawn",), "active", {"seal": "broken", "lot": "OTHER"}, "lot_mismatch"),
        (("withdrawn",), "active", {"seal": "broken"}, "seal_broken"),
        (("withdrawn", "recalled"), "active", {}, "withdrawn"),
        (("recalled", "expired"), "active", {"seal": "intact"}, "recalled"),
        (("expired", "on_hold"), "active", {"seal": "not_checked"}, "expired"),
        (("on_hold",), "locked", {}, "on_hold"),
        (ALL, "destroyed", {}, "withdrawn"),
        (ALL, "stolen", {"seal": "broken"}, "seal_broken"),
        ((), "locked", {}, "already_locked"),
    ],
)
def test_identity_then_seal_then_overlays_then_state(
    *,
    world: World,
    new: Callable[..., Pack],
    operation: str,
    overlays: tuple[str, ...],
    state: str,
    more: dict[str, Any],
    code: str,
):
    pack = new(*overlays)
    if state != "active":
        bring_to(world, state, pack)
    assert IN_TRADE[operation](world, pack | more)["code"] == code


@pytest.mark.parametrize(
    ("overlays", "state", "code"),
    [
        (("withdrawn", "recalled"), "active", "withdrawn"),
        (("recalled", "expired"), "active", "recalled"),
        (("expired", "on_hold"), "active", "expired"),
        (("on_hold",), "locked", "on_hold"),
        ((), "locked", "already_locked"),
    ],
)
def test_a_read_asks_in_the_same_order(
    world: World, new: Callable[..., Pack], overlays: tuple[str, ...], state: str, code: str
):
    pack = new(*overlays)
    if state != "active":
        bring_to(world, state, pack)
    answer = world.corner_pharmacy.get("/v1/packs", **pack)
    assert (answer.status_code, answer.json["code"]) == (200, code)


@pytest.mark.parametrize("overlays", [(), ALL])
@pytest.mark.parametrize(
    ("state", "reason", "code"),
    [
        ("active", "destroyed", "ok"),
        ("active", "stolen", "ok"),
        ("active", "locked", "ok"),
        ("locked", "destroyed", "ok"),
        ("locked", "stolen", "ok"),
        ("locked", "locked", "already_locked"),
        ("destroyed", "destroyed", "already_destroyed"),
        ("destroyed", "stolen", "already_destroyed"),
        ("destroyed", "locked", "already_destroyed"),
        ("stolen", "destroyed", "already_stolen"),
        ("stolen", "stolen", "already_stolen"),
        ("stolen", "locked", "already_stolen"),
    ],
)
def test_what_takes_a_pack_away_asks_neither_seal_nor_overlays(
    *, world: World, new: Callable[..., Pack], overlays: tuple[str, ...], state: str, reason: str, code: str
):
    pack = new(*overlays)
    if state != "active":
        bring_to(world, state, pack)
    assert world.other_wholesaler.decommission(pack, reason, seal="broken")["code"] == code


@pytest.mark.parametrize("reason", ["destroyed", "stolen", "locked"])
def test_what_takes_a_pack_away_asks_for_its_identity_first(
    world: World, new: Callable[..., Pack], reason: str
):
    pack = new(*ALL)
    bring_to(world, "destroyed", pack)
    assert world.other_wholesaler.decommission(pack | {"lot": "OTHER"}, reason)["code"] == "lot_mismatch"


@pytest.mark.parametrize("state", ["dispensed", "exported", "sample", "free_sample", "checked_out"])
@pytest.mark.parametrize("reason", ["destroyed", "stolen", "locked"])
def test_what_takes_a_pack_away_does_not_take_it_from_another_state(world: World, state: str, reason: str):
    pack = world.pack()
    bring_to(world, state, pack)
    assert world.other_wholesaler.decommission(pack, reason)["code"] == f"already_{state}"


@pytest.mark.parametrize(
    ("overlays", "state", "undone_by", "code"),
    [
        (ALL, "active", "wholesaler", "undo_state_mismatch"),
        (ALL, "destroyed", "other_pharmacy", "undo_not_possible"),
        (ALL, "stolen", "other_pharmacy", "undo_not_possible"),
        (ALL, "locked", "other_pharmacy", "undo_other_site"),
        (("recalled", "expired"), "locked", "wholesaler", "undo_expired"),
        (("withdrawn",), "locked", "wholesaler", "undo_recalled"),
        (("recalled",), "locked", "wholesaler", "undo_recalled"),
        (("on_hold",), "locked", "wholesaler", "ok"),
    ],
)
def test_an_undo_asks_for_the_state_before_its_guards_and_not_for_seal_or_hold(
    *,
    world: World,
    new: Callable[..., Pack],
    overlays: tuple[str, ...],
    state: str,
    undone_by: str,
    code: str,
):
    pack = new(*overlays)
    if state != "active":
        bring_to(world, state, pack)
    person: Person = getattr(world, undone_by)
    assert person.reactivate(pack, seal="broken")["code"] == code


def test_an_undo_asks_for_identity_before_the_state(world: World):
    pack = world.pack() | {"lot": "OTHER"}
    assert world.corner_pharmacy.reactivate(pack)["code"] == "lot_mismatch"


@pytest.fixture(scope="module")
def soon_expired(world: World) -> datetime:
    """The day on which the packs of the next test expire."""
    return world.clock() + timedelta(days=5)


@pytest.mark.parametrize(
    ("undone_by", "after", "code"),
    [
        ("other_pharmacy", timedelta(days=11), "undo_other_site"),
        ("corner_pharmacy", timedelta(days=11), "undo_too_late"),
        ("corner_pharmacy", timedelta(days=8), "undo_expired"),
        ("corner_pharmacy", timedelta(days=1), "undo_supplied_to_public"),
    ],
)
def test_the_guards_of_an_undo_are_asked_in_their_order(
    world: World, soon_expired: datetime, undone_by: str, after: timedelta, code: str
):
    """Nothing declared, so that every one has the last guard against it too."""
    pack = world.pack(expiry=soon_expired.date().isoformat())
    world.corner_pharmacy.dispense(pack)
    with world.clock.at(world.clock() + after):
        assert getattr(world, undone_by).reactivate(pack)["code"] == code


def test_expired_is_told_before_recalled_and_recalled_before_supplied(world: World):
    today = world.clock()
    pack = world.pack(expiry=(today + timedelta(days=5)).date().isoformat())
    world.corner_pharmacy.dispense(pack)
    command(world, world.regulator, "batches/recall", pack["gtin"], pack["lot"])
    assert world.corner_pharmacy.reactivate(pack)["code"] == "undo_recalled"
    with world.clock.at(today + timedelta(days=7)):
        assert world.corner_pharmacy.reactivate(pack)["code"] == "undo_expired"


UNDOABLE = ("dispensed", "exported", "sample", "free_sample", "checked_out")


@pytest.mark.parametrize("state", UNDOABLE)
def test_ten_times_24_hours_include_their_last_instant(world: World, state: str):
    done = datetime(2026, 11, 21, 10, 0, 0, 123457, tzinfo=UTC)
    pack = world.pack()
    with world.clock.at(done):
        who = bring_to(world, state, pack)
    with world.clock.at(done + TEN_DAYS + TICK):
        assert who.reactivate(pack, not_supplied_to_public=True)["code"] == "undo_too_late"
        assert "reactivate" not in who.verify(pack)["allowed"]
    with world.clock.at(done + TEN_DAYS):
        assert who.verify(pack)["allowed"] == ["reactivate"]
        assert who.reactivate(pack, not_supplied_to_public=True)["code"] == "ok"


def test_ten_days_are_hours_and_not_days_of_the_calendar(world: World):
    berlin = world.person("4012345000085", SiteType.PHARMACY, timezone="Europe/Berlin")
    done = datetime(2026, 10, 20, 10, tzinfo=UTC)  # the clocks change on 25 October
    pack = world.pack()
    with world.clock.at(done):
        berlin.dispense(pack)
    with world.clock.at(done + TEN_DAYS + timedelta(seconds=1)):
        assert berlin.reactivate(pack, not_supplied_to_public=True)["code"] == "undo_too_late"


def test_a_lock_has_no_time_limit(world: World):
    pack = world.pack(expiry="2049-12-31")
    world.corner_pharmacy.decommission(pack, "locked")
    with world.clock.at(world.clock() + timedelta(days=3000)):
        assert world.corner_pharmacy.reactivate(pack)["code"] == "ok"


@pytest.mark.parametrize("state", UNDOABLE)
def test_under_us_dscsa_no_undo_has_a_time_limit(world: World, state: str):
    pack = world.pack(profile="us_dscsa")
    who = bring_to(world, state, pack)
    with world.clock.at(world.clock() + timedelta(days=100)):
        assert who.reactivate(pack)["code"] == "ok"


@pytest.mark.parametrize("state", [*UNDOABLE[1:], "locked"])
def test_only_a_dispense_needs_the_declaration(world: World, state: str):
    pack = world.pack()
    assert bring_to(world, state, pack).reactivate(pack)["code"] == "ok"


ZONES = ("UTC", "Pacific/Auckland", "America/New_York")


@pytest.fixture(scope="module")
def pharmacies(world: World) -> dict[str, Person]:
    """A pharmacy in each time zone."""
    found = {}
    for number, zone in enumerate(ZONES):
        gln = f"40999990000{number}"
        found[zone] = world.person(gln + check_digit(gln), SiteType.PHARMACY, timezone=zone)
    return found


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("printed", ["2027-02-28", "2027-02-00", "270200"])
def test_a_pack_is_expired_from_the_end_of_its_day_at_the_site(
    world: World, pharmacies: dict[str, Person], zone: str, printed: str
):
    pack = world.pack(expiry=printed)
    midnight = datetime(2027, 3, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    with world.clock.at(midnight - TICK):
        assert pharmacies[zone].verify(pack)["code"] == "ok"
    with world.clock.at(midnight):
        assert pharmacies[zone].verify(pack)["code"] == "expired"
        assert pharmacies[zone].dispense(pack)["code"] == "expired"
    with world.clock.at(midnight - TICK):
        assert pharmacies[zone].dispense(pack)["code"] == "ok"
    with world.clock.at(midnight):
        undone = pharmacies[zone].reactivate(pack, not_supplied_to_public=True)
        assert undone["code"] == "undo_expired"


def test_one_instant_is_expired_in_auckland_and_in_date_in_new_york(
    world: World, pharmacies: dict[str, Person]
):
    pack = world.pack(expiry="2027-02-28")
    with world.clock.at(datetime(2027, 2, 28, 12, tzinfo=UTC)):
        assert pharmacies["Pacific/Auckland"].verify(pack)["code"] == "expired"
        assert pharmacies["America/New_York"].verify(pack)["code"] == "ok"


def test_a_day_00_in_the_past_is_expired(world: World):
    pack = world.pack(expiry=LAST_MONTH[:8] + "00")
    assert world.corner_pharmacy.verify(pack)["code"] == "expired"
