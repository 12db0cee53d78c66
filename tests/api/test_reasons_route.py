"""GET /v1/reasons: every code, and which alert it raises when."""

import pytest
from world import World

STATES = ("dispensed", "exported", "sample", "free_sample", "stolen", "locked", "checked_out")
ALERTS = {
    # code: alert, alert_if_asked, alert_when_repeated, quiet_code
    "ok": (None, None, None, None),
    "unknown_product": (None, None, None, "A1"),
    "unknown_serial": ("A3", None, None, None),
    "recalled": (None, None, None, None),
    **{f"already_{state}": ("A24", "A7", None, None) for state in STATES},
    "already_destroyed": ("DES", None, None, None),
    "already_done_here": ("A24", None, "A24", None),
}


@pytest.mark.parametrize("code", ALERTS)
def test_a_code_says_which_alert_it_raises_when(world: World, code: str):
    shown = {reason["code"]: reason for reason in world.http.get("/v1/reasons").json["reasons"]}[code]
    names = ("alert", "alert_if_asked", "alert_when_repeated", "quiet_code")
    assert tuple(shown[name] for name in names) == ALERTS[code]


def test_the_alerts_that_are_raised_are_those_that_the_codes_say(world: World):
    pack = world.pack()
    world.other_pharmacy.dispense(pack)
    assert world.corner_pharmacy.dispense(pack)["alert"]["code"] == ALERTS["already_dispensed"][1]
    assert world.corner_pharmacy.verify(pack)["alert"]["code"] == ALERTS["already_dispensed"][0]
    repeats = [world.other_pharmacy.dispense(pack)["alert"] for _ in range(4)]
    assert repeats[:3] == [None] * 3
    assert repeats[3]["code"] == ALERTS["already_done_here"][2]
    assert world.corner_pharmacy.verify(world.pack(stored=False))["alert"] is None


def test_the_fields_are_described(world: World):
    schema = world.http.get("/openapi.json").json["components"]["schemas"]["ReasonOut"]
    for name in ("alert", "alert_if_asked", "alert_when_repeated", "quiet_code"):
        assert schema["properties"][name]["description"]
        assert name in schema["required"]
