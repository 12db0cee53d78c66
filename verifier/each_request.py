"""What is done with every request: an id, a line in the log, a figure in the metrics, headers."""

import re
import secrets
import time

import structlog
from flask import Flask, Response, g, request

from verifier import logs, metrics

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


def watch(app: Flask) -> None:
    """From now on, all of this application's."""
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    given = request.environ.get("HTTP_X_REQUEST_ID", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
    g.started = time.perf_counter()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _end(response: Response) -> Response:
    state = vars(g._get_current_object())  # noqa: SLF001 - one look through the proxy instead of six
    started = state.get("started")
    if started is None:
        return response
    seconds = time.perf_counter() - started
    rule = request.url_rule
    route = rule.rule if rule else "unmatched"
    metrics.of(metrics.LATENCY, route, str(response.status_code)).observe(seconds)
    actor = state.get("actor")
    logs.request(
        method=request.method,
        route=route,
        status=response.status_code,
        ms=round(seconds * 1000, 2),
        client_id=actor.client_id if actor else None,
        site=actor.site.gln if actor else None,
        request_id=state["request_id"],
    )
    headers = response.headers
    headers.add("X-Request-Id", state["request_id"])
    headers.add("X-Content-Type-Options", "nosniff")
    if "Cache-Control" not in headers:
        headers.add("Cache-Control", "no-store")
    return response
