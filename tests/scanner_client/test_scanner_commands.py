import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from contract_server import CLIENT, SECRET, ContractServer, Say, problem, verdict
from rich.console import Console

import scanner_client.cli
from scanner_client.checker import CheckResult
from scanner_client.cli import EXIT_CODES, cli
from scanner_client.display import show_result

GOOD = "(01)09520001123016(21)S1(17)281231(10)L1"
ALERT = {"id": "al-7", "code": "A3", "cause": "unknown_serial", "count": 1}
STOP = {"title": "Serial number unknown", "advice": "Stop: do not hand out.", "alert": ALERT}
RED = verdict("unknown_serial", "red", accepted=False, **STOP)
AMBER = verdict("unknown_product", "amber", accepted=False, title="Product not in the repository")


def scanner(server: ContractServer | None, *arguments: str, **env: str) -> Result:
    given = {
        "SCANNER_URL": "",
        "SCANNER_CLIENT_ID": "",
        "SCANNER_CLIENT_SECRET": "",
        "SCANNER_CONFIG": "/no/config",
    }
    if server is not None:
        given |= {"SCANNER_URL": server.url, "SCANNER_CLIENT_ID": CLIENT, "SCANNER_CLIENT_SECRET": SECRET}
    return CliRunner(env={**given, **env}).invoke(cli, arguments)


