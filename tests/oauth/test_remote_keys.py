import threading

import pytest
from joserfc.jwk import ECKey, RSAKey
from outside import KEY, RSA, JwksServer, foreign

from verifier.oauth import issuers
from verifier.oauth.issuers import RemoteKeys
from verifier.oauth.tokens import BadTokenError, Sealed, take_apart


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
