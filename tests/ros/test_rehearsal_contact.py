"""A contact that is too hard on the whole path: nothing is injected, the robot feels it itself."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from damsel.errors import RobotError
from damsel_intera.virtual.rehearsal import missing_ros1
from tests.ros.moving_bundles import write_ramming_bundle
from tests.ros.rehearsal_stage import Stage
from tests.support.fault_table import FaultRow, FaultTable

pytestmark = [pytest.mark.ros1, pytest.mark.slow, pytest.mark.flaky(reruns=1)]

COLLISION_FORCE_N = 40.0


def test_a_fault_an_arm_that_rams_the_block_into_the_table_feels_it(
    tmp_path: Path, fault_table: FaultTable
) -> None:
    if missing := missing_ros1():
        pytest.skip(missing)
    with Stage(tmp_path, write_ramming_bundle(tmp_path / "ramming"), patience_s=0.3) as stage:
        stage.repair()
        with pytest.raises(RobotError, match="the robot felt a collision") as error:
            stage.operator.adapt(1, lambda _, __: None)
        time.sleep(0.5)
        status = stage.rehearsal.inject("status")
        assert status["peak_force_n"] > COLLISION_FORCE_N
        assert status["contact_force_n"] < COLLISION_FORCE_N
        assert all(context.transitions == 0 for _, context in stage.watcher.contexts)
        assert stage.held_after(time.monotonic() - 0.2) <= 0.2
    fault_table.add(
        FaultRow(
            "arm rams the block into the table",
            "rehearsal",
            f"at rest, after a contact with {status['peak_force_n']:.0f} N",
            0.0,
            str(error.value),
            "ends",
        )
    )
