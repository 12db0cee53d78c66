"""A change of a pack: what is decided, stored, written down and answered, and that it happens once."""

from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from desk import NOW, OTHER_PHARMACY, PHARMACY, SCOPES, WHOLESALER, Desk, new_key

from verifier.domain.journal import Fault, PackEvent, Replay
from verifier.domain.lifecycle import Action, Seal
from verifier.domain.pack import State
from verifier.domain.scan import Device, EntryMode

A, S = Action, State
CHANGES = {
    A.DISPENSE: S.DISPENSED,
    A.EXPORT: S.EXPORTED,
    A.DESTROY: S.DESTROYED,
    A.SAMPLE: S.SAMPLE,
    A.FREE_SAMPLE: S.FREE_SAMPLE,
    A.STEAL: S.STOLEN,
    A.LOCK: S.LOCKED,
    A.CHECK_OUT: S.CHECKED_OUT,
}
UNDOABLE = [state for state in CHANGES.values() if state not in (S.DESTROYED, S.STOLEN)]
AN_HOUR_AGO = NOW - timedelta(hours=1)
EVERYTHING = {
    "entry_mode": EntryMode.IMAGE,
    "seal": Seal.INTACT,
    "occurred_at": NOW - timedelta(days=1),
    "offline": True,
    "user": "u7",
    "reference": "r-9",
    "raw": "]d2...",
}


@pytest.mark.parametrize(("action", "state"), CHANGES.items())
def test_an_accepted_change_moves_the_pack_and_says_so(desk: Desk, action: Action, state: State):
    code = desk.pack()
    told = desk.change(code, action, by=WHOLESALER)
    assert (told.code, told.accepted, told.signal, told.alert) == ("ok", True, "green", None)
    assert (told.pack.state, told.pack.state_since, told.received_at) == (state, NOW, NOW)
    stored = desk.stored(code)
    assert (stored.state, stored.version) == (state, 1)
    assert (stored.state_since, stored.state_site) == (NOW, WHOLESALER.site.gln)


@pytest.mark.parametrize("state", UNDOABLE)
def test_an_undo_makes_the_pack_active_again(desk: Desk, state: State):
    code = desk.pack(state)
    told = desk.change(code, A.REACTIVATE)
    assert (told.operation, told.code, told.pack.state) == ("reactivate", "ok", S.ACTIVE)
    stored = desk.stored(code)
    assert (stored.state, stored.version, stored.state_since) == (S.ACTIVE, 2, NOW)
    event = desk.event(code)
    assert (event.operation, event.reason, event.version) == ("reactivate", None, 2)
    assert (event.state_before, event.state_after) == (state, "active")


@pytest.mark.parametrize("declared", [True, False])
def test_the_declaration_of_the_site_is_heard(desk: Desk, declared: bool):  # noqa: FBT001
    told = desk.change(desk.pack(S.DISPENSED), A.REACTIVATE, declared=declared)
    assert told.code == ("ok" if declared else "undo_supplied_to_public")


# What is written down.


@pytest.mark.parametrize(
    ("action", "operation", "reason"),
    [
        (A.DISPENSE, "dispense", None),
        (A.LOCK, "decommission", "locked"),
        (A.DESTROY, "decommission", "destroyed"),
    ],
)
def test_an_accepted_change_is_written_down_whole(desk: Desk, action: Action, operation: str, reason: str):
    code = desk.pack()
    device = Device(new_key(), 7)
    told = desk.change(code, action, device=device, **EVERYTHING)
    event = desk.event(code)
    assert event == PackEvent(
        event_id=event.event_id,
        gtin=code.gtin,
        serial=code.serial,
        operation=operation,
        reason=reason,
        code="ok",
        accepted=True,
        version=1,
        state_before="active",
        state_after=CHANGES[action],
        site_gln=PHARMACY.site.gln,
        client_id=PHARMACY.client_id,
        received_at=NOW,
        occurred_at=NOW - timedelta(days=1),
        details={
            "entry_mode": "image",
            "seal": "intact",
            "offline": True,
            "device": {"id": device.id, "sequence": 7},
            "user": "u7",
            "reference": "r-9",
            "raw": "]d2...",
            "lot": code.lot,
            "expiry": "2027-12-31",
            "ppn": None,
        },
    )
    assert told.event_id == str(event.event_id)
    assert answer_of(desk, event) == plain(told)


