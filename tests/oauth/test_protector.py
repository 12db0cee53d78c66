import json
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from forgery import b64, claims_for, hmac_signed, signed, unsigned
from joserfc.jwk import ECKey, RSAKey
from oauth_world import ISSUER, World
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from verifier.oauth.authority import Authority
from verifier.oauth.clients import Credentials
from verifier.oauth.protector import AccessRefused, Protector
from verifier.storage.access import Access
from verifier.storage.database import connect

NOW = int(time.time())


class Forge:
    """Builds tokens for one client with our real key, or with what an attacker has."""

    def __init__(self, world: World, credentials: Credentials) -> None:
        self.key = world.authority.keys.signer
        self.client_id = credentials.client_id
        self.head = {"alg": "ES256", "typ": "at+jwt", "kid": self.key.kid}
        self.good = self.made()

    def claims(self, **changes: object) -> dict[str, object]:
        return claims_for(self.client_id, issuer=ISSUER, **changes)

    def made(self, head: dict[str, object] | None = None, **claims: object) -> str:
        header = {name: value for name, value in (self.head | (head or {})).items() if value is not None}
        return signed(header, self.claims(**claims), self.key, "ES256")

    def by(self, key: object, alg: str, **head: object) -> str:
        return signed(self.head | {"alg": alg} | head, self.claims(), key)

    def raw(self, claims: bytes) -> str:
        return signed(self.head, claims, self.key)

    def spelt(self, exp: str) -> str:
        return self.raw(json.dumps(self.claims(exp=0)).replace('"exp": 0', f'"exp": {exp}').encode())

    def old(self, head: object, **claims: object) -> str:
        """A header and claims that never were, with the signature of a good token."""
        return f"{unsigned(head, self.claims(**claims))}.{self.parts()[2]}"

    def parts(self) -> list[str]:
        return self.good.split(".")


STRANGER = ECKey.generate_key("P-256")
STRANGER_384 = ECKey.generate_key("P-384")
STRANGER_RSA = RSAKey.generate_key(2048)


def public_pem(forge: Forge) -> bytes:
    return forge.key.as_pem(private=False)


def by_stranger(forge: Forge, **head: object) -> str:
    return forge.by(STRANGER, "ES256", **head)


def flipped(text: str, at: int) -> str:
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


