"""A server on loopback that speaks the contract as far as a client's transport can tell, on a script."""

import base64
import json
import threading
from collections import deque
from collections.abc import Callable  # noqa: TC003
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from verifier.domain.codes import PackCode, parse

TODAY = date(2026, 11, 21)
CLIENT, SECRET = "corner pharmacy", "s3cret:/+"


@dataclass(frozen=True)
class Say:
    """Answer with this; `json` may be any value, `raw` any bytes."""

    status: int
    json: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None


class Drop:
    """Do what was asked, then close the connection without a word."""


class Hang:
    """Do what was asked, then answer only when the test is over."""


@dataclass(frozen=True)
class Seen:
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def verdict(code: str = "ok", signal: str = "green", *, accepted: bool = True, **more: Any) -> dict[str, Any]:
    pack = {"gtin": "09520001123016", "serial": "S1", "lot": "L1", "expiry": "2028-12-31"}
    pack["product"] = {"name": "Cardivexa", "strength": "5 mg", "form": "tablets", "pack_size": "28"}
    words = {"title": "Genuine and active", "advice": "May be dispensed."}
    given = {
        "event_id": "e1",
        "code": code,
        "signal": signal,
        "accepted": accepted,
        "pack": pack,
        "alert": None,
    }
    return {**given, **words, "notes": [], **more}


def problem(status: int, code: str, detail: str = "Said by the server.", **headers: str) -> Say:
    body = {"type": f"/problems/{code}", "title": code, "status": status, "code": code, "detail": detail}
    return Say(status, body, {"Content-Type": "application/problem+json", **headers})


class ContractServer:
    """`script` is used up by pack routes, `token_script` by the token route; then all goes well.

    `answer` makes the verdict of a pack; `done` counts what was carried out for each idempotency key.
    """

    def __init__(self) -> None:
        self.script: deque[Say | Drop | Hang] = deque()
        self.token_script: deque[Say | Drop | Hang] = deque()
        self.seen: list[Seen] = []
        self.answer: Callable[[PackCode], dict[str, Any]] = lambda _: verdict()
        self.done: dict[str, int] = {}
        self.tokens = 0
        self.connections = 0
        self.over = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.over.set()
        self._http.shutdown()
        self._http.server_close()

    @property
    def asked(self) -> list[Seen]:
        return [seen for seen in self.seen if seen.path != "/oauth/token"]

    def token(self) -> Say:
        self.tokens += 1
        granted = {"access_token": f"token-{self.tokens}", "token_type": "Bearer", "expires_in": 300}
        return Say(200, granted)

    def carry_out(self, seen: Seen) -> Say:
        """A verdict; the change once for each key."""
        key = seen.headers.get("idempotency-key")
        replayed = key is not None and key in self.done
        if key is not None:
            self.done[key] = self.done.get(key, 0) + (not replayed)
        code = parse(seen.json.get("code", ""), today=TODAY)
        body = self.answer(code) if isinstance(code, PackCode) else verdict()
        if isinstance(code, PackCode):
            body = {**body, "pack": {**body["pack"], "gtin": code.gtin, "serial": code.serial}}
        headers = {"Idempotency-Replayed": "true"} if replayed else {}
        return Say(200 if body["accepted"] or key is None else 409, body, headers)


def _handler(server: ContractServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            server.connections += 1
            self.number = server.connections

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen = Seen(self.path, {k.lower(): v for k, v in self.headers.items()}, body, self.number)
            server.seen.append(seen)
            is_token = self.path == "/oauth/token"
            script = server.token_script if is_token else server.script
            step = script.popleft() if script else None
            if isinstance(step, Say):
                self.say(step)
                return
            good = server.token() if is_token else server.carry_out(seen)
            if step is None:
                self.say(good)
                return
            if isinstance(step, Hang):
                server.over.wait(20)
            self.close_connection = True

        def say(self, step: Say) -> None:
            data = step.raw if step.raw is not None else json.dumps(step.json).encode()
            self.send_response(step.status)
            headers = {"Content-Type": "application/json", "Content-Length": str(len(data)), **step.headers}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def basic(client: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()