def process(server: ContractServer, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The command as it is started by a person, without a terminal."""
    settings = {
        "SCANNER_URL": server.url,
        "SCANNER_CLIENT_ID": CLIENT,
        "SCANNER_CLIENT_SECRET": SECRET,
        **env,
    }
    command = "import sys; from scanner_client.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", command, *arguments],
        capture_output=True,
        text=True,
        env=settings,
        timeout=60,
        check=False,
    )


def test_a_pipe_gets_one_line_a_pack(server: ContractServer):
    result = scanner(server, "verify", GOOD, GOOD)
    line = "green\tok\t09520001123016\tS1\tGenuine and active\tMay be dispensed.\t-\t" + GOOD
    assert result.stdout.splitlines() == [line, line]
    assert (result.stderr, result.exit_code) == ("", 0)


def test_json_is_one_object_a_line(server: ContractServer):
    server.script.append(Say(200, RED))
    result = scanner(server, "verify", "--json", GOOD, "hello")
    red, grey = [json.loads(line) for line in result.stdout.splitlines()]
    assert set(red) == {"source", "signal", "title", "advice", "gtin", "serial", "verdict", "problem"}
    assert (red["signal"], red["verdict"], red["problem"]) == ("red", RED, None)
    assert (grey["signal"], grey["verdict"], grey["problem"]["reason"]) == ("grey", None, "not_a_pack_code")


@pytest.mark.parametrize("text", [scanner_client.cli.__doc__, cli.help])
def test_every_exit_code_is_told(text: str):
    told = " ".join(text.split())
    for signal, code in EXIT_CODES.items():
        assert f"{code} at least one {'not checked' if signal == 'grey' else signal}" in told
    assert "0 all green" in told


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([Say(200, verdict()), Say(200, verdict())], 0),
        ([Say(200, verdict()), Say(200, AMBER)], 4),
        ([Say(200, AMBER), Say(200, RED)], 2),
        ([Say(200, verdict()), Say(200, RED)], 2),
        ([Say(200, verdict()), problem(429, "slow")], 3),
        ([Say(200, AMBER), problem(429, "slow")], 3),
        ([problem(429, "slow"), Say(200, RED)], 2),
    ],
)
def test_the_exit_code_is_that_of_the_gravest_signal(server: ContractServer, answers: list[Say], code: int):
    server.script += answers
    assert scanner(server, "verify", GOOD, GOOD).exit_code == code


@pytest.mark.parametrize(
    ("command", "path", "fields"),
    [
        (["verify", "--seal", "broken"], "/v1/verify", {"seal": "broken"}),
        (["dispense"], "/v1/dispense", {}),
        (["dispense", "--manual"], "/v1/dispense", {"entry_mode": "manual"}),
        (["reactivate"], "/v1/reactivate", {}),
        (["reactivate", "--not-supplied-to-public"], "/v1/reactivate", {"not_supplied_to_public": True}),
        (["return", "--seal", "intact"], "/v1/returns/check", {"seal": "intact"}),
        (["decommission", "--reason", "destroyed"], "/v1/decommission", {"reason": "destroyed"}),
    ],
)
def test_each_command_asks_for_its_operation(
    server: ContractServer, command: list[str], path: str, fields: dict
):
    assert scanner(server, *command, GOOD).exit_code == 0
    (seen,) = server.asked
    assert (seen.path, seen.json) == (path, {"code": GOOD, "entry_mode": "scanned", **fields})
    assert ("idempotency-key" in seen.headers) == (
        path in {"/v1/dispense", "/v1/reactivate", "/v1/decommission"}
    )


def test_a_return_tells_whether_the_pack_may_be_sold_on(server: ContractServer):
    server.script.append(Say(200, verdict(resale="pending", next_step="wait_for_data")))
    assert "Resale: pending (wait for the data of this batch)" in scanner(server, "return", GOOD).stdout


def test_pictures_and_codes_may_be_mixed(server: ContractServer, samples: tuple[Path, dict[str, Any]]):
    result = scanner(server, "verify", str(samples[0] / "pictures/several.jpg"), GOOD)
    assert len(result.stdout.splitlines()) == 7


def test_decode_prints_the_object_of_the_contract(samples: tuple[Path, dict[str, Any]]):
    folder, manifest = samples
    shown = {each["file"]: each for each in manifest["pictures"]}
    ppn, none = str(folder / "pictures/ppn.png"), str(folder / "pictures/qr_only.jpg")
    result = scanner(None, "decode", "--json", ppn, none)
    first, second = [json.loads(line) for line in result.stdout.splitlines()]
    (code,) = first["codes"]
    assert list(code) == ["gtin", "ppn", "serial", "lot", "expiry", "raw", "symbology", "stage"]
    assert code["ppn"] == shown["pictures/ppn.png"]["packs"][0]["ppn"]
    assert (first["file"], first["reason"]) == (ppn, None)
    assert second == {"file": none, "codes": [], "reason": "no_pack_code"}
    assert "Scan the square Data Matrix code" in result.stderr
    assert result.exit_code == 3


def test_decode_ends_well_when_every_picture_gave_a_code(samples: tuple[Path, dict[str, Any]]):
    folder, manifest = samples
    pack = next(each for each in manifest["pictures"] if each["file"] == "pictures/us.png")["packs"][0]
    result = scanner(None, "decode", str(folder / "pictures/us.png"))
    fields = [pack["gtin"], "-", pack["serial"], pack["lot"], pack["expiry"], str(folder / "pictures/us.png")]
    assert result.stdout == "\t".join(fields) + "\n"
    assert (result.stderr, result.exit_code) == ("", 0)


def test_login_tries_the_client_and_the_next_command_uses_it(server: ContractServer, tmp_path: Path):
    config = str(tmp_path / "c" / "scanner.json")
    result = scanner(None, "login", "--url", server.url, "--client-id", CLIENT, SCANNER_CONFIG=config,
                     SCANNER_CLIENT_SECRET=SECRET)  # fmt: skip
    assert (result.stdout, result.exit_code) == ("", 0)
    assert SECRET not in result.stderr
    assert scanner(None, "verify", GOOD, SCANNER_CONFIG=config).exit_code == 0


def test_a_login_that_is_refused_keeps_nothing(server: ContractServer, tmp_path: Path):
    config = tmp_path / "scanner.json"
    server.token_script.append(Say(401, {"error": "invalid_client", "error_description": "Unknown client."}))
    result = scanner(None, "login", "--url", server.url, "--client-id", "x", SCANNER_CONFIG=str(config),
                     SCANNER_CLIENT_SECRET="y")  # fmt: skip
    assert (result.exit_code, config.exists()) == (1, False)
    assert "Unknown client." in result.stderr


def test_samples_are_written_and_named(tmp_path: Path):
    result = scanner(None, "samples", str(tmp_path / "s"), "--seed", "3", "--packs", "20")
    assert result.exit_code == 0
    assert all(Path(line).is_file() for line in result.stdout.splitlines())
    assert len((tmp_path / "s" / "packs.csv").read_text(encoding="utf-8").splitlines()) == 21


@pytest.mark.parametrize(
    ("arguments", "env", "said"),
    [
        ([], {}, "Usage"),
        (["verify"], {}, "Missing argument"),
        (["dispatch", GOOD], {}, "No such command"),
        (["decommission", GOOD], {}, "--reason"),
        (["decommission", "--reason", "lost", GOOD], {}, "--reason"),
        (["verify", "gone.png"], {}, "there is no picture gone.png"),
        (["verify", GOOD], {"SCANNER_CLIENT_ID": ""}, "SCANNER_CLIENT_ID not set"),
        (["verify", GOOD], {"SCANNER_URL": "http://packs.example"}, "use https"),
        (["samples", "x", "--packs", "3"], {}, "--packs"),
        (["samples", "/dev/null/x"], {}, "cannot be written"),
    ],
)
def test_usage_and_configuration_faults_end_with_1_and_no_trace(
    server: ContractServer, arguments: list[str], env: dict[str, str], said: str
):
    done = process(server, *arguments, **env)
    assert done.returncode == 1
    assert said in done.stderr
    assert (done.stdout, "Traceback" in done.stderr) == ("", False)
    assert server.seen == []


@pytest.mark.parametrize(
    ("answer", "code"), [(Say(200, verdict()), 0), (Say(200, RED), 2), (Say(500, {}), 3)]
)
def test_the_process_ends_with_the_code_of_the_contract(server: ContractServer, answer: Say, code: int):
    server.script.append(answer)
    done = process(server, "verify", GOOD)
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (code, "", 1)


def test_a_name_that_the_terminal_cannot_write_does_not_end_the_run(server: ContractServer):
    server.script.append(Say(200, verdict(title="Łagodny")))
    done = process(server, "verify", GOOD, PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u0141agodny" in done.stdout


def test_help_and_version_end_well(server: ContractServer):
    assert process(server, "--help").returncode == 0
    assert process(server, "--version").stdout.startswith("scanner, version")


def panel(result: CheckResult, width: int = 80) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system="standard")
    show_result(console, result)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("signal", "word", "colour"),
    [("green", "O K", "42"), ("amber", "A T T E N T I O N", "43"), ("red", "S T O P", "41"),
     ("grey", "N O T   C H E C K E D", "47")],
)  # fmt: skip
def test_a_terminal_gets_the_signal_as_word_and_colour(signal: str, word: str, colour: str):
    shown = panel(CheckResult("a.png", signal, "The title", "The advice."))
    assert word in shown
    assert f"{colour}m  {word}" in shown
    assert "The title" in shown
    assert "The advice." in shown


def test_a_panel_names_product_print_and_alert():
    shown = panel(CheckResult("a.png", "red", RED["title"], RED["advice"], "09520001123016", "S1", RED))
    for part in ("Cardivexa · 5 mg · tablets · 28", "SN S1  LOT L1  EXP 2028-12-31", "Alert al-7 (A3)"):
        assert part in shown


@pytest.mark.parametrize("width", [20, 40, 200])
def test_nothing_from_outside_steers_the_terminal(width: int):
    evil = "\x1b[2J\x07[red]x[/red]\n\u202e"
    shown = panel(CheckResult(evil, "green", evil, evil, None, evil, verdict(title=evil)), width)
    assert "\x1b[2J" not in shown
    assert not {"\x07", "\u202e"} & set(shown)
    assert "[red]x" in shown.replace("\n", "") or width == 20
