"""Transactions: what happens once only, what is kept, and what becomes of lost races and lost connections."""

import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from instances import Doing, Gate, Process, Processes, behind, new_key, new_pack, until
from sqlalchemy import text

from verifier.domain.codes import PackCode
from verifier.domain.journal import Claim, Fault, NewAlert, Replay
from verifier.domain.lifecycle import Operation
from verifier.domain.pack import State
from verifier.domain.scan import Device
from verifier.storage.direct import Session
from verifier.storage.store import Transaction

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


@pytest.fixture
def process(processes: Processes) -> Process:
    return processes(None)


def scalar(process: Process, query: str, **values: Any) -> Any:
    with process.engine.connect() as connection:
        return connection.execute(text(query), values).scalar_one()


def claim_of(key: str, digest: bytes = b"digest", client: str = "client-1") -> Claim:
    return Claim(client, key, digest, uuid.uuid4(), NOW)


def claiming(claim: Claim, pack: PackCode) -> Any:
    return lambda tx: tx.claim(claim, pack, pack.gtin)


def terminate_others(process: Process) -> None:
    """All connections of this database but the one that says so, as a failover would."""
    query = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    url = process.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(query)


# Once only.


def test_a_key_is_taken_once_by_its_client_for_what_it_stands_for(process: Process):
    pack, key = new_pack(process), new_key()
    assert process.dispense(pack, key) == "ok"
    assert process.dispense(pack, key) == "replay"
    other = process.store.run(claiming(claim_of(key, b"another body"), pack))
    assert isinstance(other, Fault)
    assert other.code == "idempotency_key_reused"
    assert process.store.run(claiming(claim_of(key, client="client-2"), pack)) is None


def test_a_replay_is_the_stored_answer_word_for_word(process: Process):
    pack, key = new_pack(process), new_key()
    process.dispense(pack)
    assert process.dispense(pack, key) == "already_done_here"
    claim = claim_of(key, Operation.DISPENSE.encode())
    replay = process.store.run(claiming(claim, pack))
    stored = scalar(
        process, "SELECT answer FROM events WHERE gtin = :gtin AND NOT accepted", gtin=int(pack.gtin)
    )
    assert replay == Replay(stored.encode(), accepted=False)


def test_what_ends_with_a_fault_leaves_the_key_free_and_nothing_else(process: Process):
    pack, key = new_pack(process), new_key()

    def work(tx: Transaction) -> Fault:
        assert tx.claim(claim_of(key), pack, pack.gtin) is None
        assert tx.count("4012345000016", "scope") == 1
        found = tx.find(pack).pack
        assert found is not None
        assert tx.move(found, State.DISPENSED, "4012345000016", NOW)
        return Fault("device_sequence_reused", "")

    assert isinstance(process.store.run(work), Fault)
    assert process.find(pack) == (State.ACTIVE, 0)
    assert process.store.run(claiming(claim_of(key), pack)) is None
    assert scalar(process, "SELECT count(*) FROM counters") == 0


def test_a_twin_under_way_is_waited_for_and_replayed(process: Process):
    pack, key = new_pack(process), new_key()
    gate = Gate()
    with behind(gate, process.cache, "fence"):
        first = Doing(process.dispense, pack, key)
        gate.wait()
        second = Doing(process.dispense, pack, key)
        until(lambda: waiting(process) == 1, "the twin waiting")
        gate.open()
        assert (first.result(), second.result()) == ("ok", "replay")


def test_a_twin_that_takes_too_long_is_said_to_be_under_way(process: Process):
    pack, key = new_pack(process), new_key()
    gate = Gate()
    with behind(gate, process.cache, "fence"):
        first = Doing(process.dispense, pack, key)
        gate.wait()
        twin = process.store.run(claiming(claim_of(key), pack))
        assert isinstance(twin, Fault)
        assert twin.code == "idempotency_in_progress"
        gate.open()
        assert first.result() == "ok"


