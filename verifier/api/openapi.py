"""The OpenAPI document from the types themselves: what is decoded and encoded is what is documented."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

import msgspec
from flask import Flask, Response
from flask_smorest import Api
from werkzeug.exceptions import HTTPException

from verifier.api.problems import TABLE, of_http

View = TypeVar("View", bound=Callable[..., Any])
REF = "#/components/schemas/{name}"
_TYPES: list[type] = []


class ProblemOut(msgspec.Struct, kw_only=True, omit_defaults=True):
    """RFC 9457 problem details. `code` is stable; `errors` are by field, `reason` of an unreadable code."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: dict[str, list[str]] | None = None
    reason: str | None = None


class ProblemApi(Api):  # type: ignore[misc]
    """flask-smorest with our one shape for errors."""

    DEFAULT_ERROR_RESPONSE_NAME = None

    def handle_http_exception(self, error: HTTPException) -> Response:
        """Problem details with the headers kept."""
        return of_http(error)


def configure(app: Flask, title: str, version: str) -> ProblemApi:
    """The document's frame, served at /openapi.json."""
    app.config |= {
        "API_TITLE": title,
        "API_VERSION": version,
        "OPENAPI_VERSION": "3.1.0",
        "OPENAPI_URL_PREFIX": "/",
        "OPENAPI_JSON_PATH": "openapi.json",
    }
    api = ProblemApi(app)
    api.spec.options["info"] = {
        "description": "Is this medicine pack genuine, and may I hand it out, take it back, or sell it on?",
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    }
    api.spec.components.security_scheme(
        "oauth2",
        {
            "type": "oauth2",
            "flows": {"clientCredentials": {"tokenUrl": "/oauth/token", "scopes": _scopes()}},
        },
    )
    return api


def finish(api: ProblemApi) -> None:
    """Put in the schemas of every type that a route has named."""
    _, components = msgspec.json.schema_components([*_TYPES, ProblemOut], ref_template=REF)
    for name, schema in components.items():
        api.spec.components.schema(name, with_instants(schema))


def with_instants(schema: dict[str, Any]) -> dict[str, Any]:
    """Every time that we answer is RFC 3339, which the types alone do not say; all are named alike."""
    for name, property_ in schema.get("properties", {}).items():
        if name.endswith(("_at", "_since")):
            for way in property_.get("anyOf", [property_]):
                if way["type"] == "string":
                    way["format"] = "date-time"
    return schema


def body(kind: type, *, keyed: bool = False) -> Callable[[View], View]:
    """The request's body; `keyed` for routes that need an Idempotency-Key."""
    doc: dict[str, Any] = {
        "requestBody": {"required": True, "content": {"application/json": {"schema": ref(kind)}}}
    }
    parameters = [_language()]
    if keyed:
        text = {"type": "string", "pattern": "^[ -~]{1,255}$"}
        parameters.append({"in": "header", "name": "Idempotency-Key", "required": True, "schema": text})
    return _document(doc | {"parameters": parameters})


def query(*, required: Sequence[str] = ("gtin", "serial"), **parameters: str) -> Callable[[View], View]:
    """The query's parameters with a word on each."""
    listed = [
        {
            "in": "query",
            "name": name,
            "required": name in required,
            "description": description,
            "schema": {"type": "string"},
        }
        for name, description in parameters.items()
    ]
    return _document({"parameters": listed})


def answers(kind: type, description: str) -> Callable[[View], View]:
    """The answer of 200."""
    return _document({"responses": {"200": _response(kind, description)}})


def verdict(kind: type, description: str, *, refused: bool = False) -> Callable[[View], View]:
    """A verdict; a refused change is 409 with the same body, and some faults are 409 too."""
    responses = {"200": _response(kind, description)}
    if refused:
        conflict = _response(kind, "Refused; the same body with `accepted` false. Or a fault, see `code`.")
        conflict["content"]["application/problem+json"] = {"schema": ref(ProblemOut)}
        responses["409"] = conflict
    return _document({"responses": responses})


def faults(*statuses: int) -> Callable[[View], View]:
    """The faults that this route may answer, beside 429 and 503."""
    responses = {}
    for status in (*statuses, 503):
        codes = ", ".join(f"`{code}`" for code, (its, _) in TABLE.items() if its == status)
        responses[str(status)] = {
            "description": codes,
            "content": {"application/problem+json": {"schema": ref(ProblemOut)}},
        }
    return _document({"responses": responses})


def _document(doc: dict[str, Any]) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        documented: dict[str, Any] = dict(getattr(view, "_apidoc", {}))
        manual = dict(documented.get("manual_doc", {}))
        for name, value in doc.items():
            manual[name] = manual.get(name, type(value)()) | value if isinstance(value, dict) else value
        view._apidoc = documented | {"manual_doc": manual}  # type: ignore[attr-defined]  # noqa: SLF001
        return view

    return decorate


def _response(kind: type, description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": ref(kind)}}}


def ref(kind: type) -> dict[str, str]:
    """Where the document has the schema of this type."""
    if kind not in _TYPES and kind is not ProblemOut:
        _TYPES.append(kind)
    return {"$ref": REF.format(name=kind.__name__)}


def _language() -> dict[str, Any]:
    return {"in": "header", "name": "Accept-Language", "schema": {"type": "string"}}


@cache
def _scopes() -> dict[str, str]:
    from verifier.oauth.scopes import SCOPES  # noqa: PLC0415

    return dict(SCOPES)
