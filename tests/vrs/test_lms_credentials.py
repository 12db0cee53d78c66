"""Presentations of credentials: the right ones, and every way to forge, bend, borrow or repeat one."""

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey
from lms_partner import ask, data, events_of, told
from lms_wallet import (
    GLN,
    HOLDER,
    ISSUER,
    claims_of,
    credential,
    did_jwk,
    edwards_key,
    file,
    holder_key,
    issuer_key,
    presentation,
    public,
    sign,
)
from world import Person, World

from verifier.app import create_app
from verifier.oauth.credentials import CredentialError, Credentials
from verifier.oauth.vrs_file import load_vrs

HEADER = "ATP-Authorization"
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # of secp256k1 (SEC 2, 2.4.1)
pytestmark = pytest.mark.parametrize("world", ["off"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def desk(world: World, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Person]:
    """A trading partner of a service that requires credentials, or only warns."""
    path = tmp_path_factory.mktemp("vrs") / "vrs.json"
    path.write_text(json.dumps({"credentials": file()}))
    trust = load_vrs(path, auth="token", credentials="require").trust
    assert trust is not None
    checked = Credentials(trust, world.service.lms.responder.desk.present)  # type: ignore[attr-defined]

    def made(*, required: bool = True) -> Person:
        lms = replace(world.service.lms, credentials=checked, required=required)
        client = create_app(replace(world.service, lms=lms)).test_client()
        return replace(world.wholesaler, http=client, _token=world.wholesaler.token)

    return made


@pytest.fixture(scope="module")
def pack(world: World) -> dict[str, Any]:
    return world.pack(profile="us_dscsa")


@pytest.fixture
def corr() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def codes(desk: Callable[..., Person], pack: dict[str, Any], corr: str) -> Iterator[Any]:
    """Presents it and gives the error codes, none when the message was answered."""

    def present(token: str | None, **other: str) -> list[str]:
        headers = {} if token is None else {HEADER: token}
        answer = ask(desk(), pack, headers, **{"corrUUID": corr} | other)
        if answer.status_code == 200:
            assert data(answer) == told()
            return []
        assert (answer.status_code, answer.json["code"]) == (403, "credential_refused")
        return str(answer.json["reason"]).split()

    return present


def test_a_right_presentation_is_let_in(codes: Any, now: datetime, corr: str):
    assert codes(presentation(now, corr)) == []


def test_the_nonce_may_be_in_another_letter_case_than_the_corr_uuid(codes: Any, now: datetime, corr: str):
    assert codes(presentation(now, corr.upper())) == []
    assert codes(presentation(now, corr.lower()), corrUUID=corr.upper()) == []


def test_a_credential_may_be_named_by_its_id_alone(codes: Any, now: datetime, corr: str):
    held = sign(credential(now, jti=None, vc={"id": "urn:oci:uuid:1"}), issuer_key)
    assert codes(sign(claims_of(now, corr, held))) == []


def test_a_holder_that_is_its_own_key_is_let_in(codes: Any, now: datetime, corr: str):
    key = ECKey.generate_key("secp256k1")
    did = did_jwk(key)
    held = sign(credential(now, holder=did), issuer_key)
    assert codes(sign(claims_of(now, corr, held, iss=did), key)) == []


def test_a_credential_signed_with_ed25519_or_with_its_jwt_as_proof_is_let_in(
    codes: Any, now: datetime, corr: str
):
    held = sign(credential(now), edwards_key, alg="EdDSA")
    assert codes(sign(claims_of(now, corr, held))) == []
    assert codes(sign(claims_of(now, corr, {"proof": {"type": "JwtProof2020", "jwt": held}}))) == []


def test_a_credential_may_name_several_glns(codes: Any, now: datetime, corr: str):
    body = credential(now)["vc"]
    body["credentialSubject"]["identifier"] += [
        {"propertyID": "globalLocationNumber", "value": "9521234567899"}
    ]
    held = sign(credential(now, vc=body), issuer_key)
    for gln in (GLN, "9521234567899"):
        assert codes(sign(claims_of(now, corr, held)), reqGLN=gln) == []


LINKED_DATA = {"type": ["VerifiableCredential"], "proof": {"type": "Ed25519Signature2018", "jws": "a..b"}}
# fmt: off
CLAIMS = [
    # claims of the presentation                          error codes
    ({"iat": None},                                       ["vp_iat_invalid"]),
    ({"iat": "now"},                                      ["vp_iat_invalid"]),
    ({"iat": True},                                       ["vp_iat_invalid"]),
    ({"iat": 10**30},                                     ["vp_iat_invalid"]),
    ({"iat": lambda now: now + 11 + 60},                  ["vp_iat_invalid"]),
    ({"iat": lambda now: now - 302},                      ["vp_iat_expired"]),
    ({"nbf": None},                                       ["vc_nbf_invalid"]),
    ({"nbf": "then"},                                     ["vc_nbf_invalid"]),
    ({"nbf": lambda now: now + 3600},                     ["vc_nbf_expired"]),
    ({"exp": None},                                       ["vc_exp_invalid"]),
    ({"exp": []},                                         ["vc_exp_invalid"]),
    ({"exp": lambda now: now - 1},                        ["vc_exp_expired"]),
    ({"nonce": None},                                     ["vp_nonce_invalid"]),
    ({"nonce": str(uuid.uuid4())},                        ["vp_nonce_invalid"]),
    ({"iss": None},                                       ["vp_iss_invalid"]),
    ({"iss": "did:web:nobody.example"},                   ["vp_iss_invalid"]),
    ({"iss": "did:jwk:%%%"},                              ["vp_iss_invalid"]),
    ({"iss": ["did:web:partner.example"]},                ["vp_iss_invalid"]),
    ({"iss": ISSUER},                                     ["vp_iss_invalid"]),
    ({"vp": None},                                        ["vc_not_found"]),
    ({"vp": {"type": ["VerifiablePresentation"]}},        ["vc_not_found"]),
    ({"vp": {"type": ["VerifiablePresentation"], "verifiableCredential": []}},         ["vc_not_found"]),
    ({"vp": {"verifiableCredential": ["x.y.z"]}},                                      ["vc_not_found"]),
    ({"vp": {"type": ["VerifiablePresentation"], "verifiableCredential": ["x.y.z"]}},  ["vc_invalid"]),
    ({"vp": {"type": ["VerifiablePresentation"], "verifiableCredential": [7]}},        ["vc_invalid"]),
    ({"vp": {"type": ["VerifiablePresentation"], "verifiableCredential": ["a", "b"]}}, ["vc_invalid"]),
    ({"vp": {"type": ["VerifiablePresentation"], "verifiableCredential": [LINKED_DATA]}},
                                                          ["vc_proof_invalid"]),
    ({"iat": 5, "nonce": "x"},                            ["vp_iat_expired", "vp_nonce_invalid"]),
]
CREDENTIALS = [
    # the credential                                      error codes
    ({"iss": "did:web:other.example"},                    ["vc_non_trusted_issuer"]),
    ({"iss": None},                                       ["vc_non_trusted_issuer"]),
    ({"iss": HOLDER},                                     ["vc_non_trusted_issuer"]),
    ({"jti": "urn:oci:uuid:revoked"},                     ["vc_revoked"]),
    ({"vc": {"id": "urn:oci:uuid:revoked"}},              ["vc_revoked"]),
    ({"exp": 5},                                          ["vc_exp_expired"]),
    ({"nbf": 4102444800},                                 ["vc_nbf_expired"]),
    ({"exp": None, "nbf": None},                          ["vc_nbf_invalid", "vc_exp_invalid"]),
    ({"gln": "9521234567899"},                            ["vc_invalid"]),
    ({"gln": None},                                       ["vc_invalid"]),
    ({"gln": [GLN]},                                      ["vc_invalid"]),
    ({"vc": {"credentialSubject": {}}},                   ["vc_invalid"]),
    ({"vc": {"type": ["VerifiableCredential"]}},          ["vc_invalid"]),
    ({"vc": {"type": ["DSCSAATPCredential"]}},            ["vc_invalid"]),
    ({"jti": None},                                       ["vc_invalid"]),
    ({"jti": ""},                                         ["vc_invalid"]),
    ({"jti": 1, "vc": {"id": ["urn:oci:uuid:1"]}},        ["vc_invalid"]),
    ({"vc": {"type": ["VerifiableCredential", "IdentityCredential"]}}, ["vc_invalid"]),
    ({"holder": "did:web:another.example"},               ["vc_invalid"]),
    ({"sub": "did:web:another.example"},                  ["vc_invalid"]),
]
# fmt: on


@pytest.mark.parametrize(("changes", "expected"), CLAIMS)
def test_a_presentation_with_a_wrong_claim_is_refused_by_its_code(
    codes: Any, now: datetime, corr: str, changes: dict[str, Any], expected: list[str]
):
    seconds = int(now.timestamp())
    claims = {name: value(seconds) if callable(value) else value for name, value in changes.items()}
    assert codes(presentation(now, corr, **claims)) == expected


@pytest.mark.parametrize(("changes", "expected"), CREDENTIALS)
def test_a_wrong_credential_is_refused_by_its_code(
    codes: Any, now: datetime, corr: str, changes: dict[str, Any], expected: list[str]
):
    held = sign(credential(now, **changes), issuer_key)
    assert codes(sign(claims_of(now, corr, held))) == expected


@pytest.mark.usefixtures("world")
def test_the_tables_and_the_attacks_name_all_fourteen_codes():
    named = {code for _, codes in CLAIMS + CREDENTIALS for code in codes} | {"jwt_invalid"}
    assert named == {str(code) for code in CredentialError}
    assert len(named) == 14


def b64(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def unsigned(claims: dict[str, Any], alg: str) -> str:
    head = b64(json.dumps({"alg": alg, "typ": "JWT"}).encode())
    return f"{head}.{b64(json.dumps(claims).encode())}"


def with_hs256(claims: dict[str, Any]) -> str:
    """The holder's public key used as the secret."""
    text = unsigned(claims, "HS256")
    secret = json.dumps(public(holder_key)).encode()
    return f"{text}.{b64(hmac.digest(secret, text.encode(), hashlib.sha256))}"


def own_key_in_header(claims: dict[str, Any]) -> str:
    key = ECKey.generate_key("secp256k1")
    return sign(claims, key, jwk=public(key))


# fmt: off
FORGERIES: dict[str, Callable[[dict[str, Any]], str | None]] = {
    "nothing at all":              lambda _: None,
    "no token":                    lambda _: "hello",
    "too long":                    lambda _: "a" * 9000 + ".b.c",
    "not signed, none":            lambda claims: unsigned(claims, "none") + ".",
    "not signed, NONE":            lambda claims: unsigned(claims, "NONE") + ".",
    "not signed, ES256K":          lambda claims: unsigned(claims, "ES256K") + ".",
    "a signature of zeros":        lambda claims: unsigned(claims, "ES256K") + "." + b64(bytes(64)),
    "HS256 with the public key":   with_hs256,
    "HS256":                       lambda claims: sign(claims, OctKey.generate_key(256), alg="HS256"),
    "another key":                 lambda claims: sign(claims, ECKey.generate_key("secp256k1")),
    "another curve":               lambda claims: sign(claims, ECKey.generate_key("P-256"), alg="ES256"),
    "Ed25519":                     lambda claims: sign(claims, edwards_key, alg="EdDSA"),
    "the issuer's key":            lambda claims: sign(claims, issuer_key),
    "its own key in the header":   own_key_in_header,
    "a signature cut off":         lambda claims: sign(claims)[:-2],
    "a claim changed afterwards":  lambda claims: changed(sign(claims)),
}
# fmt: on


def changed(token: str) -> str:
    head, claims, signature = token.split(".")
    text = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    return f"{head}.{b64(json.dumps(text | {'aud': 'me'}).encode())}.{signature}"


@pytest.mark.parametrize("forged", FORGERIES.values(), ids=FORGERIES.keys())
def test_what_the_holder_did_not_sign_is_no_presentation(
    codes: Any, now: datetime, corr: str, forged: Callable[[dict[str, Any]], str | None]
):
    claims = claims_of(now, corr, sign(credential(now), issuer_key))
    assert codes(forged(claims)) == ["jwt_invalid"]


@pytest.mark.parametrize("forged", ["another key", "HS256", "another curve", "a claim changed afterwards"])
def test_what_the_issuer_did_not_sign_is_no_credential(codes: Any, now: datetime, corr: str, forged: str):
    held = FORGERIES[forged](credential(now))
    assert codes(sign(claims_of(now, corr, held))) == ["vc_proof_invalid"]


def test_another_holders_credential_cannot_be_borrowed(codes: Any, now: datetime, corr: str):
    thief = ECKey.generate_key("secp256k1")
    held = sign(credential(now), issuer_key)
    assert codes(sign(claims_of(now, corr, held, iss=did_jwk(thief)), thief)) == ["vc_invalid"]


def test_a_presentation_serves_one_request_which_may_come_again(
    world: World, desk: Callable[..., Person], pack: dict[str, Any], now: datetime, corr: str
):
    token, other = presentation(now, corr), world.pack(profile="us_dscsa")
    for _ in range(2):
        assert data(ask(desk(), pack, {HEADER: token}, corrUUID=corr)) == told()
    for wrong in (other, pack | {"lot": "L2"}, pack | {"expiry": "2031-01-01"}, pack | {"serial": "S2"}):
        answer = ask(desk(), wrong, {HEADER: token}, corrUUID=corr)
        assert (answer.status_code, answer.json["reason"]) == (403, "vp_nonce_invalid")
    thief = replace(desk(), _token=world.other_wholesaler.token)
    assert ask(thief, pack, {HEADER: token}, corrUUID=corr).json["reason"] == "vp_nonce_invalid"


def test_a_second_signature_under_the_same_text_makes_no_second_presentation(
    world: World, desk: Callable[..., Person], pack: dict[str, Any], now: datetime, corr: str
):
    """ECDSA: with (r, s) the pair (r, n - s) is right too, and anybody can make it."""
    token = presentation(now, corr)
    text, _, signature = token.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    twin = raw[:32] + (ORDER - int.from_bytes(raw[32:])).to_bytes(32)
    assert data(ask(desk(), pack, {HEADER: f"{text}.{b64(twin)}"}, corrUUID=corr)) == told()
    answer = ask(desk(), world.pack(profile="us_dscsa"), {HEADER: token}, corrUUID=corr)
    assert answer.json["reason"] == "vp_nonce_invalid"


def test_a_presentation_lives_five_minutes_and_not_longer(
    world: World, desk: Callable[..., Person], pack: dict[str, Any], corr: str
):
    begin = datetime.now(UTC).replace(microsecond=0)
    token, person = presentation(begin, corr), desk()
    for seconds, status in ((300, 200), (301, 403)):
        with world.clock.at(begin + timedelta(seconds=seconds)):
            assert ask(person, pack, {HEADER: token}, corrUUID=corr).status_code == status


def test_with_warn_a_wrong_credential_is_answered_counted_and_written_down(
    world: World, desk: Callable[..., Person], now: datetime, corr: str
):
    pack = world.pack(profile="us_dscsa")
    person = desk(required=False)
    assert data(ask(person, pack, {HEADER: "x"}, corrUUID=corr)) == told()
    assert data(ask(person, pack, {HEADER: presentation(now, corr)}, corrUUID=corr)) == told()
    page = world.http.get("/metrics").text
    assert 'verifier_credentials_total{code="jwt_invalid"}' in page
    assert 'verifier_credentials_total{code="ok"}' in page
    assert [e["details"]["credential"] for e in events_of(world.wholesaler, pack)] == [
        ["jwt_invalid"],
        ["ok"],
    ]


def test_a_refused_credential_is_written_down_and_the_pack_is_not_looked_up(
    world: World, desk: Callable[..., Person], corr: str
):
    pack = world.pack(profile="us_dscsa")
    assert ask(desk(), pack, {HEADER: "x"}, corrUUID=corr).status_code == 403
    (event,) = events_of(world.wholesaler, pack)
    assert (event["code"], event["accepted"], event["state_before"]) == ("credential_refused", False, None)
    assert event["details"]["credential"] == ["jwt_invalid"]
    assert event["details"]["corr_uuid"] == corr