def test_a_refused_change_is_written_down_and_changes_nothing(desk: Desk):
    code = desk.pack(S.DISPENSED, state_site=OTHER_PHARMACY.site.gln)
    told = desk.change(code, A.LOCK)
    assert (told.code, told.accepted, told.pack.state) == ("already_dispensed", False, S.DISPENSED)
    event = desk.event(code)
    assert (event.code, event.accepted, event.version) == ("already_dispensed", False, None)
    assert (event.state_before, event.state_after) == ("dispensed", "dispensed")
    assert event.details == {
        "entry_mode": "scanned",
        "seal": "not_checked",
        "lot": code.lot,
        "expiry": "2027-12-31",
        "ppn": None,
    }
    assert answer_of(desk, event) == plain(told)
    stored = desk.stored(code)
    assert (stored.version, stored.state_since) == (1, AN_HOUR_AGO)


def test_a_change_of_a_pack_that_nobody_knows_is_written_down_too(desk: Desk):
    code = replace(desk.pack(), serial="NEVER-MADE", expiry=None)
    assert desk.change(code, A.DISPENSE).code == "unknown_serial"
    event = desk.event(code)
    assert (event.state_before, event.state_after, event.version) == (None, None, None)
    assert event.details["expiry"] is None


def test_a_change_under_the_ppn_is_written_down_under_the_gtin(desk: Desk):
    sent, gtin = desk.pack_with_ppn()
    told = desk.change(sent, A.DISPENSE)
    assert (told.code, told.pack.gtin, told.pack.ppn) == ("ok", gtin, sent.ppn)
    event = desk.event(replace(sent, gtin=gtin))
    assert (event.gtin, event.details["ppn"]) == (gtin, sent.ppn)


def test_one_look_at_the_clock_decides_and_stands_everywhere(desk: Desk):
    code = desk.pack()
    with desk.clock.going():
        told = desk.change(code, A.DISPENSE)
    now = NOW + timedelta(seconds=1)
    assert (told.received_at, told.pack.state_since) == (now, now)
    assert desk.event(code).received_at == now
    assert desk.stored(code).state_since == now


@pytest.mark.parametrize(
    ("zone", "answer"),
    [("UTC", "ok"), ("Pacific/Honolulu", "ok"), ("Pacific/Auckland", "expired")],
)
def test_a_pack_expires_by_the_date_at_the_site(desk: Desk, zone: str, answer: str):
    site = replace(PHARMACY.site, timezone=zone)
    code = desk.pack()
    with desk.clock.at(NOW.replace(year=2027, month=12, day=31)):
        assert desk.change(code, A.DISPENSE, by=replace(PHARMACY, site=site)).code == answer


def test_the_circumstances_of_the_scan_are_judged(desk: Desk):
    elsewhere = desk.pack(S.DISPENSED, state_site=OTHER_PHARMACY.site.gln)
    assert desk.change(elsewhere, A.LOCK, offline=True).code == "replay_conflict"
    assert desk.change(desk.pack(), A.DISPENSE, seal=Seal.BROKEN).code == "seal_broken"


@pytest.mark.parametrize(
    ("overlay", "answer"), [({"recalled": True}, "recalled"), ({"on_hold": True}, "on_hold")]
)
def test_the_batch_of_the_pack_is_judged(desk: Desk, overlay: dict[str, bool], answer: str):
    code = desk.pack()
    desk.ports.store.run(
        lambda tx: tx.mark_batch(code.gtin, code.lot, **({"recalled": None, "on_hold": None} | overlay))
    )
    assert desk.change(code, A.DISPENSE).code == answer
    assert desk.change(code, A.DESTROY).code == "ok"


def test_a_product_is_judged_by_its_own_regulation(desk: Desk):
    told = desk.change(desk.pack(S.DISPENSED, desk.product(profile="us_dscsa")), A.REACTIVATE, declared=False)
    assert (told.code, told.pack.profile) == ("ok", "us_dscsa")
    unknown = replace(desk.pack(), gtin="05012345678900")
    assert desk.change(unknown, A.DISPENSE).pack.profile == "eu_fmd"


def test_the_second_time_in_one_request_is_refused_without_a_change(desk: Desk):
    code = desk.pack()
    told = desk.change(code, A.DISPENSE, duplicate=True)
    assert (told.code, told.alert.code, told.pack.state) == ("duplicate_in_request", "DUP", S.ACTIVE)
    assert desk.stored(code).version == 0


# Once only.


