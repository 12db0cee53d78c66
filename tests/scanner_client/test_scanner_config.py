import json
import stat
from pathlib import Path

import pytest

from scanner_client.config import Config, ConfigError, config_path, load, save

ENV = {"SCANNER_URL": "https://a.example", "SCANNER_CLIENT_ID": "c", "SCANNER_CLIENT_SECRET": "s"}
STORED = Config("https://b.example", "d", "t", insecure=True)


def test_the_environment_goes_before_the_file(tmp_path: Path):
    save(STORED, tmp_path / "c.json")
    assert load({**ENV, "SCANNER_CONFIG": str(tmp_path / "c.json")}) == Config("https://a.example", "c", "s")
    assert load({**ENV, "SCANNER_INSECURE": "1"}).insecure


def test_the_file_is_read_where_the_environment_is_silent(tmp_path: Path):
    save(STORED, tmp_path / "deep" / "c.json")
    assert load({"SCANNER_CONFIG": str(tmp_path / "deep" / "c.json"), "SCANNER_URL": ""}) == STORED


@pytest.mark.parametrize("missing", ENV)
def test_environment_and_file_are_never_mixed(tmp_path: Path, missing: str):
    save(STORED, tmp_path / "c.json")
    env = {name: value for name, value in ENV.items() if name != missing}
    with pytest.raises(ConfigError, match=missing):
        load({**env, "SCANNER_CONFIG": str(tmp_path / "c.json")})


def test_the_file_is_for_its_owner_only_also_when_it_was_open_before(tmp_path: Path):
    path = tmp_path / "c.json"
    path.write_text("{}")
    path.chmod(0o644)
    save(STORED, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["c.json"]


def test_the_secret_is_not_shown():
    assert "t" not in repr(Config("https://b.example", "d", "t")).replace("client_id", "").replace(
        "https", ""
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "{}",
        json.dumps({"url": "https://b.example", "client_id": "d"}),
        json.dumps({"url": 1, "client_id": "d", "client_secret": "t"}),
        json.dumps({"url": "https://b.example", "client_id": "d", "client_secret": "t", "more": 1}),
        "\udcff",
    ],
)
def test_a_damaged_file_is_said_to_be_so(tmp_path: Path, text: str):
    path = tmp_path / "c.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match=r"c\.json"):
        load({"SCANNER_CONFIG": str(path)})


def test_no_configuration_at_all_says_what_to_do(tmp_path: Path):
    with pytest.raises(ConfigError, match="scanner login"):
        load({"SCANNER_CONFIG": str(tmp_path / "none.json")})


def test_a_file_that_cannot_be_written_says_so(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        save(STORED, tmp_path / "file" / "c.json")


def test_the_usual_place_is_the_users_own():
    assert config_path({}).name == "scanner.json"
    assert config_path({"SCANNER_CONFIG": "/x/y"}) == Path("/x/y")
