"""Where hardly any pack is looked at twice, look-ups go to the database at once."""

from itertools import count, islice

from instances import Process, Processes, new_pack

from verifier.storage.cache_worth import LEAST, WATCHED, WINDOW, Worth

WATCHES = [serial for serial in map(str, range(40 * WATCHED)) if Worth.watches(serial)]
OTHERS = [serial for serial in map(str, range(40 * WATCHED)) if not Worth.watches(serial)]


def judged(hits: int) -> Worth:
    worth = Worth()
    for number in range(WINDOW):
        worth.found(WATCHES[0], hit=number < hits)
    return worth


def test_about_one_pack_in_sixteen_is_watched():
    assert 20 < len(WATCHES) < 60


def test_at_first_it_is_worth_asking():
    assert Worth().asks(OTHERS[0])


def test_with_hardly_a_hit_only_watched_packs_are_asked_for():
    worth = judged(LEAST - 1)
    assert not any(worth.asks(serial) for serial in OTHERS)
    assert all(worth.asks(serial) for serial in WATCHES)


def test_with_hits_enough_every_pack_is_asked_for():
    assert judged(LEAST).asks(OTHERS[0])


def test_it_is_worth_asking_again_when_the_watched_ones_are_found():
    worth = judged(0)
    for number in range(WINDOW):
        worth.found(WATCHES[0], hit=number < LEAST)
    assert worth.asks(OTHERS[0])


def test_what_becomes_of_packs_that_are_not_watched_says_nothing():
    worth = Worth()
    for _ in range(2 * WINDOW):
        worth.found(OTHERS[0], hit=False)
    assert worth.asks(OTHERS[0])


def packs_of(process: Process, amount: int, *, watched: bool) -> list[object]:
    wanted = (pack for pack in (new_pack(process) for _ in count()) if Worth.watches(pack.serial) == watched)
    return list(islice(wanted, amount))


def test_a_process_that_finds_nothing_leaves_the_cache_alone_until_it_does(processes: Processes):
    (process,) = processes.admitted(1)
    cold = packs_of(process, WINDOW, watched=True)
    for pack in cold * 2:  # by the second look-up its product is known, and the cache is asked
        process.find(pack)
    (seldom,) = packs_of(process, 1, watched=False)
    process.find(seldom)
    process.outcomes.clear()
    process.find(seldom)
    assert process.outcomes == {"rare": 1}
    assert process.held(seldom) is None
    for pack in cold:
        process.warm(pack)
    process.outcomes.clear()
    process.find(seldom)
    process.warm(seldom)
    assert "rare" not in process.outcomes
