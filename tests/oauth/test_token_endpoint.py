import base64
import logging
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from flask import Flask
from forgery import claims_of, header_of
from oauth_world import ISSUER, World

from verifier.oauth import server
from verifier.oauth.authority import Authority
from verifier.oauth.clients import Credentials
from verifier.oauth.scopes import SCOPES
from verifier.oauth.throttle import Throttle

GRANT = {"grant_type": "client_credentials"}
FORM = "application/x-www-form-urlencoded"


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def test_a_token_has_the_claims_of_rfc_9068_and_lives_exactly_300_seconds(world: World) -> None:
    credentials = world.client("verify", "dispense")
    started = int(time.time())
    answer = world.ask(credentials)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", 300)
    token = answer.json["access_token"]
    assert header_of(token) == {"alg": "ES256", "typ": "at+jwt", "kid": world.authority.keys.kid}
    claims = claims_of(token)
    assert claims.keys() == {"iss", "aud", "sub", "client_id", "jti", "iat", "exp", "scope"}
    assert (claims["iss"], claims["aud"]) == (ISSUER, "verifier")
    assert claims["sub"] == claims["client_id"] == credentials.client_id
    assert claims["exp"] - claims["iat"] == 300
    assert started <= claims["iat"] <= time.time()
    assert claims["scope"] == "verify dispense"


def test_every_token_has_its_own_id(world: World) -> None:
    credentials = world.client("verify")
    assert len({claims_of(world.token(credentials))["jti"] for _ in range(5)}) == 5


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (None, "verify dispense packs:read"),
        ("", "verify dispense packs:read"),
        ("  ", "verify dispense packs:read"),
        ("verify", "verify"),
        ("packs:read verify", "verify packs:read"),
        ("verify verify", "verify"),
    ],
)
def test_no_scope_asked_is_all_and_some_asked_is_those(world: World, asked: str | None, given: str) -> None:
    credentials = world.client("packs:read", "dispense", "verify")
    answer = world.ask(credentials) if asked is None else world.ask(credentials, scope=asked)
    assert answer.json["scope"] == claims_of(answer.json["access_token"])["scope"] == given


def test_the_secret_may_come_in_the_form(world: World) -> None:
    credentials = world.client("verify")
    form = {"client_id": credentials.client_id, "client_secret": credentials.client_secret}
    assert world.http.post("/oauth/token", data=GRANT | form).status_code == 200


UNSUPPORTED = "unsupported_grant_type"

# fmt: off
REFUSED = [
    # form                                               how the client authenticates  status and error
    ({},                                                 "right",                    400, "invalid_request"),
    ({"grant_type": ""},                                 "right",                    400, "invalid_request"),
    ({"grant_type": "password"},                         "right",                    400, UNSUPPORTED),
    ({"grant_type": 'a"\n\\b'},                          "right",                    400, UNSUPPORTED),
    ({"grant_type": "authorization_code"},               "right",                    400, UNSUPPORTED),
    ({"grant_type": ["client_credentials"] * 2},         "right",                    400, "invalid_request"),
    (GRANT | {"scope": "admin"},                         "right",                    400, "invalid_scope"),
    (GRANT | {"scope": "verify admin"},                  "right",                    400, "invalid_scope"),
    (GRANT | {"scope": "nonsense"},                      "right",                    400, "invalid_scope"),
    (GRANT | {"scope": "VERIFY"},                        "right",                    400, "invalid_scope"),
    (GRANT | {"client_secret": "twice"},                 "right",                    400, "invalid_request"),
    (GRANT | {"client_id": "another"},                   "right",                    400, "invalid_request"),
    (GRANT,                                              "wrong secret",             401, "invalid_client"),
    (GRANT,                                              "empty secret",             401, "invalid_client"),
    (GRANT,                                              "unknown client",           401, "invalid_client"),
    (GRANT,                                              "impossible client",        401, "invalid_client"),
    (GRANT,                                              "revoked client",           401, "invalid_client"),
    (GRANT,                                              "client of another issuer", 401, "invalid_client"),
    (GRANT,                                              "nothing",                  401, "invalid_client"),
    (GRANT,                                              "bearer",                   401, "invalid_client"),
    (GRANT,                                              "broken basic",             401, "invalid_client"),
    (GRANT | {"client_id": "x"},                         "nothing",                  401, "invalid_client"),
    (GRANT | {"client_id": "x", "client_secret": "y"},   "nothing",                  401, "invalid_client"),
]
# fmt: on


def authenticating(world: World, how: str) -> dict[str, str]:
    one = world.client("verify")
    if how == "revoked client":
        world.access.revoke_client(one.client_id, datetime.now(UTC))
    if how == "client of another issuer":
        names = {"issuer": "https://login.example", "subject": one.client_id}
        one = Credentials(
            world.access.add_client(
                "x", world.corner_pharmacy.gln, one_scope(), now=datetime.now(UTC), **names
            ),
            "",
        )
    return {
        "wrong secret": basic(one.client_id, "x" + one.client_secret[1:] + "x"),
        "empty secret": basic(one.client_id, ""),
        "unknown client": basic("nobody", one.client_secret),
        "impossible client": basic("no\x00body\udcff".encode(errors="replace").decode(), one.client_secret),
        "nothing": {},
        "bearer": {"Authorization": "Bearer " + one.client_secret},
        "broken basic": {"Authorization": "Basic ÿÿ"},
    }.get(how, basic(one.client_id, one.client_secret))


def one_scope() -> frozenset[str]:
    return frozenset({"verify"})


