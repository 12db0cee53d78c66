"""A code that cannot be read: why, and that the attempt is not forgotten."""

import pytest
from problems import is_problem
from world import World

GS = "\x1d"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("]d201{gtin}17271231{lot}", "missing_serial"),
        ("]d210LOT1" + GS + "21S1", "missing_gtin"),
        ("]d201{gtin}17271231" + "21S1", "missing_lot"),
        ("]d201{gtin}10LOT1" + GS + "21S1", "missing_expiry"),
        ("]d201{bad}172712312" + "1S1" + GS + "10LOT1", "bad_check_digit"),
        ("]d201{gtin}21S110A10B17271231", "missing_separator"),
        ("]d201{gtin}1727133121S1" + GS + "10LOT1", "bad_date"),
        ("]d201{gtin}1727123121S#1" + GS + "10LOT1", "bad_character"),
        ("]d201{gtin}1727123121S1" + GS + "10LOT1\0", "bad_character"),
        ("]d201{gtin}1727123121" + "S" * 21 + GS + "10LOT1", "too_long"),
        ("9" * 5000, "too_long"),
        ("]d201{gtin}21S1" + GS + "21S2" + GS + "10LOT1" + GS + "17271231", "repeated_element"),
        ("]d201{gtin}1727123105123", "unknown_ai"),
        ("https://id.example/AQnYUc1gmiw", "compressed_link"),
        ("05012345678900", "not_a_pack_code"),
        ("]E05012345678900", "not_a_pack_code"),
        ("", "not_a_pack_code"),
        ("hello", "not_a_pack_code"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/verify", "/v1/dispense"])
def test_an_unreadable_code_says_why(world: World, path: str, code: str, reason: str):
    gtin = world.pack()["gtin"]
    wrong = gtin[:-1] + str((int(gtin[-1]) + 1) % 10)
    raw = code.format(gtin=gtin, bad=wrong, lot="10LOT1")
    body = is_problem(world.corner_pharmacy.post(path, {"code": raw}), 422, "unreadable_code")
    assert body["reason"] == reason


@pytest.mark.parametrize(
    ("tail", "reason"),
    [
        ("21{serial}" + GS + "10LOT1", "missing_expiry"),
        ("17271231" + "21{serial}", "missing_lot"),
        ("17271331" + "10LOT1" + GS + "21{serial}", "bad_date"),
        ("17271231" + "10LOT1" + GS + "10LOT2" + GS + "21{serial}", "repeated_element"),
    ],
)
@pytest.mark.parametrize(("path", "operation"), [("/v1/verify", "verify"), ("/v1/dispense", "dispense")])
def test_an_unreadable_code_of_a_recognisable_pack_is_recorded_without_an_alert(
    world: World, path: str, operation: str, tail: str, reason: str
):
    pack = world.pack()
    raw = f"]d201{pack['gtin']}" + tail.format(serial=pack["serial"])
    body = is_problem(world.corner_pharmacy.post(path, {"code": raw}), 422, "unreadable_code")
    assert body["reason"] == reason
    assert pack["serial"] not in body["detail"]
    [event] = world.corner_pharmacy.get("/v1/packs/events", gtin=pack["gtin"], serial=pack["serial"]).json[
        "events"
    ]
    told = (event["operation"], event["code"], event["reason"], event["accepted"])
    assert told == (operation, "unreadable_code", reason, False)
    assert event["details"]["raw"].endswith(raw[-6:])
    assert world.regulator.get("/v1/alerts", gtin=pack["gtin"]).json["alerts"] == []
    assert world.corner_pharmacy.verify(pack)["code"] == "ok"
