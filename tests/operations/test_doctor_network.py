"""`verifier doctor` on the files of GS1 messages, and what a wrong one does at the start."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from installation import Installation

from verifier.cli.checks.finding import Level
from verifier.cli.serve import check_files
from verifier.oauth.faults import MisconfiguredError
from verifier.peers.config import MisconfiguredRequestorError
from verifier.settings import Settings

CODES = {"VRS_FILE": "D031", "REQUESTOR_FILE": "D032"}
PAIR = "Basic " + base64.b64encode(b"desk:s3cr3t").decode()


class Peer(BaseHTTPRequestHandler):
    """Gives a token to one client, and by another path one that no header can carry."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        right = self.headers["Authorization"] == PAIR
        token = "a\r\nHost: elsewhere" if self.path == "/odd" else "abc"
        body = json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": 300}).encode()
        self.send_response(200 if right else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def peer() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Peer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def looked_at(folder: Path, name: str, content: Any, *, code: int) -> dict[str, dict[str, str]]:
    file = folder / "file.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return Installation(folder / "var", {f"VERIFIER_{name}": str(file)}).findings(code=code)


@pytest.mark.parametrize(
    ("name", "content", "level", "words"),
    [
        ("VRS_FILE", {}, Level.OK, "can be used"),
        ("VRS_FILE", "{", Level.WRONG, "vrs_file_unusable"),
        ("REQUESTOR_FILE", {"window_days": 180}, Level.OK, "can be used"),
        ("REQUESTOR_FILE", "[", Level.WRONG, "requestor_file_unusable"),
        ("REQUESTOR_FILE", {"window": 1}, Level.WRONG, "window is no setting"),
    ],
)
def test_a_file_of_gs1_messages_is_read(tmp_path: Path, name: str, content: Any, level: Level, words: str):
    finding = looked_at(tmp_path, name, content, code=level is Level.WRONG)[CODES[name]]
    assert finding["level"] == level
    assert words in finding["found"]


@pytest.mark.parametrize(
    ("path", "secret", "words"),
    [
        ("/token", "s3cr3t", "gives a token"),
        ("/token", "gu3ss", "gives no token: no_token"),
        ("/odd", "s3cr3t", "gives no token: no_token"),
    ],
)
def test_a_peer_is_asked_for_its_token(tmp_path: Path, peer: str, path: str, secret: str, words: str):
    grant = {"token_url": f"{peer}{path}", "client_id": "desk", "client_secret": secret}
    content = {
        "loopback": True,
        "credentials": {f"{peer}/lms": grant, "https://else.example": {"bearer": "x"}},
    }
    refused = "no_token" in words
    found = looked_at(tmp_path, "REQUESTOR_FILE", content, code=refused)
    assert found["D033"]["level"] == (Level.WRONG if refused else Level.OK)
    assert f"{peer}/lms {words}" in found["D033"]["found"]
    assert secret not in json.dumps(found)


@pytest.mark.parametrize("setting", ["oauth_issuers_file", "vrs_file", "requestor_file"])
def test_a_wrong_file_is_told_before_a_worker_starts(tmp_path: Path, setting: str):
    file = tmp_path / "file.json"
    file.write_text("no JSON")
    check_files(Settings(home=tmp_path))
    with pytest.raises((MisconfiguredError, MisconfiguredRequestorError), match=r"_unusable: .*file\.json"):
        check_files(Settings(home=tmp_path, **{setting: file}))
