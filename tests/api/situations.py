"""How packs get into trouble: overlays by command, states by the sites that bring them about."""

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

from world import Person, World

from verifier.domain.gs1 import check_digit

Pack = dict[str, Any]
OVERLAYS = ("withdrawn", "recalled", "expired", "on_hold")
LAST_MONTH = (date.today() - timedelta(days=40)).isoformat()  # noqa: DTZ011
_COMMANDS = {"recalled": "batches/recall", "on_hold": "batches/hold", "withdrawn": "products/withdraw"}


def together(jobs: Iterable[Callable[[], Any]]) -> list[Any]:
    """Run them at once and wait for all: a command waits a second until every worker knows."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        return [running.result() for running in [pool.submit(job) for job in jobs]]


def command(world: World, person: Person, name: str, gtin: str, lot: str | None = None) -> Mapping[str, Any]:
    """A command by a test client of its own, so that several can be under way."""
    body = {"gtin": gtin, "reason": "test"} | ({"lot": lot} if lot else {})
    headers = person.headers() | {"Idempotency-Key": uuid4().hex}
    answer = world.app.test_client().post(f"/v1/{name}", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json


def overlaid(
    world: World, combinations: Iterable[Collection[str]], profile: str = "eu_fmd"
) -> dict[frozenset[str], Pack]:
    """By combination of overlays, what `world.pack` needs to make fresh packs of such a batch."""
    batches: dict[frozenset[str], Pack] = {}
    jobs: list[Callable[[], Any]] = []
    for overlays in map(frozenset, combinations):
        expiry = LAST_MONTH if "expired" in overlays else None
        gtin, lot = world.new_gtin(), f"L{len(batches)}"
        batches[overlays] = {"gtin": gtin, "lot": lot, "expiry": expiry, "profile": profile}
        world.pack(**batches[overlays])
        for overlay in overlays & set(_COMMANDS):
            arguments = (gtin,) if overlay == "withdrawn" else (gtin, lot)
            jobs.append(lambda o=overlay, a=arguments: command(world, world.regulator, _COMMANDS[o], *a))
    together(jobs)
    return batches


def bring_to(world: World, state: str, pack: Pack) -> Person:
    """Bring an active pack into this state; who did it."""
    if state == "dispensed":
        who, verdict = world.corner_pharmacy, world.corner_pharmacy.dispense(pack)
    else:
        who = world.wholesaler
        verdict = who.decommission(pack, state)
    assert (verdict["code"], verdict["pack"]["state"]) == ("ok", state)
    return who


def new_ppn(world: World) -> tuple[str, str]:
    """A German product's PPN and its NTIN, by the two check digit methods of IFA."""
    while True:
        seven = f"{1_234_567 + next(world._items):07d}"
        check = sum(int(digit) * weight for weight, digit in enumerate(seven, start=1)) % 11
        if check < 10:
            break
    payload = f"11{seven}{check}"
    total = sum(ord(char) * weight for weight, char in enumerate(payload, start=2))
    ntin = f"04150{seven}{check}"
    return f"{payload}{total % 97:02}", ntin + check_digit(ntin)
