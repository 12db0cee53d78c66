from world import World


def test_a_genuine_pack_is_green(world: World):
    pack = world.pack()
    verdict = world.corner_pharmacy.verify(pack)
    assert (verdict["signal"], verdict["code"]) == ("green", "ok")
    assert world.corner_pharmacy.dispense(pack)["code"] == "ok"
    assert world.other_pharmacy.dispense(pack)["alert"]["code"] == "A7"
    assert world.other_pharmacy.verify(pack)["alert"]["code"] == "A24"
