"""Asking about a pack over our own API: the answer, the evidence, the alert, and what stays pending."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import lms_partner
import pytest
from mischief import MISCHIEF, Troublemaker
from returning import open_session
from sqlalchemy.exc import OperationalError
from standin import Responder, network
from vrs_world import alerts, ask, asking_world, enter, foreign, known, rows
from world import World

from verifier.domain.resale import CODES, words
from verifier.storage.store import Store

SECRET = "very-secret-token"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Responder]:
    """A peer that wants a secret of ours."""
    with Responder(authorization=f"Bearer {SECRET}") as peer:
        yield peer


@pytest.fixture(scope="module")
def world(
    new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory, guarded: Responder
) -> Iterator[World]:
    made = asking_world(
        tmp_path_factory.mktemp("home"),
        new_database(),
        window_days=90,
        contexts=["dscsaSaleableReturn", "dscsaSuspect"],
        credentials={guarded.url: {"bearer": SECRET}},
    )
    yield made
    made.service.close()


def test_a_good_pack_may_be_resold(world: World):
    pack = foreign(world)
    with network(peer := Responder(known(pack))):
        enter(world, pack["gtin"], peer.url)
        told = ask(world.wholesaler, pack)
    assert peer.requests[0].query["reqGLN"] == world.wholesaler.site.gln
    assert peer.requests[0].query["corrUUID"] == told["corrUUID"]
    assert told | {"corrUUID": "", "asked_at": ""} == {
        "asked": "verified",
        "verified": True,
        "failureReason": None,
        "additionalInfo": None,
        "responderGLN": peer.gln,
        "corrUUID": "",
        "resale": "yes",
        "code": "ok",
        "next_step": "restock",
        "title": "May be resold",
        "advice": "Return the pack to saleable stock.",
        "detail": None,
        "asked_at": "",
    }
    history = world.wholesaler.get("/v1/packs/events", gtin=pack["gtin"], serial=pack["serial"]).json
    assert [(each["operation"], each["accepted"]) for each in history["events"]] == [("vrs_verify", True)]


@pytest.mark.parametrize(
    ("data", "code", "alert"),
    [
        ({"additionalInfo": "Suspect"}, "suspect", True),
        ({"additionalInfo": "Recalled"}, "recalled", False),
        ({"additionalInfo": "Expired"}, "expired", False),
        ({"additionalInfo": "ExpirationExtended"}, "ok", False),
        ({"verified": False, "verificationFailureReason": "Manufacturer_policy"}, "policy", True),
        ({"verified": False, "verificationFailureReason": "No_reason_provided"}, "mismatch", True),
        (
            {
                "verified": False,
                "verificationFailureReason": "Not_for_re-distribution",
                "additionalInfo": "Illegitimate",
            },
            "illegitimate",
            True,
        ),
        (
            {
                "verified": False,
                "verificationFailureReason": "Manufacturer_policy",
                "additionalInfo": "Recalled",
            },
            "recalled",
            False,
        ),
    ],
)
def test_what_is_said_beside_decides_and_a_suspicion_is_an_alert(
    world: World,
    data: dict[str, Any],
    code: str,
    alert: bool,  # noqa: FBT001
):
    pack = foreign(world)
    with network(peer := Responder(known(pack, **data))):
        enter(world, pack["gtin"], peer.url)
        told = ask(world.wholesaler, pack)
    assert (told["code"], told["resale"], told["next_step"]) == (
        code,
        CODES[code].resale,
        CODES[code].next_step,
    )
    raised = alerts(world.wholesaler, pack)
    assert [(each["code"], each["cause"]) for each in raised] == ([("SUSPECT", code)] if alert else [])
    if raised:
        event = world.wholesaler.get(f"/v1/events/{raised[0]['event_id']}").json
        assert (event["operation"], event["code"], event["accepted"]) == ("vrs_verify", code, False)


def test_a_mismatch_asked_twice_on_one_day_is_one_alert(world: World):
    pack = foreign(world)
    with network(peer := Responder(known(pack))):
        enter(world, pack["gtin"], peer.url)
        for _ in range(2):
            assert (
                ask(world.wholesaler, pack | {"lot": "OTHER"})["failureReason"] == "No_match_GTIN_Serial_Lot"
            )
    assert [each["count"] for each in alerts(world.wholesaler, pack)] == [2]


def test_a_mismatch_of_the_network_does_not_make_the_pack_suspect_for_who_asks_us(world: World):
    pack = world.pack(profile="us_dscsa")
    with network(peer := Responder(known(pack))):
        enter(world, pack["gtin"], peer.url)
        assert ask(world.wholesaler, pack | {"lot": "OTHER"})["code"] == "mismatch"
    assert [each["cause"] for each in alerts(world.wholesaler, pack)] == ["mismatch"]
    assert lms_partner.ask(world.other_wholesaler, pack).json["data"] == {"verified": True}


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_a_person_is_told_in_their_language(world: World, language: str):
    answer = world.wholesaler.post(
        "/v1/vrs/verify", foreign(world), key=None, **{"Accept-Language": language}
    )
    assert (answer.json["title"], answer.json["advice"]) == words("unknown_gtin", language)
    assert answer.headers["Content-Language"] == language


class TestEvidence:
    @pytest.mark.parametrize("mischief", ["500", "malformed JSON", "404", "403", "never answers"])
    def test_every_try_is_kept_with_what_was_sent_and_what_came(self, world: World, mischief: str):
        pack = foreign(world)
        with network(peer := Troublemaker(mischief)):
            enter(world, pack["gtin"], peer.url)
            told = ask(world.wholesaler, pack)
        [question] = rows(world, "SELECT * FROM vrs_questions WHERE corr_uuid = :corr", corr=told["corrUUID"])
        assert question["site_gln"] == world.wholesaler.site.gln
        assert question["client_id"] == world.wholesaler.client_id
        assert (question["asked"], question["code"]) == (told["asked"], told["code"])
        kept = rows(
            world,
            "SELECT * FROM vrs_exchanges WHERE question_id = :id ORDER BY number",
            id=question["question_id"],
        )
        assert [each["number"] for each in kept] == list(range(1, len(peer.requests) + 1))
        for each, request in zip(kept, peer.requests, strict=True):
            assert each["request_line"] == f"GET {peer.url}{request.target}"
            assert each["milliseconds"] > 0
        assert kept[-1]["fault"] == told["detail"]

    def test_the_answer_is_kept_word_for_word(self, world: World):
        pack = foreign(world)
        with network(peer := Responder(known(pack))):
            enter(world, pack["gtin"], peer.url)
            told = ask(world.wholesaler, pack)
        [kept] = rows(
            world,
            "SELECT x.* FROM vrs_exchanges x JOIN vrs_questions USING (question_id) WHERE corr_uuid = :corr",
            corr=told["corrUUID"],
        )
        assert kept["status"] == 200
        assert f'"corrUUID": "{told["corrUUID"]}"' in kept["body"]

    def test_without_the_database_nothing_is_answered(self, world: World, monkeypatch: pytest.MonkeyPatch):
        pack = foreign(world)

        def away(*_: Any) -> None:
            raise OperationalError("", {}, Exception())

        with network(peer := Responder(known(pack))):
            enter(world, pack["gtin"], peer.url)
            monkeypatch.setattr(Store, "run", away)
            assert world.wholesaler.post("/v1/vrs/verify", pack, key=None).status_code == 503
        assert len(peer.requests) == 1

    def test_no_secret_is_in_any_table(self, world: World, guarded: Responder):
        pack = foreign(world)
        guarded.add(known(pack))
        enter(world, pack["gtin"], guarded.url)
        assert ask(world.wholesaler, pack)["asked"] == "verified"
        tables = rows(world, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for table in tables:
            found = rows(world, f"SELECT 1 FROM {table['tablename']} t WHERE t::text LIKE '%{SECRET}%'")  # noqa: S608
            assert found == [], table


class TestOwnRepository:
    def test_our_own_refusal_counts_beside_the_networks_yes(self, world: World):
        pack = world.pack(profile="us_dscsa")
        world.wholesaler.decommission(pack, "stolen")
        with network(peer := Responder(known(pack))):
            enter(world, pack["gtin"], peer.url)
            told = ask(world.wholesaler, pack)
        assert (told["asked"], told["resale"], told["code"]) == ("verified", "no", "own_state")

    @pytest.mark.parametrize(("lot", "code"), [("OURS", "mismatch"), ("THEIRS", "ok")])
    def test_a_serial_that_is_missing_in_a_lot_of_ours_is_no_match_in_another_lot_the_network_decides(
        self, world: World, lot: str, code: str
    ):
        ours = world.pack(profile="us_dscsa", lot="OURS")
        pack = foreign(world, gtin=ours["gtin"], lot=lot)
        with network(peer := Responder(known(pack))):
            enter(world, pack["gtin"], peer.url)
            told = ask(world.wholesaler, pack)
        assert (told["asked"], told["code"]) == ("verified", code)
        raised = rows(world, "SELECT details FROM alerts WHERE serial = :serial", serial=pack["serial"])
        assert raised == ([{"details": {"responder_gln": peer.gln}}] if code == "mismatch" else [])

    def test_a_withdrawn_product_is_not_resold_whatever_the_network_says_of_a_lot_that_is_not_ours(
        self, world: World
    ):
        ours = world.pack(profile="us_dscsa")
        body = {"gtin": ours["gtin"], "reason": "Withdrawn"}
        assert world.regulator.post("/v1/products/withdraw", body).status_code == 200
        pack = foreign(world, gtin=ours["gtin"], lot="THEIRS")
        with network(peer := Responder(known(pack))):
            enter(world, pack["gtin"], peer.url)
            assert ask(world.wholesaler, pack)["code"] == "recalled"
            assert open_session(world.wholesaler).scan(pack)["code"] == "recalled"

    def test_a_broken_seal_is_never_resold_whatever_the_network_says(self, world: World):
        pack = foreign(world)
        with network(peer := Responder(known(pack))):
            enter(world, pack["gtin"], peer.url)
            told = ask(world.wholesaler, pack, seal="broken")
            scanned = open_session(world.wholesaler).scan(pack, seal="broken")
        assert (told["asked"], told["resale"], told["code"]) == ("verified", "no", "seal_broken")
        assert (scanned["outcome"], scanned["resale"], scanned["code"]) == ("counted", "no", "seal_broken")

    def test_a_return_without_transaction_data_is_not_restocked(self, world: World):
        pack = foreign(world)
        with network(peer := Responder(known(pack))):
            enter(world, pack["gtin"], peer.url)
            told = ask(world.wholesaler, pack, associated=False)
        assert (told["verified"], told["resale"], told["code"]) == (True, "pending", "no_transaction_data")

    def test_too_few_days_left_is_our_own_rule(self, world: World):
        pack = foreign(world, expiry=(datetime.now(UTC).date() + timedelta(days=60)).isoformat())
        with network(peer := Responder(known(pack))):
            enter(world, pack["gtin"], peer.url)
            assert ask(world.wholesaler, pack)["code"] == "expiry_window"


class TestRequest:
    @pytest.mark.parametrize("missing", ["lot", "expiry"])
    def test_the_network_needs_lot_and_expiry(self, world: World, missing: str):
        pack = world.pack(profile="us_dscsa")
        answer = world.wholesaler.post("/v1/vrs/verify", {k: v for k, v in pack.items() if k != missing})
        assert answer.status_code == 422
        assert missing in answer.json["errors"]

    def test_only_purposes_of_the_file_can_be_asked_for(self, world: World):
        pack = foreign(world)
        answer = world.wholesaler.post("/v1/vrs/verify", pack | {"context": "curiosity"})
        assert (answer.status_code, list(answer.json["errors"])) == (422, ["context"])
        with network(peer := Troublemaker("404")):
            enter(world, pack["gtin"], peer.url)
            ask(world.wholesaler, pack, context="dscsaSuspect")
        assert peer.requests[0].query["context"] == "dscsaSuspect"

    def test_a_scanned_code_is_asked_as_it_was_printed(self, world: World):
        pack = foreign(world, expiry="2028-12-00", serial="A/B%1", lot="L/1")
        code = f"]d201{pack['gtin']}17281200" + f"10{pack['lot']}\x1d21{pack['serial']}"
        with network(peer := Responder(known(pack))):
            enter(world, pack["gtin"], peer.url)
            told = ask(world.wholesaler, {"code": code})
        assert told["verified"] is True
        assert peer.requests[0].query["exp"] == "281200"


def test_the_span_of_expiry_dates_chooses_the_service(world: World):
    old, new = foreign(world), foreign(world)
    old |= {"expiry": "2027-06-00"}
    new |= {"gtin": old["gtin"], "expiry": "2027-07-01"}
    with network(before := Responder(known(old)), after := Responder(known(new))):
        enter(world, old["gtin"], before.url, end_exp_date="2027-06-30")
        enter(world, old["gtin"], after.url, start_exp_date="2027-07-01")
        assert [ask(world.wholesaler, pack)["verified"] for pack in (old, new)] == [True, True]
    assert [len(before.requests), len(after.requests)] == [1, 1]


def test_two_services_of_one_product_are_checked_for_connectivity(world: World):
    gtin = world.new_gtin()
    with network(good := Responder(), bad := Troublemaker("401")):
        enter(world, gtin, good.url, end_exp_date="2027-06-30")
        enter(world, gtin, bad.url, start_exp_date="2027-07-01")
        told = world.wholesaler.get("/v1/vrs/connectivity", gtin=gtin).json["services"]
    assert [(each["reachable"], each["asked"], each["responder_gln"]) for each in told] == [
        (True, "verified", good.gln),
        (False, "refused", None),
    ]


@pytest.mark.parametrize("mischief", MISCHIEF)
def test_no_misbehaviour_ever_becomes_a_resale(world: World, mischief: str):
    """Nor a suspicion: what a peer does wrong says nothing against a pack."""
    pack = foreign(world)
    with network(peer := Troublemaker(mischief)):
        enter(world, pack["gtin"], peer.url, resolver=mischief.startswith("redirect"))
        told = ask(world.wholesaler, pack)
    assert told["resale"] == ("yes" if mischief == "slow" else "pending")
    assert alerts(world.wholesaler, pack) == []


def test_a_question_is_answered_by_the_site_that_asks(world: World):
    pack = foreign(world)
    with network(peer := Responder(known(pack))):
        enter(world, pack["gtin"], peer.url)
        ids = {UUID(ask(who, pack)["corrUUID"]) for who in (world.wholesaler, world.other_wholesaler)}
    assert len(ids) == 2
    assert {request.query["reqGLN"] for request in peer.requests} == {
        world.wholesaler.site.gln,
        world.other_wholesaler.site.gln,
    }
