"""The `adapt` node: Algorithm 2 with an ONNX bundle, as an action server.

It is the same for simulation and hardware, and learns about the task from rewards alone.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from numpy.typing import NDArray
from rcl_interfaces.srv import GetParameters
from rclpy.action.server import ActionServer, CancelResponse, GoalResponse, ServerGoalHandle
from rclpy.client import Client
from rclpy.executors import Executor
from rclpy.node import Node
from rclpy.task import Future
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from damsel.adaptation import Adaptation
from damsel.bundle import Bundle
from damsel.bundle_path import default_bundle
from damsel.errors import RobotError
from damsel_msgs.action import Adapt
from damsel_msgs.msg import Context, EndEffectorCommand, Observation, Reward
from damsel_msgs.srv import Reset
from damsel_ros.acquaintance import Acquaintance
from damsel_ros.adapt_effects import (
    AskRobot,
    BeginTrajectory,
    Command,
    Disturbed,
    Effect,
    Ended,
    Hold,
    Outcome,
    Progress,
)
from damsel_ros.adapt_run import MAX_ITERATIONS, AdaptRun
from damsel_ros.conversions import (
    ADAPT_DIAGNOSTICS,
    ADAPTING,
    DESCRIBING_PARAMETERS,
    applied_from_message,
    command_to_message,
    description_from_parameters,
    diagnostics_to_message,
    observed_from_message,
    progress_to_message,
    rewarded_from_message,
)
from damsel_ros.events import StepEvent
from damsel_ros.node_main import run_nodes
from damsel_ros.parameters import Parameter, declare_parameters
from damsel_ros.qos import COMMAND, LATCHED, STANDARD, STREAM
from damsel_ros.run_limits import LIMIT_PARAMETERS, limits_of
from damsel_ros.steady import steady_timer

__all__ = ["AdaptNode", "main"]

PARAMETERS = (
    Parameter("bundle", "", "Folder of the model bundle; empty for models/default."),
    *LIMIT_PARAMETERS,
)

_TICK_PERIOD_S = 0.1
_HOLD_PATIENCE_S = 0.5
_STOOD_STILL_S = 2.0
_CATCHING_UP_S = 1.0
_DIAGNOSTICS_PERIOD_S = 1.0
_FAREWELL_S = 2.0
_LAST_ANSWERS_S = 0.3


class AdaptNode(Node):
    """Shell around `AdaptRun`: messages in, effects out; nothing here waits."""

    def __init__(self) -> None:
        """Declare parameters and interfaces and load the bundle.

        Raises:
            InvalidConfigError: If a parameter is not allowed.
            InvalidBundleError: If the bundle is not usable.
        """
        super().__init__("adapt")
        values = declare_parameters(self, PARAMETERS)
        self._bundle = Bundle.load(Path(values["bundle"]) if values["bundle"] else default_bundle())
        self._limits = limits_of(values)
        self._run: AdaptRun | None = None
        self._adaptation: Adaptation | None = None
        self._goal: ServerGoalHandle | None = None
        self._end: Future = Future()
        self._ending: Ended | None = None
        self._ending_deadline_s = 0.0
        self._resetting: Future | None = None
        self._holds = False
        self._ended_s = -math.inf
        self._operator_seen = False
        # Who was there when the run began, by their publishers; None before.
        self._peers: dict[str, set[bytes]] | None = None
        self._ticked_s = math.inf  # nobody stands still before the first tick
        self._caught_up_s = 0.0

        self._commands = self.create_publisher(EndEffectorCommand, "command", COMMAND)
        self._contexts = self.create_publisher(Context, "context", LATCHED)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", STANDARD)
        subscribe = self.create_subscription
        self._observations = subscribe(Observation, "observation", self._on_observation, STREAM)
        subscribe(EndEffectorCommand, "applied", self._on_applied, STREAM)
        self._rewards = subscribe(Reward, "reward", self._on_reward, STREAM)
        self._reset = self.create_client(Reset, "reset")
        self._hold = self.create_client(Trigger, "hold")
        self._get_parameters = self.create_client(GetParameters, "robot/get_parameters")
        # After every other endpoint towards the robot node, which it vouches for.
        self._robot = Acquaintance(self, "robot")
        self._ticker = steady_timer(self, _TICK_PERIOD_S, self._on_tick)
        # The first tick comes with the first messages: whoever is known to others has ticked.
        self._first_tick = self.create_guard_condition(self._on_tick)
        self._first_tick.trigger()
        steady_timer(self, _DIAGNOSTICS_PERIOD_S, self._publish_diagnostics)
        self._server = ActionServer(
            self,
            Adapt,
            "adapt",
            execute_callback=self._execute,
            goal_callback=self._on_goal,
            handle_accepted_callback=self._on_accepted,
            cancel_callback=self._on_cancel,
        )
        self._feedback_topic = self.resolve_topic_name("adapt/_action/feedback")

    def finish(self, executor: Executor) -> None:
        """End the adaptation, and tell its operator whether the arm holds."""
        if self._run is not None:
            self._perform(self._run.cancel("the adapt node was shut down"))
        deadline_s = time.monotonic() + _FAREWELL_S
        while self._run is not None and time.monotonic() < deadline_s:
            executor.spin_once(timeout_sec=_TICK_PERIOD_S)
        # The result of a run that has just ended is still on its way.
        while time.monotonic() < min(deadline_s, self._ended_s + _LAST_ANSWERS_S):
            executor.spin_once(timeout_sec=_TICK_PERIOD_S)

    # The action

    def _on_goal(self, goal: Adapt.Goal) -> GoalResponse:
        if self._run is not None:
            self.get_logger().warning("goal refused: an adaptation is running; cancel it first")
            return GoalResponse.REJECT
        if self._note_time() < self._caught_up_s:
            # The goal has waited meanwhile, perhaps for minutes, and its operator may be gone.
            self.get_logger().warning("goal refused: this process stood still; send it again")
            return GoalResponse.REJECT
        if not 1 <= goal.iterations <= MAX_ITERATIONS:
            self.get_logger().warning(
                f"goal refused: iterations is {goal.iterations}; allowed: 1 to {MAX_ITERATIONS}"
            )
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    def _on_accepted(self, goal: ServerGoalHandle) -> None:
        # Here and not in `_execute`, which the executor runs later: a second goal must find the
        # run of the first.
        self._adaptation = Adaptation(self._bundle, goal.request.iterations)
        self._goal = goal
        self._end = Future()
        self._ending = self._resetting = self._peers = None
        self._operator_seen = False
        self._holds = False
        self._run = AdaptRun(
            self._adaptation,
            bundle=self._bundle,
            limits=self._limits,
            now_s=time.monotonic(),
        )
        self._publish_diagnostics()
        goal.execute()

    async def _execute(self, goal: ServerGoalHandle) -> Adapt.Result:
        ended: Ended = await self._end
        result = self._result(ended)
        self._goal = self._run = None
        self._ended_s = time.monotonic()
        # Before the answer: whoever hears that may set the next task.
        self._publish_diagnostics()
        if ended.outcome is Outcome.SUCCEEDED:
            goal.succeed()
        elif ended.outcome is Outcome.CANCELED and goal.is_cancel_requested:
            goal.canceled()
        else:
            self.get_logger().error(ended.message)
            goal.abort()
        return result

    def _on_cancel(self, _: ServerGoalHandle) -> CancelResponse:
        if self._run is not None:
            self._perform(self._run.cancel())
        return CancelResponse.ACCEPT

    def _result(self, ended: Ended) -> Adapt.Result:
        assert self._run is not None, "an adaptation has ended"
        assert self._adaptation is not None, "as above"
        adaptation = self._adaptation
        return Adapt.Result(
            trajectories=[progress_to_message(one) for one in self._run.finished],
            family=adaptation.family or "",
            latent=[] if adaptation.latent is None else adaptation.latent.tolist(),
            solved=adaptation.solved,
            message=ended.message,
            holds=self._holds,
        )

    # What arrives

    def _on_observation(self, message: Observation) -> None:
        self._receive(observed_from_message(message))

    def _on_applied(self, message: EndEffectorCommand) -> None:
        self._receive(applied_from_message(message))

    def _on_reward(self, message: Reward) -> None:
        self._receive(rewarded_from_message(message))

    def _receive(self, event: StepEvent) -> None:
        if self._run is not None:
            self._perform(self._run.receive(event, time.monotonic()))

    def _on_tick(self) -> None:
        now_s = self._note_time()
        if self._run is None:
            return
        if self._ending is not None and now_s > self._ending_deadline_s:
            self._holds = self._holds and not self._awaits_reset
            if self._awaits_reset:
                # A request that has not left yet goes with its client, and begins nothing later.
                self.destroy_client(self._reset)
                self._reset = self.create_client(Reset, "reset")
            self._finish()
        if self._operator_is_gone():
            self._perform(self._run.cancel("the operator of this run is gone"))
        self._perform(
            self._run.tick(now_s, self._missing_peers(), self._surplus() or self._replaced())
        )

    def _note_time(self) -> float:
        """Return the time, and take note if this process has stood still up to now."""
        now_s = time.monotonic()
        if now_s - self._ticked_s > _STOOD_STILL_S:
            self._caught_up_s = now_s + _CATCHING_UP_S
        self._ticked_s = now_s
        return now_s

    def _missing_peers(self) -> list[str]:
        robot = self._commands.get_subscription_count() > 0 and all(
            client.service_is_ready() for client in (self._reset, self._hold, self._get_parameters)
        )
        missing = []
        robot = robot and self._robot.is_mutual()
        if not robot or not self.count_publishers(self._observations.topic_name):
            missing.append("the robot node is not there: nobody serves reset and hears command")
        if not self.count_publishers(self._rewards.topic_name):
            missing.append("the task node is not there: nobody publishes reward")
        return missing

    def _surplus(self) -> str:
        """Name a node that there is more than once: a reset or a command would move two robots."""
        for name, endpoint in (
            ("robot", self._observations),
            ("task", self._rewards),
            ("adapt", self._commands),
        ):
            count = self.count_publishers(endpoint.topic_name)
            if count > 1:
                return f"{count} nodes publish {endpoint.topic_name}; allowed: one {name} node"
        return ""

    def _replaced(self) -> str:
        """Name a node that another was started in place of: it knows nothing of the run."""
        if self._peers is None:
            return ""
        for name, endpoint in (("robot", self._observations), ("task", self._rewards)):
            there = self.get_publishers_info_by_topic(endpoint.topic_name)
            now = {bytes(one.endpoint_gid) for one in there}
            if now and self._peers.setdefault(name, now) != now:
                return f"the {name} node was started anew in the middle of the run"
        return ""

    def _operator_is_gone(self) -> bool:
        """Whether nobody hears the feedback any more, which every client of the action does."""
        heard = self.count_subscribers(self._feedback_topic) > 0
        self._operator_seen |= heard
        return self._operator_seen and not heard

    # What the run wants done

    def _perform(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Command():
                    self._commands.publish(
                        command_to_message(
                            effect.displacement_base,
                            trajectory=effect.trajectory,
                            step=effect.step,
                            stamp=self.get_clock().now().to_msg(),
                        )
                    )
                case Progress():
                    self._give_feedback(effect)
                case BeginTrajectory():
                    request = effect.request
                    self._publish_context(
                        request.stage, request.family, request.iteration, request.latent
                    )
                    self._resetting = self._call(self._reset, Reset.Request(), self._on_reset_done)
                case AskRobot():
                    self._peers = {}  # everybody is there now, and alone
                    names = GetParameters.Request(names=DESCRIBING_PARAMETERS)
                    self._call(self._get_parameters, names, self._on_description)
                case Disturbed():
                    self.get_logger().warning(f"trajectory repeated: {effect.reason}")
                case Hold():
                    self._call(self._hold, Trigger.Request(), self._on_held)
                case Ended():
                    # The action ends when the arm holds, or when the robot does not answer.
                    self._ending = effect
                    self._ending_deadline_s = time.monotonic() + _HOLD_PATIENCE_S

    def _call(
        self, client: Client, request: object, done: Callable[[AdaptRun, Any], None]
    ) -> Future:
        """Call a service and hand its answer to the run that asked, if it is still the one."""
        run = self._run

        def on_answer(future: Future) -> None:
            if run is not None and run is self._run and not future.cancelled():
                done(run, future.result())

        future: Future = client.call_async(request)
        future.add_done_callback(on_answer)
        return future

    @property
    def _awaits_reset(self) -> bool:
        """Whether a reset that was asked for may still begin."""
        return self._resetting is not None and not self._resetting.done()

    def _on_description(self, run: AdaptRun, answer: GetParameters.Response) -> None:
        try:
            description = description_from_parameters(answer.values)
        except RobotError as error:
            self._perform(run.robot_failed(str(error)))
        else:
            self._perform(run.robot_described(description, time.monotonic()))

    def _on_reset_done(self, run: AdaptRun, answer: Reset.Response) -> None:
        if self._ending is not None:
            # Services are not in order: the hold may have been heard before this.
            self._call(self._hold, Trigger.Request(), self._on_held)
        elif answer.success:
            self._perform(run.trajectory_began(answer.trajectory, time.monotonic()))
        else:
            self._perform(run.robot_failed(answer.message))

    def _on_held(self, _: AdaptRun, answer: Trigger.Response) -> None:
        self._holds = answer.success
        if not self._awaits_reset:
            self._finish()

    def _finish(self) -> None:
        if self._ending is not None and not self._end.done():
            self._publish_last_context()
            self._end.set_result(self._ending)

    # What others hear

    def _give_feedback(self, progress: Progress) -> None:
        if self._goal is not None:
            trajectory = progress_to_message(progress)
            self._goal.publish_feedback(
                Adapt.Feedback(trajectory=trajectory, finished=progress.finished)
            )

    def _publish_context(
        self, stage: str, family: str, iteration: int, latent: NDArray[np.float64]
    ) -> None:
        assert self._adaptation is not None, "a context belongs to an adaptation"
        self._contexts.publish(
            Context(
                header=Header(stamp=self.get_clock().now().to_msg()),
                stage=stage,
                family=family,
                iteration=iteration,
                latent=latent.tolist(),
                transitions=self._adaptation.context_transitions,
            )
        )

    def _publish_last_context(self) -> None:
        adaptation = self._adaptation
        if adaptation is None:
            return
        made = sum(record.stage == Context.STAGE_ADAPT for record in adaptation.records)
        latent = np.empty(0) if adaptation.latent is None else adaptation.latent
        self._publish_context(Context.STAGE_DONE, adaptation.family or "", made, latent)

    def _publish_diagnostics(self) -> None:
        self._diagnostics.publish(
            diagnostics_to_message(
                name=ADAPT_DIAGNOSTICS,
                hardware=self.get_fully_qualified_name(),
                level=DiagnosticStatus.OK,
                summary="idle" if self._run is None else ADAPTING,
                values={"bundle": str(self._bundle.path)},
                stamp=self.get_clock().now().to_msg(),
            )
        )


def main() -> None:
    """Run the adapt node as a process."""
    sys.exit(run_nodes("adapt", lambda: [AdaptNode()]))


if __name__ == "__main__":
    main()
