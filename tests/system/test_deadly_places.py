"""A worker dies at one place between decision and answer; its client asks again with the same key."""

from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import pytest
from callers import Caller, new_key
from running import Pack, Running, new_packs, running, until

PLACES = {
    "before the fence": "active",
    "between fence and commit": "active",
    "between commit and settling": "dispensed",
    "between settling and answer": "dispensed",
}
LOOKS = 24


@pytest.fixture(scope="module")
def note(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("deadly") / "note"


@pytest.fixture(scope="module")
def deadly(note: Path) -> Iterator[Running]:
    """A service whose workers die where the note says."""
    with running(PYTHONPATH=str(Path(__file__).parent / "deadly"), DEATH_NOTE=str(note)) as started:
        yield started


def shown(caller: Caller, pack: Pack) -> set[str]:
    """The states that many look-ups show, each over a connection of its own, so every worker is asked."""
    states = set()
    for _ in range(LOOKS):
        caller.hang_up()
        states.add(caller.verify(pack).body["pack"]["state"])
    return states


@pytest.mark.parametrize("place", PLACES)
def test_the_retry_finishes_the_change_and_every_worker_shows_it(deadly: Running, note: Path, place: str):
    caller = deadly.caller("4012345000016", "pharmacy")
    other = deadly.caller("4012345000023", "pharmacy")
    number = 10 + list(PLACES).index(place)
    (pack,) = new_packs(1, product=number)
    deadly.load([pack])
    until(lambda: deadly.rows("SELECT cache_on FROM control") == [(True,)], "the cache")
    assert shown(other, pack) == {"active"}  # and warm now
    before, key = set(deadly.workers()), new_key()
    note.write_text(place)
    with pytest.raises((OSError, HTTPException)):
        caller.dispense(pack, key)
    assert not note.exists()
    until(lambda: len(before - set(deadly.workers())) == 1, "one worker gone")
    assert shown(other, pack) == {PLACES[place]}

    again = caller.dispense(pack, key)
    assert again.code == "ok"
    assert ("Idempotency-Replayed" in again.headers) == (PLACES[place] == "dispensed")
    assert shown(other, pack) == {"dispensed"}
    assert other.dispense(pack).code == "already_dispensed"
    accepted = "SELECT count(*) FROM events WHERE gtin = %s AND operation = 'dispense' AND accepted"
    assert deadly.rows(accepted, int(pack["gtin"])) == [(1,)]
    assert deadly.rows("SELECT cache_on FROM control") == [(True,)]
