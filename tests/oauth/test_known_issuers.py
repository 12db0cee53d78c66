"""Tokens as Keycloak, Entra ID and Okta make them, under the entries of the example that we ship."""

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from forgery import signed
from joserfc.jwk import RSAKey
from oauth_world import World
from outside import JwksServer

from verifier.oauth.issuers import load_issuers
from verifier.oauth.protector import AccessRefused, Protector

EXAMPLE = Path(__file__).parents[2] / "deploy" / "oauth-issuers.example.json"
ENTRIES = {next(name for name in ("keycloak", "microsoft", "okta") if name in entry["issuer"]): entry
           for entry in json.loads(EXAMPLE.read_text("utf-8"))}  # fmt: skip
OWN = "https://verifier.example"
KEY = RSAKey.generate_key(2048, {"kid": "uYz7GqR0tV8cHk1P2mW5nA9dXeSfBjLo3iTrC4vKwQE"})
ENCRYPTION = RSAKey.generate_key(2048, {"kid": "enc-1"})
PUBLIC = KEY.as_dict(private=False)
CERTIFICATE = "MIICmzCCAYMCBgGTexampleMA0GCSqGSIb3DQEBCwUAMBExDzANBgNVBAMMBm1hc3Rlcg=="
NOW = int(time.time())
SUBJECT = "9f3b0c9e-2a64-4a4b-8a2e-0c3f1de0a7b1"


@dataclass(frozen=True)
class Maker:
    """One product: the JWK set that it publishes, the header and the claims of its tokens."""

    keys: list[dict[str, Any]]
    header: dict[str, Any]
    client: str
    claims: dict[str, Any]


# fmt: off
MAKERS = {
    # client credentials of a confidential client; an audience mapper adds "verifier" to "account"
    "keycloak": Maker(
        keys=[
            ENCRYPTION.as_dict(private=False) | {"use": "enc", "alg": "RSA-OAEP", "x5c": [CERTIFICATE]},
            PUBLIC | {"use": "sig", "alg": "RS256", "x5c": [CERTIFICATE], "x5t": "k0", "x5t#S256": "k1"},
        ],
        header={"alg": "RS256", "typ": "JWT", "kid": KEY.kid},
        client="till-7",
        claims={
            "exp": NOW + 300, "iat": NOW, "jti": "trrtcc:4f0a5f0e-8a4b-4c37-9d67-6a0e5d6d8d51",
            "iss": ENTRIES["keycloak"]["issuer"], "aud": ["verifier", "account"], "sub": SUBJECT,
            "typ": "Bearer", "azp": "till-7", "acr": "1", "allowed-origins": ["/*"],
            "realm_access": {"roles": ["offline_access", "default-roles-pharmacies", "uma_authorization"]},
            "resource_access": {"account": {"roles": ["manage-account", "view-profile"]}},
            "scope": "email dispense verify profile", "email_verified": False, "clientHost": "192.0.2.7",
            "preferred_username": "service-account-till-7", "clientAddress": "192.0.2.7",
            "client_id": "till-7",
        },
    ),
    # an app-only token of the v2.0 endpoint: what the app may do stands in its app roles
    "microsoft": Maker(
        keys=[PUBLIC | {"use": "sig", "x5t": KEY.kid, "x5c": [CERTIFICATE], "cloud_instance_name":
                        "microsoftonline.com", "issuer": ENTRIES["microsoft"]["issuer"]}],
        header={"typ": "JWT", "alg": "RS256", "kid": KEY.kid},
        client="0b1c2d3e-4f50-4a6b-8c7d-9e0f1a2b3c4d",
        claims={
            "aud": ENTRIES["microsoft"]["audience"], "iss": ENTRIES["microsoft"]["issuer"],
            "iat": NOW, "nbf": NOW, "exp": NOW + 3900, "aio": "k2RgYFhcvnLq5Zt3bYw8AA==",
            "azp": "0b1c2d3e-4f50-4a6b-8c7d-9e0f1a2b3c4d", "azpacr": "1", "oid": SUBJECT,
            "rh": "1.AXkAEREREQ.", "roles": ["verify", "dispense"], "sub": SUBJECT,
            "tid": "11111111-2222-3333-4444-555555555555", "uti": "Zl3yqHk2Q0mP8a1oVtYCAA", "ver": "2.0",
        },
    ),
    # a custom authorization server; its header names no type
    "okta": Maker(
        keys=[PUBLIC | {"use": "sig", "alg": "RS256"}],
        header={"kid": KEY.kid, "alg": "RS256"},
        client="0oa1b2c3d4E5f6g7h5d7",
        claims={
            "ver": 1, "jti": "AT.2dX0x8m3yq3vZ1m9pT7kWc5r0b4Uo6sYh8Ej2lNfGt0", "cid": "0oa1b2c3d4E5f6g7h5d7",
            "iss": ENTRIES["okta"]["issuer"], "aud": "api://verifier", "iat": NOW, "exp": NOW + 3600,
            "scp": ["verify", "dispense"], "sub": "0oa1b2c3d4E5f6g7h5d7",
        },
    ),
}

