"""Who may ask: the limit of misses, the TLS proxy, the file of the set-up, and that every request is kept."""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lms_partner import (
    CORR_UUID,
    QUERY,
    REQ_GLN,
    ask,
    ask_connectivity,
    data,
    events_of,
    path_of,
    told,
    yymmdd,
)
from sqlalchemy import text
from world import Person, World

from verifier.app import build, create_app
from verifier.domain.pack import SiteType
from verifier.oauth.clients import register
from verifier.oauth.faults import MisconfiguredError
from verifier.oauth.proxy import ISSUER, ProxyIdentity
from verifier.oauth.vrs_file import VrsFile, load_vrs

US = "us_dscsa"
HOUR = datetime(2026, 11, 21, 10, tzinfo=UTC)
PROXY = {
    "header": "X-Client-Subject",
    "proof": {"header": "X-Client-Verify", "value": "SUCCESS"},
    "networks": ["127.0.0.1/32", "2001:db8::/64"],
}
SUBJECT = "CN=router.example,O=Router Inc."
pytestmark = pytest.mark.parametrize("world", ["off"], indirect=True, scope="module")


def loaded(path: Path, content: Any, *, auth: str = "token") -> VrsFile:
    path.write_text(json.dumps(content))
    return load_vrs(path, auth=auth, credentials="off")


def set_up(world: World, **changes: Any) -> Person:
    """The wholesaler of the same service with its messages set up otherwise."""
    lms = replace(world.service.lms, **changes)
    client = create_app(replace(world.service, lms=lms)).test_client()
    return replace(world.wholesaler, http=client, _token=world.wholesaler.token)


# Misses.


def limited(world: World, misses: int) -> Person:
    return set_up(world, responder=replace(world.service.lms.responder, misses=misses))


@pytest.mark.parametrize("kind", ["serial", "lot", "expiry", "gtin", "connectivity"])
def test_who_misses_too_often_is_refused_for_this_hour_and_the_next(world: World, kind: str):
    person, pack = limited(world, 3), world.pack(profile=US)
    gln = f"{int.from_bytes(kind.encode()) % 10**13:013d}"
    unknown = world.pack(stored=False)

    def miss() -> Any:
        if kind == "connectivity":
            return ask_connectivity(person, unknown["gtin"], reqGLN=gln)
        other = {"serial": "NOBODY", "lot": "OTHER", "expiry": "2031-01-01", "gtin": unknown["gtin"]}
        return ask(person, pack | {kind: other[kind]}, reqGLN=gln)

    with world.clock.at(HOUR + timedelta(minutes=59)):
        person = replace(person, _token=None)
        assert data(ask(person, pack, reqGLN=gln)) == told()
        assert [miss().status_code for _ in range(3)] == [
            404 if kind in ("gtin", "connectivity") else 200
        ] * 3
        for answer in (
            miss(),
            ask(person, pack, reqGLN=gln),
            ask_connectivity(person, pack["gtin"], reqGLN=gln),
        ):
            assert (answer.status_code, answer.json["code"]) == (403, "too_many_misses")
        assert data(ask(person, pack)) == told(), "another requestor is not concerned"
    for hours, status in ((1, 403), (1.99, 403), (2, 200)):
        with world.clock.at(HOUR + timedelta(hours=hours)):
            person = replace(person, _token=None)
            assert ask(person, pack, reqGLN=gln).status_code == status


@pytest.mark.parametrize("kind", ["lot", "gtin", "connectivity"])
def test_who_misses_in_anothers_name_does_not_lock_that_one_out(world: World, kind: str):
    gln = f"{int.from_bytes(kind.encode()[::-1]) % 10**13:013d}"
    pack, unknown = world.pack(profile=US), world.pack(stored=False)
    there = limited(world, 3)
    attacker = replace(there, _token=None)
    owner = replace(world.other_wholesaler, http=there.http, _token=None)

    def miss(person: Person) -> Any:
        if kind == "connectivity":
            return ask_connectivity(person, unknown["gtin"], reqGLN=gln)
        return ask(person, pack | {"lot": "OTHER"} if kind == "lot" else unknown, reqGLN=gln)

    with world.clock.at(HOUR):
        for person in (attacker, owner):
            assert data(ask(person, pack, reqGLN=gln)) == told()
            assert ask_connectivity(person, pack["gtin"], reqGLN=gln).status_code == 200
            assert 403 not in [miss(person).status_code for _ in range(3)]
            for refused in (ask(person, pack, reqGLN=gln), miss(person)):
                assert refused.json["code"] == "too_many_misses"


