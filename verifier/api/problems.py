"""Faults of a request as RFC 9457 problem details; one shape for all of them, never HTML, never a trace."""

from collections.abc import Mapping
from typing import Any

import msgspec
import structlog
from flask import Flask, Response
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoFreeConnection
from werkzeug.exceptions import HTTPException

from verifier import metrics
from verifier.domain.journal import Fault

_log = structlog.get_logger(__name__)

# fmt: off
TABLE: Mapping[str, tuple[int, str]] = {
    "bad_request":              (400, "The request cannot be understood"),
    "malformed_json":           (400, "The body is not readable JSON"),
    "idempotency_key_required": (400, "An Idempotency-Key is needed"),
    "unauthorized":             (401, "A valid access token is needed"),
    "invalid_token":            (401, "The access token is not valid"),
    "insufficient_scope":       (403, "The access token lacks a scope"),
    "not_for_this_site":        (403, "Not for a site of this type"),
    "not_your_product":         (403, "Not your product"),
    "requestor_blocked":        (403, "This requestor is not permitted"),
    "too_many_misses":          (403, "Too many requests found no pack"),
    "credential_refused":       (403, "The trading partner's credential is not accepted"),
    "not_found":                (404, "Not found"),
    "method_not_allowed":       (405, "Method not allowed"),
    "not_acceptable":           (406, "No such representation"),
    "request_timeout":          (408, "The request came too slowly"),
    "idempotency_in_progress":  (409, "A request with this key is under way"),
    "device_sequence_reused":   (409, "This device sequence number was used before"),
    "session_closed":           (409, "The session is closed"),
    "session_open":             (409, "The session is open"),
    "session_full":             (409, "The session has as many packs as it may have"),
    "too_large":                (413, "The body is too large"),
    "uri_too_long":             (414, "The address is too long"),
    "unsupported_media_type":   (415, "The body must be application/json"),
    "invalid_request":          (422, "The request has wrong or missing fields"),
    "unreadable_code":          (422, "The pack code cannot be read"),
    "idempotency_key_reused":   (422, "This key was used for another request"),
    "too_many_requests":        (429, "Too many requests"),
    "internal_error":           (500, "Our fault"),
    "database_unavailable":     (503, "The service cannot reach its database"),
}
# fmt: on
_BY_STATUS = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "request_timeout",
    413: "too_large",
    414: "uri_too_long",
    415: "unsupported_media_type",
    429: "too_many_requests",
}  # fmt: skip
_RETRY_AFTER = {"idempotency_in_progress": "1", "database_unavailable": "2"}


class Problem(Exception):
    """A fault with its code, a sentence, and for `invalid_request` the errors by field."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Mapping[str, list[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.headers = dict(headers or {})
        status, title = TABLE[code]
        self.status = status
        self.body: dict[str, Any] = {
            "type": f"/problems/{code}",
            "title": title,
            "status": status,
            "code": code,
            "detail": detail,
        }
        if errors:
            self.body["errors"] = errors
        self.body |= more

    def response(self) -> Response:
        """As it leaves."""
        response = Response(
            msgspec.json.encode(self.body), self.status, content_type="application/problem+json"
        )
        if self.code in _RETRY_AFTER:
            response.headers["Retry-After"] = _RETRY_AFTER[self.code]
        response.headers.update(self.headers)
        return response


def of_fault(fault: Fault) -> Problem:
    """The use case's fault over HTTP."""
    errors = {fault.field: [fault.detail]} if fault.field else None
    return Problem(fault.code, fault.detail, errors=errors)


def of_http(error: HTTPException) -> Response:
    """Flask's and Werkzeug's own errors in our shape, with their headers."""
    if error.response is not None:
        return error.response  # type: ignore[return-value]
    code = _BY_STATUS.get(error.code or 500, "internal_error")
    response = Problem(code, error.description or TABLE[code][1]).response()
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def register(app: Flask) -> None:
    """Every error that can leave a view."""
    app.register_error_handler(Problem, lambda problem: problem.response())
    app.register_error_handler(HTTPException, of_http)
    app.register_error_handler(SQLAlchemyError, _database)
    app.register_error_handler(Exception, _ours)


def _database(error: Exception) -> Response:
    return database_problem(error).response()


def database_problem(error: Exception) -> Problem:
    """503: the outcome of a change is not known here, and is found out by its key."""
    if isinstance(error, NoFreeConnection):  # no error of the database, so nobody else has counted it
        metrics.DATABASE_ERRORS.labels("no_free_connection").inc()
    _log.error("database_unavailable", error=type(error).__name__, sqlstate=_sqlstate(error))
    detail = "The change may or may not have been made: repeat the request with the same Idempotency-Key."
    return Problem("database_unavailable", detail)


def _sqlstate(error: Exception) -> str | None:
    return getattr(getattr(error, "orig", None), "sqlstate", None)


def _ours(error: Exception) -> Response:
    return internal_problem(error).response()


def internal_problem(error: Exception) -> Problem:
    """500: what went wrong is in the log, never in the answer."""
    _log.exception("internal_error", error=type(error).__name__)
    detail = "Repeat the request with the same Idempotency-Key, or tell the operator the request id."
    return Problem("internal_error", detail)