# What an issuer also signs with the same keys, or what is one word away; None leaves a claim or header out.
MASTER_REALM = {"iss": "https://keycloak.example.org/realms/master"}
OTHER_TENANT = {"iss": ENTRIES["microsoft"]["issuer"].replace("11111111", "99999999")}
FIRST_VERSION = {"iss": "https://sts.windows.net/11111111-2222-3333-4444-555555555555/", "ver": "1.0"}
ORG_SERVER = {"iss": "https://example.okta.com", "aud": "https://example.okta.com"}
INTERNAL = {"typ": "application/okta-internal-at+jwt"}
NOT_FOR_US = [
    # maker       what                               header            claims
    ("keycloak",  "an ID token",                     {},               {"aud": "till-7", "typ": "ID"}),
    ("keycloak",  "another realm's",                 {},               MASTER_REALM),
    ("keycloak",  "without our audience",            {},               {"aud": "account"}),
    ("keycloak",  "an encryption key's",             {"kid": "enc-1"}, {}),
    ("microsoft", "an ID token",                     {},               {"aud": MAKERS["microsoft"].client}),
    ("microsoft", "another tenant's",                {},               OTHER_TENANT),
    ("microsoft", "of the v1.0 endpoint",            {},               FIRST_VERSION),
    ("microsoft", "of an app that we do not know",   {},               {"azp": SUBJECT}),
    ("microsoft", "without a type",                  {"typ": None},    {}),
    ("okta",      "an ID token",                     {},               {"aud": MAKERS["okta"].client}),
    ("okta",      "of the org server",               {},               ORG_SERVER),
    ("okta",      "of the org server, with a type",  INTERNAL,         ORG_SERVER),
    ("okta",      "of a type that nobody agreed on", {"typ": "JWT"},   {}),
]
# fmt: on


@pytest.fixture
def protector(world: World, server: JwksServer, tmp_path: Path) -> Protector:
    """The example as it is shipped; only the keys come from a server on this machine."""
    path = tmp_path / "issuers.json"
    path.write_text(json.dumps([entry | {"jwks_url": server.url} for entry in ENTRIES.values()]))
    return world.protector(*load_issuers(path))


@pytest.fixture
def bound(world: World):
    """Binds the client of a maker to the corner pharmacy, for the time of a test."""
    made: list[str] = []

    def bind(maker: str) -> str:
        scopes, now = frozenset({"verify", "dispense", "decommission"}), datetime.now(UTC)
        issuer, subject = ENTRIES[maker]["issuer"], MAKERS[maker].client
        gln = world.corner_pharmacy.gln
        made.append(world.access.add_client("till 7", gln, scopes, now=now, issuer=issuer, subject=subject))
        return made[-1]

    yield bind
    for client_id in made:
        world.access.revoke_client(client_id, datetime.now(UTC))


def token(maker: Maker, header: dict[str, Any] | None = None, claims: dict[str, Any] | None = None) -> str:
    def merged(old: dict[str, Any], new: dict[str, Any] | None) -> dict[str, Any]:
        return {name: value for name, value in (old | (new or {})).items() if value is not None}

    return signed(merged(maker.header, header), merged(maker.claims, claims), KEY, "RS256")


def test_the_example_is_read_as_it_is_shipped():
    shipped = load_issuers(EXAMPLE)
    assert [issuer.profile.issuer for issuer in shipped] == [entry["issuer"] for entry in ENTRIES.values()]
    assert len(ENTRIES) == 3


@pytest.mark.parametrize("name", MAKERS)
def test_a_token_as_this_product_makes_it_is_its_client_at_our_site(
    world: World, protector: Protector, server: JwksServer, bound: Any, name: str
):
    maker, client_id = MAKERS[name], bound(name)
    server.keys = list(maker.keys)
    actor = protector.authenticate(f"Bearer {token(maker)}", issuer=OWN)
    assert (actor.client_id, actor.site) == (client_id, world.corner_pharmacy)
    assert actor.scopes == {"verify", "dispense"}


@pytest.mark.parametrize("row", NOT_FOR_US, ids=lambda row: f"{row[0]}: {row[1]}")
def test_what_else_this_product_signs_is_no_access_token_for_us(
    protector: Protector, server: JwksServer, bound: Any, row: tuple[str, str, Any, Any]
):
    name, _, header, claims = row
    bound(name)
    server.keys = list(MAKERS[name].keys)
    with pytest.raises(AccessRefused) as refused:
        protector.authenticate(f"Bearer {token(MAKERS[name], header, claims)}", issuer=OWN)
    assert (refused.value.status, refused.value.error) == (401, "invalid_token")


def test_keycloak_may_be_told_to_name_the_type_of_the_standard(
    protector: Protector, server: JwksServer, bound: Any
):
    client_id = bound("keycloak")
    server.keys = list(MAKERS["keycloak"].keys)
    standard = token(MAKERS["keycloak"], {"typ": "at+jwt"})
    assert protector.authenticate(f"Bearer {standard}", issuer=OWN).client_id == client_id


def test_a_name_at_one_issuer_is_nobody_at_another(protector: Protector, server: JwksServer, bound: Any):
    bound("keycloak")
    server.keys = list(MAKERS["okta"].keys)
    with pytest.raises(AccessRefused):
        protector.authenticate(f"Bearer {token(MAKERS['okta'], claims={'cid': 'till-7'})}", issuer=OWN)