@pytest.mark.parametrize("state", [S.ACTIVE, S.STOLEN])
def test_a_key_that_comes_again_gets_the_answer_that_was_given_and_nothing_happens(desk: Desk, state: State):
    code, key = desk.pack(state, state_site=OTHER_PHARMACY.site.gln), new_key()
    first = desk.change(code, A.DISPENSE, key=key)
    again = desk.change(code, A.DISPENSE, key=key)
    assert isinstance(again, Replay)
    assert again.accepted is (state is S.ACTIVE)
    assert msgspec.json.decode(again.answer) == plain(first)
    assert len(desk.events(code)) == 1
    assert [alert.count for alert in desk.alerts(code.gtin)] == ([] if state is S.ACTIVE else [1])


def test_a_key_is_the_clients_own_and_for_one_request(desk: Desk):
    code, key = desk.pack(), new_key()
    desk.change(code, A.DISPENSE, key=key)
    refused = desk.change(code, A.DISPENSE, key=key, digest=b"another body")
    assert isinstance(refused, Fault)
    assert refused.code == "idempotency_key_reused"
    other = desk.change(code, A.DISPENSE, key=key, by=OTHER_PHARMACY)
    assert other.code == "already_dispensed"
    assert len(desk.events(code)) == 2


def test_a_device_uses_a_number_once_at_its_site(desk: Desk):
    code, other, device, key = desk.pack(), desk.pack(), Device(new_key(), 1), new_key()
    assert desk.change(code, A.DISPENSE, device=device, key=key).code == "ok"
    refused = desk.change(other, A.DISPENSE, device=device, key="a-key-that-stays-free")
    assert isinstance(refused, Fault)
    assert (refused.code, refused.field) == ("device_sequence_reused", None)
    assert desk.events(other) == []
    assert desk.stored(other).state is S.ACTIVE
    counted_on = replace(device, sequence=2)
    assert desk.change(other, A.DISPENSE, device=counted_on, key="a-key-that-stays-free").code == "ok"
    assert desk.change(desk.pack(), A.DISPENSE, device=device, by=OTHER_PHARMACY).code == "ok"


def test_a_replay_comes_before_the_device_and_is_no_second_use(desk: Desk):
    code, device, key = desk.pack(), Device(new_key(), 1), new_key()
    desk.change(code, A.DISPENSE, device=device, key=key)
    assert isinstance(desk.change(code, A.DISPENSE, device=device, key=key), Replay)


# An undo needs the scope of what it undoes.


@pytest.mark.parametrize("state", UNDOABLE)
@pytest.mark.parametrize("scope", ["dispense", "decommission"])
def test_an_undo_needs_the_scope_of_the_change(desk: Desk, state: State, scope: str):
    code, key = desk.pack(state), new_key()
    needed = "dispense" if state is S.DISPENSED else "decommission"
    told = desk.change(code, A.REACTIVATE, by=replace(PHARMACY, scopes=frozenset({scope})), key=key)
    if scope == needed:
        assert told.code == "ok"
        return
    assert told == Fault("insufficient_scope", needed)
    assert desk.events(code) == []
    assert desk.stored(code).version == 1
    assert desk.change(code, A.REACTIVATE, key=key).code == "ok", "the key is still free"


@pytest.mark.parametrize("state", [S.DESTROYED, S.STOLEN])
def test_also_an_undo_that_is_refused_needs_the_scope(desk: Desk, state: State):
    code = desk.pack(state)
    dispenser = replace(PHARMACY, scopes=frozenset({"dispense"}))
    assert desk.change(code, A.REACTIVATE, by=dispenser) == Fault("insufficient_scope", "decommission")
    assert desk.change(code, A.REACTIVATE).code == "undo_not_possible"


@pytest.mark.parametrize(
    ("changed", "answer"),
    [
        ({"serial": "NEVER-MADE"}, "unknown_serial"),
        ({"lot": "OTHER"}, "lot_mismatch"),
        ({"gtin": "05012345678900"}, "unknown_product"),
    ],
)
def test_who_names_another_pack_learns_nothing_of_the_stored_one_by_a_scope(
    desk: Desk, changed: dict[str, str], answer: str
):
    nobody = replace(PHARMACY, scopes=frozenset())
    code = desk.pack(S.LOCKED)
    assert desk.change(replace(code, **changed), A.REACTIVATE, by=nobody).code == answer