@pytest.mark.parametrize(("form", "how", "status", "error"), REFUSED)
def test_a_bad_request_gets_the_error_of_rfc_6749(
    world: World, form: dict[str, str], how: str, status: int, error: str
) -> None:
    answer = world.http.post("/oauth/token", data=form, headers=authenticating(world, how))
    assert (answer.status_code, answer.json["error"]) == (status, error)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)
    assert answer.headers.get("WWW-Authenticate", "Basic realm=").startswith("Basic realm=")
    assert set(answer.json["error_description"]) <= {chr(c) for c in range(0x20, 0x7F)} - {'"', "\\"}


def test_unknown_client_wrong_secret_and_revoked_client_look_the_same(world: World) -> None:
    answers = [
        world.http.post("/oauth/token", data=GRANT, headers=authenticating(world, how))
        for how in ("unknown client", "wrong secret", "revoked client", "client of another issuer")
    ]
    assert len({(answer.status_code, answer.data, str(answer.headers)) for answer in answers}) == 1


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data; boundary=x", ""])
def test_only_a_form_is_read(world: World, kind: str) -> None:
    credentials = world.client("verify")
    answer = world.http.post(
        "/oauth/token",
        data=b"grant_type=client_credentials",
        headers=basic(credentials.client_id, credentials.client_secret) | {"Content-Type": kind},
    )
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")


def test_nothing_is_taken_from_the_url(world: World) -> None:
    credentials = world.client("verify")
    url = "/oauth/token?grant_type=client_credentials"
    auth = (credentials.client_id, credentials.client_secret)
    assert world.http.post(url, data={"x": "y"}, auth=auth).json["error"] == "invalid_request"
    assert world.http.get(url, auth=auth).status_code == 405


def test_a_huge_body_is_not_read(world: World) -> None:
    answer = world.http.post("/oauth/token", data=b"grant_type=" + b"a" * 100_000, content_type=FORM)
    assert answer.status_code == 413


def test_a_client_without_scopes_gets_no_token(world: World) -> None:
    assert world.ask(world.client()).json["error"] == "invalid_scope"


def test_after_30_failures_a_client_id_must_wait_and_others_need_not(world: World) -> None:
    guessed, bystander = world.client("verify"), world.client("verify")
    wrong = (guessed.client_id, "wrong")
    statuses = [world.http.post("/oauth/token", data=GRANT, auth=wrong).status_code for _ in range(31)]
    assert statuses == [401] * 30 + [429]
    answer = world.ask(guessed)
    assert (answer.status_code, answer.json["error"]) == (429, "slow_down")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert world.ask(bystander).status_code == 200


def test_a_client_that_asks_for_too_many_tokens_must_wait(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "Throttle", lambda: Throttle(tokens=3))
    app = Flask("oauth-test")
    app.register_blueprint(server.blueprint(world.authority))
    eager = replace(world, http=app.test_client())
    credentials = world.client("verify")
    answers = [eager.ask(credentials) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].json["error"] == "slow_down"
    assert 1 <= int(answers[3].headers["Retry-After"]) <= 60
    assert eager.ask(world.client("verify")).status_code == 200


def test_no_token_and_no_secret_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    credentials = world.client("verify")
    with caplog.at_level(logging.DEBUG):
        token = world.token(credentials)
        world.http.post("/oauth/token", data=GRANT, auth=(credentials.client_id, "my-wrong-secret"))
        world.protector().authenticate(f"Bearer {token}", issuer=ISSUER)
    assert token not in caplog.text
    assert credentials.client_secret not in caplog.text
    assert "my-wrong-secret" not in caplog.text
    assert credentials.client_secret not in repr(credentials)


def test_the_metadata_is_that_of_rfc_8414(world: World) -> None:
    metadata = world.http.get("/.well-known/oauth-authorization-server").json
    assert metadata["issuer"] == ISSUER
    assert metadata["token_endpoint"] == f"{ISSUER}/oauth/token"
    assert metadata["jwks_uri"] == f"{ISSUER}/oauth/jwks.json"
    assert metadata["revocation_endpoint"] == f"{ISSUER}/oauth/revoke"
    assert metadata["introspection_endpoint"] == f"{ISSUER}/oauth/introspect"
    assert metadata["grant_types_supported"] == ["client_credentials"]
    assert metadata["response_types_supported"] == []
    assert metadata["scopes_supported"] == list(SCOPES)
    for endpoint in ("token", "revocation", "introspection"):
        methods = metadata[f"{endpoint}_endpoint_auth_methods_supported"]
        assert methods == ["client_secret_basic", "client_secret_post"]


def test_the_published_keys_are_public(world: World) -> None:
    answer = world.http.get("/oauth/jwks.json")
    assert answer.json == world.authority.keys.public_jwks()
    assert "d" not in answer.json["keys"][0]
    assert answer.headers["Cache-Control"] == "public, max-age=300"


def test_without_a_configured_issuer_the_served_address_is_the_issuer(world: World) -> None:
    app = Flask("oauth-test")
    app.register_blueprint(server.blueprint(Authority(world.access, world.authority.keys)))
    http, credentials = app.test_client(), world.client("verify")
    address = "http://192.0.2.7:8080"
    metadata = http.get("/.well-known/oauth-authorization-server", base_url=address).json
    auth = (credentials.client_id, credentials.client_secret)
    answer = http.post("/oauth/token", base_url=address, data=GRANT, auth=auth)
    assert metadata["issuer"] == claims_of(answer.json["access_token"])["iss"] == address
