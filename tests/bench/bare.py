"""What Flask can do at best: one route, a constant body, the service's own gunicorn settings.

Run as `python -m bench.bare BIND WORKERS THREADS SIZE`.
"""

import sys
from typing import Any

from flask import Flask, Response

from verifier.server import Server
from verifier.settings import Settings

MESSAGE = b'{"' + b"x" * 152 + b'":1}'
"""As long as a verification response."""


class Bare(Server):
    """The same arbiter and workers over another application."""

    def load(self) -> Any:
        app = Flask("bare", static_folder=None)
        body = b'{"' + b"x" * (int(sys.argv[4]) - 6) + b'":1}'

        @app.post("/v1/verify")
        def verify() -> Response:
            return Response(body, content_type="application/json")

        @app.get("/verify/gtin/<gtin>/lot/<lot>/ser/<ser>")
        def message(gtin: str, lot: str, ser: str) -> Response:  # noqa: ARG001 - the route's own
            return Response(MESSAGE, content_type="application/json")

        return app


if __name__ == "__main__":
    Bare(Settings(), sys.argv[1], int(sys.argv[2]), int(sys.argv[3])).run()
