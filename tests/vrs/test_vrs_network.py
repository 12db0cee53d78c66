"""The requestor against real servers on the loopback: what is sent, and each misbehaviour's outcome."""

import itertools
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mischief import MISCHIEF, Troublemaker
from standin import UUID4, Responder, network
from vrs_asking import CORR, GTIN, PACK, QUICK, ask, requestor

from verifier.domain.directory import Entry
from verifier.domain.resale import Asked
from verifier.peers.config import CONTEXT
from verifier.peers.network import evidence, pack_path


def test_the_standards_own_example_is_asked_with_all_of_its_parameters_and_answered():
    with network(responder := Responder(PACK)), requestor() as peers:
        reply = ask(peers, responder.url)
    assert (reply.asked, reply.answer.verified, reply.responder_gln) == (Asked.VERIFIED, True, responder.gln)
    [request] = responder.requests
    assert request.path == f"/verify/gtin/{GTIN}/lot/1908642E/ser/400806"
    assert request.query == {
        "exp": "230728",
        "linkType": "verificationService",
        "context": "dscsaSaleableReturn",
        "reqGLN": "0321012345676",
        "corrUUID": CORR,
    }
    assert UUID4.fullmatch(request.query["corrUUID"])
    assert request.headers["Accept"] == "application/json"
    assert request.headers["Host"] == responder.url.removeprefix("http://")
    assert "Authorization" not in request.headers


def test_what_the_file_adds_goes_with_every_question():
    settings = replace(
        QUICK,
        headers={"GS1US-Version": "1.3.0"},
        query={"ctrlPossessAtt": "true", "email": "returns@example.com", "telephone": "+1 555"},
    )
    with network(responder := Responder(PACK)), requestor(settings) as peers:
        assert ask(peers, responder.url).asked is Asked.VERIFIED
        assert peers.connectivity(Entry(GTIN, responder.url), GTIN, "0321012345676", CONTEXT).responder_gln
    for request in responder.requests:
        assert request.headers["GS1US-Version"] == "1.3.0"
        assert request.query["email"] == "returns@example.com"
        assert request.query["telephone"] == "+1 555"
        assert request.query["ctrlPossessAtt"] == "true"


set_82 = st.text("!\"%&'()*+,-./0123456789:;<=>?ABCXYZ_abcxyz", min_size=1, max_size=20)


@given(set_82, set_82)
@settings(max_examples=60)
def test_every_lot_and_serial_is_one_step_of_the_path_and_comes_back_as_it_was(lot, serial):
    steps = pack_path(GTIN, lot, serial).split("/")
    assert steps[:3] == ["", "gtin", GTIN]
    assert [steps[3], steps[5]] == ["lot", "ser"]
    assert [unquote(steps[4]), unquote(steps[6])] == [lot, serial]
    assert not {".", ".."} & set(steps)


@pytest.mark.parametrize("serial", ["A/B", "..", ".", "100%", "?#&=", "%2F", '"<>', "a+b", "A%20B"])
def test_awkward_serials_arrive_unchanged(serial):
    pack = PACK | {"serial": serial, "lot": "L/7;?"}
    with network(responder := Responder(pack)), requestor() as peers:
        assert ask(peers, responder.url, pack=pack).asked is Asked.VERIFIED


def test_a_mismatch_is_an_answer():
    with network(responder := Responder(PACK)), requestor() as peers:
        reply = ask(peers, responder.url, pack=PACK | {"lot": "OTHER"})
    assert (reply.asked, reply.answer.failure_reason) == (Asked.NEGATIVE, "No_match_GTIN_Serial_Lot")
    assert reply.exchanges[0].fault is None


