"""The end of a session: frozen, named, signed, the same for ever; and no access token."""

import base64
import json
from typing import Any

import pytest
from joserfc import jws
from joserfc.errors import BadSignatureError
from joserfc.jwk import KeySet
from returning import Desk, named, new_key, open_session
from sqlalchemy import select
from world import World

from verifier.domain.returns import SUMMARY_TYPE
from verifier.storage.tables_returns import returns_events


@pytest.fixture
def closed(world: World) -> tuple[Desk, dict[str, Any]]:
    packs = [world.pack(profile="us_dscsa") for _ in range(3)]
    desk = open_session(world.wholesaler, expected_packs=named(*packs))
    desk.scan_all([packs[0], packs[1], packs[1], world.pack(stored=False)])
    answer = desk.close()
    assert answer.status_code == 200, answer.text
    return desk, answer.json


def published(world: World) -> KeySet:
    return KeySet.import_key_set(world.http.get("/oauth/jwks.json").json)


def test_the_summary_freezes_the_totals_and_names_what_is_missing(world: World):
    packs = [world.pack(profile="us_dscsa") for _ in range(2)]
    desk = open_session(world.wholesaler, expected_packs=named(*packs), reference="RMA-77")
    stranger = world.pack(stored=False)
    desk.scan_all([packs[0], packs[0], stranger])
    content = desk.close().json["summary"]
    assert content["totals"] == {
        "expected": 2, "matched": 1, "extra": 1, "missing": 1, "scanned": 2, "saleable": 1, "refused": 0,
        "pending": 1, "overdue": 0, "duplicate": 1, "refused_cases": 0,
    }  # fmt: skip
    gtin = packs[1]["gtin"].rjust(14, "0")
    assert content["missing"] == [{"gtin": gtin, "serial": packs[1]["serial"], "lot": None, "count": 1}]
    assert {(pack["serial"], pack["resale"]) for pack in content["packs"]} == {
        (packs[0]["serial"], "yes"),
        (stranger["serial"], "pending"),
    }
    assert content["session"]["reference"] == "RMA-77"
    assert content["session"]["site"] == world.wholesaler.site.gln
    assert content["iss"] == "http://localhost"


def test_a_foreign_reader_checks_the_signature_with_the_published_keys(
    world: World, closed: tuple[Desk, dict[str, Any]]
):
    _, answer = closed
    read = jws.deserialize_compact(answer["jws"], published(world), algorithms=["ES256"])
    assert read.protected["typ"] == SUMMARY_TYPE
    assert json.loads(read.payload or b"") == answer["summary"]


def test_a_changed_summary_is_found_out(world: World, closed: tuple[Desk, dict[str, Any]]):
    _, answer = closed
    header, payload, signature = answer["jws"].split(".")
    text = base64.urlsafe_b64decode(payload + "==").replace(b'"pending"', b'"yes"    ')
    forged = base64.urlsafe_b64encode(text).decode().rstrip("=")
    assert forged != payload
    with pytest.raises(BadSignatureError):
        jws.deserialize_compact(f"{header}.{forged}.{signature}", published(world), algorithms=["ES256"])


def test_a_summary_is_no_access_token_whatever_it_says(world: World):
    """The very claims of a token that is good, signed by the same key as a summary."""
    _, payload, _ = world.wholesaler.token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    for kind in (SUMMARY_TYPE, "JWT"):
        made = world.service.ports.sign(kind, claims)
        answer = world.http.get("/v1/returns/sessions", headers={"Authorization": f"Bearer {made}"})
        assert (answer.status_code, answer.json["code"]) == (401, "invalid_token")
    assert world.wholesaler.get("/v1/returns/sessions").status_code == 200


def test_what_would_be_an_access_token_is_not_signed(world: World):
    for kind in ("at+jwt", "AT+JWT", "application/at+jwt"):
        with pytest.raises(ValueError, match="made elsewhere"):
            world.service.ports.sign(kind, {})


def test_the_summary_is_the_same_for_ever_word_for_word(world: World):
    desk = open_session(world.wholesaler)
    desk.scan(world.pack(profile="us_dscsa"))
    assert desk.person.get(f"{desk.path}/summary").json["code"] == "session_open"
    key = new_key()
    first = desk.close(key=key)
    again = desk.close(key=key)
    assert again.data == first.data
    assert again.headers["Idempotency-Replayed"] == "true"
    assert desk.person.get(f"{desk.path}/summary").data == first.data
    assert world.regulator.get(f"{desk.path}/summary").data == first.data
    assert desk.close().json["code"] == "session_closed"
    assert desk.person.get(f"{desk.path}/summary").data == first.data


def test_a_closed_session_takes_nothing_more_and_a_scan_of_before_keeps_its_answer(world: World):
    desk = open_session(world.wholesaler)
    pack = world.pack(profile="us_dscsa")
    key = {"idempotency_key": new_key()}
    first = desk.scan(pack | key)
    desk.close()
    before = desk.look()
    assert desk.scan(world.pack(profile="us_dscsa"))["code"] == "session_closed"
    assert desk.recheck().json["code"] == "session_closed"
    assert desk.scan(pack | key) == first | {"replayed": True}
    assert desk.look() == before
    assert before["status"] == "closed"


def test_a_pack_may_come_back_in_another_session(world: World):
    pack = world.pack(profile="us_dscsa")
    for _ in range(2):
        desk = open_session(world.wholesaler)
        assert desk.scan(pack)["resale"] == "yes"
        desk.close()


def test_every_step_stands_in_the_journal(world: World, closed: tuple[Desk, dict[str, Any]]):
    desk, _ = closed
    with world.service.engine.connect() as connection:
        steps = select(returns_events).where(returns_events.c.session_id == desk.id)
        rows = connection.execute(steps.order_by(returns_events.c.received_at)).all()
    assert [(row.operation, row.code) for row in rows] == [
        ("open", "ok"), ("scan", "ok"), ("scan", "ok"), ("scan", "duplicate"), ("scan", "unknown_gtin"),
        ("close", "ok"),
    ]  # fmt: skip
    assert {(row.site_gln, row.client_id) for row in rows} == {(desk.person.site.gln, desk.person.client_id)}
