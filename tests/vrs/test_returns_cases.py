"""A sealed homogeneous case by the label on it: all of its packs, each decided by itself, or none."""

from collections import Counter
from typing import Any

import pytest
from returning import load_case, new_sscc, open_session
from sqlalchemy import select
from world import World

from verifier.domain import returns
from verifier.domain.gs1 import GS
from verifier.domain.pack_code import Unreadable
from verifier.domain.resale import CODES
from verifier.domain.returns import MOST_IN_A_CASE, REFUSALS
from verifier.domain.sscc import is_sscc, parse_sscc
from verifier.domain.wording import returns as wording
from verifier.services import returned
from verifier.storage.tables import packs as packs_

SSCC = "340123450000000000"


def case(world: World, count: int = 5, **more: Any) -> tuple[str, list[dict[str, Any]]]:
    gtin, sscc = world.new_gtin(), new_sscc()
    packs = [world.pack(gtin=gtin, stored=False, **more) for _ in range(count)]
    load_case(world, packs, sscc)
    return sscc, packs


READ = [
    (f"(00){SSCC}", SSCC),
    (f"]C100{SSCC}", SSCC),
    (f"]d200{SSCC}", SSCC),
    (f"]C1{GS}00{SSCC}", SSCC),
    (f"00{SSCC}", SSCC),
    (f"00{SSCC}{GS}", SSCC),
    (f"]C100{SSCC[:-1]}1", "bad_check_digit"),
    (f"(00){SSCC[:-1]}", None),
    (SSCC, None),
    (f"]A000{SSCC}", None),
    (f"(00){SSCC}(37)12", None),
    ("]d20105012345678900", None),
    ("", None),
]


@pytest.mark.parametrize(("raw", "read"), READ)
def test_the_label_of_a_case(raw: str, read: str | None):
    found = parse_sscc(raw)
    assert (str(found.reason) if isinstance(found, Unreadable) else found) == read


@pytest.mark.parametrize("text", ["", SSCC[:-1], SSCC + "0", SSCC[:-1] + "1", "٣" * 18])
def test_what_is_no_sscc(text: str):
    assert not is_sscc(text)
    assert is_sscc(SSCC)


@pytest.mark.parametrize("way", ["sscc", "(00)", "]C100", "00"])
def test_a_label_stands_for_all_packs_of_its_case(world: World, way: str):
    sscc, packs = case(world)
    desk = open_session(world.wholesaler)
    told = desk.scan({"sscc": sscc} if way == "sscc" else {"code": way + sscc})
    assert (told["outcome"], told["resale"], told["code"], told["sscc"]) == ("counted", "yes", "ok", sscc)
    assert {pack["serial"] for pack in told["packs"]} == {pack["serial"] for pack in packs}
    assert desk.totals() == {"scanned": 5, "saleable": 5}


def test_each_pack_of_a_case_is_decided_by_itself_and_the_case_by_the_strictest(world: World):
    sscc, packs = case(world)
    world.wholesaler.decommission(packs[2], "locked")
    desk = open_session(world.wholesaler)
    told = desk.scan({"sscc": sscc})
    assert (told["resale"], told["code"]) == ("no", "own_state")
    assert Counter(pack["resale"] for pack in told["packs"]) == {"yes": 4, "no": 1}
    events = world.wholesaler.get("/v1/packs/events", gtin=packs[2]["gtin"], serial=packs[2]["serial"]).json[
        "events"
    ]
    assert [event["code"] for event in events if event["operation"] == "returns_check"] == [
        "already_done_here"
    ]


def test_a_case_counts_for_the_list(world: World):
    sscc, packs = case(world)
    lots = [{"gtin": packs[0]["gtin"], "lot": packs[0]["lot"], "count": 4}]
    desk = open_session(world.wholesaler, expected_lots=lots)
    desk.scan({"sscc": sscc})
    assert desk.totals() == {"expected": 4, "matched": 4, "extra": 1, "scanned": 5, "saleable": 5}


def refused_unknown(_world: World, _desk: Any) -> str:
    return new_sscc()


def refused_empty(world: World, _desk: Any) -> str:
    sscc, packs = case(world, 2)
    for pack in packs:
        world.corner_pharmacy.dispense(pack)
    return sscc


def refused_opened(world: World, _desk: Any) -> str:
    """One pack has left the trade, so somebody has had the case open."""
    sscc, packs = case(world, 3)
    world.corner_pharmacy.dispense(packs[1])
    return sscc