def test_an_active_pack_has_no_change_whose_scope_could_be_asked_for(desk: Desk):
    told = desk.change(desk.pack(), A.REACTIVATE, by=replace(PHARMACY, scopes=frozenset()))
    assert told.code == "undo_state_mismatch"


def test_only_an_undo_asks_for_a_scope_here(desk: Desk):
    nobody = replace(PHARMACY, scopes=SCOPES - {"dispense", "decommission"})
    assert desk.change(desk.pack(S.LOCKED), A.DESTROY, by=nobody).code == "ok"
    assert desk.change(desk.pack(S.LOCKED), A.DISPENSE, by=nobody).code == "already_done_here"


# Races.


@dataclass
class Overtaken:
    """A store in which somebody else is first, once, between the look at the pack and the change."""

    inner: Any
    rival: Any

    def run(self, work: Any) -> Any:
        return self.inner.run(lambda tx: work(OvertakenTransaction(tx, self)))


class OvertakenTransaction:
    def __init__(self, inner: Any, store: Overtaken) -> None:
        self._inner, self._store = inner, store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def move(self, *arguments: Any) -> bool:
        rival, self._store.rival = self._store.rival, None
        if rival:
            rival()
        return self._inner.move(*arguments)


def overtaken(desk: Desk, rival: Any) -> Any:
    return replace(desk.ports, store=Overtaken(desk.ports.store, rival))


def test_who_was_overtaken_is_judged_by_what_stands_then(desk: Desk):
    code = desk.pack()
    ports = overtaken(desk, lambda: desk.change(code, A.DISPENSE, by=OTHER_PHARMACY))
    told = desk.change(code, A.DISPENSE, ports=ports)
    assert (told.code, told.pack.state) == ("already_dispensed", S.DISPENSED)
    stored = desk.stored(code)
    assert (stored.version, stored.state_site) == (1, OTHER_PHARMACY.site.gln)
    assert {event.site_gln: event.version for event in desk.events(code)} == {
        OTHER_PHARMACY.site.gln: 1,
        PHARMACY.site.gln: None,
    }


def test_who_was_overtaken_by_a_change_that_allows_it_comes_through(desk: Desk):
    code = desk.pack()
    ports = overtaken(desk, lambda: desk.change(code, A.LOCK, by=WHOLESALER))
    told = desk.change(code, A.DESTROY, ports=ports)
    assert (told.code, told.pack.state) == ("ok", S.DESTROYED)
    assert [desk.stored(code).version] == [2]
    event = next(
        event for event in desk.events(code) if event.operation == told.operation and event.version == 2
    )
    assert (event.state_before, event.state_after) == ("locked", "destroyed")


def test_an_undo_that_was_overtaken_needs_the_scope_of_what_stands_then(desk: Desk):
    code = desk.pack(S.DISPENSED)

    def rival() -> None:
        desk.change(code, A.REACTIVATE)
        desk.change(code, A.LOCK)

    dispenser = replace(PHARMACY, scopes=frozenset({"dispense"}))
    told = desk.change(code, A.REACTIVATE, by=dispenser, ports=overtaken(desk, rival))
    assert told == Fault("insufficient_scope", "decommission")


@dataclass
class RunAgain:
    """A store that runs all work once for nothing before it counts, as after a deadlock."""

    inner: Any

    def run(self, work: Any) -> Any:
        self.inner.run(lambda tx: (work(tx), Fault("again", ""))[1])
        return self.inner.run(work)


@pytest.mark.parametrize(
    ("state", "action"),
    [(S.ACTIVE, A.DISPENSE), (S.DISPENSED, A.REACTIVATE), (S.STOLEN, A.DISPENSE), (S.LOCKED, A.LOCK)],
)
def test_work_that_is_run_again_leaves_what_it_leaves_when_run_once(desk: Desk, state: State, action: Action):
    code, device = desk.pack(state), Device(new_key(), 1)
    told = desk.change(
        code, action, device=device, ports=replace(desk.ports, store=RunAgain(desk.ports.store))
    )
    event = desk.event(code)
    assert str(event.event_id) == told.event_id
    assert desk.stored(code).version == (0 if state is S.ACTIVE else 1) + told.accepted
    assert [alert.count for alert in desk.alerts(code.gtin)] == ([1] if told.alert else [])


def answer_of(desk: Desk, event: PackEvent) -> Any:
    found = desk.ports.archive.event(event.event_id)
    assert found is not None
    return msgspec.json.decode(found[1] or b"null")


def plain(verdict: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(asdict(verdict)))