# fmt: off
HOSTILE: dict[str, Callable[[Forge], str]] = {
    "alg none, unsigned":        lambda f: unsigned(f.head | {"alg": "none"}, f.claims()) + ".",
    "alg None":                  lambda f: unsigned(f.head | {"alg": "None"}, f.claims()) + ".",
    "alg none, old seal":        lambda f: f.old(f.head | {"alg": "none"}),
    "no alg":                    lambda f: f.made({"alg": None}),
    "alg a number":              lambda f: f.made({"alg": 256}),
    "alg a list":                lambda f: f.made({"alg": ["ES256"]}),
    "alg in lower case":         lambda f: f.made({"alg": "es256"}),
    "HS256 with the public key": lambda f: hmac_signed(f.head | {"alg": "HS256"}, f.claims(), public_pem(f)),
    "HS256 with an empty key":   lambda f: hmac_signed(f.head | {"alg": "HS256"}, f.claims(), b""),
    "RS256 by a stranger":       lambda f: f.by(STRANGER_RSA, "RS256"),
    "ES384 by a stranger":       lambda f: f.by(STRANGER_384, "ES384"),
    "ES256 by a stranger":       lambda f: f.by(STRANGER, "ES256"),
    "stranger with own kid":     lambda f: by_stranger(f, kid=STRANGER.thumbprint()),
    "stranger brings its jwk":   lambda f: by_stranger(f, jwk=STRANGER.as_dict(private=False)),
    "stranger names its jku":    lambda f: by_stranger(f, jku="http://127.0.0.1/jwks.json"),
    "stranger names its x5u":    lambda f: by_stranger(f, x5u="http://127.0.0.1/chain.pem"),
    "stranger brings its x5c":   lambda f: by_stranger(f, x5c=["AAAA"]),
    "no kid":                    lambda f: f.made({"kid": None}),
    "kid a list":                lambda f: f.made({"kid": [f.key.kid]}),
    "kid a path":                lambda f: f.made({"kid": "../../dev/null"}),
    "kid SQL":                   lambda f: f.made({"kid": "' OR 1=1 --"}),
    "no typ":                    lambda f: f.made({"typ": None}),
    "typ JWT":                   lambda f: f.made({"typ": "JWT"}),
    "typ of an id token":        lambda f: f.made({"typ": "id+jwt"}),
    "typ a list":                lambda f: f.made({"typ": ["at+jwt"]}),
    "crit":                      lambda f: f.made({"crit": ["exp"], "exp": 1}),
    "crit empty":                lambda f: f.made({"crit": []}),
    "crit no list":              lambda f: f.made({"crit": 7}),
    "b64 false":                 lambda f: f.made({"b64": False, "crit": ["b64"]}),
    "b64 true":                  lambda f: f.made({"b64": True}),
    "zip":                       lambda f: f.made({"zip": "DEF"}),
    "huge header":               lambda f: f.made({"pad": "x" * 2000}),
    "flipped signature":         lambda f: ".".join([*f.parts()[:2], flipped(f.parts()[2], 10)]),
    "cut signature":             lambda f: f.good[:-4],
    "empty signature":           lambda f: ".".join([*f.parts()[:2], ""]),
    "zero signature":            lambda f: ".".join([*f.parts()[:2], b64(bytes(64))]),
    "padded signature":          lambda f: f.good + "==",
    "flipped claim":             lambda f: ".".join([f.parts()[0], flipped(f.parts()[1], 20), f.parts()[2]]),
    "other claims, old seal":    lambda f: f.old(f.head, scope="admin"),
    "expired":                   lambda f: f.made(iat=NOW - 600, exp=NOW - 300),
    "expired just now":          lambda f: f.made(exp=NOW - 6),
    "not yet":                   lambda f: f.made(nbf=NOW + 90_000),
    "issued in the future":      lambda f: f.made(iat=NOW + 90_000),
    "no exp":                    lambda f: f.made(exp=None),
    "no iat":                    lambda f: f.made(iat=None),
    "exp text":                  lambda f: f.made(exp="9999999999"),
    "exp NaN":                   lambda f: f.made(exp=float("nan")),
    "exp infinite":              lambda f: f.made(exp=float("inf")),
    "exp 1e999":                 lambda f: f.spelt("1e999"),
    "exp true":                  lambda f: f.made(exp=True),
    "other audience":            lambda f: f.made(aud="another-service"),
    "audience list without us":  lambda f: f.made(aud=["a", "b"]),
    "audience an object":        lambda f: f.made(aud={"verifier": 1}),
    "no audience":               lambda f: f.made(aud=None),
    "other issuer":              lambda f: f.made(iss="https://evil.example"),
    "issuer with a slash":       lambda f: f.made(iss=ISSUER + "/"),
    "issuer a list":             lambda f: f.made(iss=[ISSUER]),
    "no issuer":                 lambda f: f.made(iss=None),
    "no client":                 lambda f: f.made(client_id=None),
    "unknown client":            lambda f: f.made(client_id="nobody", sub="nobody"),
    "client an object":          lambda f: f.made(client_id={"$ne": ""}, sub={"$ne": ""}),
    "client with NUL":           lambda f: f.made(client_id="a\x00b", sub="a\x00b"),
    "client half a surrogate":   lambda f: f.made(client_id="\ud800", sub="\ud800"),
    "sub of somebody else":      lambda f: f.made(sub="somebody"),
    "no jti":                    lambda f: f.made(jti=None),
    "jti a number":              lambda f: f.made(jti=1),
    "a claim twice":             lambda f: f.raw(b'{"iss":"x",' + json.dumps(f.claims()).encode()[1:]),
    "claims a list":             lambda f: signed(f.head, [f.claims()], f.key),
    "claims nested deeply":      lambda f: f.raw(b"[" * 5000 + b"]" * 5),
    "claims no JSON":            lambda f: f.raw(b"\xff\xfe"),
    "number of 5,000 digits":    lambda f: f.spelt("9" * 5000),
    "header a list":             lambda f: f.old([f.head]),
    "header a text":             lambda f: f.old("alg"),
    "header a number":           lambda f: f.old(7),
    "header null":               lambda f: f.old(None),
    "oversize":                  lambda f: f.made(pad="x" * 9000),
    "one part":                  lambda f: f.parts()[1],
    "two parts":                 lambda f: ".".join(f.parts()[:2]),
    "four parts":                lambda f: f.good + ".x",
    "five parts":                lambda f: f.good + ".x.y",
    "only dots":                 lambda _: "..",
    "a blank inside":            lambda f: f.good.replace(".", " .", 1),
    "base64 with a slash":       lambda f: f.good.replace(".", "/.", 1),
    "not ASCII":                 lambda f: f.good + "é",
    "a fullwidth dot":           lambda f: f.good.replace(".", "\uff0e", 1),
    "garbage":                   lambda _: "garbage",
    "JSON":                      lambda f: json.dumps(f.claims()),
    "the secret of nobody":      lambda _: "null",
    "empty":                     lambda _: "",
}
# fmt: on


