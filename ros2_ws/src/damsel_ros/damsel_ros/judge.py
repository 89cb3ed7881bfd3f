"""What the task node knows, without ROS: the hidden task, and how near every observation was."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from damsel.errors import InvalidTaskError
from damsel.tasks import Task, distance, is_solved, reward
from damsel_ros.events import Observed

__all__ = ["Judge", "Outcome"]

# A run makes 103 trajectories at most, and each may be repeated ten times.
_REMEMBERED_TRAJECTORIES = 1200
_RUN_MEMORY_S = 4.0


@dataclass(frozen=True)
class Outcome:
    """How near an observation was to the goal.

    Attributes:
        distance: Distance to the goal, in the family's unit.
        success: Whether it solves the task.
        strict_success: Whether it solves the task by the strict threshold.
        task: The task that it was judged by.
    """

    distance: float
    success: bool
    strict_success: bool
    task: Task


class Judge:
    """Turns observations into rewards under one task at a time.

    Attributes:
        task: The hidden task; None until one is set.
    """

    def __init__(self, *, quiet_s: float) -> None:
        """Make a judge without a task.

        Args:
            quiet_s: A task is replaced only when no observation came for this long.
        """
        self.task: Task | None = None
        self._quiet_s = quiet_s
        self._last_observation_s: float | None = None
        self._run_heard_s: float | None = None
        self._distances: OrderedDict[int, dict[int, tuple[float, Task]]] = OrderedDict()

    def note_run(self, running: bool, now_s: float) -> None:
        """Take note of what the adapt node says of itself, several times within four seconds.

        Args:
            running: Whether an adaptation is running; until it says no, or falls silent, the task
                stays.
            now_s: Time on a monotonic clock.
        """
        self._run_heard_s = now_s if running else None

    def set_task(self, family: str, goal: Sequence[float], now_s: float) -> None:
        """Set the hidden task.

        Args:
            family: Name of the family.
            goal: Coordinates of the goal.
            now_s: Time on a monotonic clock.

        Raises:
            InvalidTaskError: If there is no such task, an adaptation is running, or a trajectory
                is being judged. The earlier task stays.
        """
        task = Task(family, tuple(float(value) for value in goal))
        if self._run_heard_s is not None and now_s - self._run_heard_s < _RUN_MEMORY_S:
            raise InvalidTaskError("an adaptation is running; a task can be set when it has ended")
        if self.task is not None and self._last_observation_s is not None:
            silence_s = now_s - self._last_observation_s
            if silence_s < self._quiet_s:
                raise InvalidTaskError(
                    f"the robot moved {silence_s:.2f} s ago; a task can be set when no observation "
                    f"came for {self._quiet_s:g} s"
                )
        self.task = task

    def reward(self, observed: Observed, now_s: float) -> float | None:
        """Return the reward of an observation and remember how near it is.

        Args:
            observed: The observation.
            now_s: Time on a monotonic clock.

        Returns:
            The reward, or None while there is no task.
        """
        self._last_observation_s = now_s
        if self.task is None:
            return None
        reached = float(distance(observed.observation, self.task))
        self._distances.setdefault(observed.trajectory, {})[observed.step] = reached, self.task
        if len(self._distances) > _REMEMBERED_TRAJECTORIES:
            self._distances.popitem(last=False)
        return float(reward(observed.observation, self.task))

    def outcome(self, trajectory: int, step: int) -> Outcome | None:
        """Return how near an observation was, or None if it was not judged or is forgotten."""
        judged = self._distances.get(trajectory, {}).get(step)
        if judged is None:
            return None
        reached, task = judged
        return Outcome(
            distance=reached,
            success=bool(is_solved(reached, task)),
            strict_success=bool(is_solved(reached, task, strict=True)),
            task=task,
        )
