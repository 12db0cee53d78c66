"""Redirects of resolvers, connectivity, and hosts that keep failing."""

from dataclasses import replace

import pytest
from mischief import Troublemaker
from standin import Resolver, Responder, network
from vrs_asking import GTIN, PACK, QUICK, ask, requestor

from verifier.domain.directory import Entry
from verifier.domain.resale import Asked
from verifier.peers.breaker import Breaker
from verifier.peers.config import CONTEXT
from verifier.peers.recent import MOST


class TestResolvers:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_resolver_is_asked_without_verify_and_followed_with_all_parameters(self, status):
        responder = Responder(PACK)
        resolver = Resolver(f"{responder.url}/verify", status)
        with network(responder, resolver), requestor() as peers:
            reply = ask(peers, resolver.url, resolver=True)
        assert reply.asked is Asked.VERIFIED
        assert resolver.requests[0].path.startswith("/gtin/")
        assert responder.requests[0].path.startswith("/verify/gtin/")
        assert responder.requests[0].query == resolver.requests[0].query
        assert len(reply.exchanges) == 2

    def test_a_second_redirect_is_not_followed(self):
        responder = Responder(PACK)
        last = Resolver(f"{responder.url}/verify")
        first = Resolver(last.url)
        with network(responder, last, first), requestor() as peers:
            reply = ask(peers, first.url, resolver=True)
        assert (reply.asked, reply.detail) == (Asked.NO_ANSWER, "redirect_refused")
        assert responder.requests == []

    def test_a_verification_service_may_not_redirect_at_all(self):
        responder = Responder(PACK)
        resolver = Resolver(responder.url)
        with network(responder, resolver), requestor() as peers:
            assert ask(peers, resolver.url).detail == "redirect_refused"
        assert responder.requests == []

    def test_a_resolver_may_write_percent_encodings_in_small_letters(self):
        class Small(Resolver):
            def answer(self, request):
                reply = super().answer(request)
                return replace(reply, headers={"Location": reply.headers["Location"].replace("%2F", "%2f")})

        pack = PACK | {"serial": "A/B", "lot": "L/7"}
        responder = Responder(pack)
        resolver = Small(f"{responder.url}/verify")
        with network(responder, resolver), requestor() as peers:
            assert ask(peers, resolver.url, resolver=True, pack=pack).asked is Asked.VERIFIED

    def test_a_redirect_that_leaves_the_query_out_gets_ours(self):
        class Bare(Resolver):
            def answer(self, request):
                reply = super().answer(request)
                return replace(reply, headers={"Location": reply.headers["Location"].partition("?")[0]})

        responder = Responder(PACK)
        resolver = Bare(f"{responder.url}/verify")
        with network(responder, resolver), requestor() as peers:
            assert ask(peers, resolver.url, resolver=True).asked is Asked.VERIFIED

    def test_credentials_of_the_resolver_are_not_taken_along(self):
        responder = Responder(PACK)
        resolver = Resolver(f"{responder.url}/verify")
        with_secret = replace(QUICK, credentials={resolver.url: "Bearer secret"})
        with network(responder, resolver), requestor(with_secret) as peers:
            assert ask(peers, resolver.url, resolver=True).asked is Asked.VERIFIED
        assert resolver.requests[0].headers["Authorization"] == "Bearer secret"
        assert "Authorization" not in responder.requests[0].headers


class TestConnectivity:
    def test_a_service_says_who_it_is(self):
        with network(peer := Responder(PACK)), requestor() as peers:
            reply = peers.connectivity(Entry(GTIN, peer.url), GTIN, "0321012345676", CONTEXT)
        assert (reply.asked, reply.responder_gln) == (Asked.VERIFIED, peer.gln)
        assert peer.requests[0].query == {
            "gtin": GTIN,
            "reqGLN": "0321012345676",
            "linkType": "verificationService",
            "context": CONTEXT,
        }

    def test_a_resolver_is_asked_by_its_own_path(self):
        with network(peer := Troublemaker("404")), requestor() as peers:
            peers.connectivity(Entry(GTIN, peer.url, resolver=True), GTIN, "0321012345676", CONTEXT)
        assert peer.requests[0].path.startswith(f"/gtin/{GTIN}/lot/")
        assert peer.requests[0].query["checkConnectivity"] == "true"

    @pytest.mark.parametrize(("mischief", "asked"), [("401", Asked.REFUSED), ("empty", Asked.NO_ANSWER)])
    def test_what_is_no_answer_to_it_is_told(self, mischief, asked):
        with network(peer := Troublemaker(mischief)), requestor() as peers:
            reply = peers.connectivity(Entry(GTIN, peer.url), GTIN, "0321012345676", CONTEXT)
        assert reply.asked is asked


class TestBreaker:
    def test_a_host_that_keeps_failing_is_left_alone(self):
        impatient = replace(QUICK, tries=1, breaker_failures=3, breaker_seconds=60)
        with network(peer := Troublemaker("500")), requestor(impatient) as peers:
            details = [ask(peers, peer.url).detail for _ in range(5)]
        assert details == ["status_500"] * 3 + ["breaker_open"] * 2
        assert len(peer.requests) == 3

    def test_another_host_is_asked_as_before(self):
        impatient = replace(QUICK, tries=1, breaker_failures=1)
        with network(bad := Troublemaker("500"), good := Responder(PACK)), requestor(impatient) as peers:
            ask(peers, bad.url)
            assert ask(peers, good.url).asked is Asked.VERIFIED

    def test_a_refusal_is_no_failure_of_the_host(self):
        impatient = replace(QUICK, tries=1, breaker_failures=1)
        with network(peer := Troublemaker("403", times=2)), requestor(impatient) as peers:
            assert [ask(peers, peer.url).asked for _ in range(3)] == [Asked.REFUSED] * 2 + [Asked.VERIFIED]

    def test_after_a_while_one_may_try_and_the_others_wait(self):
        now = [0.0]
        breaker = Breaker(2, 10.0, clock=lambda: now[0])
        breaker.failed("h")
        assert breaker.may_ask("h")
        breaker.failed("h")
        assert not breaker.may_ask("h")
        now[0] = 10.0
        assert [breaker.may_ask("h"), breaker.may_ask("h")] == [True, False]
        breaker.failed("h")
        assert not breaker.may_ask("h")
        now[0] = 20.0
        assert breaker.may_ask("h")
        breaker.worked("h")
        assert [breaker.may_ask("h"), breaker.may_ask("h")] == [True, True]

    def test_hosts_without_end_are_not_kept_without_end_and_one_in_use_stays(self):
        breaker = Breaker(1, 10.0, clock=lambda: 0.0)
        breaker.failed("ours")
        for number in range(3 * MOST):
            breaker.failed(f"h{number}")
            assert not breaker.may_ask("ours")
        assert len(breaker._hosts) == MOST

    def test_failures_that_are_not_in_a_row_do_not_add_up(self):
        breaker = Breaker(2, 10.0)
        for _ in range(5):
            breaker.failed("h")
            breaker.worked("h")
        assert breaker.may_ask("h")
