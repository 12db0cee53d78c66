"""Slow peers hold some of our threads, never all of them."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mischief import Troublemaker
from standin import Reply, Request, Responder, network
from vrs_asking import PACK, QUICK, requestor
from vrs_asking import ask as ask_peer
from vrs_world import ask, asking_world, enter, foreign, known, pending, rows

from verifier.domain.resale import Asked

PATIENT = {"seconds": 60.0, "try_seconds": 60.0}
HALF = 4
"""Of the threads that a process has where nothing else is said."""


class Slow(Responder):
    """Answers when it is told to."""

    def __init__(self, *packs: dict[str, Any]) -> None:
        super().__init__(*packs)
        self.arrived = threading.Semaphore(0)
        self.go_on = threading.Event()

    def answer(self, request: Request) -> Reply:
        self.arrived.release()
        assert self.go_on.wait(60)
        return super().answer(request)

    def has(self, questions: int) -> None:
        """Wait until so many are here."""
        assert all(self.arrived.acquire(timeout=60) for _ in range(questions))


def test_a_question_that_finds_no_slot_is_not_sent_and_the_slot_is_free_afterwards():
    with network(slow := Slow(PACK)), requestor(replace(QUICK, **PATIENT), at_once=1) as peers:
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(ask_peer, peers, slow.url)
            slow.has(1)
            busy = ask_peer(peers, slow.url)
            slow.go_on.set()
        assert (busy.asked, busy.detail, busy.exchanges) == (Asked.NO_ANSWER, "busy", ())
        assert first.result().asked is Asked.VERIFIED
        assert ask_peer(peers, slow.url).asked is Asked.VERIFIED
    assert len(slow.requests) == 2


@pytest.mark.parametrize("mischief", ["hangs up", "never answers", "redirect loop", "too large"])
def test_whatever_a_peer_does_its_slot_is_free_afterwards(mischief: str):
    with network(bad := Troublemaker(mischief), good := Responder(PACK)), requestor(at_once=1) as peers:
        assert ask_peer(peers, bad.url).detail != "busy"
        assert ask_peer(peers, good.url).asked is Asked.VERIFIED


def test_half_of_the_threads_ask_and_what_is_too_much_is_pending_and_kept(
    new_database: Callable[[], str], tmp_path: Path
):
    world = asking_world(tmp_path, new_database(), **PATIENT)
    packs = [foreign(world) for _ in range(HALF + 1)]
    gtins = {pack["gtin"] for pack in packs}
    more = packs[-1]
    world.wholesaler.token  # noqa: B018 - one for all
    with network(slow := Slow(*map(known, packs))), ThreadPoolExecutor(HALF) as pool:
        for gtin in gtins:
            enter(world, gtin, slow.url)
        people = [replace(world.wholesaler, http=world.app.test_client()) for _ in range(HALF)]
        under_way = [pool.submit(ask, who, pack) for who, pack in zip(people, packs, strict=False)]
        slow.has(HALF)
        told = ask(world.wholesaler, more)
        assert (told["resale"], told["code"], told["detail"]) == ("pending", "no_answer", "busy")
        assert pending(world.wholesaler, more) is not None
        slow.go_on.set()
        assert [each.result()["resale"] for each in under_way] == ["yes"] * HALF
        assert ask(world.wholesaler, more)["resale"] == "yes"
    assert pending(world.wholesaler, more) is None
    kept = rows(
        world, "SELECT detail FROM vrs_questions WHERE serial = :s ORDER BY asked_at", s=more["serial"]
    )
    assert [row["detail"] for row in kept] == ["busy", None]
    world.service.close()
