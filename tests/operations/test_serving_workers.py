"""`verifier serve` with two real worker processes: figures are added up, keys change under them."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import urllib3
from prometheus_client.parser import text_string_to_metric_families

PACK = {"gtin": "05012345678900", "serial": "S1", "lot": "LOT1", "expiry": "2030-12-31"}
READY_S = 60


class Serving:
    """The service in processes of its own on a database that the test knows."""

    def __init__(self, home: Path, database_url: str, redis_url: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        own = {"HOME": str(home), "DATABASE_URL": database_url, "REDIS_URL": redis_url, "OPEN_ROUTES": "1"}
        clean = {name: value for name, value in os.environ.items() if not name.startswith("VERIFIER_")}
        self.environment = clean | {f"VERIFIER_{name}": value for name, value in own.items()}
        self.environment["VERIFIER_LOG_LEVEL"] = "warning"
        command = [sys.executable, "-m", "verifier", "serve", "--port", str(self.port), "--workers", "2"]
        self.process = subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, text=True)

    def wait(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith("ready on ")

    def run(self, *arguments: str) -> Any:
        command = [sys.executable, "-m", "verifier", *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True)
        return json.loads(done.stdout) if done.stdout.startswith("{") else done.stdout

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """On a connection of its own, so that either worker may get it."""
        with urllib3.PoolManager(retries=False, timeout=20) as pool:
            return pool.request(method, f"http://127.0.0.1:{self.port}{path}", **more)

    def token(self, client: dict[str, str]) -> str:
        headers = urllib3.make_headers(basic_auth=f"{client['client_id']}:{client['client_secret']}")
        fields = {"grant_type": "client_credentials"}
        answer = self.ask("POST", "/oauth/token", fields=fields, headers=headers, encode_multipart=False)
        return str(answer.json()["access_token"])

    def verify(self, token: str) -> Any:
        return self.ask("POST", "/v1/verify", json=PACK, headers={"Authorization": f"Bearer {token}"})

    def figures(self) -> Counter[str]:
        """Every series by its name, operation and code, other labels added up."""
        page = self.ask("GET", "/metrics").data.decode()
        read: Counter[str] = Counter()
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                told = [sample.labels.get(name, "") for name in ("operation", "code")]
                read[" ".join([sample.name, *filter(None, told)])] += sample.value
        return read


@pytest.fixture(scope="module")
def serving(
    new_database: Callable[[], str], redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    started = Serving(tmp_path_factory.mktemp("home"), new_database(), redis_url)
    try:
        started.wait()
        yield started
    finally:
        started.process.send_signal(signal.SIGTERM)
        assert started.process.wait(30) == 0


@pytest.fixture(scope="module")
def client(serving: Serving) -> dict[str, str]:
    site = ["--gln", "4012345000016", "--name", "Corner", "--type", "pharmacy", "--country", "DE"]
    serving.run("site", "add", *site)
    return serving.run("client", "add", "till", "--gln", "4012345000016", "--scope", "verify", "--json")


def test_what_both_workers_did_is_added_up(serving: Serving, client: dict[str, str]):
    token = serving.token(client)
    before = serving.figures()
    for _ in range(30):
        assert serving.verify(token).json()["code"] == "unknown_product"
    grown = serving.figures() - before
    assert grown["verifier_scans_total verify unknown_product"] == 30
    assert grown["verifier_scan_seconds_count verify"] == 30


def test_connections_that_say_nothing_keep_nobody_waiting(serving: Serving, client: dict[str, str]):
    """Each would hold a thread for seconds; all of them together for longer than a request waits here."""
    token = serving.token(client)
    with ExitStack() as stack:
        for _ in range(120):
            stack.enter_context(socket.create_connection(("127.0.0.1", serving.port)))
        assert serving.verify(token).json()["code"] == "unknown_product"


def test_gauges_are_those_of_the_workers_that_live(serving: Serving):
    end = time.monotonic() + READY_S
    while serving.figures()["verifier_cache_switch_on"] != 1:
        assert time.monotonic() < end, "the cache was never switched on"
        time.sleep(0.1)
    figures = serving.figures()
    assert figures["verifier_cache_breaker_open"] == 0
    assert figures["verifier_scan_spool_waiting_bytes"] == 0
    assert figures["verifier_build_info"] == 1
    assert "verifier_database_pool_in_use" in figures


def test_a_rotation_under_way_turns_nobody_away(serving: Serving, client: dict[str, str]):
    before = serving.token(client)
    (old,) = (key["kid"] for key in serving.run("keys", "list")["keys"])
    rotated = serving.run("keys", "rotate")["keys"]
    assert [entry["status"] for entry in rotated] == ["signs", "accepted"]
    new = rotated[0]["kid"]
    end = time.monotonic() + READY_S
    kids: set[str] = set()
    while kids != {new}:
        assert time.monotonic() < end, "a worker signs with the old key for ever"
        tokens = [serving.token(client) for _ in range(6)]
        assert {serving.verify(token).status for token in (before, *tokens)} == {200}
        kids = {header_of(token)["kid"] for token in tokens}
    serving.run("keys", "retire", old, "--at-once")
    while serving.verify(before).status == 200:
        assert time.monotonic() < end, "the retired key is accepted for ever"
        time.sleep(0.1)
    assert serving.verify(serving.token(client)).status == 200


def header_of(token: str) -> dict[str, Any]:
    head = token.partition(".")[0]
    return json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
