"""Every route of the document, with every single scope, by every type of site: in, or exactly why not."""

from typing import Any

import pytest
from contract import address
from world import Person, World

from verifier.domain.gs1 import check_digit
from verifier.domain.pack import SiteType
from verifier.oauth.scopes import SCOPES

T = SiteType
EVERY = set(SiteType)
BUYERS = {T.PHARMACY, T.HOSPITAL, T.WHOLESALER}
COMMANDERS = {T.MANUFACTURER, T.AUTHORITY, T.OPERATOR}
# section 2 of the contract: whom the type of the site keeps out, whatever is in the body; with the method
# where the other methods of the path are for more
FOR_SOME = {
    "/v1/dispense": BUYERS,
    "/v1/returns/check": BUYERS | {T.MANUFACTURER},
    "/v1/vrs/verify": BUYERS | {T.MANUFACTURER},
    "/v1/vrs/pending": BUYERS | {T.MANUFACTURER},
    "/v1/vrs/connectivity": BUYERS | {T.MANUFACTURER},
    "POST /v1/returns/sessions": BUYERS | {T.MANUFACTURER},
    "/v1/returns/sessions/{session_id}/scans": BUYERS | {T.MANUFACTURER},
    "/v1/returns/sessions/{session_id}/recheck": BUYERS | {T.MANUFACTURER},
    "/v1/returns/sessions/{session_id}/close": BUYERS | {T.MANUFACTURER},
    "/v1/batches/recall": COMMANDERS,
    "/v1/batches/hold": COMMANDERS,
    "/v1/batches/release": COMMANDERS,
    "/v1/products/withdraw": COMMANDERS,
    "/v1/products/{gtin}": COMMANDERS,
}
ITEMS = {
    "verify": ("/v1/verify", {}),
    "returns_check": ("/v1/returns/check", {}),
    "dispense": ("/v1/dispense", {}),
    "decommission": ("/v1/decommission", {"reason": "sample"}),
    "reactivate": ("/v1/reactivate", {}),
}
METHODS = ("get", "put", "post", "patch", "delete")
LACKING, KEPT_OUT, LET_IN = (403, "insufficient_scope"), (403, "not_for_this_site"), "let in"

# who may come in does not depend on the cache
pytestmark = pytest.mark.parametrize("world", ["off"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def routes(world: World) -> dict[tuple[str, str], set[str]]:
    """By method and path, the scopes of which the document asks for one."""
    return {
        (method.upper(), path): {scope for way in operations[method]["security"] for scope in way["oauth2"]}
        for path, operations in world.http.get("/openapi.json").json["paths"].items()
        for method in METHODS
        if "security" in operations.get(method, {})
    }


@pytest.fixture(scope="module")
def people(world: World) -> dict[tuple[SiteType, str], Person]:
    """Of every type of site somebody for every scope who has no other."""
    made = {}
    for number, kind in enumerate(SiteType):
        for each, scope in enumerate(SCOPES):
            gln = f"4066660{number:02}{each:03}"
            made[kind, scope] = world.person(gln + check_digit(gln), kind, scopes=frozenset({scope}))
    return made


def outcome(answer: Any) -> Any:
    """Refused at the door, or let in to whatever the body deserves."""
    if answer.status_code == 403:
        return 403, answer.json["code"]
    assert answer.status_code in (200, 400, 404, 422), answer.text
    return LET_IN


def expected(path: str, wanted: set[str], kind: SiteType, scope: str, method: str = "POST") -> Any:
    if scope not in wanted:
        return LACKING
    types = FOR_SOME.get(f"{method} {path}", FOR_SOME.get(path, EVERY))
    return LET_IN if kind in types else KEPT_OUT


@pytest.mark.parametrize("kind", SiteType)
def test_one_scope_opens_its_own_routes_and_no_other(
    world: World,
    routes: dict[tuple[str, str], set[str]],
    people: dict[tuple[SiteType, str], Person],
    kind: SiteType,
):
    """With a wrong body: who is let in is told so, and nothing happens."""
    told, should = {}, {}
    for (method, path), wanted in routes.items():
        for scope in SCOPES:
            headers = people[kind, scope].headers()
            body = None if method == "GET" else {"nothing": 1}
            answer = world.http.open(address(path), method=method, headers=headers, json=body)
            told[method, path, scope] = outcome(answer)
            should[method, path, scope] = expected(path, wanted, kind, scope, method)
    assert told == should
    assert len(told) == len(routes) * len(SCOPES)


@pytest.mark.parametrize("kind", SiteType)
def test_an_item_of_a_bulk_request_needs_what_its_own_route_needs(
    routes: dict[tuple[str, str], set[str]],
    people: dict[tuple[SiteType, str], Person],
    kind: SiteType,
):
    for scope in routes["POST", "/v1/bulk"]:
        items = [{"operation": name} | more for name, (_, more) in ITEMS.items()]
        results = people[kind, scope].post("/v1/bulk", {"items": items}, key=None).json["results"]
        told = [(each["status"], each["code"]) for each in results]
        ways = [expected(path, routes["POST", path], kind, scope) for path, _ in ITEMS.values()]
        assert told == [(422, "invalid_request") if way == LET_IN else way for way in ways]
