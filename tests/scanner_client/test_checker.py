from datetime import date
from pathlib import Path
from typing import Any

import pytest
from contract_server import ContractServer, Drop, Say, problem, verdict
from PIL import Image

from scanner_client import sample_pictures as draw
from scanner_client.checker import Run
from scanner_client.remote import Remote

TODAY = date(2026, 11, 21)
HEAD = "0109520001123016"
TYPED = f"{HEAD}21S1<GS>1728123110L1"
CODE = f"{HEAD}21S1\x1d1728123110L1"


def verifying(remote: Remote) -> Run:
    return Run(lambda code, mode, _: remote.verify(code, entry_mode=mode), TODAY)


def dispensing(remote: Remote) -> Run:
    return Run(lambda code, mode, key: remote.dispense(code, idempotency_key=key, entry_mode=mode), TODAY)


def test_a_typed_code_is_sent_with_its_separator_and_the_answer_is_shown(
    server: ContractServer, remote: Remote
):
    result = verifying(remote).text(TYPED)
    assert (result.signal, result.title, result.advice) == (
        "green",
        "Genuine and active",
        "May be dispensed.",
    )
    assert (result.source, result.gtin, result.serial) == (TYPED, "09520001123016", "S1")
    assert result.problem is None
    assert server.asked[0].json == {"code": CODE, "entry_mode": "scanned"}


def test_codes_typed_by_hand_are_marked_so(server: ContractServer, remote: Remote):
    verifying(remote).text(TYPED, "manual")
    assert server.asked[0].json["entry_mode"] == "manual"


def test_every_pack_of_a_picture_is_asked_for_with_a_key_of_its_own(
    server: ContractServer, remote: Remote, samples
):
    folder, manifest = samples
    (shown,) = (each for each in manifest["pictures"] if each["kind"] == "several")
    results = list(dispensing(remote).picture(folder / shown["file"]))
    assert [result.serial for result in results] == [pack["serial"] for pack in shown["packs"]]
    assert {result.signal for result in results} == {"green"}
    assert {seen.json["entry_mode"] for seen in server.asked} == {"image"}
    assert len({seen.headers["idempotency-key"] for seen in server.asked}) == len(results)


def test_a_pack_met_twice_in_one_run_is_changed_once(server: ContractServer, remote: Remote):
    run = dispensing(remote)
    first, second = run.text(TYPED), run.text(f"]d2{CODE}")
    assert (first.signal, second.signal) == ("green", "green")
    assert list(server.done.values()) == [1]


def test_the_same_serial_with_another_lot_is_another_request(server: ContractServer, remote: Remote):
    run = dispensing(remote)
    run.text(TYPED)
    run.text(f"{TYPED}X")
    assert [seen.json["code"] for seen in server.asked] == [CODE, f"{CODE}X"]
    assert list(server.done.values()) == [1, 1]


def test_the_next_run_may_change_the_pack_again(server: ContractServer, remote: Remote):
    dispensing(remote).text(TYPED)
    dispensing(remote).text(TYPED)
    assert list(server.done.values()) == [1, 1]


@pytest.mark.parametrize("signal", ["green", "amber", "red"])
def test_the_signal_is_the_services_own(server: ContractServer, remote: Remote, signal: str):
    answered = verdict("any", signal, accepted=signal == "green")
    server.script.append(Say(200, answered))
    result = verifying(remote).text(TYPED)
    assert (result.signal, result.verdict) == (signal, answered)


def test_an_answer_about_another_pack_is_never_shown(server: ContractServer, remote: Remote):
    server.script.append(Say(200, verdict(pack={"gtin": "09520001123016", "serial": "S2"})))
    result = verifying(remote).text(TYPED)
    assert (result.signal, result.verdict) == ("grey", None)
    assert result.problem == {"code": "unexpected_answer", "detail": "The answer is about another pack."}


@pytest.mark.parametrize(
    ("step", "title", "code"),
    [
        (problem(403, "not_for_this_site"), "Not checked", "forbidden"),
        (problem(429, "too_many"), "Not checked", "too_many_requests"),
        (Say(500, {}), "Not known whether it was recorded", "server_error"),
        (problem(422, "unreadable_code"), "Refused as faulty", "unreadable_code"),
    ],
)
def test_without_a_verdict_the_pack_is_grey_and_the_reason_is_told(
    server: ContractServer, remote: Remote, step: Say, title: str, code: str
):
    server.script.append(step)
    result = dispensing(remote).text(TYPED)
    assert (result.signal, result.title, result.verdict) == ("grey", title, None)
    assert result.problem is not None
    assert result.problem["code"] == code
    assert result.advice


def test_a_change_whose_answer_was_lost_asks_for_another_scan(server: ContractServer, remote: Remote):
    server.script += [Drop()] * 3
    result = dispensing(remote).text(TYPED)
    assert result.title == "Not known whether it was recorded"
    assert "Scan the pack again" in result.advice


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hello", "not_a_pack_code"),
        ("09520001123016", "not_a_pack_code"),
        ("", "not_a_pack_code"),
        (f"{HEAD}1728123110L1", "missing_serial"),
    ],
)
def test_what_is_no_pack_code_is_grey_and_not_sent(
    server: ContractServer, remote: Remote, text: str, reason: str
):
    result = verifying(remote).text(text)
    assert (result.signal, result.title) == ("grey", "The code cannot be read")
    assert result.problem is not None
    assert (result.problem["code"], result.problem["reason"]) == ("unreadable_code", reason)
    assert server.seen == []


def test_a_faulty_code_with_product_and_serial_is_sent_so_that_it_is_recorded(
    server: ContractServer, remote: Remote
):
    server.script.append(problem(422, "unreadable_code", "The check digit is wrong."))
    result = verifying(remote).text("]d2010952000112301721S1\x1d1728123110L1")
    assert len(server.asked) == 1
    assert (result.signal, result.serial) == ("grey", "S1")
    assert "The check digit is wrong." in result.advice


def symbols(tmp_path: Path, *codes: str) -> Path:
    sheet = Image.new("L", (40 + 200 * len(codes), 200), 255)
    for place, code in enumerate(codes):
        sheet.paste(draw.symbol(code, gs1=True, module=5), (20 + 200 * place, 20))
    sheet.save(tmp_path / "sheet.png")
    return tmp_path / "sheet.png"


def test_an_unreadable_pack_beside_a_good_one_is_shown_too(remote: Remote, tmp_path: Path):
    good, bad = "[01]09520001123016[21]S1[17]281231[10]L1", "[01]09520001123016[17]281231[10]L1"
    results = list(verifying(remote).picture(symbols(tmp_path, good, bad)))
    assert [(result.signal, result.serial) for result in results] == [("green", "S1"), ("grey", None)]
    assert results[1].problem is not None
    assert results[1].problem["reason"] == "missing_serial"


@pytest.mark.parametrize(
    ("name", "reason"),
    [("pictures/ean_only.jpg", "no_pack_code"), ("packs.csv", "not_a_picture"), ("gone.png", "no_file")],
)
def test_a_picture_without_a_pack_is_one_grey_result(
    server: ContractServer, remote: Remote, samples: tuple[Path, dict[str, Any]], name: str, reason: str
):
    (result,) = verifying(remote).picture(samples[0] / name)
    assert (result.signal, result.title) == ("grey", "No pack code was read")
    assert result.problem is not None
    assert result.problem["code"] == reason
    assert server.seen == []