def waiting(process: Process) -> int:
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN (SELECT pid FROM pg_stat_activity"
    return int(scalar(process, f"{query} WHERE datname = current_database())"))


def test_a_device_counts_on_for_ever(process: Process):
    device = Device("till-1", 7)
    for site, sequence, free in (("A", device, True), ("A", device, False), ("B", device, True)):
        taken = process.store.run(lambda tx, site=site, it=sequence: tx.claim_device(site, it, uuid.uuid4()))
        assert taken is free


def test_sixteen_at_once_one_is_accepted_and_all_are_recorded(processes: Processes):
    made = [processes(None) for _ in range(4)]
    packs = [new_pack(made[0]) for _ in range(5)]
    with ThreadPoolExecutor(16) as pool:
        work = [(made[n % 4], pack) for pack in packs for n in range(16)]
        codes = list(pool.map(lambda it: it[0].dispense(it[1]), work))
    assert Counter(codes) == {"ok": 5, "already_done_here": 75}
    for pack in packs:
        counted = "SELECT count(*) FROM events WHERE gtin = :gtin"
        assert scalar(made[0], counted, gtin=int(pack.gtin)) == 16
        assert scalar(made[0], f"{counted} AND version = 1", gtin=int(pack.gtin)) == 1


def test_a_change_that_was_decided_on_an_old_version_changes_nothing(process: Process):
    pack = new_pack(process)
    before = process.cache.find(pack).pack
    assert before is not None
    assert process.dispense(pack) == "ok"
    moved = process.store.run(lambda tx: tx.move(before, State.STOLEN, "4012345000016", NOW))
    assert moved is False
    assert process.find(pack) == (State.DISPENSED, 1)


def test_one_alert_for_the_same_pack_site_code_and_day(process: Process):
    pack = new_pack(process)

    def alert(site: str, code: str, day: int) -> tuple[str, int]:
        new = NewAlert(
            alert_id=uuid.uuid4(),
            gtin=pack.gtin,
            serial=pack.serial,
            lot=pack.lot,
            expiry=pack.expiry,
            site_gln=site,
            client_id="client-1",
            code=code,
            cause="already_dispensed",
            operation="dispense",
            event_id=uuid.uuid4(),
            raised_at=NOW.replace(day=day),
        )
        raised = process.store.run(lambda tx: tx.raise_alert(new))
        return raised.id, raised.count

    first, count = alert("A", "A7", 21)
    assert count == 1
    assert alert("A", "A7", 21) == (first, 2)
    for others in (("B", "A7", 21), ("A", "A24", 21), ("A", "A7", 22)):
        different, count = alert(*others)
        assert different != first
        assert count == 1


# Lost races, lost connections.


def test_two_transactions_in_each_others_way_both_come_through(process: Process):
    packs = [new_pack(process) for _ in range(2)]
    gates = [Gate(), Gate()]

    def moving(order: list[PackCode], gate: Gate) -> Any:
        def work(tx: Transaction) -> None:
            for pack in order:
                while True:
                    found = tx.find(pack).pack
                    assert found is not None
                    if tx.move(found, State.LOCKED, "4012345000016", NOW):
                        break
                gate.stop_here()

        return work

    doing = [
        Doing(process.store.run, moving(order, gate))
        for order, gate in zip((packs, packs[::-1]), gates, strict=True)
    ]
    for gate in gates:
        gate.wait()
    for gate in gates:
        gate.open()
    for each in doing:
        each.result()
    assert [process.find(pack)[1] for pack in packs] == [2, 2]


def test_a_connection_that_is_lost_before_the_commit_is_no_reason_to_fail(process: Process):
    pack = new_pack(process)
    gate = Gate()
    with behind(gate, process.cache, "fence"):
        dispensing = Doing(process.dispense, pack)
        gate.wait()
        terminate_others(process)
        gate.open()
        assert dispensing.result() == "ok"
    assert process.find(pack) == (State.DISPENSED, 1)


@pytest.mark.parametrize("fate", ["kept", "undone"])
def test_a_connection_that_is_lost_at_the_commit_is_asked_about_by_the_key(
    process: Process, monkeypatch: pytest.MonkeyPatch, fate: str
):
    pack, key = new_pack(process), new_key()
    settled: list[tuple[Any, ...]] = []
    settle = process.cache.settle
    monkeypatch.setattr(process.cache, "settle", lambda *change: settled.append(change) or settle(*change))
    commit = Session.commit
    lost: list[None] = []

    def losing(session: Session) -> None:
        if lost:
            commit(session)
            return
        lost.append(None)
        if fate == "kept":
            commit(session)
        session._connection.close()
        raise session._translated(psycopg.OperationalError("the connection was lost"), "COMMIT")

    def dispense() -> str:
        monkeypatch.setattr(Session, "commit", losing)
        return process.dispense(pack, key)

    assert dispense() == ("replay" if fate == "kept" else "ok")
    assert settled == [(pack.gtin, pack.serial, 1)], "before it is acknowledged, either way"
    assert process.find(pack) == (State.DISPENSED, 1)
    assert scalar(process, "SELECT count(*) FROM events WHERE accepted") == 1


def test_a_read_goes_on_when_the_server_that_the_pool_knew_is_gone(process: Process):
    pack = new_pack(process)
    assert process.find(pack) == (State.ACTIVE, 0)
    process.control.refresh()
    terminate_others(process)
    assert process.find(pack) == (State.ACTIVE, 0)
    process.control.refresh()


def test_an_event_that_was_kept_by_a_lost_commit_is_not_written_twice(process: Process):
    pack = new_pack(process)
    assert process.dispense(pack) == "ok"
    (event,) = process.ports.archive.events(pack.gtin, pack.serial)
    process.store.run(lambda tx: tx.record(event, None))
    assert [event] == list(process.ports.archive.events(pack.gtin, pack.serial))


def test_a_transaction_that_stands_still_is_ended_so_that_a_fence_outlives_it(process: Process):
    with process.engine.connect() as connection:
        limits = {
            name: connection.execute(text(f"SHOW {name}")).scalar_one()
            for name in ("transaction_timeout", "statement_timeout", "lock_timeout")
        }
    assert limits == {"transaction_timeout": "8s", "statement_timeout": "5s", "lock_timeout": "2s"}
