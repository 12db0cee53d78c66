import threading

import pytest
from contract_server import CLIENT, SECRET, ContractServer, Drop, Hang, Say, basic, problem, verdict

from scanner_client.remote import Answer, NotChecked, Outcome, Rejected, Remote
from scanner_client.transport import MAX_ANSWER, checked_url

CODE = "]d2010952000112301621S1\x1d1728123110L1"


def dispense(remote: Remote, key: str = "k1") -> Outcome:
    return remote.dispense(CODE, idempotency_key=key)


def test_a_verdict_is_an_answer_and_the_code_arrives_as_it_was_read(server: ContractServer, remote: Remote):
    outcome = remote.verify(CODE, entry_mode="image", seal="intact")
    assert outcome == Answer(verdict(), 200, replayed=False)
    assert server.asked[0].path == "/v1/verify"
    assert server.asked[0].json == {"code": CODE, "entry_mode": "image", "seal": "intact"}
    assert "idempotency-key" not in server.asked[0].headers


@pytest.mark.parametrize(
    ("call", "path", "more"),
    [
        (lambda r, k: r.dispense(CODE, idempotency_key=k), "/v1/dispense", {}),
        (
            lambda r, k: r.decommission(CODE, reason="destroyed", idempotency_key=k),
            "/v1/decommission",
            {"reason": "destroyed"},
        ),
        (
            lambda r, k: r.reactivate(CODE, idempotency_key=k, not_supplied_to_public=True),
            "/v1/reactivate",
            {"not_supplied_to_public": True},
        ),
    ],
)
def test_each_change_goes_to_its_route_with_its_key(server: ContractServer, remote: Remote, call, path, more):
    assert isinstance(call(remote, "k 1"), Answer)
    assert server.asked[0].path == path
    assert server.asked[0].headers["idempotency-key"] == "k 1"
    assert server.asked[0].json == {"code": CODE, "entry_mode": "scanned", **more}


def test_a_pack_can_be_given_by_its_elements(server: ContractServer, remote: Remote):
    elements = {"ppn": "119900125206", "serial": "S1", "lot": "L1", "expiry": "281200"}
    assert isinstance(remote.returns_check(elements, entry_mode="manual"), Answer)
    assert server.asked[0].path == "/v1/returns/check"
    assert server.asked[0].json == {**elements, "entry_mode": "manual"}


def test_a_refused_change_is_an_answer_too(server: ContractServer, remote: Remote):
    refused = verdict("already_dispensed", "red", accepted=False)
    server.script.append(Say(409, refused))
    assert dispense(remote) == Answer(refused, 409, replayed=False)


def test_one_token_and_one_connection_serve_many_packs(server: ContractServer, remote: Remote):
    for _ in range(5):
        assert isinstance(remote.verify(CODE), Answer)
    assert server.tokens == 1
    assert {seen.connection for seen in server.seen} == {1}
    assert server.seen[0].headers["authorization"] == basic("corner+pharmacy", "s3cret%3A%2F%2B")
    assert server.seen[0].body == b"grant_type=client_credentials"


def test_a_401_buys_one_new_token_and_the_request_goes_again(server: ContractServer, remote: Remote):
    server.script.append(problem(401, "unauthorized"))
    assert isinstance(remote.verify(CODE), Answer)
    assert [seen.headers["authorization"] for seen in server.asked] == ["Bearer token-1", "Bearer token-2"]


def test_a_second_401_is_not_checked_with_the_servers_words(server: ContractServer, remote: Remote):
    challenge = 'Bearer error="invalid_token", error_description="The client was revoked."'
    server.script += [Say(401, raw=b"", headers={"WWW-Authenticate": challenge})] * 2
    assert remote.verify(CODE) == NotChecked("unauthorized", "The client was revoked.")
    assert len(server.asked) == 2


