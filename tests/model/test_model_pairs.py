"""The protocol of the status cache under each pair of faults; large pairs are in files beside this one."""

from itertools import combinations

import pytest
from cache_search import CHANGES, FAULTS, READERS, search
from cache_world import DISPENSE, Protocol, World

LARGE = ("two masters", "late")
PAIRS = [pair for pair in combinations(FAULTS, 2) if not set(pair) & set(LARGE)]
UNTIL_ADMISSION = list(combinations(("restart", "failover", "crash", "readers cut off"), 2))


@pytest.mark.parametrize("pair", PAIRS, ids=" and ".join)
def test_no_read_after_the_acknowledgement_shows_the_state_before(pair: tuple[str, str]):
    identity = "with every command" if "demotion" in pair else "on connect"
    world = World(Protocol(identity=identity), frozenset(pair), changes=CHANGES, readers=READERS)
    assert search(world).counterexample is None


@pytest.mark.parametrize("identity", ["on connect", "with every command"])
def test_nor_under_all_faults_at_once(identity: str):
    """One dispense, so that it takes seconds; with an undo by hand."""
    faults = frozenset(FAULTS) - (set() if identity == "with every command" else {"demotion"})
    assert search(World(Protocol(identity=identity), faults, changes=DISPENSE)).counterexample is None


@pytest.mark.parametrize("pair", [("crash", "readers cut off")], ids=" and ".join)
def test_nobody_reads_what_was_before_what_somebody_read(pair: tuple[str, str]):
    assert search(World(faults=frozenset(pair), promise="L")).counterexample is None


@pytest.mark.parametrize("pair", UNTIL_ADMISSION, ids=" and ".join)
def test_nor_until_a_cache_is_admitted_anew(pair: tuple[str, str]):
    assert search(World(faults=frozenset(pair), promise="L", last_turn=1)).counterexample is None
