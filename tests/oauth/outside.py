"""An outside issuer: its keys, the tokens it makes, and a real server of its JWK set."""

import json
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from forgery import claims_for, signed
from joserfc.jwk import ECKey, RSAKey

KEY = ECKey.generate_key("P-256", {"kid": "k1", "use": "sig"})
RSA = RSAKey.generate_key(2048, {"kid": "r1"})
LOGIN = "https://login.example/tenant"


def foreign(key: object = KEY, head: dict[str, object] | None = None, **changes: object) -> str:
    alg = "ES256" if isinstance(key, ECKey) else "RS256"
    header = {"alg": alg, "typ": "at+jwt", "kid": key.kid} | (head or {})
    claims = claims_for("till-7", issuer=LOGIN, audience="packs", **changes)
    return signed({name: value for name, value in header.items() if value is not None}, claims, key, alg)


class JwksServer(ThreadingHTTPServer):
    """A real server of a JWK set; `keys`, `status`, `body` and `delay` may be changed while it runs."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), JwksHandler)
        self.keys: list[object] = [KEY.as_dict(private=False), RSA.as_dict(private=False)]
        self.status, self.delay, self.asked = 200, 0.0, 0
        self.body: bytes | None = None
        self.location = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/jwks.json"


class JwksHandler(BaseHTTPRequestHandler):
    server: JwksServer

    def do_GET(self) -> None:
        self.server.asked += 1
        time.sleep(self.server.delay)
        body = self.server.body or json.dumps({"keys": self.server.keys}).encode()
        with suppress(ConnectionError):  # who asked may have given up
            self.send_response(self.server.status)
            if self.server.location:
                self.send_header("Location", self.server.location)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
