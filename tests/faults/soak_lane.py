"""One person's kept-open connections to both instances: raw HTTP/1.1, with little work a request."""

import asyncio
import base64
import time
from contextlib import suppress
from dataclasses import dataclass

import msgspec
from linear import Status

ANSWER_S = 30.0
IDLE_S = 5.0
TOKEN_S = 200.0
LOST = (OSError, EOFError, TimeoutError, ValueError)


class View(msgspec.Struct):
    state: str | None = None
    state_since: str | None = None


class Body(msgspec.Struct):
    code: str = ""
    accepted: bool | None = None
    pack: View | None = None
    status: int = 200
    access_token: str = ""


class Bulk(msgspec.Struct):
    results: list[Body] = []


_decode = msgspec.json.Decoder(Body).decode
_decode_bulk = msgspec.json.Decoder(Bulk).decode


@dataclass(frozen=True, slots=True)
class Answer:
    """`state` is None where it says nothing about the pack."""

    status: int
    code: str
    accepted: bool | None
    state: str | None
    since: str | None

    def status_of_pack(self) -> Status:
        return Status(self.state or "", self.since)


def _answer(status: int, found: Body) -> Answer:
    view = found.pack if found.pack is not None and status in (200, 409) else View()
    return Answer(status, found.code, found.accepted, view.state, view.state_since)


@dataclass
class Login:
    """A client with its token, shared by lanes; renewed before it runs out, and when it is refused."""

    client_id: str
    client_secret: str
    token: str = ""
    since: float = 0.0

    @property
    def good(self) -> bool:
        return bool(self.token) and time.monotonic() < self.since + TOKEN_S

    def request(self) -> bytes:
        basic = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        form = b"grant_type=client_credentials"
        head = (
            f"POST /oauth/token HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {basic}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n\r\n"
        )
        return head.encode() + form


class Lane:
    """Somebody who asks one thing at a time."""

    def __init__(self, ports: list[int], login: Login) -> None:
        self._ports = ports
        self._login = login
        self._lines: dict[int, tuple[asyncio.StreamReader, asyncio.StreamWriter, float]] = {}

    async def ask(self, where: int, path: str, body: bytes, key: str | None = None) -> Answer | None:
        """None when no whole answer came."""
        told = await self._told(where, path, body, key)
        if told is None:
            return None
        status, text = told
        try:
            return _answer(status, _decode(text))
        except msgspec.DecodeError:
            return Answer(status, "no JSON", None, None, None)

    async def look_at_all(self, where: int, bodies: list[bytes]) -> list[Answer]:
        """Verify many packs in one request; empty when no whole answer came."""
        items = b",".join(b'{"operation":"verify",%s}' % body for body in bodies)
        told = await self._told(where, "/v1/bulk", b'{"items":[%s]}' % items)
        if told is None or told[0] != 200:
            return []
        return [_answer(body.status, body) for body in _decode_bulk(told[1]).results]

    async def _told(
        self, where: int, path: str, body: bytes, key: str | None = None
    ) -> tuple[int, bytes] | None:
        if not self._login.good and not await self._log_in(where):
            return None
        named = f"Idempotency-Key: {key}\r\n" if key else ""
        head = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self._login.token}\r\n"
            f"Content-Type: application/json\r\n{named}Content-Length: {len(body)}\r\n\r\n"
        )
        told = await self._send(where, head.encode() + body)
        if told is not None and told[0] == 401:
            self._login.token = ""
        return told

    async def _log_in(self, where: int) -> bool:
        told = await self._send(where, self._login.request())
        if told is None or told[0] != 200:
            await asyncio.sleep(0.2)
            return False
        self._login.token, self._login.since = _decode(told[1]).access_token, time.monotonic()
        return True

    async def _send(self, where: int, request: bytes) -> tuple[int, bytes] | None:
        try:
            async with asyncio.timeout(ANSWER_S):
                reader, writer = await self._line(where)
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                lower = head.lower()
                begin = lower.index(b"content-length:") + 15
                length = int(lower[begin : lower.index(b"\r\n", begin)])
                body = await reader.readexactly(length)
        except LOST:
            self._hang_up(where)
            return None
        if b"connection: close" in lower:
            self._hang_up(where)
        else:
            self._lines[where] = reader, writer, time.monotonic()
        return int(head[9:12]), body

    async def _line(self, where: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        held = self._lines.get(where)
        if held is not None and time.monotonic() < held[2] + IDLE_S:
            return held[0], held[1]
        self._hang_up(where)
        reader, writer = await asyncio.open_connection("127.0.0.1", self._ports[where])
        self._lines[where] = reader, writer, time.monotonic()
        return reader, writer

    def _hang_up(self, where: int) -> None:
        held = self._lines.pop(where, None)
        if held is not None:
            with suppress(OSError):
                held[1].close()

    async def close(self) -> None:
        for where in list(self._lines):
            self._hang_up(where)
