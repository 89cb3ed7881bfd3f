"""Spoiling the virtual robot's states on their way out."""

from __future__ import annotations

import pytest

from damsel_intera.errors import SettingError
from damsel_intera.virtual.state_faults import StateFaults


def sent(faults: StateFaults[int], count: int = 200) -> list[list[int]]:
    return [faults.pass_on(number, 0.01 * number) for number in range(count)]


def test_without_faults_everything_passes() -> None:
    assert sent(StateFaults()) == [[number] for number in range(200)]


def test_dropping() -> None:
    faults: StateFaults[int] = StateFaults(drop=0.3)
    assert 0.6 < len([one for some in sent(faults) for one in some]) / 200 < 0.8


def test_delaying_and_what_comes_after() -> None:
    faults: StateFaults[int] = StateFaults(delay_s=0.095)
    out = sent(faults)
    assert out[9] == []
    assert out[10] == [0]
    faults.clear()
    assert faults.pass_on(200, 2.0) == [*range(190, 200), 200]


def test_duplicating_and_reordering() -> None:
    out = [one for some in sent(StateFaults(duplicate=1.0)) for one in some]
    assert out[:4] == [0, 0, 1, 1]
    assert sent(StateFaults(reorder=1.0), 4) == [[], [1, 0], [], [3, 2]]
    late = [one for some in sent(StateFaults(delay_s=0.05, reorder=1.0)) for one in some]
    assert late[:4] == [1, 0, 3, 2]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [("drop", 1.5, "drop is 1.5; allowed: 0 to 1"), ("drip", 0.5, "no fault 'drip'")],
)
def test_faults_that_cannot_be_are_refused(name: str, value: float, says: str) -> None:
    with pytest.raises(SettingError, match=says):
        StateFaults[int]().set(name, value)