def test_threads_refused_together_fetch_one_token(server: ContractServer, remote: Remote):
    outcomes: list[Outcome] = []
    threads = [threading.Thread(target=lambda: outcomes.append(remote.verify(CODE))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(outcome) for outcome in outcomes] == [Answer] * 6
    assert server.tokens == 1


def test_a_token_that_ends_soon_is_renewed_before_use(server: ContractServer, remote: Remote):
    server.token_script.append(Say(200, {"access_token": "old", "token_type": "Bearer", "expires_in": 0}))
    assert isinstance(remote.verify(CODE), Answer)
    assert isinstance(remote.verify(CODE), Answer)
    assert [seen.headers["authorization"] for seen in server.asked] == ["Bearer old", "Bearer token-1"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (Say(401, {"error": "invalid_client"}), NotChecked("unauthorized", "invalid_client")),
        (
            Say(400, {"error": "invalid_client", "error_description": "Unknown."}),
            NotChecked("unauthorized", "Unknown."),
        ),
        (Say(429, {}), NotChecked("too_many_requests", "Too many requests.")),
        (Say(500, raw=b"<html>"), NotChecked("server_error", "The server failed (500).")),
    ],
)
def test_a_refused_token_is_not_checked_and_no_pack_is_sent(
    server: ContractServer, remote: Remote, said, expected
):
    server.token_script += [said] * 3
    assert dispense(remote) == expected
    assert server.asked == []
    assert remote.log_in() == expected


@pytest.mark.parametrize("token", [verdict(), {"access_token": "a\r\nb", "token_type": "Bearer"}, [], {}])
def test_what_is_no_bearer_token_never_passes_for_an_answer(server: ContractServer, remote: Remote, token):
    server.token_script.append(Say(200, token))
    outcome = remote.verify(CODE)
    assert isinstance(outcome, NotChecked)
    assert outcome.reason == "unexpected_answer"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (problem(403, "not_for_this_site"), "forbidden"),
        (problem(429, "too_many_requests", **{"Retry-After": "1"}), "too_many_requests"),
        (problem(500, "internal"), "server_error"),
        (Say(502, raw=b"<html>bad gateway</html>"), "server_error"),
        (Say(200, raw=b'{"signal": "green"'), "unexpected_answer"),
        (Say(200, raw=b"\xff\xfe"), "unexpected_answer"),
        (Say(200, raw=b"[" * 100_000), "unexpected_answer"),
        (Say(200, [verdict()]), "unexpected_answer"),
        (Say(200, {"signal": "green"}), "unexpected_answer"),
        (Say(200, verdict(signal="purple")), "unexpected_answer"),
        (Say(200, verdict(accepted=False)), "unexpected_answer"),
        (Say(409, verdict()), "unexpected_answer"),
        (Say(201, verdict()), "unexpected_answer"),
        (Say(302, {}, {"Location": "/v1/verify"}), "unexpected_answer"),
        (Say(404, raw=b"not found"), "unexpected_answer"),
        (Say(200, raw=b" " * (MAX_ANSWER + 1)), "unexpected_answer"),
    ],
)
def test_what_is_no_verdict_is_not_checked_and_not_repeated(
    server: ContractServer, remote: Remote, said, reason
):
    server.script.append(said)
    outcome = remote.verify(CODE)
    assert isinstance(outcome, NotChecked)
    assert outcome.reason == reason
    assert len(server.asked) == 1
    assert isinstance(remote.verify(CODE), Answer)


def test_a_faulty_request_is_rejected_with_the_problem(server: ContractServer, remote: Remote):
    server.script.append(problem(422, "unreadable_code", reason="bad_date"))
    outcome = remote.verify(CODE)
    assert isinstance(outcome, Rejected)
    assert (outcome.http_status, outcome.problem["code"]) == (422, "unreadable_code")


BUSY = problem(409, "idempotency_in_progress", **{"Retry-After": "1"})
DOWN = problem(503, "database_unavailable")


