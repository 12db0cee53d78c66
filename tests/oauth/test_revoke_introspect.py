from datetime import UTC, datetime

import pytest
from forgery import claims_for, claims_of, signed
from oauth_world import ISSUER, World

from verifier.oauth.clients import Credentials
from verifier.oauth.protector import AccessRefused


def post(world: World, route: str, credentials: Credentials, **form: str):
    return world.http.post(route, data=form, auth=(credentials.client_id, credentials.client_secret))


def works(world: World, token: str) -> bool:
    try:
        world.protector().authenticate(f"Bearer {token}", issuer=ISSUER)
    except AccessRefused:
        return False
    return True


def expired(world: World, credentials: Credentials) -> str:
    keys = world.authority.keys
    claims = claims_for(credentials.client_id, issuer=ISSUER, iat=1_700_000_000, exp=1_700_000_300)
    return signed({"alg": "ES256", "typ": "at+jwt", "kid": keys.kid}, claims, keys.signer)


def test_a_revoked_token_stops_working_and_others_go_on(world: World) -> None:
    credentials = world.client("verify")
    revoked, kept = world.token(credentials), world.token(credentials)
    answer = post(world, "/oauth/revoke", credentials, token=revoked)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert not works(world, revoked)
    assert works(world, kept)
    assert post(world, "/oauth/introspect", credentials, token=revoked).json == {"active": False}


def test_revoking_again_or_with_a_wrong_hint_or_garbage_is_no_error(world: World) -> None:
    credentials = world.client("verify")
    token = world.token(credentials)
    for form in (
        {"token": token, "token_type_hint": "refresh_token"},
        {"token": token},
        {"token": token, "token_type_hint": "nonsense"},
        {"token": "garbage"},
        {"token": expired(world, credentials)},
    ):
        assert post(world, "/oauth/revoke", credentials, **form).status_code == 200
    assert not works(world, token)


def test_a_client_cannot_revoke_the_token_of_another(world: World) -> None:
    mine, yours = world.client("verify", "admin"), world.client("verify")
    token = world.token(yours)
    answer = post(world, "/oauth/revoke", mine, token=token)
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_grant")
    assert works(world, token)


def test_a_client_may_introspect_its_own_token(world: World) -> None:
    credentials = world.client("verify", "dispense")
    token = world.token(credentials, scope="verify")
    answer = post(world, "/oauth/introspect", credentials, token=token)
    claims = claims_of(token)
    told = {name: claims[name] for name in ("client_id", "sub", "iss", "aud", "exp", "iat", "jti")}
    assert answer.json == {"active": True, "token_type": "Bearer", "scope": "verify", **told}
    assert answer.headers["Cache-Control"] == "no-store"


def test_only_an_admin_may_introspect_the_token_of_another(world: World) -> None:
    token = world.token(world.client("verify"))
    curious, admin = world.client("verify", "dispense"), world.client("admin", site=world.other_pharmacy)
    assert post(world, "/oauth/introspect", curious, token=token).json == {"active": False}
    assert post(world, "/oauth/introspect", admin, token=token).json["active"] is True


def test_the_token_of_a_revoked_client_is_not_active(world: World) -> None:
    gone, admin = world.client("verify"), world.client("admin")
    token = world.token(gone)
    world.access.revoke_client(gone.client_id, datetime.now(UTC))
    assert post(world, "/oauth/introspect", admin, token=token).json == {"active": False}


@pytest.mark.parametrize("token", ["garbage", "a.b.c", "....", "é", "x" * 10_000])
def test_garbage_is_not_active(world: World, token: str) -> None:
    assert post(world, "/oauth/introspect", world.client("admin"), token=token).json == {"active": False}


def test_an_expired_token_is_not_active(world: World) -> None:
    credentials = world.client("verify", "admin")
    answer = post(world, "/oauth/introspect", credentials, token=expired(world, credentials))
    assert answer.json == {"active": False}


@pytest.mark.parametrize("route", ["/oauth/revoke", "/oauth/introspect"])
def test_a_token_is_needed(world: World, route: str) -> None:
    answer = post(world, route, world.client("admin"), token="")
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("route", ["/oauth/revoke", "/oauth/introspect"])
def test_without_its_secret_nobody_is_told_anything(world: World, route: str) -> None:
    credentials = world.client("admin")
    token = world.token(credentials)
    answer = world.http.post(route, data={"token": token}, auth=(credentials.client_id, "wrong"))
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert works(world, token)
