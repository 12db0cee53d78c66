"""kill -9 in the middle of a return: what was answered is there, and a scan sent again counts once."""

import threading
from collections.abc import Iterator
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from callers import Answer, Caller, all_at_once, new_key
from running import Pack, Running, new_packs, running, until

SESSIONS = "/v1/returns/sessions"
HAUNTED = Path(__file__).parents[1] / "faults" / "haunted"
PACKS = 400


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("haunted")


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Running]:
    with running(workers=2, PYTHONPATH=str(HAUNTED), HAUNTED=str(folder)) as started:
        yield started


def opened(caller: Caller, packs: list[Pack]) -> str:
    listed = [{"gtin": pack["gtin"], "serial": pack["serial"]} for pack in packs]
    body = {"reference": "RMA-1", "counterparty_gln": "4012345000016", "expected_packs": listed}
    answer = caller.post(SESSIONS, body, new_key())
    assert answer.status == 200, answer
    return f"{SESSIONS}/{answer.body['id']}"


def scan(caller: Caller, session: str, pack: Pack, key: str) -> Answer:
    return caller.post(f"{session}/scans", {"scans": [pack | {"idempotency_key": key}]})


def told(answer: Answer) -> dict[str, Any]:
    [result] = answer.body["results"]
    return result


def test_a_return_that_is_killed_in_the_middle_goes_on_and_ends_with_the_right_totals(service: Running):
    caller = service.caller("4012345000047", "wholesaler")
    packs = new_packs(PACKS)
    service.load(packs)
    session = opened(caller, packs)
    gone = threading.Event()
    answered: dict[str, dict[str, Any]] = {}
    keys = {pack["serial"]: new_key() for pack in packs}

    def work(mine: list[Pack]) -> None:
        for pack in mine:
            try:
                answer = scan(caller, session, pack, keys[pack["serial"]])
            except (OSError, HTTPException):
                assert gone.is_set()
                return
            assert answer.status in (200, 503), answer
            if answer.status == 200 and "outcome" in told(answer):
                answered[pack["serial"]] = told(answer)

    def execute() -> None:
        until(lambda: len(answered) > PACKS // 4, "enough scans", 60)
        gone.set()
        service.kill_everything()

    all_at_once([execute, *(partial(work, packs[number::4]) for number in range(4))])
    assert PACKS // 4 < len(answered) < PACKS, "it was killed in the middle"

    service.start()
    for pack in packs:
        answer = caller.insist(partial(scan, caller, session, pack, keys[pack["serial"]]))
        result = told(answer)
        assert (result["outcome"], result["resale"]) == ("counted", "yes"), result
        if pack["serial"] in answered:
            assert result == answered[pack["serial"]] | {"replayed": True}
    totals = caller.get(session).body["totals"]
    assert (totals["scanned"], totals["matched"], totals["missing"], totals["duplicate"]) == (
        PACKS, PACKS, 0, 0,
    )  # fmt: skip
    closed = caller.post(f"{session}/close", {}, new_key()).body
    assert closed["summary"]["totals"] == totals
    written = service.rows("SELECT count(*) FROM returns_events WHERE operation = 'scan'")
    assert written == [(PACKS,)]


def test_a_worker_that_dies_between_commit_and_answer_has_counted_the_scan_once(
    service: Running, folder: Path
):
    """Of a pack that was changed before, the worker settles the cache in between; there it dies."""
    caller = service.caller("4012345000047", "wholesaler")
    pharmacy = service.caller("4012345000016", "pharmacy")
    [pack] = new_packs(1, product=2)
    service.load([pack])
    assert pharmacy.dispense(pack).status == 200
    session = opened(caller, [pack])
    key = new_key()
    (folder / "note").write_text("between commit and settling: die")
    with pytest.raises((OSError, HTTPException)):
        scan(caller, session, pack, key)
    answer = caller.insist(partial(scan, caller, session, pack, key))
    result = told(answer)
    assert (result["outcome"], result["code"], result["replayed"]) == ("counted", "own_state", True)
    totals = answer.body["totals"]
    assert (totals["scanned"], totals["refused"], totals["duplicate"]) == (1, 1, 0)
    events = service.rows(
        "SELECT count(*) FROM events WHERE serial = %s AND gtin = %s AND operation = 'returns_check'",
        pack["serial"],
        int(pack["gtin"]),
    )
    assert events == [(1,)]
