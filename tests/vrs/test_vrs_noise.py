"""Whatever bytes a peer sends, the outcome is a value; and never a yes that nobody said."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from vrs_asking import QUICK, ask, requestor

from verifier.domain.resale import Asked

STATUS = b"HTTP/1.1 200 OK\r\n"


class Noise:
    """A server that sends `bytes_` to whoever connects, and hangs up."""

    def __init__(self) -> None:
        self.bytes_ = b""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(65536)
                    connection.sendall(self.bytes_)
                    connection.shutdown(socket.SHUT_WR)
                    connection.recv(65536)
                except OSError:
                    pass

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture(scope="module")
def noise() -> Iterator[Noise]:
    made = Noise()
    yield made
    made.close()


lines = st.lists(
    st.sampled_from(
        [
            b"Content-Type: application/json",
            b"Content-Length: 5",
            b"Content-Length: -5",
            b"Content-Length: x",
            b"Content-Length: 5, 6",
            b"Transfer-Encoding: chunked",
            b"Content-Encoding: gzip",
            b"Location: http://[::1/",
            b"Location: \xff\xfe",
            b": nothing",
            b"\x00: \x00",
            b"X: " + b"y" * 70_000,
        ]
    ),
    max_size=4,
)
bodies = st.sampled_from([b"", b"{}", b"5\r\n{}\r\n", b"ffffffffffff\r\n", b"\x1f\x8b\x00", b"null"])
answers = st.builds(
    lambda status, headers, body: status + b"".join(line + b"\r\n" for line in headers) + b"\r\n" + body,
    st.sampled_from([STATUS, b"HTTP/1.1 307 X\r\n", b"HTTP/9.9 200\r\n", b"HTTP/1.1 xyz\r\n", b"", b"\xff"]),
    lines,
    bodies,
)


@given(st.binary() | answers)
@example(STATUS + b"A: b\r\n" * 200 + b"\r\n")
@example(b"HTTP/1.1 100 Continue\r\n\r\n" * 50)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_noise_is_no_answer_and_no_exception(noise: Noise, sent: bytes):
    noise.bytes_ = sent
    with requestor(replace(QUICK, tries=1)) as peers:
        reply = ask(peers, noise.url, resolver=True)
    assert reply.asked in (Asked.NO_ANSWER, Asked.REFUSED, Asked.UNKNOWN_GTIN)
    assert reply.answer is None
    assert reply.detail
    assert "\0" not in (reply.exchanges[-1].body or "")