@pytest.fixture
def forge(world: World) -> Forge:
    return Forge(world, world.client("verify", "dispense"))


def test_the_forge_can_make_a_good_token(world: World, forge: Forge) -> None:
    actor = world.protector().authenticate(f"Bearer {forge.good}", issuer=ISSUER)
    assert (actor.client_id, actor.site) == (forge.client_id, world.corner_pharmacy)


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_token_is_401_invalid_token(world: World, forge: Forge, what: str) -> None:
    protector = world.protector()
    with pytest.raises(AccessRefused) as refused:
        protector.authenticate(f"Bearer {HOSTILE[what](forge)}", issuer=ISSUER)
    assert (refused.value.status, refused.value.error) == (401, "invalid_token")
    challenge = refused.value.www_authenticate("verifier")
    assert challenge.startswith('Bearer realm="verifier", error="invalid_token", error_description="')
    assert len(protector._remembered) == 0


@pytest.mark.parametrize("header", [None, "", "Basic dXNlcjpwYXNz", "Token abc", "bearer-ish x"])
def test_who_does_not_authenticate_gets_a_bare_challenge(world: World, header: str | None) -> None:
    with pytest.raises(AccessRefused) as refused:
        world.protector().authenticate(header, issuer=ISSUER)
    assert (refused.value.status, refused.value.error) == (401, None)
    assert refused.value.www_authenticate("verifier") == 'Bearer realm="verifier"'


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_has_no_case(world: World, forge: Forge, scheme: str) -> None:
    assert world.protector().authenticate(f"{scheme} {forge.good}", issuer=ISSUER)


def test_the_clocks_of_our_machines_may_differ_a_little(world: World, forge: Forge) -> None:
    early, late = forge.made(iat=int(time.time()) + 3), forge.made(exp=int(time.time()) - 1)
    for token in (early, late):
        assert world.protector().authenticate(f"Bearer {token}", issuer=ISSUER)


def test_a_token_gives_no_more_than_the_client_has(world: World, forge: Forge) -> None:
    token = forge.made(scope="verify admin recalls:write")
    protector = world.protector()
    actor = protector.authenticate(f"Bearer {token}", issuer=ISSUER)
    assert actor.scopes == {"verify"}


def test_a_token_of_one_address_is_refused_at_another_also_when_remembered(world: World) -> None:
    protector = Protector(Authority(world.access, world.authority.keys), generation=lambda: 1)
    forge = Forge(world, world.client("verify"))
    assert protector.authenticate(f"Bearer {forge.good}", issuer=ISSUER)
    with pytest.raises(AccessRefused):
        protector.authenticate(f"Bearer {forge.good}", issuer="https://other.example")


