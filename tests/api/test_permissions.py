"""Who may do what: the scopes of every route, and the table of section 2 for every type of site."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from contract import ROUTES, SECURED, ask
from situations import together
from werkzeug.test import TestResponse
from world import Person, World

from verifier.domain.gs1 import check_digit
from verifier.domain.pack import SiteType
from verifier.oauth.scopes import SCOPES

OPEN = {
    "/v1/reasons", "/livez", "/readyz", "/metrics", "/docs", "/docs/", "/docs/<path:name>",
}  # fmt: skip
# open by the design of OAuth (a client authenticates itself there), or because a client must find out how to
OPEN_ELSEWHERE = {
    "/oauth/token", "/oauth/revoke", "/oauth/introspect", "/oauth/jwks.json",
    "/.well-known/oauth-authorization-server", "/openapi.json",
}  # fmt: skip
EVERYBODY = ("corner_pharmacy", "hospital", "wholesaler", "manufacturer", "regulator", "operator")
BUYERS = EVERYBODY[:3]
TRADE = ("wholesaler", "manufacturer")
OWNERS = EVERYBODY[3:]


@pytest.fixture(scope="module")
def holder(world: World) -> Callable[..., Person]:
    """Makes somebody at an operator's site, or another's, with just these scopes."""
    made: dict[tuple[frozenset[str], SiteType], Person] = {}

    def of(*scopes: str, kind: SiteType = SiteType.OPERATOR) -> Person:
        key = frozenset(scopes), kind
        if key not in made:
            gln = f"40555550{len(made):04d}"
            made[key] = world.person(gln + check_digit(gln), kind, scopes=key[0])
        return made[key]

    return of


def test_every_route_names_its_scopes_or_is_on_the_open_list(world: World):
    nameless = set()
    for rule in world.app.url_map.iter_rules():
        scopes = getattr(world.app.view_functions[rule.endpoint], "scopes", None)
        if scopes is None:
            nameless.add(rule.rule)
        elif not scopes:
            assert rule.rule in OPEN, rule.rule
        else:
            assert set(scopes) <= set(SCOPES), rule.rule
    assert nameless == OPEN_ELSEWHERE


def test_the_routes_are_those_of_the_contract_with_their_scopes(world: World):
    served = {}
    for rule in world.app.url_map.iter_rules():
        if rule.rule.startswith(("/v1/", "/verify/", "/checkConnectivity")):
            path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                served[method, path] = frozenset(world.app.view_functions[rule.endpoint].scopes)
    assert served == ROUTES


def refused(answer: TestResponse, status: int, error: str | None) -> str:
    """The challenge of a refusal, whose body is a problem too."""
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    assert answer.json["code"] == (error or "unauthorized")
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith('Bearer realm="')
    assert ("error=" in challenge) is (error is not None)
    if error:
        assert f'error="{error}"' in challenge
    return challenge


@pytest.mark.parametrize("route", SECURED)
@pytest.mark.parametrize("header", [None, "", "Basic dXNlcjpzZWNyZXQ=", "Token abc"])
def test_without_a_token_every_route_says_401_and_how(
    world: World, route: tuple[str, str], header: str | None
):
    headers = {} if header is None else {"Authorization": header}
    answer = ask(world, route, headers, data=b"{" if route[0] != "GET" else b"")
    refused(answer, 401, None)


@pytest.mark.parametrize("route", SECURED)
@pytest.mark.parametrize("token", ["never", "a.b.c", "eyJhbGciOiJub25lIn0.e30."])
def test_with_a_bad_token_every_route_says_401_and_why(world: World, route: tuple[str, str], token: str):
    refused(ask(world, route, {"Authorization": f"Bearer {token}"}), 401, "invalid_token")


@pytest.mark.parametrize("route", SECURED)
def test_every_scope_but_those_of_the_route_is_403(
    world: World, holder: Callable[..., Person], route: tuple[str, str]
):
    lacking = holder(*(set(SCOPES) - ROUTES[route]))
    challenge = refused(ask(world, route, lacking.headers(), data=b"{"), 403, "insufficient_scope")
    named = re.search(r'scope="([^"]*)"', challenge)
    assert named is not None
    assert set(named[1].split()) == ROUTES[route]


FOR_PHARMACIES = (
    "/v1/dispense", "/v1/returns/", "/v1/vrs/verify", "/v1/vrs/pending", "/v1/vrs/connectivity",
)  # fmt: skip


@pytest.mark.parametrize(
    ("route", "scope"), [(route, scope) for route in SECURED for scope in sorted(ROUTES[route])]
)
def test_the_scope_of_the_route_is_enough(
    world: World, holder: Callable[..., Person], route: tuple[str, str], scope: str
):
    kind = SiteType.PHARMACY if route[1].startswith(FOR_PHARMACIES) else SiteType.OPERATOR
    answer = ask(world, route, holder(scope, kind=kind).headers(), json={"nothing": 1})
    assert answer.status_code in (200, 400, 404, 422), answer.text


def test_the_scope_is_asked_before_the_type_of_the_site_and_that_before_the_body(
    world: World, holder: Callable[..., Person]
):
    route = ("POST", "/v1/batches/recall")
    without = holder("verify", kind=SiteType.PHARMACY)
    refused(ask(world, route, without.headers(), data=b"{"), 403, "insufficient_scope")
    with_scope = holder("recalls:write", kind=SiteType.PHARMACY)
    answer = ask(world, route, with_scope.headers(), data=b"{")
    assert (answer.status_code, answer.json["code"]) == (403, "not_for_this_site")
    right_type = holder("recalls:write")
    answer = ask(world, route, right_type.headers(), data=b"{", content_type="application/json")
    assert (answer.status_code, answer.json["code"]) == (400, "malformed_json")
    answer = ask(
        world, route, right_type.headers(), json={"gtin": "05012345678900", "lot": "L", "reason": "r"}
    )
    assert (answer.status_code, answer.json["code"]) == (400, "idempotency_key_required")


# What the type of the site allows.


def post(route: str, **more: Any) -> Callable[[World, Person], TestResponse]:
    return lambda world, person: person.post(f"/v1/{route}", world.pack() | more)


def decommission(reason: str) -> Callable[[World, Person], TestResponse]:
    return post("decommission", reason=reason)


def batch(name: str) -> Callable[[World, Person], TestResponse]:
    def command(world: World, person: Person) -> TestResponse:
        pack = world.pack()
        return person.post(f"/v1/batches/{name}", {"gtin": pack["gtin"], "lot": pack["lot"], "reason": "r"})

    return command


def withdraw(world: World, person: Person) -> TestResponse:
    return person.post("/v1/products/withdraw", {"gtin": world.pack()["gtin"], "reason": "r"})


def write(world: World, person: Person) -> TestResponse:
    return person.put(f"/v1/products/{world.pack()['gtin']}", {"form": "tablet"})


def alerts(_: World, person: Person) -> TestResponse:
    return person.get("/v1/alerts")


def read(world: World, person: Person) -> TestResponse:
    return person.get("/v1/packs", **world.pack())


def history(world: World, person: Person) -> TestResponse:
    pack = world.pack()
    world.corner_pharmacy.dispense(pack)
    return person.get("/v1/packs/events", gtin=pack["gtin"], serial=pack["serial"])


def own_undo(world: World, person: Person) -> TestResponse:
    pack = world.pack()
    person.decommission(pack, "locked")
    return person.post("/v1/reactivate", pack)


# fmt: off
MATRIX = {
    "verify":                   (post("verify"),              EVERYBODY),
    "own alerts":               (alerts,                      EVERYBODY),
    "dispense":                 (post("dispense"),            BUYERS),
    "decommission destroyed":   (decommission("destroyed"),   EVERYBODY),
    "decommission locked":      (decommission("locked"),      EVERYBODY),
    "decommission sample":      (decommission("sample"),      EVERYBODY),
    "decommission exported":    (decommission("exported"),    TRADE),
    "decommission free_sample": (decommission("free_sample"), TRADE),
    "decommission stolen":      (decommission("stolen"),      (*TRADE, "regulator")),
    "decommission checked_out": (decommission("checked_out"), TRADE),
    "reactivate":               (own_undo,                    EVERYBODY),
    "returns/check":            (post("returns/check"),       (*BUYERS, "manufacturer")),
    "recall":                   (batch("recall"),             OWNERS),
    "hold":                     (batch("hold"),               OWNERS),
    "release":                  (batch("release"),            OWNERS),
    "withdraw":                 (withdraw,                    OWNERS),
    "change of a product":      (write,                       OWNERS),
    "read a pack":              (read,                        EVERYBODY),
    "history":                  (history,                     EVERYBODY),
}
# fmt: on


@pytest.fixture(scope="module")
def answers(world: World) -> dict[tuple[str, str], TestResponse]:
    """What everybody was answered to every operation; at once, since a command takes its second."""
    asked = [(operation, name) for operation in MATRIX for name in EVERYBODY]
    calls = [lambda o=operation, n=name: MATRIX[o][0](world, getattr(world, n)) for operation, name in asked]
    return dict(zip(asked, together(calls), strict=True))


@pytest.mark.parametrize("name", EVERYBODY)
@pytest.mark.parametrize("operation", MATRIX)
def test_the_type_of_the_site_decides_what_it_may_do(
    answers: dict[tuple[str, str], TestResponse], operation: str, name: str
):
    answer = answers[operation, name]
    if name in MATRIX[operation][1]:
        assert answer.status_code == 200, answer.text
    else:
        assert (answer.status_code, answer.json["code"]) == (403, "not_for_this_site")
        assert answer.content_type == "application/problem+json"


# An undo needs the scope of what it undoes.


@pytest.mark.parametrize(
    ("undone", "enough", "lacking"),
    [("dispensed", "dispense", "decommission"), ("sample", "decommission", "dispense")],
)
def test_an_undo_needs_the_scope_of_the_change_being_undone(
    world: World, holder: Callable[..., Person], undone: str, enough: str, lacking: str
):
    pack, key = world.pack(), uuid4().hex
    person = holder(enough, "verify", kind=SiteType.PHARMACY)
    if undone == "dispensed":
        person.dispense(pack)
    else:
        person.decommission(pack, undone)
    body = pack | {"not_supplied_to_public": True}
    other = holder(lacking, kind=SiteType.PHARMACY)
    challenge = refused(other.post("/v1/reactivate", body, key=key), 403, "insufficient_scope")
    assert f'scope="{enough}"' in challenge
    assert person.verify(pack)["pack"]["state"] == undone
    assert person.reactivate(body)["code"] == "ok"
    again = other.post("/v1/reactivate", body, key=key)
    assert (again.status_code, again.json["code"]) == (409, "undo_state_mismatch")
