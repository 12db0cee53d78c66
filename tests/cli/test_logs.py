"""What the service writes to its log: JSON lines, and never a token, a secret or a serial number."""

import base64
import json
import socket
import subprocess
import sys
import threading

import pytest
import urllib3
from commands import Shell

SERIAL, LOT, GTIN = "SER1ALNUMBER77", "L0T77", "05012345678900"
SITE = ["--gln", "4012345000016", "--name", "Corner", "--type", "pharmacy", "--country", "DE"]


class Serving:
    """`verifier serve` at the most talkative level, and everything that it said on stderr."""

    def __init__(self, shell: Shell, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.lines: list[str] = []
        self.process = shell.start("serve", "--port", str(port), "--workers", "1", VERIFIER_LOG_LEVEL="debug")
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.http = urllib3.PoolManager(retries=False, timeout=10)

    def _read(self) -> None:
        self.lines += self.process.stderr

    def stop(self) -> str:
        self.http.clear()
        self.process.terminate()
        self.process.wait(30)
        self.reader.join(10)
        return "".join(self.lines)


@pytest.fixture(scope="module")
def log(new_database, tmp_path_factory):
    """What was logged while somebody used the service well and badly, and what must not be in it."""
    folder = tmp_path_factory.mktemp("logs")
    shell = Shell(folder / "home", folder, VERIFIER_DATABASE_URL=new_database(), VERIFIER_CACHE_MODE="off")
    shell.run("site", "add", *SITE)
    client = shell.json("client", "add", "till", "--gln", SITE[1], "--scope", "verify dispense packs:read")
    (folder / "packs.csv").write_text(f"gtin,serial,lot,expiry\n{GTIN},{SERIAL},{LOT},271231\n")
    shell.run("load", "packs.csv")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    serving = Serving(shell, port)
    assert serving.process.stdout.readline() == f"ready on {serving.address}\n", serving.stop()
    token = use(serving, client["client_id"], client["client_secret"], port)
    written = serving.stop()
    basic = base64.b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()
    return written, {"secret": client["client_secret"], "token": token, "basic": basic, "serial": SERIAL}


def use(serving: Serving, client_id: str, secret: str, port: int) -> str:
    """Requests of every kind that carry what must not be logged; the token."""
    ask, address = serving.http.request, serving.address
    grant = {"grant_type": "client_credentials"}
    basic = urllib3.make_headers(basic_auth=f"{client_id}:{secret}")
    answer = ask("POST", f"{address}/oauth/token", fields=grant, headers=basic, encode_multipart=False)
    token = answer.json()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    for body in (
        grant | {"client_id": client_id, "client_secret": secret},
        {"grant_type": "password", "username": client_id, "password": secret, "client_secret": secret},
        {"token": token, "client_id": client_id, "client_secret": secret},
        {"client_assertion": token, "grant_type": "client_credentials"},
    ):
        for route in ("token", "introspect", "revoke" if "token" not in body else "introspect"):
            ask("POST", f"{address}/oauth/{route}", fields=body, encode_multipart=False)
    ask("POST", f"{address}/oauth/token?client_secret={secret}&access_token={token}", headers=basic)
    pack = {"gtin": GTIN, "serial": SERIAL, "lot": LOT, "expiry": "271231"}
    for path in ("verify", "dispense", "dispense", "decommission", "nowhere"):
        ask("POST", f"{address}/v1/{path}", json=pack, headers=bearer | {"Idempotency-Key": f"k-{path}"})
    for wrong in (
        pack | {"lot": "X"},
        pack | {SERIAL: token},
        {"code": f"]d201{GTIN}21{SERIAL}\x00"},
        [SERIAL],
    ):
        ask("POST", f"{address}/v1/verify", json=wrong, headers=bearer)
    ask("POST", f"{address}/v1/verify", body=f'{{"serial": "{SERIAL}', headers=bearer)
    ask("GET", f"{address}/v1/packs", fields=pack, headers=bearer)
    ask("GET", f"{address}/v1/packs/{SERIAL}?access_token={token}", headers=bearer)
    ask("GET", f"{address}/v1/packs", fields=pack, headers={"Authorization": f"Bearer {token}x"})
    ask("GET", f"{address}/readyz", headers={"X-Request-Id": f"{SERIAL} {token}"})
    for raw in (
        f"GET /v1/packs?serial={SERIAL} HTTQ/9\r\n\r\n",
        f"GET /{SERIAL} HTTP/1.1\r\nConnection: close\r\nAuthorization : Bearer {token}\r\n\r\n",
        f"GET /{SERIAL * 900} HTTP/1.1\r\n\r\n",
        f"GET / HTTP/1.1\r\nConnection: close\r\nAuthorization: Bearer {token * 90}\r\n\r\n",
        f"{SERIAL}\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(raw.encode())
            while connection.recv(4096):
                pass
    return token


@pytest.mark.parametrize("what", ["secret", "token", "basic", "serial"])
def test_neither_tokens_nor_secrets_nor_serials_are_logged_at_any_level(log, what):
    written, hidden = log
    assert '"route":"/v1/verify"' in written
    assert hidden[what] not in written
    assert hidden[what][4:-4] not in written


def test_every_line_is_one_json_object(log):
    for line in log[0].splitlines():
        record = json.loads(line)
        assert {"event", "level", "timestamp"} <= set(record)


def test_a_request_is_logged_with_who_asked_what_and_how_it_went(log):
    records = [json.loads(line) for line in log[0].splitlines()]
    asked = [r for r in records if r["event"] == "request" and r["route"] == "/v1/dispense"]
    assert [r["status"] for r in asked] == [200, 200]
    assert {r["site"] for r in asked} == {SITE[1]}
    assert all(r["client_id"] and r["request_id"] and r["ms"] > 0 for r in asked)


FAULT = """
import logging, sys, structlog
from verifier import logs

logs.configure("debug")

def deep():
    raise ValueError("serial SER1ALNUMBER77 in a message")

for log in (logging.getLogger("some.library"), structlog.get_logger("ours")):
    try:
        try:
            deep()
        except ValueError as error:
            raise RuntimeError("Bearer SER1ALNUMBER77") from error
    except RuntimeError:
        log.exception("failed")
    log.warning("asked with Bearer SER1ALNUMBER77 and client_secret=SER1ALNUMBER77&x=1")
"""


def test_of_an_exception_its_types_and_places_are_logged_and_no_message():
    done = subprocess.run([sys.executable, "-c", FAULT], capture_output=True, text=True, check=True)
    assert "SER1ALNUMBER77" not in done.stderr
    records = [json.loads(line) for line in done.stderr.splitlines()]
    assert len(records) == 4
    for record in records[::2]:
        types = [line for line in record["exception"] if not line.startswith(" ")]
        assert types == ["builtins.RuntimeError", "builtins.ValueError"]
        assert any(line.endswith(" deep") for line in record["exception"])
    assert records[1]["event"] == "asked with [removed] and [removed]&x=1"
