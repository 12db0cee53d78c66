"""Stand-ins for other parties' verification services: real servers on the loopback.

A `Responder` answers to the letter of GS1 LMS R1.1 from the packs that it was given; `mischief` has those
that do not. Every request that arrives is kept, with its raw target.
Run this module for a responder that is there until Ctrl-C: `python tests/vrs/standin.py --pack …`.
"""

import argparse
import json
import re
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

UUID4 = re.compile(r"[a-fA-F\d]{8}-[a-fA-F\d]{4}-4[a-fA-F\d]{3}-[89abAB][a-fA-F\d]{3}-[a-fA-F\d]{12}")
PATH = re.compile(r"(?P<verify>/verify)?/gtin/(?P<gtin>[^/]+)/lot/(?P<lot>[^/]+)/ser/(?P<ser>[^/]+)")
GLN = "0312341234564"
JSON = "application/json"
NEEDED = ("exp", "linkType", "context", "reqGLN", "corrUUID")


@dataclass(frozen=True)
class Request:
    """What arrived."""

    target: str
    headers: dict[str, str]

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.target).query).items()}


@dataclass
class Reply:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


Pack = dict[str, str]


class Server:
    """A server in a thread; subclasses say what to answer."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                outer.connections += 1

            def do_GET(self) -> None:
                request = Request(self.path, dict(self.headers))
                outer.requests.append(request)
                outer.serve(request, self)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        if tls is not None:  # the handshake belongs to the thread of the connection
            plain = self._server.socket
            self._server.socket = tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        self.closing = threading.Event()
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def serve(self, request: Request, handler: BaseHTTPRequestHandler) -> None:
        send(handler, self.answer(request))

    def answer(self, request: Request) -> Reply:
        raise NotImplementedError


def send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    handler.send_response(reply.status)
    for name, value in ({"Content-Length": str(len(reply.body))} | reply.headers).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(reply.body)


def verification(corr_uuid: str, *, gln: str = GLN, stamp: str | None = None, **data: Any) -> dict[str, Any]:
    """The body of an answer; `data` as in the standard, verified unless it says otherwise."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "verificationTimestamp": stamp or now,
        "responderGLN": gln,
        "corrUUID": corr_uuid,
        "data": {"verified": True} | data,
    }


def ok(body: Any) -> Reply:
    headers = {"Content-Type": JSON, "Cache-Control": "private, no-cache"}
    return Reply(200, json.dumps(body).encode(), headers)


class Responder(Server):
    """Answers to the letter: scenarios A and E, and for a pack with `data` whatever that says."""

    def __init__(self, *packs: Pack, gln: str = GLN, authorization: str | None = None, **more: Any) -> None:
        super().__init__(**more)
        self.gln = gln
        self.authorization = authorization
        self.packs: dict[tuple[str, str], dict[str, Any]] = {}
        self.add(*packs)

    def add(self, *packs: dict[str, Any]) -> None:
        for pack in packs:
            self.packs[pack["gtin"], pack["serial"]] = pack

    def answer(self, request: Request) -> Reply:
        if self.authorization is not None and request.headers.get("Authorization") != self.authorization:
            return Reply(401)
        query = request.query
        if request.path == "/checkConnectivity":
            right = {"gtin", "reqGLN", "linkType", "context"} <= query.keys()
            return ok({"responderGLN": self.gln}) if right else Reply(400)
        matched = PATH.fullmatch(request.path)
        if matched is None or matched["verify"] is None:
            return Reply(404)
        if self.wrong(query):
            return Reply(400)
        gtin, lot, serial = (unquote(matched[name]) for name in ("gtin", "lot", "ser"))
        if gtin not in {held for held, _ in self.packs}:
            return Reply(404)
        return ok(
            verification(query["corrUUID"], gln=self.gln, **self.judge(gtin, lot, serial, query["exp"]))
        )

    def wrong(self, query: dict[str, str]) -> bool:
        return (
            any(name not in query for name in NEEDED)
            or not re.fullmatch(r"\d{6}", query["exp"])
            or query["linkType"] != "verificationService"
            or query["context"] != "dscsaSaleableReturn"
            or not re.fullmatch(r"\d{13}", query["reqGLN"])
            or not UUID4.fullmatch(query["corrUUID"])
        )

    def judge(self, gtin: str, lot: str, serial: str, exp: str) -> dict[str, Any]:
        pack = self.packs.get((gtin, serial))
        if pack is None:
            return {"verified": False, "verificationFailureReason": "No_match_GTIN_Serial"}
        wrong = [
            name for name, same in (("Lot", pack["lot"] == lot), ("Expiry", pack["exp"] == exp)) if not same
        ]
        if wrong:
            reason = "_".join(["No_match_GTIN_Serial", *wrong])
            return {"verified": False, "verificationFailureReason": reason}
        return pack.get("data", {})


class Resolver(Server):
    """A look-up directory that redirects, as the standard says: its path has no /verify."""

    def __init__(self, target: str, status: int = 307) -> None:
        super().__init__()
        self.target = target
        self.status = status

    def answer(self, request: Request) -> Reply:
        return Reply(self.status, b"", {"Location": self.target + request.target})


@contextmanager
def network(*servers: Server) -> Iterator[None]:
    """All of them, until the end of the block."""
    with ExitStack() as stack:
        for server in servers:
            stack.enter_context(server)
        yield


def main() -> None:
    """One responder with one pack, until Ctrl-C; prints where it is."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pack", action="append", default=[], metavar="GTIN,SERIAL,LOT,YYMMDD")
    options = parser.parse_args()
    names = ("gtin", "serial", "lot", "exp")
    packs = [dict(zip(names, given.split(","), strict=True)) for given in options.pack]
    with Responder(*packs) as responder:
        print(responder.url, flush=True)  # noqa: T201
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
