"""Is the process alive, can it serve, how does it do, and what may be called."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, current_app, send_from_directory
from sqlalchemy.exc import SQLAlchemyError

from verifier import metrics
from verifier.api.problems import Problem
from verifier.api.security import authenticate, lacks_scope, open_route

blueprint = Blueprint("system", __name__)
_ASSETS = ("swagger-ui.css", "swagger-ui-bundle.js")
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Verifier API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_START = 'SwaggerUIBundle({url: "/openapi.json", dom_id: "#ui", deepLinking: true});\n'


@blueprint.get("/livez")
@open_route
def livez() -> dict[str, str]:
    """The process answers."""
    return {"status": "alive"}


@blueprint.get("/readyz")
@open_route
def readyz() -> Response | tuple[dict[str, Any], int]:
    """The service can serve: its database answers. The cache may be away; that costs time, not answers."""
    try:
        state = current_app.extensions["verifier"].control.refresh()
    except SQLAlchemyError:
        return Problem("database_unavailable", "The database does not answer.").response()
    return {"status": "ready", "cache": "on" if state.cache_on else "off"}, 200


@blueprint.get("/metrics")
@open_route
def metrics_page() -> Response:
    """Prometheus."""
    check_open()
    current_app.extensions["verifier"].sample()
    return Response(metrics.page(), content_type="text/plain; version=0.0.4; charset=utf-8")


@blueprint.get("/docs")
@blueprint.get("/docs/")
@open_route
def docs() -> Response:
    """The API to read and to try."""
    check_open()
    return Response(_PAGE, content_type="text/html; charset=utf-8")


@blueprint.get("/docs/<path:name>")
@open_route
def docs_asset(name: str) -> Response:
    """The page's own files; nothing comes from elsewhere."""
    if name == "start.js":
        return Response(_START, content_type="text/javascript; charset=utf-8")
    if name not in _ASSETS:
        raise Problem("not_found", "There is no such file.")
    return send_from_directory(assets(), name)


def assets() -> Path:
    """The folder of the newest Swagger UI that is vendored."""
    found = sorted(Path(str(files("swagger_ui_bundle"))).glob("**/swagger-ui-bundle.js"))
    return found[-1].parent


def check_open() -> None:
    """Outside the embedded default these pages need scope admin, unless the operator opened them."""
    if current_app.extensions["verifier"].settings.routes_open:
        return
    if "admin" not in authenticate().scopes:
        raise lacks_scope("admin")
