"""What a probe's way tells of goals, however soon whoever follows it stalls."""

from __future__ import annotations

import numpy as np
import pytest

from damsel.scene import BLOCK_START_BASE
from damsel.tasks import Task, reward
from damsel_training.probes import probe_goal
from tests.support.observations import observation_of


@pytest.mark.parametrize("stalls_after_m", [0.04, 0.08, 0.15])
def test_a_push_that_stalls_has_told_left_from_right(stalls_after_m: float) -> None:
    state, step_m = np.zeros(2), 0.005
    for _ in range(round(stalls_after_m / step_m)):
        ahead = probe_goal("push", observation_of(push=tuple(state))[None])[0] - state
        state += step_m * ahead / np.linalg.norm(ahead)
    seen = observation_of(push=tuple(state))
    assert seen[3] > BLOCK_START_BASE[0]
    left, right = (float(reward(seen, Task("push", (0.17, side)))) for side in (0.05, -0.05))
    assert abs(left - right) > 0.05
