"""How well the thread that commands the arm keeps its beat, in a process that does nothing else.

`python -m benchmarks.bridge.stream SECONDS PRIORITY` prints the lateness of each tick in seconds as
JSON. It is the thread's own clock and scheduling, with the controller's and the codec's work.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time

import numpy as np

from benchmarks.machine import REPOSITORY
from damsel.control import ControllerCfg
from damsel.errors import RobotError
from damsel.return_motion import ReturnCfg
from damsel.scene import HOME_JOINT_POSITIONS
from damsel_intera.realtime import hurry
from damsel_intera.wire import Command as WireCommand
from damsel_intera.wire import Header, encode
from damsel_ros.backends.arm_motion import ArmMotion
from damsel_ros.backends.tick_clock import TickClock

__all__ = ["lateness_s"]

_STEP_TICKS = 5
_DISPLACEMENT_M = 0.002


def lateness_s(duration_s: float, priority: int) -> tuple[list[float], str]:
    """Lateness of each command, seconds, and how its thread was scheduled.

    Args:
        duration_s: How long to measure.
        priority: Real-time priority to ask for; 0 for none.

    Raises:
        RobotError: If it cannot be measured.
    """
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.bridge.stream", str(duration_s), str(priority)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=duration_s + 60.0,
        check=False,
    )
    if done.returncode:
        raise RobotError(f"the stream of commands failed: {done.stderr.strip()}")
    answer = json.loads(done.stdout)
    return answer["late_s"], answer["scheduling"]


def _stream(duration_s: float, priority: int) -> tuple[list[float], str]:
    cfg = ControllerCfg()
    motion = ArmMotion(cfg, ReturnCfg(), slow_velocity_fraction=0.2, slow_acceleration_fraction=0.3)
    joints = np.array(HOME_JOINT_POSITIONS)
    motion.begin_stepping(joints)
    clock = TickClock(cfg.safety.tick_period_s)
    scheduling = hurry(priority)
    late_s = []
    for tick in range(round(duration_s / cfg.safety.tick_period_s)):
        clock.wait()
        if tick % _STEP_TICKS == 0:
            way = (
                _DISPLACEMENT_M if tick % (8 * _STEP_TICKS) < 4 * _STEP_TICKS else -_DISPLACEMENT_M
            )
            motion.begin_step(np.array([way, 0.0, 0.0]), joints)
        joints, _ = motion.tick(joints)
        encode(Header.now(sequence=tick + 1), WireCommand(tuple(joints), 0.0))
        late_s.append(clock.sent())
    return late_s, scheduling


def main() -> None:
    """Measure in a thread, as in the robot node, while the main thread waits."""
    duration_s, priority = float(sys.argv[1]), int(sys.argv[2])
    found: list[tuple[list[float], str]] = []
    thread = threading.Thread(target=lambda: found.append(_stream(duration_s, priority)))
    thread.start()
    while thread.is_alive():
        time.sleep(0.05)
    late_s, scheduling = found[0]
    print(json.dumps({"late_s": late_s, "scheduling": scheduling}))


if __name__ == "__main__":
    main()