def test_revoking_a_token_or_a_client_reaches_a_second_worker_that_remembers_it(world: World) -> None:
    kept, revoked, gone = world.client("verify"), world.client("verify"), world.client("verify")
    tokens = {one.client_id: world.token(one) for one in (kept, revoked, gone)}
    workers = [world.protector() for _ in range(2)]

    def accepted() -> list[set[str]]:
        return [{c for c, token in tokens.items() if passes(worker, token)} for worker in workers]

    assert accepted() == [set(tokens)] * 2
    world.http.post(
        "/oauth/revoke",
        data={"token": tokens[revoked.client_id]},
        auth=(revoked.client_id, revoked.client_secret),
    )
    assert accepted() == [{kept.client_id, gone.client_id}] * 2
    world.access.revoke_client(gone.client_id, datetime.now(UTC))
    assert accepted() == [{kept.client_id}] * 2


def passes(protector: Protector, token: str) -> bool:
    try:
        protector.authenticate(f"Bearer {token}", issuer=ISSUER)
    except AccessRefused:
        return False
    return True


def test_a_site_that_changes_is_seen_by_who_remembers_the_token(world: World) -> None:
    token = world.token(world.client("verify", site=world.other_pharmacy))
    protector = world.protector()
    before = protector.authenticate(f"Bearer {token}", issuer=ISSUER).site
    world.access.add_site(type(before)(before.gln, "New name", before.type, before.country))
    assert protector.authenticate(f"Bearer {token}", issuer=ISSUER).site.name == "New name"


class CountingAccess(Access):
    """Counts how often a client is read."""

    reads = 0

    def client(self, client_id: str):
        self.reads += 1
        return super().client(client_id)


@pytest.fixture
def counting(engine: Engine) -> CountingAccess:
    return CountingAccess(engine)


class Now:
    def __init__(self) -> None:
        self.time = time.time()

    def __call__(self) -> float:
        return self.time


def test_a_token_is_remembered_for_60_seconds_and_not_beyond_its_expiry(
    world: World, counting: CountingAccess
) -> None:
    now, generation = Now(), 7
    authority = Authority(counting, world.authority.keys)
    protector = Protector(authority, generation=lambda: generation, clock=now)
    forge = Forge(world, world.client("verify"))
    long_lived = forge.good
    short_lived = forge.made(exp=int(now.time) + 10)

    def reads(token: str) -> int:
        before = counting.reads
        assert passes(protector, token)
        return counting.reads - before

    assert [reads(long_lived), reads(long_lived), reads(short_lived), reads(short_lived)] == [1, 0, 1, 0]
    now.time += 11
    assert [reads(long_lived), reads(short_lived)] == [0, 1]
    now.time += 50
    assert [reads(long_lived), reads(long_lived)] == [1, 0]
    generation = 8
    assert [reads(long_lived), reads(long_lived)] == [1, 0]
    now.time -= 3600
    assert not passes(protector, long_lived), "a clock set back makes it a token of the future"


def test_what_is_remembered_never_grows_beyond_its_bound(world: World) -> None:
    protector = world.protector(generation=lambda: 1, remember=50)
    forge = Forge(world, world.client("verify"))
    tokens = [forge.made() for _ in range(200)]
    for token in tokens:
        protector.authenticate(f"Bearer {token}", issuer=ISSUER)
    assert len(protector._remembered) == 50
    entry = next(iter(protector._remembered._checked.items()))
    assert sys.getsizeof(entry[0]) + sys.getsizeof(entry[1]) < 200


def test_many_threads_may_ask_at_once(world: World) -> None:
    protector = world.protector(generation=lambda: 1, remember=5)
    forge = Forge(world, world.client("verify"))
    tokens = [forge.made() for _ in range(20)]
    seen: list[str] = []

    def ask() -> None:
        seen.extend(protector.authenticate(f"Bearer {t}", issuer=ISSUER).client_id for t in tokens)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [forge.client_id] * 120
    assert len(protector._remembered) == 5


def test_without_the_database_the_driver_says_so_and_nobody_gets_in(world: World) -> None:
    engine = connect("postgresql://nobody@127.0.0.1:1/none")
    protector = Protector(Authority(Access(engine), world.authority.keys), generation=lambda: None)
    with pytest.raises(SQLAlchemyError):
        protector.authenticate(f"Bearer {Forge(world, world.client('verify')).good}", issuer=ISSUER)
