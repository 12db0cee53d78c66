"""`verifier doctor` on real installations, whole and broken."""

import io
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import redis
from installation import Installation
from joserfc.jwk import RSAKey
from rich.console import Console
from sqlalchemy import create_engine, text

from verifier.cli.checks.finding import SUBJECTS, Level, wrong
from verifier.cli.doctor import show
from verifier.embedded import servers
from verifier.oauth.keys import SigningKey


@pytest.fixture
def url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def installed(url: str, redis_url: str, tmp_path: Path) -> Installation:
    """Everything as it should be, with servers of its own."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "spool").mkdir(mode=0o700)
    SigningKey.load_or_create(home / "signing-key.pem")
    settings = {"DATABASE_URL": url, "REDIS_URL": redis_url, "ISSUER": "https://packs.example"}
    return Installation(home, {f"VERIFIER_{name}": value for name, value in settings.items()})


def run_sql(url: str, *statements: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mode, path.stat().st_mtime_ns) for path in folder.rglob("*")}


def test_where_everything_is_right_it_says_so_and_changes_nothing(installed: Installation):
    client = redis.Redis.from_url(installed.settings["VERIFIER_REDIS_URL"])
    before = tree(installed.home), client.dbsize()
    found = installed.findings(code=0)
    wanted = set(SUBJECTS) - {"D008", "D010", "D031", "D032", "D033", "D034"}
    assert found.keys() == wanted, "no outside issuer, no embedded server, no GS1 messages"
    assert {each["level"] for each in found.values()} <= {Level.OK, Level.WARNING}
    assert found["D027"]["level"] in (Level.OK, Level.WARNING)
    assert {found[code]["level"] for code in wanted - {"D003", "D027"}} == {Level.OK}
    assert (tree(installed.home), client.dbsize()) == before
    client.close()


def test_products_for_which_no_gln_can_answer_are_told_of(installed: Installation):
    rows = "('1', 'us_dscsa', NULL), ('2', 'us_dscsa', '4012345000016'), ('3', 'eu_fmd', NULL)"
    run_sql(
        installed.settings["VERIFIER_DATABASE_URL"],
        f"INSERT INTO products (gtin, profile, manufacturer_gln) VALUES {rows}",  # noqa: S608 - our own
    )
    found = installed.findings(code=0)["D034"]
    assert (found["level"], found["found"].split()[0]) == (Level.WARNING, "1")
    installed.settings["VERIFIER_RESPONDER_GLN"] = "4012345000016"
    assert "D034" not in installed.findings(code=0)


def test_a_setting_that_is_wrong_is_all_that_can_be_said(installed: Installation):
    installed.settings["VERIFIER_CACHE_MODE"] = "sometimes"
    found = installed.findings(code=1)
    assert found.keys() == {"D001"}
    assert "E002: VERIFIER_CACHE_MODE" in found["D001"]["found"]


def expose_home(installed: Installation) -> None:
    installed.home.chmod(0o755)


def remove_home(installed: Installation) -> None:
    installed.home = installed.home / "deep" / "new"


def home_is_a_file(installed: Installation) -> None:
    installed.home = installed.home / "file"
    installed.home.touch()


def expose_key(installed: Installation) -> None:
    (installed.home / "signing-key.pem").chmod(0o644)


def spoil_key(installed: Installation) -> None:
    (installed.home / "signing-key.pem").write_text("-----BEGIN NOTHING-----")


def leave_records(installed: Installation) -> None:
    path = installed.home / "spool" / "0123456789abcdef.scans"
    path.write_bytes(b"x" * 3000)
    os.utime(path, (time.time() - 7300,) * 2)


def leave_shipped_records(installed: Installation) -> None:
    leave_records(installed)
    shipped = "INSERT INTO spool_files VALUES ('0123456789abcdef', 3000)"
    run_sql(installed.settings["VERIFIER_DATABASE_URL"], shipped)


def write_records(installed: Installation) -> None:
    (installed.home / "spool" / "0123456789abcdef.scans").write_bytes(b"x" * 30)


def plain_issuer(installed: Installation) -> None:
    installed.settings["VERIFIER_ISSUER"] = "http://packs.example"


def local_issuer(installed: Installation) -> None:
    installed.settings["VERIFIER_ISSUER"] = "http://[::1]:8080"


def insecure(installed: Installation) -> None:
    installed.settings["VERIFIER_INSECURE"] = "1"


def strange_zone(installed: Installation) -> None:
    add = "INSERT INTO sites VALUES ('4012345000016', 'n', 'pharmacy', 'DE', NULL, 'Europe/Atlantis')"
    run_sql(installed.settings["VERIFIER_DATABASE_URL"], add)


def no_database(installed: Installation) -> None:
    installed.settings["VERIFIER_DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/none"


def older_schema(installed: Installation) -> None:
    run_sql(installed.settings["VERIFIER_DATABASE_URL"], "UPDATE alembic_version SET version_num = '0001'")


def newer_schema(installed: Installation) -> None:
    run_sql(installed.settings["VERIFIER_DATABASE_URL"], "UPDATE alembic_version SET version_num = '9999'")


def no_schema(installed: Installation) -> None:
    run_sql(installed.settings["VERIFIER_DATABASE_URL"], "DROP TABLE alembic_version")


def no_control_row(installed: Installation) -> None:
    run_sql(installed.settings["VERIFIER_DATABASE_URL"], "DELETE FROM control")


def lazy_commits(installed: Installation) -> None:
    database = installed.settings["VERIFIER_DATABASE_URL"].rpartition("/")[2].partition("?")[0]
    lazy = f"ALTER DATABASE {database} SET synchronous_commit = off"
    run_sql(installed.settings["VERIFIER_DATABASE_URL"], lazy)


def takes_no_changes(installed: Installation) -> None:
    database = installed.settings["VERIFIER_DATABASE_URL"].rpartition("/")[2].partition("?")[0]
    reads = f"ALTER DATABASE {database} SET default_transaction_read_only = on"
    run_sql(installed.settings["VERIFIER_DATABASE_URL"], reads)


def no_redis(installed: Installation) -> None:
    installed.settings["VERIFIER_REDIS_URL"] = "redis://127.0.0.1:1/0"


def redis_not_named(installed: Installation) -> None:
    del installed.settings["VERIFIER_REDIS_URL"]


def no_cache(installed: Installation) -> None:
    del installed.settings["VERIFIER_REDIS_URL"]
    installed.settings["VERIFIER_CACHE_MODE"] = "off"


def other_cache(installed: Installation) -> None:
    turned = "UPDATE control SET cache_on = true, cache_epoch = 7, cache_identity = 'alone:another'"
    run_sql(installed.settings["VERIFIER_DATABASE_URL"], turned)


def cache_turned_off(installed: Installation) -> None:
    run_sql(installed.settings["VERIFIER_DATABASE_URL"], "UPDATE control SET cache_epoch = 8")


Break = Callable[[Installation], None]
# fmt: off
BROKEN: list[tuple[Break, str, Level, str]] = [
    (expose_home,           "D002", Level.WARNING, "mode 0755"),
    (remove_home,           "D002", Level.OK,      "not there yet"),
    (home_is_a_file,        "D002", Level.WRONG,   "cannot be written"),
    (leave_records,         "D004", Level.WARNING, "3 KiB in 1 file, the oldest written 2 hours ago."),
    (leave_shipped_records, "D004", Level.OK,      "No scan record waits"),
    (write_records,         "D004", Level.OK,      "30 bytes in 1 file"),
    (strange_zone,          "D005", Level.WRONG,   "Europe/Atlantis"),
    (expose_key,            "D006", Level.WRONG,   "signing_key_exposed"),
    (spoil_key,             "D006", Level.WRONG,   "signing_key_unusable"),
    (plain_issuer,          "D007", Level.WRONG,   "clear text"),
    (local_issuer,          "D007", Level.OK,      "http://[::1]:8080"),
    (insecure,              "D007", Level.WARNING, "VERIFIER_INSECURE"),
    (no_database,           "D011", Level.WRONG,   "does not answer"),
    (takes_no_changes,      "D013", Level.WRONG,   "takes no changes"),
    (older_schema,          "D014", Level.WRONG,   "The schema is 0001"),
    (newer_schema,          "D014", Level.WRONG,   "newer than this program"),
    (no_schema,             "D014", Level.WRONG,   "no schema"),
    (lazy_commits,          "D016", Level.WRONG,   "synchronous_commit is off"),
    (no_control_row,        "D017", Level.WRONG,   "control row is missing"),
    (no_redis,              "D021", Level.WRONG,   "does not answer"),
    (redis_not_named,       "D021", Level.WARNING, "There is none"),
    (no_cache,              "D021", Level.SKIPPED, "VERIFIER_CACHE_MODE=off"),
    (other_cache,           "D027", Level.WARNING, "another Redis"),
    (cache_turned_off,      "D027", Level.WARNING, "Off:"),
]
# fmt: on


@pytest.mark.parametrize("row", BROKEN, ids=lambda row: row[0].__name__)
def test_what_is_broken_is_named_with_what_to_do(installed: Installation, row: tuple[Break, str, Level, str]):
    break_it, code, level, words = row
    break_it(installed)
    found = installed.findings(code=level is Level.WRONG)
    assert found[code]["level"] == level
    assert words in found[code]["found"]
    others = {each["level"] for each in found.values() if each["code"] not in (code, "D003", "D027")}
    assert Level.WRONG not in others


def test_keys_of_another_program_are_found(installed: Installation):
    url = installed.settings["VERIFIER_REDIS_URL"].replace("db=", "db=1")  # 10 and up: nobody's here
    client = redis.Redis.from_url(url)
    installed.settings["VERIFIER_REDIS_URL"] = url
    try:
        client.mset({f"verifier:{number}": "x" for number in range(3000)} | {"celery": "x"})
        assert installed.findings(code=1)["D026"]["level"] == Level.WRONG
        client.delete("celery")
        assert installed.findings(code=0)["D026"]["level"] == Level.OK
    finally:
        client.flushdb()
        client.close()


# Embedded servers.


def test_embedded_servers_are_looked_at_while_they_run_and_never_started(tmp_path: Path):
    installation = Installation(tmp_path / "var")
    found = installation.findings(code=0)
    assert (found["D010"]["level"], found["D011"]["level"]) == (Level.SKIPPED, Level.SKIPPED)
    assert not installation.home.exists()
    with servers(installation.home):
        installation.run("migrate")
        found = installation.findings(code=0)
        assert [found[code]["level"] for code in ("D010", "D011", "D014")] == [Level.OK] * 3
    left = tree(installation.home)
    assert installation.findings(code=0)["D010"]["level"] == Level.SKIPPED
    assert tree(installation.home) == left


# Outside issuers.

PUBLIC = RSAKey.generate_key(2048, {"kid": "r1"}).as_dict(private=False)


class Jwks(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"keys": [PUBLIC]}).encode()
        self.send_response(200 if self.path == "/keys" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def jwks() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Jwks)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("entry", "level", "words"),
    [
        ({}, Level.OK, "publishes 1 usable key"),
        ({"algorithms": ["ES256"]}, Level.OK, "publishes 1 usable key"),
        ({"jwks_url": "/nothing"}, Level.WRONG, "status 404"),
        ({"jwks_url": "http://127.0.0.1:1/keys"}, Level.WRONG, "cannot be fetched"),
        ({"tenant": "unknown"}, Level.WRONG, "oauth_issuers_unusable"),
    ],
)
def test_the_keys_of_outside_issuers_are_asked_for(
    installed: Installation, jwks: str, entry: dict[str, Any], level: Level, words: str
):
    good = {"issuer": "https://login.example", "audience": "packs", "algorithms": ["RS256"]}
    given = {"jwks_url": "/keys"} | entry
    if given["jwks_url"].startswith("/"):
        given["jwks_url"] = jwks + given["jwks_url"]
    file = installed.home / "issuers.json"
    file.write_text(json.dumps([good | given]))
    installed.settings["VERIFIER_OAUTH_ISSUERS_FILE"] = str(file)
    found = installed.findings(code=level is Level.WRONG)["D008"]
    assert found["level"] == level
    assert words in found["found"]


# What is shown.


def test_on_a_terminal_it_is_a_table_and_nothing_in_it_is_taken_for_markup():
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=100, color_system=None)
    show(console, [wrong("D011", "[bold]host[/bold] [::1] [/nonsense] is away.", "Call it.")])
    page = shown.getvalue()
    assert "[bold]host[/bold] [::1] [/nonsense] is away." in page
    assert "→ Call it." in page
    assert not page.startswith("{")


def test_a_password_is_never_told(installed: Installation):
    secret = "s3cret-w0rd"
    installed.settings["VERIFIER_DATABASE_URL"] = f"postgresql://nobody:{secret}@127.0.0.1:1/none"
    installed.settings["VERIFIER_REDIS_URL"] = f"redis://:{secret}@127.0.0.1:1/0"
    assert secret not in installed.run("doctor").output