def test_all_workers_count_together(world: World):
    """Two services on one database, as two workers are."""
    twin = build(world.service.settings, clock=world.clock)
    try:
        others = create_app(
            replace(twin, lms=replace(twin.lms, responder=replace(twin.lms.responder, misses=2)))
        ).test_client()
        here, pack = limited(world, 2), world.pack(profile=US)
        there = replace(here, http=others)
        gln = "9521234000014"
        for person in (here, there):
            assert data(ask(person, pack | {"serial": "NOBODY"}, reqGLN=gln))["verified"] is False
        for person in (here, there):
            assert ask(person, pack, reqGLN=gln).json["code"] == "too_many_misses"
    finally:
        twin.close()


# What is kept.


def test_every_request_that_could_be_read_is_kept_with_its_answer(world: World):
    person, pack = world.wholesaler, world.pack(profile=US, expiry="2031-12-31")
    good = ask(person, pack)
    bad = ask(person, pack, exp="310100")
    events = events_of(person, pack)
    assert [(e["operation"], e["code"], e["accepted"]) for e in events] == [
        ("lms", "ok", True),
        ("lms", "expiry_mismatch", False),
    ]
    for event, answer, expiry in zip(events, (good, bad), ("2031-12-31", "2031-01"), strict=True):
        kept = person.get(f"/v1/events/{event['event_id']}").json
        assert kept["verdict"] == answer.json
        assert kept["details"] == {
            "req_gln": REQ_GLN,
            "corr_uuid": CORR_UUID,
            "context": "dscsaSaleableReturn",
            "lot": pack["lot"],
            "expiry": expiry,
        }


def test_a_requestors_wrong_check_digit_is_taken_and_noted(world: World):
    pack = world.pack(profile=US)
    assert data(ask(world.wholesaler, pack, reqGLN="0321012345670")) == told()
    assert events_of(world.wholesaler, pack)[-1]["details"]["req_gln_check_digit"] is False


def test_a_refused_gtin_is_kept(world: World):
    pack = world.pack(profile="eu_fmd")
    assert ask(world.wholesaler, pack).status_code == 404
    assert [event["code"] for event in events_of(world.wholesaler, pack)] == ["unknown_product"]


def test_a_long_address_of_the_client_is_no_reason_to_forget_a_request(world: World):
    pack = world.pack(profile=US)
    address = {"REMOTE_ADDR": "2001:0db8:85a3:0000:0000:8a2e:255.255.255.255"}
    query = QUERY | {"exp": yymmdd(pack)}
    answer = world.http.get(
        path_of(pack), query_string=query, headers=world.wholesaler.headers(), environ_overrides=address
    )
    assert data(answer) == told()
    assert len(events_of(world.wholesaler, pack)) == 1


def test_a_request_that_cannot_be_written_down_is_not_answered(world: World):
    pack = world.pack(profile=US)
    with world.service.engine.begin() as connection:
        connection.execute(text("ALTER TABLE events RENAME TO events_away"))
    try:
        assert ask(world.wholesaler, pack | {"lot": "OTHER"}).status_code == 503
    finally:
        with world.service.engine.begin() as connection:
            connection.execute(text("ALTER TABLE events_away RENAME TO events"))
    assert world.manufacturer.get("/v1/alerts", gtin=pack["gtin"]).json["alerts"] == []


# The proxy.


