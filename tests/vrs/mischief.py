"""Stand-ins for other parties' verification services that do one thing wrong each."""

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

from standin import GLN, JSON, Reply, Request, Server, ok, send, verification


class Troublemaker(Server):
    """Does one thing wrong; after `times` requests it answers as it should."""

    def __init__(self, mischief: str, times: int = 1000) -> None:
        super().__init__()
        self.mischief = mischief
        self.times = times

    def serve(self, request: Request, handler: BaseHTTPRequestHandler) -> None:
        corr_uuid = request.query.get("corrUUID", "")
        if len(self.requests) > self.times:
            send(handler, ok(verification(corr_uuid)))
            return
        MISCHIEF[self.mischief](self, handler, corr_uuid)


Act = Callable[[Troublemaker, BaseHTTPRequestHandler, str], None]


def replying(make: Callable[[Troublemaker, str], Reply]) -> Act:
    return lambda server, handler, corr_uuid: send(handler, make(server, corr_uuid))


def status(code: int) -> Act:
    return replying(lambda _server, _uuid: Reply(code))


def location(where: str) -> Act:
    return replying(lambda server, _uuid: Reply(307, b"", {"Location": where.format(url=server.url)}))


def answering(**more: Any) -> Act:
    return replying(lambda _server, uuid: ok(verification(uuid, **more)))


def never(server: Troublemaker, _handler: BaseHTTPRequestHandler, _uuid: str) -> None:
    server.closing.wait(30)


def drip(pieces: bytes, server: Troublemaker, handler: BaseHTTPRequestHandler) -> None:
    """A byte now and then: no single wait is long."""
    try:
        for piece in pieces:
            if server.closing.wait(0.05):
                return
            handler.wfile.write(bytes([piece]))
            handler.wfile.flush()
    except OSError:
        pass
    handler.close_connection = True


def drips_body(server: Troublemaker, handler: BaseHTTPRequestHandler, uuid: str) -> None:
    body = json.dumps(verification(uuid)).encode()
    handler.send_response(200)
    handler.send_header("Content-Type", JSON)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    drip(body, server, handler)


def drips_headers(server: Troublemaker, handler: BaseHTTPRequestHandler, _uuid: str) -> None:
    drip(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 2000, server, handler)


def closes_early(_server: Troublemaker, handler: BaseHTTPRequestHandler, uuid: str) -> None:
    body = json.dumps(verification(uuid)).encode()
    handler.send_response(200)
    handler.send_header("Content-Type", JSON)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[:20])
    handler.close_connection = True


def hangs_up(_server: Troublemaker, handler: BaseHTTPRequestHandler, _uuid: str) -> None:
    handler.close_connection = True


def slow(server: Troublemaker, handler: BaseHTTPRequestHandler, uuid: str) -> None:
    server.closing.wait(0.1)
    send(handler, ok(verification(uuid)))


def raw(body: bytes, kind: str = JSON) -> Act:
    return replying(lambda _server, _uuid: Reply(200, body, {"Content-Type": kind}))


def too_large(_server: Troublemaker, handler: BaseHTTPRequestHandler, uuid: str) -> None:
    send(handler, ok(verification(uuid) | {"more": "x" * 200_000}))


MISCHIEF: dict[str, Act] = {
    "slow": slow,
    "never answers": never,
    "drips the body": drips_body,
    "drips the headers": drips_headers,
    "closes early": closes_early,
    "hangs up": hangs_up,
    "malformed JSON": raw(b'{"responderGLN": '),
    "no object": raw(b"[]"),
    "deeply nested": raw(b"[" * 50_000),
    "not UTF-8": raw(b'{"responderGLN": "\xff"}'),
    "empty": raw(b""),
    "wrong content type": raw(b"<html></html>", "text/html"),
    "another corrUUID": replying(lambda _s, _u: ok(verification("21EC2020-3AEA-4069-A2DD-08002B30309D"))),
    "no corrUUID": replying(lambda _s, _u: ok({"data": {"verified": True}, "responderGLN": GLN})),
    "microseconds": answering(stamp="2026-11-21T10:00:00.123456Z"),
    "no zone": answering(stamp="2026-11-21T10:00:00.123"),
    "short GLN": answering(gln="12345"),
    "verified as text": answering(verified="true"),
    "true with a reason": answering(verified=True, verificationFailureReason="Manufacturer_policy"),
    "false without a reason": answering(verified=False),
    "a reason of its own": answering(verified=False, verificationFailureReason="GTIN_not_found"),
    "information of its own": answering(additionalInfo="Stolen"),
    "information null": answering(additionalInfo=None),
    "too large": too_large,
    "204": status(204),
    "400": status(400),
    "401": status(401),
    "403": status(403),
    "404": status(404),
    "405": status(405),
    "408": status(408),
    "429": status(429),
    "500": status(500),
    "502": status(502),
    "503": status(503),
    "504": status(504),
    "redirect loop": location("{url}/again"),
    "redirect without a path": location("{url}"),
    "redirect to http elsewhere": location("http://verification.example/verify"),
    "redirect to ftp": location("ftp://127.0.0.1/verify"),
    "redirect to a file": location("file:///etc/passwd"),
    "redirect to a private address": location("https://10.0.0.1/verify"),
    "redirect to a link-local address": location("https://169.254.169.254/latest"),
    "redirect with a password": location("https://user:secret@127.0.0.1/verify"),
    "redirect to nowhere": replying(lambda _s, _u: Reply(307)),
}
