"""`verifier vrs …`: choices, blocked requestors and marked lots, each with who, when, from, to and why."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from lms_partner import ask, data, told
from world import MANUFACTURER, World

from verifier.cli.main import main

pytestmark = pytest.mark.parametrize("world", ["off"], indirect=True, scope="module")
WHY = ("--who", "ada", "--why", "a test")
Vrs = Callable[..., Result]


@pytest.fixture
def vrs(world: World, tmp_path: Path) -> Vrs:
    def run(*arguments: str) -> Result:
        environment = {name: None for name in os.environ if name.startswith("VERIFIER_")}
        own = {"VERIFIER_DATABASE_URL": world.service.settings.database_url, "VERIFIER_HOME": str(tmp_path)}
        return CliRunner().invoke(main, ["vrs", *arguments], env=environment | own)

    return run


def shown(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_choice_holds_when_the_command_returns_and_is_kept_with_its_history(world: World, vrs: Vrs):
    pack = world.pack(profile="us_dscsa", expiry="2023-07-28")
    refused = told("Manufacturer_policy", "Expired")
    assert data(ask(world.wholesaler, pack)) == refused
    assert shown(vrs("policy", "show"))["expired"]["answer"] == "refused"
    made = shown(vrs("policy", "set", "expired", "verified", *WHY))
    assert data(ask(world.wholesaler, pack)) == told(None, "Expired")
    assert shown(vrs("policy", "show"))["expired"]["answer"] == "verified"
    shown(vrs("policy", "set", "expired", "ignore", "--manufacturer", MANUFACTURER, *WHY))
    assert data(ask(world.wholesaler, pack)) == told()
    assert shown(vrs("policy", "show", "--manufacturer", MANUFACTURER))["expired"]["answer"] == "ignore"
    shown(vrs("policy", "reset", "expired", "--manufacturer", MANUFACTURER, *WHY))
    back = shown(vrs("policy", "reset", "expired", *WHY))
    assert data(ask(world.wholesaler, pack)) == refused
    log = shown(vrs("policy", "log"))
    assert (log[0], log[-1]) == (made, back)
    assert [(entry["from"], entry["to"]) for entry in log] == [
        (None, "verified"), (None, "ignore"), ("ignore", None), ("verified", None),
    ]  # fmt: skip
    assert {(entry["who"], entry["why"], entry["at"][-1]) for entry in log} == {("ada", "a test", "Z")}


def test_a_requestor_is_blocked_and_permitted_again(world: World, vrs: Vrs):
    pack, gln = world.pack(profile="us_dscsa"), "9521234000021"
    shown(vrs("block", gln, *WHY))
    assert ask(world.wholesaler, pack, reqGLN=gln).status_code == 403
    assert shown(vrs("blocked")) == [gln]
    shown(vrs("unblock", gln, *WHY))
    assert ask(world.wholesaler, pack, reqGLN=gln).status_code == 200
    assert shown(vrs("blocked")) == []


def test_a_lot_is_marked_and_unmarked(world: World, vrs: Vrs):
    pack = world.pack(profile="us_dscsa", lot="A/B")
    gtin, lot = pack["gtin"], pack["lot"]
    made = shown(vrs("mark", gtin, lot, "expiry_extended", "--until", "2040-06-30", *WHY))
    assert (made["subject"], made["to"]) == (f"{gtin} {lot} expiry_extended", "2040-06-30")
    assert data(ask(world.wholesaler, pack)) == told(None, "ExpirationExtended")
    shown(vrs("unmark", gtin, lot, "expiry_extended", *WHY))
    assert data(ask(world.wholesaler, pack)) == told()
    kinds = [entry["kind"] for entry in shown(vrs("log"))]
    assert kinds[-2:] == ["lot", "lot"]


def test_a_mark_of_a_lot_that_nobody_knows_says_so_and_one_of_a_known_lot_does_not(world: World, vrs: Vrs):
    pack = world.pack(profile="us_dscsa", lot="KNOWN1")
    said = {lot: vrs("mark", pack["gtin"], lot, "suspect", *WHY).stderr for lot in ("KNOWN1", "KNOWN2")}
    assert said["KNOWN1"] == ""
    assert said["KNOWN2"].startswith(
        f"No pack of lot KNOWN2 of {pack['gtin']} is known here. If that is a slip"
    )


# fmt: off
WRONG = [
    ("policy", "set", "illegitimate", "ignore", *WHY),     ("policy", "set", "stolen", "silent", *WHY),
    ("policy", "set", "mismatch", "verified", *WHY),       ("policy", "set", "expired", "say_which", *WHY),
    ("policy", "set", "dispensed", "refused", *WHY),       ("policy", "set", "nothing", "ignore", *WHY),
    ("policy", "set", "expired", "ignore", "--manufacturer", "1", *WHY),
    ("policy", "set", "expired", "ignore"),  ("policy", "set", "expired", "ignore", "--why", " "),
    ("block", "952123400002", *WHY),                       ("block", "9521234000021"),
    ("mark", "05012345678901", "L1", "suspect", *WHY),     ("mark", "05012345678900", "L 1", "suspect", *WHY),
    ("mark", "05012345678900", "L1", "expiry_extended", *WHY),
    ("mark", "05012345678900", "L1", "suspect", "--until", "2030-01-01", *WHY),
]
# fmt: on


@pytest.mark.parametrize("arguments", WRONG)
def test_what_the_table_does_not_allow_is_not_written_down(vrs: Vrs, arguments: tuple[str, ...]):
    before = shown(vrs("log"))
    result = vrs(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert shown(vrs("log")) == before
