import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from forgery import claims_for, signed
from oauth_world import World
from outside import KEY, LOGIN, RSA, JwksServer, foreign

from verifier.oauth.faults import MisconfiguredError
from verifier.oauth.issuers import ForeignIssuer, load_issuers
from verifier.oauth.protector import AccessRefused, Protector

OWN = "https://verifier.example"


def loaded(tmp_path: Path, server: JwksServer, **changes: object) -> tuple[ForeignIssuer, ...]:
    entry = {"issuer": LOGIN, "jwks_url": server.url, "audience": "packs", "algorithms": ["ES256", "RS256"]}
    path = tmp_path / "issuers.json"
    path.write_text(json.dumps([entry | changes]))
    return load_issuers(path)


@pytest.fixture
def till(world: World) -> Iterator[str]:
    """A client of the corner pharmacy that the outside issuer knows as till-7."""
    client_id = world.access.add_client(
        "till 7",
        world.corner_pharmacy.gln,
        frozenset({"verify", "dispense"}),
        now=datetime.now(UTC),
        issuer=LOGIN,
        subject="till-7",
    )
    yield client_id
    world.access.revoke_client(client_id, datetime.now(UTC))


def accepted(protector: Protector, token: str) -> bool:
    try:
        protector.authenticate(f"Bearer {token}", issuer=OWN)
    except AccessRefused as refused:
        if (refused.status, refused.error) != (401, "invalid_token"):
            raise
        return False
    return True


def test_a_token_of_an_outside_issuer_is_its_client_at_our_site(
    world: World, till: str, tmp_path: Path, server: JwksServer
) -> None:
    protector = world.protector(*loaded(tmp_path, server))
    actor = protector.authenticate(f"Bearer {foreign(scope='dispense admin', gln='1')}", issuer=OWN)
    assert (actor.client_id, actor.site) == (till, world.corner_pharmacy)
    assert actor.scopes == {"dispense"}
    assert accepted(protector, foreign(RSA))


Shape = tuple[dict[str, object], dict[str, object], dict[str, object], bool]

# fmt: off
SHAPES: list[Shape] = [
    # changes to the file        header                         claims                                 fits
    ({"typ": "JWT"},              {"typ": "JWT"},                {},                                   True),
    ({"typ": ["at+jwt", "JWT"]},  {"typ": "jwt"},                {},                                   True),
    ({},                          {"typ": "application/at+jwt"}, {},                                   True),
    ({},                          {"typ": "JWT"},                {},                                   False),
    ({"typ": "JWT"},              {"typ": None},                 {},                                   False),
    ({},                          {},                            {"aud": ["other", "packs"]},          True),
    ({},                          {},                            {"aud": "verifier"},                  False),
    ({},                          {},                            {"client_id": None, "azp": "till-7"}, True),
    ({},                          {},                            {"client_id": None, "cid": "till-7"}, True),
    ({},                          {},                            {"client_id": None},                  False),
    ({"client_claims": "sub"},    {},                            {"client_id": "evil", "sub": "till-7"},True),
    ({},                          {},                            {"client_id": "till-8"},              False),
    ({},                          {},                            {"client_id": ""},                    False),
    ({},                          {},                            {"client_id": "till-7\x00"},          False),
    ({},                          {},                            {"jti": None, "sub": None},           True),
    ({},                          {},                            {"exp": None},                        False),
    ({},                          {},                            {"iat": None},                        False),
    ({"algorithms": ["RS256"]},   {},                            {},                                   False),
    ({},                          {"alg": "PS256"},              {},                                   False),
    ({},                          {"x5t": "AAAA", "nonce": "n"}, {},                                   True),
    ({},                          {"crit": ["exp"], "exp": 1},   {},                                   False),
    ({},                          {"jku": "http://127.0.0.1/"},  {},                                   False),
    ({},                          {"kid": None},                 {},                                   True),
    ({},                          {"kid": "r1"},                 {},                                   False),
    ({"issuer": LOGIN + "/"},     {},                            {},                                   False),
]
# fmt: on


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.usefixtures("till")
def test_a_token_fits_the_profile_of_its_issuer_or_is_refused(
    world: World, tmp_path: Path, server: JwksServer, shape: Shape
) -> None:
    file, head, claims, fits = shape
    server.keys = [KEY.as_dict(private=False)] if head.get("kid", "") is None else server.keys
    protector = world.protector(*loaded(tmp_path, server, **file))
    assert accepted(protector, foreign(head=head, **claims)) is fits


