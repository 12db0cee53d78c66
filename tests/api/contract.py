"""The routes of the contract, section 4, with the scopes of which each wants one."""

from typing import Any

from world import World

LMS_VERIFY = "/verify/gtin/{gtin}/lot/{lot}/ser/{ser}"
# fmt: off
ROUTES: dict[tuple[str, str], frozenset[str]] = {
    ("POST", "/v1/verify"):            frozenset({"verify"}),
    ("POST", "/v1/dispense"):          frozenset({"dispense"}),
    ("POST", "/v1/decommission"):      frozenset({"decommission"}),
    ("POST", "/v1/reactivate"):        frozenset({"dispense", "decommission"}),
    ("POST", "/v1/returns/check"):     frozenset({"returns"}),
    ("POST", "/v1/returns/sessions"):                      frozenset({"returns"}),
    ("GET",  "/v1/returns/sessions"):                      frozenset({"returns", "audit:read"}),
    ("GET",  "/v1/returns/sessions/{session_id}"):         frozenset({"returns", "audit:read"}),
    ("GET",  "/v1/returns/sessions/{session_id}/summary"): frozenset({"returns", "audit:read"}),
    ("POST", "/v1/returns/sessions/{session_id}/scans"):   frozenset({"returns"}),
    ("POST", "/v1/returns/sessions/{session_id}/recheck"): frozenset({"returns"}),
    ("POST", "/v1/returns/sessions/{session_id}/close"):   frozenset({"returns"}),
    ("POST", "/v1/bulk"):              frozenset({"verify", "dispense", "decommission", "returns"}),
    ("GET",  "/v1/events/{event_id}"): frozenset({"audit:read"}),
    ("GET",  "/v1/packs"):             frozenset({"packs:read"}),
    ("GET",  "/v1/packs/events"):      frozenset({"audit:read"}),
    ("POST", "/v1/batches/recall"):    frozenset({"recalls:write"}),
    ("POST", "/v1/batches/hold"):      frozenset({"recalls:write"}),
    ("POST", "/v1/batches/release"):   frozenset({"recalls:write"}),
    ("POST", "/v1/products/withdraw"): frozenset({"recalls:write"}),
    ("PUT",  "/v1/products/{gtin}"):   frozenset({"packs:write"}),
    ("GET",  "/v1/alerts"):            frozenset({"alerts:read"}),
    ("GET",  "/v1/alerts/{alert_id}"): frozenset({"alerts:read"}),
    ("GET",  "/v1/reasons"):           frozenset(),
    ("GET",  LMS_VERIFY):              frozenset({"vrs"}),
    ("GET",  "/checkConnectivity"):    frozenset({"vrs"}),
    ("POST", "/v1/vrs/verify"):        frozenset({"vrs", "returns"}),
    ("GET",  "/v1/vrs/pending"):       frozenset({"vrs", "returns"}),
    ("GET",  "/v1/vrs/connectivity"):  frozenset({"vrs", "returns"}),
    ("GET",  "/v1/vrs/directory"):     frozenset({"vrs", "admin"}),
}
# fmt: on
SECURED = [route for route, scopes in ROUTES.items() if scopes]
WITH_BODY = [route for route in SECURED if route[0] != "GET"]


def address(path: str) -> str:
    """The route with something in the place of its parameters."""
    nobody = "00000000-0000-0000-0000-000000000000"
    pack = {"gtin": "05012345678900", "lot": "L1", "ser": "S1"}
    return path.format(**pack, alert_id=nobody, event_id=nobody, session_id=nobody)


def ask(world: World, route: tuple[str, str], headers: dict[str, str] | None = None, **sent: Any) -> Any:
    """Ask this route, of GET with the parameters of a pack that is not there."""
    method, path = route
    if method == "GET" and path.startswith("/v1/packs"):
        sent.setdefault("query_string", {"gtin": "05012345678900", "serial": "S1"})
    return world.http.open(address(path), method=method, headers=headers, **sent)
