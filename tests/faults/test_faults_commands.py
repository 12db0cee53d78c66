"""One command between a process and Redis is lost, late, held up, repeated or answered by something else."""

from stage import Stage


def test_nothing(stage: Stage):
    pack = stage.warm_pack()
    assert stage.seen(pack) == {"active"}
    assert stage.a.pharmacy.dispense(pack).code == "ok"
    assert stage.seen(pack) == {"dispensed"}
    assert stage.a.pharmacy.undo(pack).code == "ok"
    assert stage.seen(pack) == {"active"}
