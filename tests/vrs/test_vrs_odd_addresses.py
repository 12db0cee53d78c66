"""Odd addresses of peers: each is asked, or is no answer, and none is a fault of ours."""

from dataclasses import replace
from typing import Any

import pytest
from standin import Reply, Request, Resolver, Responder, Server, network, ok
from test_vrs_addresses import names
from vrs_asking import PACK, QUICK, ask, requestor

from verifier.domain.resale import Asked
from verifier.peers.addresses import Resolver as Names
from verifier.peers.tokens import Grant


class Redirecting(Server):
    """To wherever it is told."""

    def __init__(self, location: str) -> None:
        super().__init__()
        self.location = location

    def answer(self, _request: Request) -> Reply:
        return Reply(307, b"", {"Location": self.location})


class Root(Responder):
    """A service that answers at its root, whatever the pack."""

    def answer(self, request: Request) -> Reply:
        return super().answer(replace(request, target=f"/verify{self.path}{request.target.lstrip('/')}"))

    path = f"/gtin/{PACK['gtin']}/lot/{PACK['lot']}/ser/{PACK['serial']}"


def test_a_redirect_without_a_path_is_followed_to_the_root():
    root = Root(PACK)
    with network(root, resolver := Redirecting(root.url)), requestor() as peers:
        reply = ask(peers, resolver.url, resolver=True)
    assert reply.asked is Asked.VERIFIED
    assert root.requests[0].target.startswith("/?exp=")


def test_and_where_nobody_answers_there_it_is_no_answer_with_its_evidence():
    with network(gone := Server()):
        pass
    with network(resolver := Redirecting(gone.url)), requestor() as peers:
        reply = ask(peers, resolver.url, resolver=True)
    assert (reply.asked, reply.detail) == (Asked.NO_ANSWER, "unreachable")
    assert [each.fault for each in reply.exchanges] == ["status_307", "unreachable"]


def test_a_token_may_be_had_from_an_address_without_a_path():
    class Giving(Server):
        def answer(self, _request: Request) -> Reply:
            return ok({"access_token": "t0ken", "token_type": "Bearer"})

    with network(giving := Giving(), peer := Responder(PACK, authorization="Bearer t0ken")):
        granted = replace(QUICK, credentials={peer.url: Grant(giving.url, "a", "b")})
        with requestor(granted) as peers:
            assert ask(peers, peer.url).asked is Asked.VERIFIED
    assert giving.requests[0].target == "/"


@pytest.mark.parametrize("host", [".example", "x" * 70 + ".example"])
def test_a_name_that_tls_does_not_take_is_no_answer(host: str):
    resolver: Any = Names(loopback=True, look_up=names(["127.0.0.1"]))
    with network(peer := Responder(PACK)), requestor(QUICK, resolver) as peers:
        reply = ask(peers, f"https://{host}:{peer.port}")
    assert (reply.asked, reply.detail) == (Asked.NO_ANSWER, "malformed_exchange")
    assert len(reply.exchanges) == 1
    assert peer.requests == []


@pytest.mark.parametrize(
    "way", ["/lms/../evil", "/lms/%2e%2e/evil", "/lms/..%2Fevil", "/lms//../evil", "/lms\\..\\evil"]
)
def test_no_redirect_takes_a_credential_out_of_its_address(way: str):
    peer = Responder(PACK)
    secret = replace(QUICK, credentials={f"{peer.url}/lms": "Bearer secret"})
    with network(peer, resolver := Resolver(peer.url + way)), requestor(secret) as peers:
        reply = ask(peers, resolver.url, resolver=True)
    assert (reply.asked, reply.detail) == (Asked.NO_ANSWER, "redirect_refused")
    assert peer.requests == []


@pytest.mark.parametrize("serial", ["..", ".", "../../evil"])
def test_a_serial_of_dots_is_followed_like_any_other(serial: str):
    pack = PACK | {"serial": serial}
    peer = Responder(pack)
    with network(peer, resolver := Resolver(f"{peer.url}/verify")), requestor() as peers:
        assert ask(peers, resolver.url, pack=pack, resolver=True).asked is Asked.VERIFIED