STAMP = "verificationTimestamp is missing or wrong"
UNFIT = "verificationFailureReason does not fit verified"
# fmt: off
OUTCOMES = {
    # mischief                            outcome              tries  fault
    "slow":                               (Asked.VERIFIED,     1, None),
    "never answers":                      (Asked.NO_ANSWER,    2, "timeout"),
    "drips the body":                     (Asked.NO_ANSWER,    2, "timeout"),
    "drips the headers":                  (Asked.NO_ANSWER,    2, "timeout"),
    "closes early":                       (Asked.NO_ANSWER,    1, "closed"),
    "hangs up":                           (Asked.NO_ANSWER,    1, "closed"),
    "malformed JSON":                     (Asked.NO_ANSWER,    1, "malformed_json"),
    "no object":                          (Asked.NO_ANSWER,    1, "no object with data"),
    "deeply nested":                      (Asked.NO_ANSWER,    1, "malformed_json"),
    "not UTF-8":                          (Asked.NO_ANSWER,    1, "malformed_json"),
    "empty":                              (Asked.NO_ANSWER,    1, "malformed_json"),
    "wrong content type":                 (Asked.NO_ANSWER,    1, "wrong_content_type"),
    "another corrUUID":                   (Asked.NO_ANSWER,    1, "corrUUID is another one"),
    "no corrUUID":                        (Asked.NO_ANSWER,    1, STAMP),
    "microseconds":                       (Asked.NO_ANSWER,    1, STAMP),
    "no zone":                            (Asked.NO_ANSWER,    1, STAMP),
    "short GLN":                          (Asked.NO_ANSWER,    1, "responderGLN is missing or wrong"),
    "verified as text":                   (Asked.NO_ANSWER,    1, "verified is missing or no boolean"),
    "true with a reason":                 (Asked.NO_ANSWER,    1, UNFIT),
    "false without a reason":             (Asked.NO_ANSWER,    1, UNFIT),
    "a reason of its own":                (Asked.NO_ANSWER,    1, "a value that the standard does not have"),
    "information of its own":             (Asked.NO_ANSWER,    1, "a value that the standard does not have"),
    "information null":                   (Asked.NO_ANSWER,    1, "a value that the standard does not have"),
    "too large":                          (Asked.NO_ANSWER,    1, "too_large"),
    "204":                                (Asked.NO_ANSWER,    1, "status_204"),
    "400":                                (Asked.MALFORMED,    1, "status_400"),
    "401":                                (Asked.REFUSED,      1, "status_401"),
    "403":                                (Asked.REFUSED,      1, "status_403"),
    "404":                                (Asked.UNKNOWN_GTIN, 1, "status_404"),
    "405":                                (Asked.MALFORMED,    1, "status_405"),
    "408":                                (Asked.NO_ANSWER,    2, "status_408"),
    "429":                                (Asked.NO_ANSWER,    1, "status_429"),
    "500":                                (Asked.NO_ANSWER,    2, "status_500"),
    "502":                                (Asked.NO_ANSWER,    2, "status_502"),
    "503":                                (Asked.NO_ANSWER,    2, "status_503"),
    "504":                                (Asked.NO_ANSWER,    2, "status_504"),
    "redirect loop":                      (Asked.NO_ANSWER,    2, "redirect_refused"),
    "redirect without a path":            (Asked.NO_ANSWER,    2, "redirect_refused"),
    "redirect to http elsewhere":         (Asked.NO_ANSWER,    1, "redirect_refused"),
    "redirect to ftp":                    (Asked.NO_ANSWER,    1, "redirect_refused"),
    "redirect to a file":                 (Asked.NO_ANSWER,    1, "redirect_refused"),
    "redirect to a private address":      (Asked.NO_ANSWER,    2, "address_not_allowed"),
    "redirect to a link-local address":   (Asked.NO_ANSWER,    2, "address_not_allowed"),
    "redirect with a password":           (Asked.NO_ANSWER,    1, "redirect_refused"),
    "redirect to nowhere":                (Asked.NO_ANSWER,    1, "redirect_refused"),
}
# fmt: on


def test_the_table_has_every_mischief():
    assert OUTCOMES.keys() == MISCHIEF.keys()


@pytest.mark.parametrize("mischief", OUTCOMES)
def test_each_misbehaviour_has_its_outcome_its_tries_and_its_evidence(mischief):
    asked, tries, fault = OUTCOMES[mischief]
    with network(peer := Troublemaker(mischief)), requestor() as peers:
        reply = ask(peers, peer.url, resolver=mischief.startswith("redirect"))
    assert reply.asked is asked
    assert (reply.answer is not None) is (asked is Asked.VERIFIED)
    assert [each.number for each in reply.exchanges] == list(range(1, tries + 1))
    last = reply.exchanges[-1]
    assert last.fault == fault
    assert reply.detail == fault
    for each in reply.exchanges:
        assert each.request_line.startswith("GET http")
        assert f"corrUUID={CORR}" in each.request_line
        assert each.milliseconds > 0
        assert datetime.now(UTC) - each.sent_at < timedelta(minutes=1)