@pytest.mark.parametrize(
    "times", [("exp", -5, True), ("exp", -60, False), ("iat", 5, True), ("iat", 60, False)]
)
@pytest.mark.usefixtures("till")
def test_the_clock_of_an_outside_issuer_may_differ_by_ten_seconds(
    world: World, tmp_path: Path, server: JwksServer, times: tuple[str, int, bool]
) -> None:
    claim, seconds, fits = times
    protector = world.protector(*loaded(tmp_path, server))
    assert accepted(protector, foreign(**{claim: int(time.time()) + seconds})) is fits


@pytest.mark.usefixtures("till")
@pytest.mark.parametrize(
    "claims",
    [
        {"scope": "verify dispense"},
        {"scope": None, "scp": ["verify", "dispense"]},
        {"scope": "verify", "roles": ["dispense", 7]},
        {"scope": ["verify dispense"], "scp": {"admin": 1}},
    ],
)
def test_scopes_come_from_every_scope_claim(
    world: World, tmp_path: Path, server: JwksServer, claims: dict[str, object]
) -> None:
    protector = world.protector(*loaded(tmp_path, server))
    assert protector.authenticate(f"Bearer {foreign(**claims)}", issuer=OWN).scopes == {"verify", "dispense"}


@pytest.mark.usefixtures("till")
def test_an_outside_issuer_cannot_speak_for_us_or_for_another(
    world: World, tmp_path: Path, server: JwksServer
) -> None:
    protector = world.protector(*loaded(tmp_path, server))
    ours = world.client("verify").client_id
    assert not accepted(protector, signed_as(OWN, ours))
    assert not accepted(protector, signed_as("https://other.example", "till-7"))
    assert not accepted(protector, signed_as(LOGIN, ours))


def signed_as(issuer: str, client_id: str) -> str:
    claims = claims_for(client_id, issuer=issuer, audience="packs")
    return signed({"alg": "ES256", "typ": "at+jwt", "kid": "k1"}, claims, KEY)


def test_a_revoked_client_of_an_outside_issuer_is_refused(
    world: World, till: str, tmp_path: Path, server: JwksServer
) -> None:
    protector = world.protector(*loaded(tmp_path, server))
    token = foreign()
    assert accepted(protector, token)
    world.access.revoke_client(till, datetime.now(UTC))
    assert not accepted(protector, token)


# The file.

GOOD = {"issuer": LOGIN, "jwks_url": "https://login.example/keys", "audience": "a", "algorithms": ["RS256"]}


@pytest.mark.parametrize(
    "url", ["https://login.example/k", "http://127.0.0.1:8/k", "http://localhost/k", "http://[::1]/k"]
)
def test_keys_come_over_https_or_from_this_machine(tmp_path: Path, url: str) -> None:
    path = tmp_path / "issuers.json"
    path.write_text(json.dumps([GOOD | {"jwks_url": url}]))
    (issuer,) = load_issuers(path)
    assert issuer.profile.client_claims == ("client_id", "azp", "cid")
    assert issuer.profile.types == {"at+jwt"}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[1]",
        "[{}]",
        json.dumps([GOOD, GOOD]),
        *(json.dumps([{k: v for k, v in GOOD.items() if k != name}]) for name in GOOD),
        *(
            json.dumps([GOOD | change])
            for change in (
                {"jwks_url": "http://login.example/k"},
                {"jwks_url": "http://10.0.0.1/k"},
                {"jwks_url": "file:///etc/passwd"},
                {"jwks_url": "https://"},
                {"jwks_url": "http://[::1"},
                {"jwks_url": ["https://a"]},
                {"algorithms": []},
                {"algorithms": ["none"]},
                {"algorithms": ["HS256"]},
                {"algorithms": ["RS256", "HS512"]},
                {"algorithms": [7]},
                {"typ": []},
                {"client_claims": [""]},
                {"scope_claims": {"scope": 1}},
                {"audience": ["a"]},
                {"tenant": "a"},
            )
        ),
    ],
)
def test_a_file_that_is_not_right_stops_the_start(tmp_path: Path, content: str) -> None:
    path = tmp_path / "issuers.json"
    path.write_text(content)
    with pytest.raises(MisconfiguredError) as refused:
        load_issuers(path)
    assert refused.value.code == "oauth_issuers_unusable"


def test_a_missing_file_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(MisconfiguredError, match="oauth_issuers_unusable"):
        load_issuers(tmp_path / "none.json")
