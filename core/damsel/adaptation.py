"""Algorithm 2 of the paper, test-time adaptation, without any input or output.

The caller asks what to roll out (`request`), rolls it out with `act` and `extend`, a step each, and
hands the trajectory to `receive`, until `done`. The offline evaluator and the ROS 2 node drive this
one object. It learns of the task through rewards alone: no goal, no distance.

Deviations from the paper, all in docs/decisions.md: a probe ends once it is clear that its family
is not the one; a probe that shows that it is spares the families after it theirs; line 5 starts the
context with the probe of the chosen family instead of empty, which saves a trajectory; line 7 is
repeated while a trajectory is under way; the loop of line 6 ends early once the task is solved; and
the policy sees where delayed commands will find the arm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from damsel.bundle import Bundle
from damsel.errors import InvalidConfigError, InvalidTrajectoryError, brief
from damsel.families import FAMILIES
from damsel.identification import identify, is_conclusive
from damsel.latency import DelayCompensator
from damsel.observation import CONTEXT_LAYOUT, OBSERVATION_DIM, TRANSITION_DIM, Trajectory

__all__ = ["INFERENCE_PERIOD", "Adaptation", "Request", "Stage", "TrajectoryRecord"]

_BEFORE = slice(0, OBSERVATION_DIM)
_REWARD = CONTEXT_LAYOUT.index("reward")
_AFTER = slice(_REWARD + 1, TRANSITION_DIM)

INFERENCE_PERIOD = 5
"""Control steps between two inferences of the latent within an adaptation trajectory."""

_MOVED_STEPS = 2
"""In how many steps an object must be seen away from its place; one may be noise."""

Stage = Literal["probe", "adapt"]


@dataclass(frozen=True, eq=False)
class Request:
    """What to roll out next.

    Attributes:
        stage: `probe` under a family's prior component, `adapt` under an inferred latent.
        family: The family probed, or the one inferred.
        iteration: Index within the stage, from 0.
        latent: (L,) that conditions the policy now.
    """

    stage: Stage
    family: str
    iteration: int
    latent: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TrajectoryRecord:
    """Summary of one trajectory.

    Attributes:
        stage: As requested.
        family: As requested.
        iteration: As requested.
        latent: (L,), that conditioned its last steps.
        average_return: Mean reward over its steps.
        last_reward: Reward of its last observation.
    """

    stage: Stage
    family: str
    iteration: int
    latent: NDArray[np.float64]
    average_return: float
    last_reward: float


class Adaptation:
    """One adaptation to one hidden task.

    Attributes:
        request: What to roll out now; None when done.
        records: What was rolled out, in order.
        family: The inferred family; None while probing.
        latent: (L,), the latest inferred latent, that of the last trajectory when done; None
            while probing.
        context_transitions: Number of transitions that the latent of the request, or at the end
            the last latent, was inferred from; 0 while probing.
    """

    def __init__(
        self,
        bundle: Bundle,
        iterations: int = 4,
        inference_period: int = INFERENCE_PERIOD,
        *,
        every_probe: bool = False,
    ) -> None:
        """Begin with the probe of the first family.

        Args:
            bundle: The meta-trained encoder and policy.
            iterations: K of line 6: adaptation trajectories at most, at least 1.
            inference_period: Control steps between inferences within an adaptation trajectory;
                0 infers before each one only, as the paper does.
            every_probe: Probe every family, as the paper does, even after a probe that settles
                the matter.

        Raises:
            InvalidConfigError: If `iterations` is not a whole number of at least 1.
        """
        if not _is_count(iterations):
            raise InvalidConfigError(
                f"iterations is {brief(iterations)}; allowed: a whole number of at least 1"
            )
        self._bundle = bundle
        self._iterations = iterations
        self._inference_period = inference_period
        self._every_probe = every_probe
        self._under_way: list[NDArray[np.float64]] = []
        self._delay = DelayCompensator(bundle.step_size_m)
        self._probes: list[Trajectory] = []
        self._context: NDArray[np.float64] = np.empty((0, TRANSITION_DIM))
        self.records: list[TrajectoryRecord] = []
        self.family: str | None = None
        self.latent: NDArray[np.float64] | None = None
        self.context_transitions = 0
        self.request: Request | None = self._next_probe()

    @property
    def done(self) -> bool:
        """Whether there is nothing left to roll out."""
        return self.request is None

    @property
    def solved(self) -> bool:
        """Whether the last adaptation trajectory ended with a reward of a strictly solved task."""
        last = self.records[-1] if self.records else None
        return (
            last is not None
            and last.stage == "adapt"
            and last.last_reward >= FAMILIES[last.family].strict_reward
        )

    def act(self, observation: ArrayLike) -> NDArray[np.float64]:
        """Return the policy's action under the latent of now.

        Args:
            observation: (12,), positions in frame `base`, metres.

        Returns:
            (3,) in [-1, 1], displacement of the end effector in step sizes, frame `base`.

        Raises:
            InvalidTrajectoryError: If the observation has another shape or is not finite.
            InvalidBundleError: If the policy fails.
        """
        latent = self._current().latent
        seen = self._delay.predict(np.asarray(observation, np.float64))
        action = self._bundle.act(seen, latent)
        self._delay.command(action)
        return action

    def extend(self, transition: ArrayLike) -> None:
        """Take one step of the trajectory under way; infer the latent anew if it is time.

        Args:
            transition: (28,), the latest [s, a, r, s'] in `CONTEXT_LAYOUT`, with the action as
                applied.

        Raises:
            InvalidBundleError: If the encoder fails.
        """
        request = self._current()
        self._under_way.append(np.asarray(transition, np.float64))
        steps = len(self._under_way)
        due = self._inference_period and steps % self._inference_period == 0
        if request.stage == "adapt" and due and steps < self._bundle.horizon:
            latent = self._infer(request.family)  # line 7, again
            self.request = replace(request, latent=latent)

    def restart(self) -> None:
        """Forget the trajectory under way, which is to be made again from its beginning."""
        request = self._current()
        self._under_way = []
        self._delay.restart()
        if request.stage == "adapt":
            self.request = replace(request, latent=self._infer(request.family))

    @property
    def probe_told_enough(self) -> bool:
        """Whether the probe under way may be cut short.

        It may once it has moved its object by more than would count as solved and no reward came
        of it: the task is then of another family. A probe that is rewarded runs to the horizon,
        for it is also the context that the first latent is inferred from.
        """
        request = self._current()
        if request.stage != "probe" or len(self._under_way) < _MOVED_STEPS:
            return False
        if any(transition[_REWARD] for transition in self._under_way):
            return False
        # From where the object stood, which on a table out of its place is not where it rests.
        kind = FAMILIES[request.family]
        start = kind.state(self._under_way[0][_BEFORE])
        latest = [kind.state(step[_AFTER]) - start for step in self._under_way[-_MOVED_STEPS:]]
        return all(np.linalg.norm(moved) > kind.success_threshold for moved in latest)

    def receive(self, trajectory: Trajectory) -> None:
        """Take the trajectory that was requested and decide what comes next.

        Args:
            trajectory: A probe of at most `horizon` steps, or an adaptation trajectory of exactly
                that many, with the actions as applied.

        Raises:
            InvalidTrajectoryError: If it has another length; nothing has changed then.
            InvalidBundleError: If the encoder fails.
        """
        request = self._current()
        self._check_length(trajectory, request.stage)
        self._under_way = []
        self._delay.restart()
        self.records.append(
            TrajectoryRecord(
                stage=request.stage,
                family=request.family,
                iteration=request.iteration,
                latent=request.latent,
                average_return=trajectory.average_return,
                last_reward=trajectory.last_reward,
            )
        )
        if request.stage == "probe":
            self._probes.append(trajectory)  # lines 1-3
            self.family = self._identified(request.family)
            if self.family is None:
                self.request = self._next_probe()
                return
            # Line 5, see the module's docstring.
            chosen = self._bundle.families.index(self.family)
            self._context = self._probes[chosen].transitions
            self.request = self._next_adaptation(self.family, 0)
            return
        self._context = np.concatenate([self._context, trajectory.transitions])  # line 8
        made = request.iteration + 1
        finished = self.solved or made == self._iterations  # line 6
        self.request = None if finished else self._next_adaptation(request.family, made)

    def _identified(self, probed: str) -> str | None:
        """The task's family, from the probes so far (line 4); None if another one is needed."""
        families = self._bundle.families
        if not self._every_probe and is_conclusive(self._probes[-1], probed, families):
            return probed
        return identify(self._probes, families) if len(self._probes) == len(families) else None

    def _next_probe(self) -> Request:
        index = len(self._probes)
        family = self._bundle.families[index]
        return Request("probe", family, index, self._bundle.components[family])

    def _next_adaptation(self, family: str, iteration: int) -> Request:
        return Request("adapt", family, iteration, self._infer(family))  # line 7

    def _infer(self, family: str) -> NDArray[np.float64]:
        context = np.concatenate([self._context, *(row[None] for row in self._under_way)])
        latent = self._bundle.encode(context, family)
        latent.setflags(write=False)
        self.latent = latent
        self.context_transitions = len(context)
        return latent

    def _current(self) -> Request:
        if self.request is None:
            raise RuntimeError("the adaptation is done; there is nothing left to roll out")
        return self.request

    def _check_length(self, trajectory: Trajectory, stage: Stage) -> None:
        steps, horizon = len(trajectory), self._bundle.horizon
        if steps > horizon or (stage == "adapt" and steps < horizon):
            allowed = f"exactly {horizon}" if stage == "adapt" else f"at most {horizon}"
            raise InvalidTrajectoryError(
                f"the {stage} trajectory has {steps} steps; allowed: {allowed}"
            )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
