"""Another party's verification service that takes a known time for each answer, and says yes.

Run as `python -m bench.peer PORT SECONDS`.
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        due = time.monotonic() + float(sys.argv[2])
        body = json.dumps(
            {
                "verificationTimestamp": "2026-11-21T10:00:00.000Z",
                "responderGLN": "0312341234564",
                "corrUUID": parse_qs(urlsplit(self.path).query)["corrUUID"][0],
                "data": {"verified": True},
            }
        ).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        time.sleep(max(0.0, due - time.monotonic()))
        self.wfile.write(head.encode() + body)

    def log_message(self, *_: Any) -> None:
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
