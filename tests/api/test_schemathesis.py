"""Whatever the document allows and whatever it forbids: no fault of ours, and every answer as documented."""

from typing import Any

import pytest
import schemathesis
from contract import ROUTES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from world import Person, World

from verifier.domain.gs1 import check_digit
from verifier.domain.pack import SiteType

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
EXAMPLES = 25
ELEMENTS = ("code", "gtin", "ppn", "serial", "lot", "expiry", "sscc")
PACK_ROUTES = [route for route in ROUTES if "batches" not in route[1] and "products" not in route[1]]

# one cache mode is enough for the shape of answers
pytestmark = pytest.mark.parametrize("world", ["off"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def schema(world: World) -> Any:
    return schemathesis.openapi.from_wsgi("/openapi.json", world.app)


@pytest.fixture(scope="module")
def person(world: World) -> Person:
    gln = "401234500030"
    return world.person(gln + check_digit(gln), SiteType.WHOLESALER)


@pytest.fixture(scope="module")
def packs(world: World) -> list[dict[str, Any]]:
    """Some that are there, of both regulations, and one that is not."""
    made = [world.pack(profile=profile) for profile in ("eu_fmd", "us_dscsa") for _ in range(2)]
    return [*made, world.pack(stored=False)]


@pytest.fixture(scope="module")
def ids(world: World, person: Person) -> dict[str, str]:
    """An event, an alert and a returns session of this person's."""
    verdict = person.verify(world.pack() | {"serial": "NEVER"})
    body = {"reference": "RMA-1", "counterparty_gln": "4012345000016"}
    session = person.post("/v1/returns/sessions", body).json["id"]
    return {"event_id": verdict["event_id"], "alert_id": verdict["alert"]["id"], "session_id": session}


def about(pack: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """The same request about this pack, and each item of a request for several."""
    for field in ("items", "scans"):
        if isinstance(body.get(field), list):
            items = [about(pack, item) if isinstance(item, dict) else item for item in body[field]]
            return body | {field: items}
    return {name: value for name, value in body.items() if name not in ELEMENTS} | pack


def takes_a_pack(path: str) -> bool:
    """Those steps of a return that name no pack take none."""
    return "/sessions" not in path or path.endswith("/scans")


def explore(
    schema: Any, person: Person, route: tuple[str, str], packs: list[dict[str, Any]], ids: dict[str, str]
) -> None:
    """Call the route with generated data; with packs, every other time about one of them."""
    method, path = route
    operation = schema[path][method]
    real = st.none() | st.sampled_from(packs) if packs else st.none()
    modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
    ways = st.one_of([operation.as_strategy(generation_mode=mode) for mode in modes])

    @given(case=ways, pack=real)
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    def each(case: Any, pack: dict[str, Any] | None) -> None:
        if pack is not None and isinstance(case.body, dict) and takes_a_pack(path):
            case.body = about(pack, case.body)
        if pack is not None and method == "GET" and "/packs" in path:
            case.query = pack if path == "/v1/packs" else {name: pack[name] for name in ("gtin", "serial")}
        if pack is not None:
            case.path_parameters = {
                name: ids.get(name, value) for name, value in (case.path_parameters or {}).items()
            }
        # in a request for several a bad item is answered for itself
        several = path == "/v1/bulk" or path.endswith("/scans")
        checks = [check for check in CHECKS if not several or check is not negative_data_rejection]
        case.call_and_validate(headers=person.headers(), checks=checks)

    each()


@pytest.mark.parametrize("route", PACK_ROUTES, ids=" ".join)
def test_answers_about_packs_are_as_documented(
    schema: Any, person: Person, packs: list[dict[str, Any]], ids: dict[str, str], route: tuple[str, str]
):
    explore(schema, person, route, packs, ids)


@pytest.mark.parametrize("name", ["wholesaler", "manufacturer", "regulator"])
@pytest.mark.parametrize("route", sorted(set(ROUTES) - set(PACK_ROUTES)), ids=" ".join)
def test_answers_to_commands_are_as_documented(world: World, schema: Any, name: str, route: tuple[str, str]):
    """Without a product that is there, since a command that is carried out takes its second."""
    explore(schema, getattr(world, name), route, [], {})
