"""Late and disordered states are found whatever the clocks say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damsel_intera.state_clock import StateClock


@given(st.floats(-1e6, 1e6), st.floats(0.0, 0.05))
def test_clocks_that_differ_make_nothing_late(offset_s: float, network_s: float) -> None:
    clock = StateClock()
    for tick in range(50):
        stamp_s = 0.01 * tick
        late_s = clock.late_s(stamp_s + offset_s, stamp_s + network_s)
        assert late_s == pytest.approx(0.0, abs=1e-6)


def test_a_delay_shows_at_once_and_stays() -> None:
    clock = StateClock()
    for tick in range(100):
        clock.late_s(0.01 * tick, 0.01 * tick)
    for tick in range(100, 200):
        assert clock.late_s(0.01 * tick, 0.01 * tick + 0.2) == pytest.approx(0.2, abs=0.002)


def test_clocks_that_drift_apart_make_nothing_late() -> None:
    clock = StateClock()
    for second in range(4 * 3600):
        assert clock.late_s(second * (1 - 5e-4), float(second)) < 0.01


def test_order() -> None:
    clock = StateClock()
    clock.late_s(10.0, 0.0)
    assert clock.is_out_of_order(9.99)
    assert not clock.is_out_of_order(10.0)
    assert not clock.is_out_of_order(10.01)
    assert not clock.is_out_of_order(9.0), "that is a clock that was set back"
    clock.forget()
    assert not clock.is_out_of_order(9.99)
