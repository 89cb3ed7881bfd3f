from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damsel.errors import InvalidConfigError
from damsel.safety import Watchdog


def test_stale_until_fed_and_again_after_the_timeout() -> None:
    watchdog = Watchdog(0.2)
    assert watchdog.is_stale(100.0)
    watchdog.feed(100.0)
    assert not watchdog.is_stale(100.0)
    assert not watchdog.is_stale(100.2 - 1e-9)
    assert watchdog.is_stale(100.2 + 1e-9)
    watchdog.feed(101.0)
    assert not watchdog.is_stale(101.1)


def test_stopping_forgets_what_it_was_fed() -> None:
    watchdog = Watchdog(0.2)
    watchdog.feed(100.0)
    watchdog.stop()
    assert watchdog.is_stale(100.0)
    watchdog.feed(100.1)
    assert not watchdog.is_stale(100.1)


def test_a_clock_that_jumps_proves_nothing() -> None:
    watchdog = Watchdog(0.2)
    watchdog.feed(100.0)
    assert watchdog.is_stale(99.999)  # backwards
    assert watchdog.is_stale(-1e9)
    assert watchdog.is_stale(1e9)  # forwards
    watchdog.feed(50.0)  # fresh input on the new clock counts
    assert not watchdog.is_stale(50.1)
    assert watchdog.is_stale(100.1)


@pytest.mark.parametrize("time", [math.nan, math.inf, -math.inf])
def test_times_that_are_no_times_are_stale(time: float) -> None:
    watchdog = Watchdog(0.2)
    watchdog.feed(100.0)
    assert watchdog.is_stale(time)
    watchdog.feed(time)
    assert watchdog.is_stale(100.0)
    assert watchdog.is_stale(time)


@given(
    fed=st.lists(st.floats(), max_size=5),
    now=st.floats(),
    timeout=st.floats(1e-3, 10.0),
)
def test_fresh_only_if_the_last_input_is_at_most_the_timeout_old(
    fed: list[float], now: float, timeout: float
) -> None:
    watchdog = Watchdog(timeout)
    for time in fed:
        watchdog.feed(time)
    fresh = bool(fed) and 0.0 <= now - fed[-1] <= timeout
    assert watchdog.is_stale(now) is not fresh


@pytest.mark.parametrize("timeout", [0.0, -1.0, math.nan])
def test_a_timeout_is_above_zero(timeout: float) -> None:
    with pytest.raises(InvalidConfigError) as caught:
        Watchdog(timeout)
    assert str(caught.value) == f"watchdog timeout is {timeout} s; allowed: above 0"
