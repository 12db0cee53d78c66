import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from forgery import claims_for, signed
from joserfc.jwk import ECKey, RSAKey
from oauth_world import World

from verifier.oauth import issuers
from verifier.oauth.faults import MisconfiguredError
from verifier.oauth.issuers import ForeignIssuer, RemoteKeys, load_issuers
from verifier.oauth.protector import AccessRefused, Protector
from verifier.oauth.tokens import BadTokenError, Sealed, take_apart

OWN = "https://verifier.example"
LOGIN = "https://login.example/tenant"
KEY = ECKey.generate_key("P-256", {"kid": "k1", "use": "sig"})
NOW = int(time.time())
RSA = RSAKey.generate_key(2048, {"kid": "r1"})


class JwksServer(ThreadingHTTPServer):
    """A real server of a JWK set; `keys`, `status`, `body` and `delay` may be changed while it runs."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), JwksHandler)
        self.keys: list[object] = [KEY.as_dict(private=False), RSA.as_dict(private=False)]
        self.status, self.delay, self.asked = 200, 0.0, 0
        self.body: bytes | None = None
        self.location = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/jwks.json"


class JwksHandler(BaseHTTPRequestHandler):
    server: JwksServer

    def do_GET(self) -> None:
        self.server.asked += 1
        time.sleep(self.server.delay)
        body = self.server.body or json.dumps({"keys": self.server.keys}).encode()
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[JwksServer]:
    server = JwksServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def loaded(tmp_path: Path, server: JwksServer, **changes: object) -> tuple[ForeignIssuer, ...]:
    entry = {"issuer": LOGIN, "jwks_url": server.url, "audience": "packs", "algorithms": ["ES256", "RS256"]}
    path = tmp_path / "issuers.json"
    path.write_text(json.dumps([entry | changes]))
    return load_issuers(path)


def foreign(key: object = KEY, head: dict[str, object] | None = None, **changes: object) -> str:
    alg = "ES256" if isinstance(key, ECKey) else "RS256"
    header = {"alg": alg, "typ": "at+jwt", "kid": key.kid} | (head or {})
    claims = claims_for("till-7", issuer=LOGIN, audience="packs", **changes)
    return signed({name: value for name, value in header.items() if value is not None}, claims, key, alg)


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
    # changes to the file      header                         claims                                   accepted
    ({"typ": "JWT"},            {"typ": "JWT"},                {},                                       True),
    ({"typ": ["at+jwt", "JWT"]},{"typ": "jwt"},                {},                                       True),
    ({},                        {"typ": "application/at+jwt"}, {},                                       True),
    ({},                        {"typ": "JWT"},                {},                                       False),
    ({"typ": "JWT"},            {"typ": None},                 {},                                       False),
    ({},                        {},                            {"aud": ["other", "packs"]},              True),
    ({},                        {},                            {"aud": "verifier"},                      False),
    ({},                        {},                            {"client_id": None, "azp": "till-7"},     True),
    ({},                        {},                            {"client_id": None, "cid": "till-7"},     True),
    ({},                        {},                            {"client_id": None},                      False),
    ({"client_claims": "sub"},  {},                            {"client_id": "evil", "sub": "till-7"},   True),
    ({},                        {},                            {"client_id": "till-8"},                  False),
    ({},                        {},                            {"client_id": ""},                        False),
    ({},                        {},                            {"client_id": "till-7\x00"},              False),
    ({},                        {},                            {"jti": None, "sub": None},               True),
    ({},                        {},                            {"exp": NOW - 5},                         True),
    ({},                        {},                            {"exp": NOW - 60},                        False),
    ({},                        {},                            {"iat": NOW + 60},                        False),
    ({},                        {},                            {"exp": None},                            False),
    ({},                        {},                            {"iat": None},                            False),
    ({"algorithms": ["RS256"]}, {},                            {},                                       False),
    ({},                        {"alg": "PS256"},              {},                                       False),
    ({},                        {"x5t": "AAAA", "nonce": "n"}, {},                                       True),
    ({},                        {"crit": ["exp"], "exp": 1},   {},                                       False),
    ({},                        {"jku": "http://127.0.0.1/"},  {},                                       False),
    ({},                        {"kid": None},                 {},                                       True),
    ({},                        {"kid": "r1"},                 {},                                       False),
    ({"issuer": LOGIN + "/"},   {},                            {},                                       False),
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


# The keys of an issuer: when they are fetched, and what is believed.


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


def remote(server: JwksServer, clock: Clock) -> RemoteKeys:
    return RemoteKeys(server.url, ("ES256", "RS256"), clock=clock)


def sealed(key: object = KEY) -> Sealed:
    return take_apart(foreign(key))


def test_keys_are_fetched_once_and_again_when_they_are_old(server: JwksServer, clock: Clock) -> None:
    keys = remote(server, clock)
    for _ in range(3):
        assert keys.find(sealed()) is not None
    assert server.asked == 1
    clock.time += issuers.FRESH_SECONDS + 1
    assert keys.find(sealed()) is not None
    assert server.asked == 2


def test_an_unknown_key_is_asked_for_at_most_once_a_minute(server: JwksServer, clock: Clock) -> None:
    keys = remote(server, clock)
    new = ECKey.generate_key("P-256", {"kid": "k2"})
    assert keys.find(sealed()) is not None
    server.keys.append(new.as_dict(private=False))
    for _ in range(5):
        assert keys.find(sealed(new)) is None
    assert server.asked == 1
    clock.time += issuers.UNKNOWN_KEY_SECONDS
    assert keys.find(sealed(new)) is not None
    assert server.asked == 2


def test_old_keys_serve_through_an_outage_of_an_hour_and_no_longer(server: JwksServer, clock: Clock) -> None:
    keys = remote(server, clock)
    assert keys.find(sealed()) is not None
    server.status = 500
    clock.time += issuers.STALE_SECONDS
    assert keys.find(sealed()) is not None
    clock.time += 1
    assert keys.find(sealed()) is None
    server.status = 200
    clock.time += issuers.RETRY_SECONDS
    assert keys.find(sealed()) is not None


def test_an_issuer_that_is_down_is_not_asked_for_every_token(server: JwksServer, clock: Clock) -> None:
    keys = remote(server, clock)
    server.status = 503
    for _ in range(5):
        assert keys.find(sealed()) is None
    assert server.asked == 1


def test_of_many_threads_one_fetches_and_all_get_the_key(server: JwksServer, clock: Clock) -> None:
    keys = remote(server, clock)
    server.delay = 0.2
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(keys.find(sealed()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.asked == 1
    assert len(found) == 8
    assert None not in found


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[]",
        b'{"keys": {}}',
        b"\xff",
        b"[" * 100_000,
        b'{"keys": [' + b" " * 300_000 + b"]}",
    ],
    ids=["html", "list", "keys an object", "bytes", "nested", "too large"],
)
def test_what_is_no_jwk_set_is_no_key(server: JwksServer, clock: Clock, body: bytes) -> None:
    server.body = body
    assert remote(server, clock).find(sealed()) is None


def test_a_redirect_is_not_followed(server: JwksServer, clock: Clock) -> None:
    server.status, server.location = 302, server.url
    assert remote(server, clock).find(sealed()) is None
    assert server.asked == 1


def test_a_slow_issuer_is_given_up(server: JwksServer, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuers, "_FETCH_SECONDS", 0.1)
    server.delay = 0.5
    assert remote(server, clock).find(sealed()) is None


@pytest.mark.parametrize(
    "entry",
    [
        {"kty": "oct", "k": "AAAA", "kid": "k1"},
        KEY.as_dict(private=False) | {"use": "enc"},
        KEY.as_dict(private=False) | {"alg": "ES384"},
        KEY.as_dict(private=False) | {"x": "AAAA"},
        {"kty": "EC", "crv": "P-521", "kid": "k1"},
        {"kty": "unheard-of", "kid": "k1"},
        {"kty": ["EC"], "kid": "k1"},
        {"kid": "k1"},
        7,
        None,
    ],
)
def test_an_unusable_key_is_passed_over(server: JwksServer, clock: Clock, entry: object) -> None:
    server.keys = [entry, RSA.as_dict(private=False)]
    keys = remote(server, clock)
    assert keys.find(sealed()) is None
    assert keys.find(sealed(RSA)) is not None


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_a_short_rsa_key_is_passed_over(server: JwksServer, clock: Clock) -> None:
    short = RSAKey.generate_key(1024, {"kid": "short"})
    server.keys = [short.as_dict(private=False)]
    assert remote(server, clock).find(sealed(short)) is None


def test_an_algorithm_is_never_taken_from_the_token() -> None:
    with pytest.raises(BadTokenError):
        take_apart(foreign(head={"enc": "A256GCM"}))


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
