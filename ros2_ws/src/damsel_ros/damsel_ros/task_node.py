"""The `task` node: holds the hidden task and turns observations into rewards.

It is the only node that knows the goal.
"""

from __future__ import annotations

import sys
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node

from damsel.errors import InvalidTaskError
from damsel_msgs.msg import Observation, Reward
from damsel_msgs.srv import GetOutcome, SetTask
from damsel_ros.conversions import (
    ADAPT_DIAGNOSTICS,
    ADAPTING,
    diagnostics_to_message,
    observed_from_message,
    reward_to_message,
)
from damsel_ros.judge import Judge
from damsel_ros.node_main import run_nodes
from damsel_ros.parameters import Parameter, declare_parameters
from damsel_ros.qos import STANDARD, STREAM
from damsel_ros.steady import steady_timer

__all__ = ["TaskNode", "main"]

PARAMETERS = (
    Parameter("family", "", "Family of the hidden task; empty for none until `set_task`."),
    Parameter("goal", [0.0], "Goal in metres or radians; read when `family` is not empty."),
    Parameter(
        "quiet_s",
        0.5,
        "`set_task` is refused while the latest observation is younger than this [s].",
        low=0.0,
        high=60.0,
    ),
)

_DIAGNOSTICS_PERIOD_S = 1.0


class TaskNode(Node):
    """Shell around `Judge`."""

    def __init__(self) -> None:
        """Declare parameters and interfaces.

        Raises:
            InvalidConfigError: If a parameter is not allowed.
            InvalidTaskError: If the task of the parameters is not allowed.
        """
        super().__init__("task")
        values = declare_parameters(self, PARAMETERS)
        self._judge = Judge(quiet_s=values["quiet_s"])
        if values["family"]:
            self._judge.set_task(values["family"], values["goal"], time.monotonic())
        self._judged = 0
        self._rewards = self.create_publisher(Reward, "reward", STREAM)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", STANDARD)
        self.create_subscription(Observation, "observation", self._on_observation, STREAM)
        self._adapt_name = f"{self.get_namespace().rstrip('/')}/adapt"
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, STANDARD)
        self.create_service(SetTask, "set_task", self._on_set_task)
        self.create_service(GetOutcome, "~/get_outcome", self._on_get_outcome)
        steady_timer(self, _DIAGNOSTICS_PERIOD_S, self._publish_diagnostics)

    def _on_observation(self, message: Observation) -> None:
        observed = observed_from_message(message)
        value = self._judge.reward(observed, time.monotonic())
        if value is not None:
            self._judged += 1
            self._rewards.publish(reward_to_message(value, of=message))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if (status.name, status.hardware_id) == (ADAPT_DIAGNOSTICS, self._adapt_name):
                self._judge.note_run(status.message == ADAPTING, time.monotonic())

    def _on_set_task(
        self, request: SetTask.Request, response: SetTask.Response
    ) -> SetTask.Response:
        try:
            self._judge.set_task(request.family, request.goal, time.monotonic())
        except InvalidTaskError as error:
            response.message = str(error)
        else:
            response.success = True
        return response

    def _on_get_outcome(
        self, request: GetOutcome.Request, response: GetOutcome.Response
    ) -> GetOutcome.Response:
        outcome = self._judge.outcome(request.trajectory, request.step)
        if outcome is None:
            response.message = (
                f"step {request.step} of trajectory {request.trajectory} was not judged, "
                "or is forgotten"
            )
            return response
        response.known = True
        response.distance = outcome.distance
        response.success = outcome.success
        response.strict_success = outcome.strict_success
        response.family = outcome.task.family
        response.goal = list(outcome.task.goal)
        return response

    def _publish_diagnostics(self) -> None:
        # The goal stays out: anybody may listen to diagnostics.
        has_task = self._judge.task is not None
        self._diagnostics.publish(
            diagnostics_to_message(
                name="damsel: task",
                hardware=self.get_fully_qualified_name(),
                level=DiagnosticStatus.OK if has_task else DiagnosticStatus.WARN,
                summary="judging" if has_task else "no task: call set_task",
                values={"observations judged": str(self._judged)},
                stamp=self.get_clock().now().to_msg(),
            )
        )


def main() -> None:
    """Run the task node as a process."""
    sys.exit(run_nodes("task", lambda: [TaskNode()]))


if __name__ == "__main__":
    main()
