"""The OpenAPI document says what the service does; the pages for machines and readers are there."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from contract import ROUTES, SECURED, WITH_BODY, ask
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from world import JSON, World

from verifier.app import create_app
from verifier.cli.main import main
from verifier.domain.pack import SiteType

COMMITTED = Path(__file__).parents[2] / "api_spec" / "openapi.json"
PROBLEM = "application/problem+json"
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def document(world: World) -> dict[str, Any]:
    answer = world.http.get("/openapi.json")
    assert (answer.status_code, answer.content_type) == (200, JSON)
    return answer.json


@pytest.fixture(scope="module")
def conforms(document: dict[str, Any]) -> Callable[[Any, str, str], None]:
    """Checks an answer against what the document says of this route, status and media type."""

    def check(answer: Any, method: str, path: str) -> None:
        responses = document["paths"][path][method.lower()]["responses"]
        assert str(answer.status_code) in responses, f"{method} {path} answered {answer.status_code}"
        content = responses[str(answer.status_code)]["content"]
        assert answer.content_type in content, f"{method} {path} answered {answer.content_type}"
        schema = content[answer.content_type]["schema"] | {"components": document["components"]}
        Draft202012Validator(schema).validate(answer.json)

    return check


def test_what_is_served_is_what_is_printed_and_what_is_committed(document: dict[str, Any]):
    printed = CliRunner().invoke(main, ["openapi"])
    assert printed.exit_code == 0
    assert json.loads(printed.stdout) == document
    assert COMMITTED.read_text(encoding="utf-8") == printed.stdout, "run `make spec` and commit api_spec/"


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]):
    assert document["openapi"].startswith("3.1.")
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_the_document_has_every_route_of_the_contract_with_its_scopes_and_no_other(document: dict[str, Any]):
    described = {}
    for path, operations in document["paths"].items():
        for method in METHODS & set(operations):
            security = operations[method].get("security", [])
            described[method.upper(), path] = frozenset(scope for way in security for scope in way["oauth2"])
    assert described == ROUTES


def test_the_document_names_every_scope_and_the_token_endpoint(document: dict[str, Any]):
    flow = document["components"]["securitySchemes"]["oauth2"]["flows"]["clientCredentials"]
    assert flow["tokenUrl"] == "/oauth/token"
    assert {scope for scopes in ROUTES.values() for scope in scopes} <= set(flow["scopes"])


# those that change nothing or may be repeated as they are, and those of which each item has its own
WITHOUT_A_KEY = {
    "/v1/verify", "/v1/returns/check", "/v1/products/{gtin}", "/v1/bulk", "/v1/vrs/verify",
    "/v1/returns/sessions/{session_id}/scans",
}  # fmt: skip


@pytest.mark.parametrize("route", WITH_BODY)
def test_the_document_says_where_an_idempotency_key_is_needed(
    document: dict[str, Any], route: tuple[str, str]
):
    operation = document["paths"][route[1]][route[0].lower()]
    keyed = any(each["name"] == "Idempotency-Key" and each["required"] for each in operation["parameters"])
    assert keyed is (route[1] not in WITHOUT_A_KEY)
    schema = operation["requestBody"]["content"][JSON]["schema"]["$ref"].rpartition("/")[2]
    assert document["components"]["schemas"][schema]["additionalProperties"] is False


def test_every_verdict_is_as_described(world: World, conforms: Callable[..., None]):
    pack = world.pack(lot="LOT1", expiry="2031-05-00")
    pharmacy, wholesaler = world.corner_pharmacy, world.wholesaler
    path = "/v1/verify"
    conforms(pharmacy.post(path, pack), "POST", path)
    conforms(pharmacy.post(path, pack | {"serial": "NEVER"}), "POST", path)
    conforms(pharmacy.post(path, pack | {"serial": "NEVER"}), "POST", path)
    conforms(pharmacy.post(path, world.pack(stored=False)), "POST", path)
    for path, body in (
        ("/v1/dispense", pack),
        ("/v1/dispense", pack),
        ("/v1/reactivate", pack),
        ("/v1/reactivate", pack | {"not_supplied_to_public": True}),
        ("/v1/decommission", pack | {"reason": "sample"}),
        ("/v1/returns/check", pack),
    ):
        conforms(pharmacy.post(path, body), "POST", path)
        conforms(wholesaler.post(path, body), "POST", path)
    conforms(pharmacy.get("/v1/packs", **pack), "GET", "/v1/packs")


def test_every_other_answer_is_as_described(world: World, conforms: Callable[..., None]):
    pack = world.pack()
    missed = pack | {"serial": world.serial(), "user": "u-1", "device": {"id": "till", "sequence": 1}}
    alert = world.corner_pharmacy.verify(missed)["alert"]
    world.corner_pharmacy.dispense(pack)
    for name in ("corner_pharmacy", "manufacturer", "regulator"):
        person = getattr(world, name)
        conforms(person.get("/v1/alerts", gtin=pack["gtin"]), "GET", "/v1/alerts")
        conforms(person.get(f"/v1/alerts/{alert['id']}"), "GET", "/v1/alerts/{alert_id}")
        events = person.get("/v1/packs/events", gtin=pack["gtin"], serial=pack["serial"])
        assert events.status_code == 200
        conforms(events, "GET", "/v1/packs/events")
    conforms(world.http.get("/v1/reasons"), "GET", "/v1/reasons")
    body = {"gtin": pack["gtin"], "reason": "test"}
    conforms(world.regulator.post("/v1/products/withdraw", body), "POST", "/v1/products/withdraw")
    path = "/v1/batches/hold"
    conforms(world.regulator.post(path, body | {"lot": pack["lot"]}), "POST", path)
    answer = world.regulator.put(f"/v1/products/{pack['gtin']}", {"form": "tablet"})
    conforms(answer, "PUT", "/v1/products/{gtin}")


def faults(world: World, route: tuple[str, str]) -> list[Any]:
    """What each route with a body answers to whatever is wrong with a request."""
    buyers = ("/v1/dispense", "/v1/returns/", "/v1/vrs/")
    person = world.wholesaler if route[1].startswith(buyers) else world.operator
    keyless = person.headers()
    own = keyless | {"Idempotency-Key": "document"}
    pack = world.pack(stored=False)
    body = {"gtin": pack["gtin"], "reason": "test"}
    if route[1] not in ("/v1/products/withdraw", "/v1/products/{gtin}"):
        body["lot"] = pack["lot"]
    return [
        ask(world, route, data=b"{"),
        ask(world, route, world.corner_pharmacy.headers(), data=b"{", content_type=JSON),
        ask(world, route, own, data=b"{", content_type=JSON),
        ask(world, route, own, data=b"{", content_type="text/plain"),
        ask(world, route, own, data=b" " * (1024 * 1024 + 1), content_type=JSON),
        ask(world, route, own, json={"patient": "x"}),
        ask(world, route, own, json={"code": "]d201"}),
        ask(world, route, keyless, json=body),
        ask(world, route, own, json=body),
    ]


@pytest.mark.parametrize("route", WITH_BODY)
def test_every_fault_is_as_described(world: World, conforms: Callable[..., None], route: tuple[str, str]):
    answers = [answer for answer in faults(world, route) if answer.status_code != 200]
    assert {400, 401, 413, 415, 422} <= {answer.status_code for answer in answers}
    for answer in answers:
        conforms(answer, *route)


@pytest.mark.parametrize("route", [route for route in SECURED if route[0] == "GET"])
def test_every_fault_of_a_read_is_as_described(
    world: World, conforms: Callable[..., None], route: tuple[str, str]
):
    conforms(ask(world, route), *route)
    answer = ask(world, route, world.corner_pharmacy.headers(), query_string={"gtin": "1", "serial": "S1"})
    assert answer.content_type == PROBLEM
    conforms(answer, *route)


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_the_page_for_readers_uses_its_own_files_only(world: World, path: str):
    answer = world.http.get(path)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    used = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert len(used) == 3
    for asset in used:
        assert asset.startswith("/docs/")
        found = world.http.get(asset)
        assert found.status_code == 200
        assert found.mimetype == ("text/css" if asset.endswith("css") else "text/javascript")
        assert found.headers["X-Content-Type-Options"] == "nosniff"
    assert '"/openapi.json"' in world.http.get("/docs/start.js").text
    assert "http" not in answer.text


@pytest.mark.parametrize("name", ["index.html", "../world.py", "swagger-ui.css.map", "%2e%2e/%2e%2e/app.py"])
def test_the_page_gives_out_no_other_file(world: World, name: str):
    answer = world.http.get(f"/docs/{name}")
    assert (answer.status_code, answer.content_type) == (404, PROBLEM)


def test_the_figures_are_prometheus_text(world: World):
    world.corner_pharmacy.verify(world.pack() | {"serial": "NEVER"})
    answer = world.http.get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=0.0.4")
    assert 'verifier_scans_total{code="unknown_serial",operation="verify"}' in answer.text
    assert 'verifier_alerts_total{code="A3"}' in answer.text
    assert 'verifier_request_seconds_count{route="/v1/verify",status="200"}' in answer.text


def test_it_says_whether_it_lives_and_whether_it_is_ready(world: World):
    alive, ready = world.http.get("/livez"), world.http.get("/readyz")
    assert (alive.status_code, alive.json) == (200, {"status": "alive"})
    assert (ready.status_code, ready.json["status"]) == (200, "ready")
    assert ready.json["cache"] == ("on" if world.service.settings.cache_mode == "fast" else "off")


def test_every_answer_has_a_request_id_which_a_client_may_give(world: World):
    own = [world.http.get("/livez").headers["X-Request-Id"] for _ in range(2)]
    assert own[0] != own[1]
    given = world.http.get("/livez", headers={"X-Request-Id": "till-1.2026-11-21"})
    assert given.headers["X-Request-Id"] == "till-1.2026-11-21"
    refused = world.http.get("/livez", headers={"X-Request-Id": "a b <script>"})
    assert refused.headers["X-Request-Id"] not in ("a b <script>", *own)


def test_outside_the_embedded_default_pages_and_figures_need_scope_admin(world: World):
    settings = replace(world.service.settings, open_routes=False)
    closed = create_app(replace(world.service, settings=settings)).test_client()
    without = world.person("4012345000092", SiteType.PHARMACY, scopes=frozenset({"verify"}))
    for path in ("/livez", "/readyz", "/openapi.json", "/v1/reasons"):
        assert closed.get(path).status_code == 200
    for path in ("/metrics", "/docs"):
        assert closed.get(path).status_code == 401
        assert closed.get(path, headers=without.headers()).json["code"] == "insufficient_scope"
        assert closed.get(path, headers=world.operator.headers()).status_code == 200
