"""The commands as an operator types them: results on stdout, all else on stderr, failures in a sentence."""

import json
import re
from pathlib import Path

import pytest
from commands import Shell
from sqlalchemy import create_engine, text

from verifier import __version__
from verifier.cli.main import COMMANDS
from verifier.domain.gs1 import check_digit
from verifier.embedded import servers

GLN, OTHER_GLN = "4012345000016", "4012345000023"
SITE = ["--gln", GLN, "--name", "Corner Pharmacy", "--type", "pharmacy", "--country", "de"]
CLIENT = ["client", "add", "x", "--gln", GLN, "--scope"]
SITE_JSON = {
    "gln": GLN,
    "name": "Corner Pharmacy",
    "type": "pharmacy",
    "country": "DE",
    "org": None,
    "timezone": "UTC",
}
PACKS = "gtin,serial,lot,expiry\n"


@pytest.fixture(scope="module")
def database_url(tmp_path_factory):
    """The servers of one home, running, as they do beside `verifier serve`."""
    home = tmp_path_factory.mktemp("home")
    with servers(home, redis=False) as running:
        yield home, running.database_url


@pytest.fixture
def shell(database_url, tmp_path):
    return Shell(database_url[0], tmp_path, VERIFIER_CACHE_MODE="off")


@pytest.fixture
def ask(database_url):
    engine = create_engine(database_url[1], isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield lambda query: connection.execute(text(query)).all()
    engine.dispose()


def sentence(said: str) -> str:
    """One clear sentence without a trace; the usage lines of click may stand before it."""
    assert "Traceback" not in said
    return said.strip().splitlines()[-1]


# Help and documents need no server.


def test_the_help_names_every_command(tmp_path):
    out, said = Shell(tmp_path / "home", tmp_path).run("--help")
    assert said == ""
    assert {"serve", "migrate", "site", "client", "load", "config", "openapi"} <= set(COMMANDS)
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", out, re.MULTILINE), command
    assert not (tmp_path / "home").exists()


def test_the_version_is_that_of_the_package(tmp_path):
    assert Shell(tmp_path, tmp_path).run("--version")[0] == f"verifier, version {__version__}\n"


def test_config_shows_the_settings_in_force_and_no_secret(tmp_path):
    shell = Shell(tmp_path / "home", tmp_path, VERIFIER_DATABASE_URL="postgresql://v:geheim@db/packs")
    out, said = shell.run("config")
    assert json.loads(out)["VERIFIER_DATABASE_URL"] == "postgresql://v:***@db/packs"
    assert "geheim" not in out + said
    assert not (tmp_path / "home").exists()


def test_the_openapi_document_is_printed_without_a_server(tmp_path):
    out, said = Shell(tmp_path / "home", tmp_path).run("openapi")
    document = json.loads(out)
    assert document["openapi"] == "3.1.0"
    assert "/v1/verify" in document["paths"]
    assert said == ""


# What is refused.


@pytest.mark.parametrize(
    ("variables", "arguments", "code", "words"),
    [
        ({"VERIFIER_DATBASE_URL": "x"}, ["config"], 1, "E001: VERIFIER_DATBASE_URL is no setting"),
        ({"VERIFIER_LOG_LEVEL": "loud"}, ["serve"], 1, "E002: VERIFIER_LOG_LEVEL"),
        ({}, ["serve", "--host", "0.0.0.0"], 1, "E004: 0.0.0.0 can be reached from outside"),  # noqa: S104
        ({}, ["serve", "--port", "70000"], 2, "Invalid value for '--port'"),
        ({}, ["site", "add", *SITE[2:]], 2, "Missing option '--gln'"),
        ({}, ["site", "add", "--gln", "4012345000017", *SITE[2:]], 2, "a GLN has 13 digits, the last one"),
        ({}, ["site", "add", "--gln", "401234500001", *SITE[2:]], 2, "a GLN has 13 digits, the last one"),
        ({}, ["site", "add", *SITE, "--timezone", "Europe/Atlantis"], 2, "an IANA name"),
        ({}, ["site", "add", *SITE, "--timezone", "../../etc/passwd"], 2, "an IANA name"),
        ({}, ["site", "add", *SITE, "--type", "shop"], 2, "'shop' is not one of 'pharmacy'"),
        ({}, ["site", "add", *SITE, "--country", "Germany"], 2, "two letters, e.g. DE"),
        ({}, [*CLIENT, "verify fly"], 2, "no such scope: fly"),
        ({}, [*CLIENT, " "], 2, "name at least one scope"),
        ({}, [*CLIENT, "verify", "--subject", "s"], 2, "--issuer and --subject belong together"),
        ({}, ["load", "--profile", "xx", "packs.csv"], 2, "'xx' is not one of 'eu_fmd', 'us_dscsa'"),
        ({}, ["load"], 2, "Missing argument 'FILES...'"),
        ({}, ["fly"], 2, "No such command 'fly'"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_any_server_starts(tmp_path, variables, arguments, code, words):
    out, said = Shell(tmp_path / "home", tmp_path, **variables).run(*arguments, code=code)
    assert out == ""
    assert words in sentence(said)
    assert not (tmp_path / "home").exists()


def test_a_database_that_cannot_be_reached_is_told_in_a_sentence_without_the_password(tmp_path):
    url = "postgresql://verifier:geheim@127.0.0.1:1/packs"
    shell = Shell(tmp_path / "home", tmp_path, VERIFIER_DATABASE_URL=url)
    for arguments in (["migrate"], ["site", "add", *SITE], ["load", "packs.csv"]):
        (tmp_path / "packs.csv").write_text(f"{PACKS}05012345678900,S1,L,271231\n")
        out, said = shell.run(*arguments, code=1)
        assert out == ""
        assert sentence(said).startswith("The database cannot be used: ")
        assert "geheim" not in said


def test_a_database_without_the_schema_says_what_to_do(database_url, tmp_path):
    home, url = database_url
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CREATE DATABASE bare"))
    bare = engine.url.set(database="bare").render_as_string(hide_password=False)
    engine.dispose()
    shell = Shell(home, tmp_path, VERIFIER_DATABASE_URL=bare, VERIFIER_CACHE_MODE="off")
    assert "Run `verifier migrate` first." in sentence(shell.run("site", "add", *SITE, code=1)[1])
    assert shell.run("migrate") == ("", "The schema is the newest.\n")
    assert shell.run("migrate") == ("", "The schema is the newest.\n")
    assert shell.json("site", "add", *SITE) == SITE_JSON


# Sites and clients.


def test_a_site_is_printed_and_the_second_time_changed(shell, ask):
    assert shell.json("site", "add", *SITE) == SITE_JSON
    changed = [*SITE[:2], "--name", "Moved", "--type", "hospital", "--country", "AT"]
    more = ["--org", "Chain", "--timezone", "Europe/Vienna"]
    assert shell.json("site", "add", *changed, *more) == {
        "gln": GLN,
        "name": "Moved",
        "type": "hospital",
        "country": "AT",
        "org": "Chain",
        "timezone": "Europe/Vienna",
    }
    assert ask("SELECT gln, name FROM sites") == [(GLN, "Moved")]


def test_a_client_is_shown_its_secret_once_and_only_a_hash_is_kept(shell, ask):
    shell.run("site", "add", *SITE)
    add = ["client", "add", "till 1", "--gln", GLN, "--scope", "verify dispense"]
    out, said = shell.run(*add, "--json")
    first, second = json.loads(out), shell.json(*add)
    assert set(first) == set(second) == {"client_id", "client_secret"}
    assert first["client_id"] != second["client_id"]
    assert out.count("\n") == 1
    assert "not shown again" in said
    assert first["client_secret"] not in said
    kept = str(ask("SELECT * FROM clients"))
    assert first["client_id"] in kept
    assert first["client_secret"] not in kept


def test_a_client_needs_a_site(shell):
    said = shell.run("client", "add", "x", "--gln", OTHER_GLN, "--scope", "verify", code=2)[1]
    assert f"no site has the GLN {OTHER_GLN}; add it with `verifier site add`" in sentence(said)


def test_a_client_of_an_outside_issuer_has_no_secret_and_is_bound_once(shell):
    shell.run("site", "add", *SITE)
    add = [*CLIENT, "verify", "--issuer", "https://id.example"]
    assert set(shell.json(*add, "--subject", "till-7")) == {"client_id", "issuer", "subject"}
    said = shell.run(*add, "--subject", "till-7", code=2)[1]
    assert sentence(said) == (
        "Error: another client is bound to the subject till-7 of https://id.example; find its id with "
        "`verifier client list`, and `verifier client revoke` it first"
    )


def test_sites_and_clients_are_listed_without_secrets(shell):
    shell.run("site", "add", *SITE)
    made = shell.json(*CLIENT, "verify dispense")
    shell.run("client", "revoke", made["client_id"])
    assert GLN in [json.loads(line)["gln"] for line in shell.run("site", "list")[0].splitlines()]
    out = shell.run("client", "list")[0]
    listed = {each["client_id"]: each for each in map(json.loads, out.splitlines())}[made["client_id"]]
    assert listed["scopes"] == ["dispense", "verify"]
    assert listed["revoked_at"]
    assert "secret" not in out


def test_a_scope_that_is_not_there_is_answered_with_those_that_are(shell):
    shell.run("site", "add", *SITE)
    said = shell.run(*CLIENT, "dispence", code=2)[1]
    assert "no such scope: dispence; there are verify, dispense," in sentence(said)


def test_a_client_is_revoked_for_good_and_every_process_is_told(shell, ask):
    shell.run("site", "add", *SITE)
    made = shell.json(*CLIENT, "verify")
    before = ask("SELECT access_generation FROM control")[0][0]
    for _ in range(2):
        revoked = shell.json("client", "revoke", made["client_id"])
        assert revoked == {"client_id": made["client_id"], "revoked": True}
    assert ask("SELECT access_generation FROM control")[0][0] > before
    said = shell.run("client", "revoke", "nobody", code=2)[1]
    assert sentence(said) == "Error: no client has this id"


# Loading.


def test_a_load_prints_its_counts_and_where_the_rejects_are(shell, tmp_path):
    path = tmp_path / "packs.csv"
    rows = "05012345678900,A1,L,271231,x\n05012345678900,A 2,L,271231,x\n05012345678900,A1,L,271231,x\n"
    path.write_text(f"gtin,serial,lot,expiry,colour\n{rows}")
    rejects = Path(f"{path}.rejects.csv")
    out, said = shell.run("load", path)
    assert out == (
        f"{path}: 3 rows, 1 loaded, 1 known already, 1 rejected\n  rejected rows and reasons: {rejects}\n"
    )
    assert said == f"{path}: columns that mean nothing here are ignored: colour\n"
    assert rejects.read_text().splitlines() == [
        "row,reason,gtin,serial,lot,expiry,colour",
        "3,serial is not 1 to 20 characters of GS1 set 82,05012345678900,A 2,L,271231,x",
    ]


def test_a_load_says_which_products_keep_another_regulation_than_the_one_that_was_named(shell, tmp_path):
    path = tmp_path / "packs.csv"
    bodies = [f"0501234599{number:03}" for number in range(7)]
    gtins = [body + check_digit(body) for body in bodies]
    path.write_text(PACKS + "".join(f"{gtin},K1,L,271231\n" for gtin in gtins))
    assert shell.run("load", path)[1] == ""
    five = ", ".join(f"{gtin} eu_fmd" for gtin in gtins[:5])
    assert shell.run("load", "--profile", "us_dscsa", path)[1] == (
        f"packs.csv: products that are known keep their regulation: {five} and 2 more\n"
    )


def test_json_is_one_object_a_file_and_old_rejects_go(shell, tmp_path):
    path, other = tmp_path / "a.csv", tmp_path / "b.csv"
    stale = tmp_path / "a.csv.rejects.csv"
    stale.write_text("old")
    path.write_text(f"{PACKS}05012345678900,B1,L,271231\n")
    other.write_text(f"{PACKS}05012345678900,B 1,L,271231\n")
    out, _ = shell.run("load", "--json", "--dry-run", path, other)
    assert [json.loads(line) for line in out.splitlines()] == [
        {
            "file": str(path), "rows": 1, "loaded": 1, "skipped": 0, "rejected": 0, "dry_run": True,
            "rejects_file": None,
        },
        {
            "file": str(other), "rows": 1, "loaded": 0, "skipped": 0, "rejected": 1, "dry_run": True,
            "rejects_file": f"{other}.rejects.csv",
        },
    ]  # fmt: skip
    assert not stale.exists()


def test_of_several_files_one_that_cannot_be_read_does_not_stop_the_others(shell, tmp_path):
    good, header = tmp_path / "good.csv", tmp_path / "header.csv"
    good.write_text(f"{PACKS}05012345678900,C1,L,271231\n")
    header.write_text(PACKS)
    (tmp_path / "empty.csv").touch()
    (tmp_path / "book.xlsx").write_bytes(b"PK")
    files = ["missing.csv", "empty.csv", "book.xlsx", ".", good, header]
    out, said = shell.run("load", *files, code=1)
    assert out.splitlines() == [
        f"{good}: 1 rows, 1 loaded, 0 known already, 0 rejected",
        f"{header}: 0 rows, 0 loaded, 0 known already, 0 rejected",
    ]
    lines = said.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["missing.csv", "empty.csv", "book.xlsx", "."]
    assert all(": nothing loaded, " in line and line.endswith(".") for line in lines)


def test_rejects_that_cannot_be_written_down_are_told_before_anything_is_loaded(shell, tmp_path, ask):
    path = tmp_path / "packs.csv"
    path.write_text(f"{PACKS}05012345678900,D1,L,271231\nx\n")
    (tmp_path / "packs.csv.rejects.csv").mkdir()
    out, said = shell.run("load", path, code=1)
    assert (out, "its rejects could not be written to" in sentence(said)) == ("", True)
    assert ask("SELECT 1 FROM packs WHERE serial = 'D1'") == []


def test_rejects_alone_are_no_failure(shell, tmp_path):
    path = tmp_path / "packs.csv"
    path.write_text(f"{PACKS}x,y z,,\n")
    assert "0 loaded, 0 known already, 1 rejected" in shell.run("load", path)[0]


# The servers.


def test_two_commands_at_once_on_a_new_home_both_do_their_work(tmp_path):
    """Neither waits for the other to end, and the last one stops what they started."""
    shell = Shell(tmp_path / "home", tmp_path, VERIFIER_CACHE_MODE="off")
    glns = (GLN, OTHER_GLN)
    started = [shell.start("site", "add", "--gln", gln, *SITE[2:]) for gln in glns]
    for process, gln in zip(started, glns, strict=True):
        out, said = process.communicate(timeout=90)
        assert process.returncode == 0, said
        assert json.loads(out)["gln"] == gln
        assert "Traceback" not in said
    assert not list((tmp_path / "home").glob("run/*"))