def refused_lots(world: World, _desk: Any) -> str:
    sscc, packs = case(world, 2)
    load_case(world, [packs[0] | {"serial": "X", "lot": "OTHER"}], sscc)
    return sscc


def refused_products(world: World, _desk: Any) -> str:
    sscc, packs = case(world, 2)
    load_case(world, [packs[0] | {"gtin": world.new_gtin()}], sscc)
    return sscc


def refused_partly(world: World, desk: Any) -> str:
    sscc, packs = case(world, 3)
    desk.scan(packs[1])
    return sscc


def refused_large(world: World, _desk: Any) -> str:
    return case(world, MOST_IN_A_CASE + 1)[0]


REFUSED = {
    "case_unknown": refused_unknown,
    "case_empty": refused_empty,
    "case_opened": refused_opened,
    "case_mixed": refused_lots,
    "case_mixed ": refused_products,
    "case_partly_scanned": refused_partly,
    "case_too_large": refused_large,
}


@pytest.mark.parametrize("code", REFUSED)
def test_a_label_that_stands_for_nothing_is_refused_and_counts_nothing(world: World, code: str):
    desk = open_session(world.wholesaler)
    sscc = REFUSED[code](world, desk)
    before = desk.totals()
    told = desk.scan({"sscc": sscc})
    assert (told["outcome"], told["resale"], told["code"]) == ("refused", "no", code.strip())
    assert told["packs"] == []
    assert desk.totals() == before | {"refused_cases": 1}


def test_the_largest_case_is_counted(world: World):
    sscc, _ = case(world, MOST_IN_A_CASE)
    desk = open_session(world.wholesaler)
    assert len(desk.scan({"sscc": sscc})["packs"]) == MOST_IN_A_CASE


def test_a_case_that_is_more_than_the_session_may_still_take_is_not_counted_in_part(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(returned, "MOST_PACKS", 5)
    (sscc, _), (other, _) = case(world, 3), case(world, 3)
    desk = open_session(world.wholesaler)
    assert desk.scan({"sscc": sscc})["outcome"] == "counted"
    assert desk.scan({"sscc": other})["code"] == "session_full"
    assert desk.totals() == {"scanned": 3, "saleable": 3}


def test_a_case_twice_is_a_duplicate_and_so_is_each_of_its_packs(world: World):
    sscc, packs = case(world)
    desk = open_session(world.wholesaler)
    first = desk.scan({"sscc": sscc}, user="anna")
    again = desk.scan({"code": f"(00){sscc}"})
    assert (again["outcome"], again["resale"], again["packs"]) == ("duplicate", "no", [])
    assert again["first"]["event_id"] == first["event_id"]
    assert again["first"]["user"] == "anna"
    assert desk.scan(packs[0])["first"]["event_id"] == first["event_id"]
    assert desk.totals() == {"scanned": 5, "saleable": 5, "duplicate": 2}


@pytest.mark.parametrize(
    ("scan", "code"),
    [
        ({"sscc": SSCC[:-1] + "1"}, "invalid_request"),
        ({"sscc": "1"}, "invalid_request"),
        ({"sscc": SSCC, "serial": "S"}, "invalid_request"),
        ({"sscc": SSCC, "code": f"(00){SSCC}"}, "invalid_request"),
        ({"code": f"(00){SSCC[:-1]}1"}, "unreadable_code"),
    ],
)
def test_a_wrong_label_is_a_problem(world: World, scan: dict[str, Any], code: str):
    assert open_session(world.wholesaler).scan(scan)["code"] == code


def test_a_case_may_come_with_the_file_of_its_packs(world: World):
    """Where a file gives no SSCC there is nothing in the index, and where it does, its packs are found."""
    sscc, packs = case(world, 3)
    world.pack(profile="us_dscsa")
    with world.service.engine.connect() as connection:
        found = connection.execute(select(packs_.c.serial).where(packs_.c.sscc == sscc)).scalars().all()
    assert set(found) == {pack["serial"] for pack in packs}


@pytest.mark.parametrize("language", wording.WORDS)
def test_every_refusal_has_its_words(language: str):
    assert set(wording.WORDS[language]) == set(REFUSALS)
    assert all(title and advice for title, advice in wording.WORDS[language].values())


def test_nothing_but_a_counted_pack_is_ever_saleable():
    assert {refusal.resale for refusal in REFUSALS.values()} == {"no"}
    assert not set(REFUSALS) & set(CODES)
    assert returns.NOT_ASKED.answer is None
