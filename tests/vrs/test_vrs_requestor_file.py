"""The requestor's file: what is wrong in it stops the start with a sentence that tells no secret."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from verifier.cli.main import in_a_sentence
from verifier.peers.config import CONTEXT, MisconfiguredRequestorError, Requestor, load_requestor
from verifier.peers.tokens import Grant

GRANT = {"token_url": "https://x.example/token", "client_id": "a", "client_secret": "SECRET"}


def loaded(folder: Path, given: Any) -> Requestor:
    file = folder / "requestor.json"
    file.write_text(given if isinstance(given, str) else json.dumps(given))
    return load_requestor(file)


def test_without_a_file_the_defaults_hold():
    made = load_requestor(None)
    assert made == Requestor()
    assert made.contexts == (CONTEXT,)
    assert not made.loopback
    assert 0 < made.try_seconds <= made.seconds


def test_everything_can_be_set(tmp_path: Path):
    made = loaded(
        tmp_path,
        {
            "seconds": 3,
            "try_seconds": 1.5,
            "tries": 2,
            "body_limit": 1000,
            "breaker_failures": 4,
            "breaker_seconds": 9,
            "window_days": 180,
            "contexts": ["a", "b"],
            "headers": {"GS1US-Version": "1.3.0"},
            "query": {"ctrlPossessAtt": "true"},
            "loopback": True,
            "ca_file": str(tmp_path / "requestor.json"),
            "credentials": {
                "https://one.example/": {"bearer": "t0ken"},
                "https://two.example:8443/base": {"user": "us", "password": "p:w"},
            },
        },
    )
    assert (made.seconds, made.tries, made.window_days, made.contexts) == (3, 2, 180, ("a", "b"))
    basic = "Basic " + b64encode(b"us:p:w").decode()
    assert made.credential("https://one.example/verify/gtin/1?x=y") == "Bearer t0ken"
    assert made.credential("https://two.example:8443/base/verify?q") == basic
    for other in (
        "https://one.example.evil/verify",
        "https://one.example:8443/verify",
        "http://one.example/verify",
        "https://two.example:8443/other",
        "https://two.example:8443/based/verify",
        "https://three.example/?https://one.example/",
    ):
        assert made.credential(other) is None
    assert "t0ken" not in repr(made)


def test_a_credential_may_be_a_grant(tmp_path: Path):
    made = loaded(tmp_path, {"credentials": {"https://x.example": GRANT | {"scope": "vrs"}}})
    assert made.credential("https://x.example/verify") == Grant(**GRANT, scope="vrs")
    assert "SECRET" not in repr(made)
    assert "SECRET" not in repr(made.credential("https://x.example/verify"))


def test_the_longest_beginning_of_an_address_has_the_credential():
    made = Requestor(credentials={"https://x.example": "Bearer a", "https://x.example/b": "Bearer b"})
    assert made.credential("https://x.example/b/verify") == "Bearer b"
    assert made.credential("https://x.example/c/verify") == "Bearer a"


@pytest.mark.parametrize(
    "given",
    [
        "",
        "{",
        [],
        {"secnds": 1},
        {"seconds": 0},
        {"seconds": -1},
        {"seconds": 61},
        {"seconds": "5"},
        {"seconds": True},
        {"tries": 1.5},
        {"tries": 0},
        {"window_days": -1},
        {"contexts": []},
        {"contexts": "dscsaSaleableReturn"},
        {"contexts": ["a b"]},
        {"headers": {"Authorization": "Bearer x"}},
        {"headers": {"host": "x"}},
        {"headers": {"X-A": "a\r\nX-B: b"}},
        {"headers": {"X A": "a"}},
        {"query": {"reqGLN": "1"}},
        {"query": {"corruuid": "1"}},
        {"query": {"email": 1}},
        {"loopback": 1},
        {"ca_file": "/nowhere/at/all.pem"},
        {"credentials": []},
        {"credentials": {"http://x.example": {"bearer": "SECRET"}}},
        {"credentials": {"https://u:SECRET@x.example": {"bearer": "SECRET"}}},
        {"credentials": {"https://x.example?a=b": {"bearer": "SECRET"}}},
        {"credentials": {"https://x.example/lms/../evil": {"bearer": "SECRET"}}},
        {"credentials": {"https://x.example/lms/%2e%2e/evil": {"bearer": "SECRET"}}},
        {"credentials": {"https://x.example//lms": {"bearer": "SECRET"}}},
        {"credentials": {"https://x.example/lms\\evil": {"bearer": "SECRET"}}},
        {"credentials": {"https://x.example": "SECRET"}},
        {"credentials": {"https://x.example": {"token": "SECRET"}}},
        {"credentials": {"https://x.example": {"bearer": "SEC\r\nRET"}}},
        {"credentials": {"https://x.example": {"user": "a:b", "password": "SECRET"}}},
        {"credentials": {"https://x.example": {"user": "a"}}},
        {"credentials": {"https://x.example": GRANT | {"token_url": "http://x.example/token"}}},
        {"credentials": {"https://x.example": GRANT | {"token_url": "https://x.example/a/../token"}}},
        {"credentials": {"https://x.example": GRANT | {"audience": "y"}}},
        {"credentials": {"https://x.example": {"token_url": "https://x.example", "client_id": "a"}}},
    ],
)
def test_a_file_that_must_not_be_used_is_refused_without_telling_a_secret(tmp_path: Path, given: Any):
    with pytest.raises(MisconfiguredRequestorError, match=r"requestor\.json") as refused:
        loaded(tmp_path, given)
    assert "SECRET" not in str(refused.value)
    assert in_a_sentence(refused.value) == str(refused.value)