@pytest.fixture(scope="module")
def proxied(world: World, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Asks a service that lets a TLS proxy say who is asking."""
    proxy = loaded(tmp_path_factory.mktemp("vrs") / "vrs.json", {"proxy": PROXY}, auth="proxy").proxy
    assert proxy is not None
    person = set_up(world, proxy=ProxyIdentity(proxy, world.service.protector))
    access, gln = world.service.authority.access, "4012345000047"
    now = datetime.now(UTC)
    access.add_client("router", gln, frozenset({"vrs"}), now=now, issuer=ISSUER, subject=SUBJECT)
    access.add_client("till", gln, frozenset({"verify"}), now=now, issuer=ISSUER, subject="CN=till")
    pack = world.pack(profile=US)

    def asked(headers: dict[str, str], peer: str | None = "127.0.0.1") -> Any:
        query = QUERY | {"exp": yymmdd(pack)}
        environ = {"REMOTE_ADDR": peer or ""}
        return person.http.get(path_of(pack), query_string=query, headers=headers, environ_overrides=environ)

    return asked


RIGHT = {"X-Client-Subject": SUBJECT, "X-Client-Verify": "SUCCESS"}


@pytest.mark.parametrize("peer", ["127.0.0.1", "2001:db8::1"])
def test_a_verified_certificate_is_its_client(proxied: Callable[..., Any], peer: str):
    assert data(proxied(RIGHT, peer)) == told()


# fmt: off
NOBODY = [
    (RIGHT, "127.0.0.2"), (RIGHT, "10.0.0.1"), (RIGHT, "2001:db8:0:1::1"), (RIGHT, ""), (RIGHT, "unix"),
    (RIGHT | {"X-Forwarded-For": "127.0.0.1"}, "10.0.0.1"),
    ({"X-Client-Subject": SUBJECT}, "127.0.0.1"),
    (RIGHT | {"X-Client-Verify": "FAILED"}, "127.0.0.1"),
    (RIGHT | {"X-Client-Verify": "success"}, "127.0.0.1"),
    (RIGHT | {"X-Client-Verify": "SUCCESS,FAILED"}, "127.0.0.1"),
    ({"X-Client-Verify": "SUCCESS"}, "127.0.0.1"),
    (RIGHT | {"X-Client-Subject": "CN=nobody"}, "127.0.0.1"),
    (RIGHT | {"X-Client-Subject": SUBJECT + ",CN=x"}, "127.0.0.1"),
    (RIGHT | {"X-Client-Subject": "C" * 256}, "127.0.0.1"),
]
# fmt: on


@pytest.mark.parametrize(("headers", "peer"), NOBODY)
def test_what_the_proxy_did_not_verify_is_nobody(
    proxied: Callable[..., Any], headers: dict[str, str], peer: str
):
    assert proxied(headers, peer).status_code == 401


def test_a_token_is_nobody_where_the_proxy_says_who_asks(world: World, proxied: Callable[..., Any]):
    assert proxied(world.wholesaler.headers(), "127.0.0.1").status_code == 401


def test_the_headers_of_the_proxy_are_nothing_where_tokens_say_who_asks(world: World):
    answer = world.http.get("/checkConnectivity", headers=RIGHT)
    assert answer.status_code == 401


def test_the_client_behind_a_certificate_needs_scope_vrs_and_not_to_be_revoked(
    world: World, proxied: Callable[..., Any]
):
    assert proxied(RIGHT | {"X-Client-Subject": "CN=till"}).json["code"] == "insufficient_scope"
    access = world.service.authority.access
    gone = access.add_client(
        "gone", "4012345000047", frozenset({"vrs"}), now=datetime.now(UTC), issuer=ISSUER, subject="CN=gone"
    )
    headers = RIGHT | {"X-Client-Subject": "CN=gone"}
    assert proxied(headers).status_code == 200
    access.revoke_client(gone, datetime.now(UTC))
    world.service.control.refresh()
    assert proxied(headers).status_code == 401


def test_the_request_log_names_the_client_that_the_proxy_did(
    world: World,
    proxied: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
):
    access, gln = world.service.authority.access, "4012345000047"
    named = {"now": datetime.now(UTC), "issuer": ISSUER, "subject": "CN=logged"}
    client = access.add_client("logged", gln, frozenset({"vrs"}), **named)
    headers = RIGHT | {"X-Client-Subject": "CN=logged"}
    caplog.set_level(logging.INFO, logger="verifier.request")
    assert proxied(headers).status_code == 200
    assert proxied(headers | {"X-Client-Verify": "FAILED"}).status_code == 401
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    lines = [(line["client_id"], line["site"]) for line in told if line["event"] == "request"]
    assert lines == [(client, gln), (None, None)]


def test_a_client_with_a_secret_is_not_found_by_its_id(world: World, proxied: Callable[..., Any]):
    access = world.service.authority.access
    made = register(access, "x", "4012345000047", frozenset({"vrs"}), datetime.now(UTC))
    assert proxied(RIGHT | {"X-Client-Subject": made.client_id}).status_code == 401


# The file.


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0", "0.0.0.0/1", "128.0.0.0/7", "2000::/3", "::/31"])
@pytest.mark.usefixtures("world")
def test_a_proxy_that_would_trust_anybody_stops_the_start(tmp_path: Path, network: str):
    content = {"proxy": PROXY | {"networks": ["127.0.0.1/32", network]}}
    with pytest.raises(MisconfiguredError, match=r"^vrs_proxy_open: "):
        loaded(tmp_path / "vrs.json", content)


@pytest.mark.usefixtures("world")
def test_a_proxy_that_is_not_described_stops_the_start(tmp_path: Path):
    with pytest.raises(MisconfiguredError, match=r"^vrs_proxy_open: "):
        loaded(tmp_path / "vrs.json", {}, auth="proxy")
    (tmp_path / "vrs.json").write_text("{}")
    with pytest.raises(MisconfiguredError, match=r"^vrs_file_unusable: "):
        load_vrs(tmp_path / "vrs.json", auth="token", credentials="warn")


WRONG_FILES = [
    [], None, "x", {"unknown": 1}, {"contexts": []}, {"contexts": "x"}, {"contexts": [1]},
    {"parameters": [{"name": "exp"}]}, {"parameters": [{"required": True}]}, {"parameters": ["email"]},
    {"parameters": [{"name": "email", "required": 1}]}, {"connectivity_context": "yes"},
    {"version": {"header": "a b"}}, {"version": {"accepted": []}}, {"version": {"newest": "1"}},
    {"proxy": PROXY | {"networks": []}}, {"proxy": PROXY | {"networks": ["everybody"]}},
    {"proxy": PROXY | {"networks": ["10.0.0.1/8"]}}, {"proxy": PROXY | {"proof": {"header": "X"}}},
    {"proxy": PROXY | {"proof": {"header": "x-client-subject", "value": "y"}}}, {"proxy": {}},
]  # fmt: skip


@pytest.mark.parametrize("content", WRONG_FILES)
@pytest.mark.usefixtures("world")
def test_a_wrong_file_of_the_set_up_stops_the_start(tmp_path: Path, content: Any):
    with pytest.raises(MisconfiguredError, match=r"^vrs_file_unusable: "):
        loaded(tmp_path / "vrs.json", content)


@pytest.mark.usefixtures("world")
def test_a_file_that_is_no_json_stops_the_start(tmp_path: Path):
    for wrong in ("", "{", "[" * 100_000):
        (tmp_path / "vrs.json").write_text(wrong)
        with pytest.raises(MisconfiguredError, match=r"^vrs_file_unusable: "):
            load_vrs(tmp_path / "vrs.json", auth="token", credentials="off")


@pytest.mark.parametrize("kind", SiteType)
def test_every_type_of_site_may_ask(world: World, kind: SiteType):
    person = next(p for p in vars(world).values() if isinstance(p, Person) and p.site.type is kind)
    assert data(ask(person, world.pack(profile=US))) == told()