@pytest.mark.parametrize(
    ("script", "waited"),
    [
        ([Drop()], [0.2]),
        ([Drop(), Drop()], [0.2, 0.6]),
        ([DOWN], [0.2]),
        ([problem(503, "x", **{"Retry-After": "5"})], [5.0]),
        ([problem(503, "x", **{"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"})], [0.2]),
        ([BUSY, BUSY], [1.0, 1.0]),
        ([Drop(), BUSY], [0.2, 1.0]),
    ],
)
def test_a_change_is_repeated_with_its_one_key_and_happens_once(
    server: ContractServer, waits, script, waited
):
    patient = Remote(server.url, CLIENT, SECRET, timeout=20, sleep=waits.append)
    server.script += script
    assert isinstance(dispense(patient), Answer)
    assert {seen.headers["idempotency-key"] for seen in server.asked} == {"k1"}
    assert len({seen.body for seen in server.asked}) == 1
    assert server.done == {"k1": 1}
    assert waits == waited


def test_after_a_time_out_the_same_key_finds_out_what_happened(server: ContractServer, remote: Remote):
    server.script.append(Hang())
    outcome = dispense(remote)
    assert outcome == Answer(verdict(), 200, replayed=True)
    assert server.done == {"k1": 1}


@pytest.mark.parametrize(
    "script", [[Drop()] * 3, [Hang()] * 3, [Drop(), problem(403, "forbidden")], [Say(502, {})]]
)
def test_a_change_whose_answer_was_lost_is_said_to_be_perhaps_done(
    server: ContractServer, remote: Remote, script
):
    server.script += script
    outcome = dispense(remote)
    assert isinstance(outcome, NotChecked)
    assert outcome.perhaps_done


@pytest.mark.parametrize("said", [DOWN, problem(503, "x", **{"Retry-After": "60"})])
def test_a_change_that_the_service_did_not_take_up_is_not_done(server: ContractServer, remote: Remote, said):
    server.script += [said] * 3
    outcome = dispense(remote)
    assert outcome == NotChecked("unavailable", "Said by the server.")
    assert len(server.asked) == (1 if "Retry-After" in said.headers else 3)


def test_a_read_is_not_repeated_after_a_time_out(server: ContractServer, remote: Remote):
    server.script.append(Hang())
    assert remote.verify(CODE) == NotChecked("no_answer", "The server did not answer in time.")
    assert len(server.asked) == 1


def test_without_a_server_nothing_is_checked_and_nothing_was_sent(
    server: ContractServer, remote: Remote, waits
):
    server.stop()
    outcome = dispense(remote)
    assert outcome == NotChecked("no_connection", "The server cannot be reached.")
    assert waits == [0.2, 0.6]


@pytest.mark.parametrize(("route", "key"), [("/v1/dispense", None), ("/v1/verify", "k1")])
def test_a_change_without_a_key_and_a_read_with_one_are_mistakes(remote: Remote, route, key):
    with pytest.raises(ValueError, match="idempotency key"):
        remote.send(route, CODE, idempotency_key=key)


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("https://packs.example", "https://packs.example"),
        (" https://packs.example:8443/fmd/ ", "https://packs.example:8443/fmd"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://localhost:8080/", "http://localhost:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_https_and_loopback_are_taken(address, kept):
    assert checked_url(address) == kept


@pytest.mark.parametrize(
    "address",
    [
        "http://packs.example",
        "http://localhost.example",
        "http://10.0.0.1",
        "ftp://packs.example",
        "packs.example",
        "",
        "https://",
        "https://user:secret@packs.example",
        "https://packs.example?x=1",
        "https://packs.example#x",
        "https://packs.example:port",
        "https://[::1",
    ],
)
def test_other_addresses_are_refused(address):
    with pytest.raises(ValueError):
        Remote(address, CLIENT, SECRET)


def test_plain_http_beyond_loopback_has_to_be_asked_for():
    assert checked_url("http://packs.example", insecure=True) == "http://packs.example"
