"""The protocol of the status cache under each pair of faults with "two masters"."""

import pytest
from cache_search import CHANGES, FAULTS, READERS, search
from cache_world import Protocol, World

OTHERS = [fault for fault in FAULTS if fault != "two masters"]


@pytest.mark.parametrize("fault", OTHERS)
def test_no_read_after_the_acknowledgement_shows_the_state_before(fault: str):
    identity = "with every command" if fault == "demotion" else "on connect"
    faults = frozenset({"two masters", fault})
    world = World(Protocol(identity=identity), faults, changes=CHANGES, readers=READERS)
    assert search(world).counterexample is None
