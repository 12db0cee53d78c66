"""A change happens once: keys, devices, the scope of an undo, and who was overtaken."""

from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest
from desk import OTHER_PHARMACY, PHARMACY, SCOPES, UNDOABLE, WHOLESALER, Desk, new_key, plain

from verifier.domain.journal import Fault, Replay
from verifier.domain.lifecycle import Action
from verifier.domain.pack import State
from verifier.domain.scan import Device

A, S = Action, State


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
    locked = desk.pack(S.LOCKED)
    assert desk.change(locked, A.DISPENSE, by=nobody).code == "already_done_here"
    assert desk.change(locked, A.DESTROY, by=nobody).code == "ok"
    assert desk.stored(locked).state is S.DESTROYED


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