@pytest.mark.parametrize("mischief", ["500", "503", "never answers", "drips the headers"])
def test_what_gets_better_at_the_second_try_is_an_answer(mischief):
    with network(peer := Troublemaker(mischief, times=1)), requestor() as peers:
        reply = ask(peers, peer.url)
    assert reply.asked is Asked.VERIFIED
    assert [each.fault is None for each in reply.exchanges] == [False, True]


@pytest.mark.parametrize("mischief", ["403", "404", "malformed JSON", "another corrUUID", "too large"])
def test_what_another_try_does_not_help_is_not_tried_again(mischief):
    with network(peer := Troublemaker(mischief, times=1)), requestor() as peers:
        ask(peers, peer.url)
    assert len(peer.requests) == 1


def test_the_whole_question_has_a_deadline_whatever_the_number_of_tries():
    patient = replace(QUICK, seconds=0.5, try_seconds=0.2, tries=10)
    with network(peer := Troublemaker("never answers")), requestor(patient) as peers:
        reply = ask(peers, peer.url)
    assert reply.asked is Asked.NO_ANSWER
    assert len(peer.requests) < 4


def test_a_peer_that_is_not_there_is_no_answer():
    with network(peer := Responder(PACK)):
        pass
    with requestor() as peers:
        reply = ask(peers, peer.url)
    assert (reply.asked, reply.detail) == (Asked.NO_ANSWER, "unreachable")


def test_credentials_go_to_their_own_address_and_are_no_evidence():
    first, second = Responder(PACK, authorization="Bearer secret"), Responder(PACK)
    with_secret = replace(QUICK, credentials={first.url: "Bearer secret"})
    with network(first, second), requestor(with_secret) as peers:
        told = ask(peers, first.url)
        assert ask(peers, second.url).asked is Asked.VERIFIED
    assert told.asked is Asked.VERIFIED
    assert "Authorization" not in second.requests[0].headers
    assert "secret" not in repr(told)
    assert "secret" not in repr(with_secret)


def test_credentials_that_are_wrong_are_a_refusal_and_no_suspicion():
    with network(peer := Responder(PACK, authorization="Bearer other")), requestor() as peers:
        assert ask(peers, peer.url).asked is Asked.REFUSED


def test_a_connection_is_kept_open_for_the_next_question():
    with network(peer := Responder(PACK)), requestor() as peers:
        for _ in range(5):
            assert ask(peers, peer.url).asked is Asked.VERIFIED
    assert (len(peer.requests), peer.connections) == (5, 1)


def test_a_kept_connection_that_the_peer_has_closed_costs_no_answer():
    """The peer hangs up just when the second question arrives, as it may (RFC 9112, section 9.3.1)."""

    class Tired(Responder):
        def serve(self, request, handler):
            if len(self.requests) == 2:
                handler.close_connection = True
                return
            super().serve(request, handler)

    with network(peer := Tired(PACK)), requestor() as peers:
        assert [ask(peers, peer.url).asked for _ in range(2)] == [Asked.VERIFIED] * 2
    assert len(peer.requests) == 3


def test_the_pause_between_tries_is_not_always_the_same(monkeypatch):
    paused = []
    with network(peer := Troublemaker("500")), requestor() as peers:
        monkeypatch.setattr(time, "sleep", paused.append)
        for _ in range(4):
            ask(peers, peer.url)
        monkeypatch.undo()
    assert len(set(paused)) == 4
    assert all(0.1 <= pause <= 0.2 for pause in paused)


def test_evidence_is_cut_and_is_text_that_can_be_stored():
    assert len(evidence(b"x" * 100_000)) == 8192
    assert evidence(b"a\x00\xff") == "a\\x00\\xff"


def test_a_question_never_raises_whatever_the_body():
    bodies = itertools.product([None, 1, "x", [], {}], ["data", "corrUUID", "responderGLN"])
    for value, name in bodies:
        body = {
            "verificationTimestamp": "2026-11-21T10:00:00.123Z",
            "responderGLN": "0312341234564",
            "corrUUID": CORR,
            "data": {"verified": True},
        } | {name: value}

        class Odd(Responder):
            def serve(self, request, handler, body=body):  # noqa: ARG002
                text = json.dumps(body).encode()
                handler.send_response(200)
                handler.send_header("Content-Type", "application/json; charset=utf-8")
                handler.send_header("Content-Length", str(len(text)))
                handler.end_headers()
                handler.wfile.write(text)

        with network(peer := Odd()), requestor() as peers:
            assert ask(peers, peer.url).asked is Asked.NO_ANSWER
