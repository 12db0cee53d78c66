import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.oauth.throttle import FAILURES_A_MINUTE, TOKENS_A_MINUTE, MovingWindow, Throttle


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def test_the_limits_are_30_failures_and_600_tokens_a_minute() -> None:
    throttle = Throttle()
    assert (FAILURES_A_MINUTE, TOKENS_A_MINUTE) == (30, 600)
    assert [throttle.issue("a") > 0 for _ in range(601)] == [False] * 600 + [True]


def test_a_failure_counts_for_its_client_id_and_address_only() -> None:
    throttle = Throttle(failures=1)
    throttle.failed("a", "192.0.2.1")
    assert throttle.locked("a", "192.0.2.1") > 0
    assert throttle.locked("a", "192.0.2.2") == throttle.locked("b", "192.0.2.1") == 0


def test_the_wait_ends_a_minute_after_the_oldest_event_that_counts() -> None:
    clock = Clock()
    window = MovingWindow(2, clock=clock)
    assert window.count("a") == 0
    clock.time = 20
    assert window.count("a") == 0
    clock.time = 50.5
    assert window.count("a") == window.wait("a") == 10
    clock.time = 60
    assert window.count("a") == 0
    assert window.wait("a") == 20


@given(st.lists(st.floats(0, 30), max_size=60), st.integers(1, 5))
def test_no_minute_ever_has_more_events_than_allowed(pauses: list[float], amount: int) -> None:
    clock = Clock()
    window = MovingWindow(amount, clock=clock)
    counted: list[float] = []
    for pause in pauses:
        clock.time += pause
        if window.count("a") == 0:
            counted.append(clock.time)
    for start in counted:
        assert sum(start <= event < start + 60 for event in counted) <= amount


@pytest.mark.parametrize("name", ["{}", "{}" + "x" * 10_000])
def test_made_up_names_do_not_fill_the_memory(name: str) -> None:
    window = MovingWindow(3, names=100)
    for number in range(1000):
        window.count(name.format(number))
    assert len(window) == 100
    assert all(len(digest) == 16 for digest in window._events)
