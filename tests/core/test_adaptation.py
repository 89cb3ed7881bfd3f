from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from damsel.adaptation import Adaptation, Request
from damsel.bundle import Bundle
from damsel.errors import InvalidBundleError, InvalidConfigError, InvalidTrajectoryError
from damsel.observation import Trajectory
from tests.support.observations import observation_of
from tests.support.tiny_bundle import TINY_HORIZON, encoder_onnx, tiny_bundle


class SpyBundle:
    """A bundle that notes every context that it is asked to encode."""

    families = ("push", "door", "drawer")
    horizon = TINY_HORIZON
    step_size_m = 0.01

    def __init__(self) -> None:
        self.components = {name: np.eye(3)[i] for i, name in enumerate(self.families)}
        self.contexts: list[np.ndarray] = []

    def encode(self, context: np.ndarray, family: str) -> np.ndarray:
        self.contexts.append(np.array(context))
        return self.components[family] + len(self.contexts)

    def act(self, observation: np.ndarray, latent: np.ndarray) -> np.ndarray:
        return latent


def spied(iterations: int = 4, inference_period: int = 0) -> tuple[Adaptation, SpyBundle]:
    bundle = SpyBundle()
    return Adaptation(bundle, iterations, inference_period), bundle  # type: ignore[arg-type]


def trajectory(rewards: float | Sequence[float], mark: float = 0.0) -> Trajectory:
    """A trajectory whose observations are all `mark`; one reward stands for every step."""
    values = np.array(rewards if isinstance(rewards, Sequence) else [rewards] * TINY_HORIZON)
    steps = len(values)
    return Trajectory(np.full((steps + 1, 12), mark), np.zeros((steps, 3)), values)


def telling_probe(steps: int) -> Trajectory:
    """A probe that opens the drawer step by step, and is rewarded for it."""
    opening = np.linspace(0.0, 0.1, steps + 1)
    seen = np.stack([observation_of(drawer=[each]) for each in opening])
    return Trajectory(seen, np.zeros((steps, 3)), opening[1:] / 0.1)


def probe_all(adaptation: Adaptation, returns: Mapping[str, float]) -> list[Trajectory]:
    made = []
    for mark, reward in enumerate(returns.values(), start=1):
        made.append(trajectory(reward, mark))
        adaptation.receive(made[-1])
    return made


def request_of(adaptation: Adaptation) -> Request:
    assert adaptation.request is not None
    return adaptation.request


def test_a_probe_that_settles_the_matter_is_the_last() -> None:
    for every_probe, stages in ((False, ["probe"] * 2), (True, ["probe"] * 3)):
        bundle = SpyBundle()
        bundle.families, bundle.horizon = ("push", "drawer", "door"), 20
        adaptation = Adaptation(bundle, 4, 0, every_probe=every_probe)  # type: ignore[arg-type]
        adaptation.receive(trajectory(0.0))
        settling = telling_probe(bundle.horizon)
        adaptation.receive(settling)
        if every_probe:
            assert request_of(adaptation).family == "door"
            adaptation.receive(trajectory(0.0))
        request = request_of(adaptation)
        assert (request.stage, request.family, request.iteration) == ("adapt", "drawer", 0)
        assert adaptation.family == "drawer"
        np.testing.assert_array_equal(bundle.contexts[0], settling.transitions)
        assert [record.stage for record in adaptation.records] == stages


def test_every_family_is_probed_once_in_order_with_exactly_its_component() -> None:
    adaptation, bundle = spied()
    for index, name in enumerate(bundle.families):
        request = request_of(adaptation)
        assert (request.stage, request.family, request.iteration) == ("probe", name, index)
        assert request.latent is bundle.components[name]
        assert adaptation.family is None
        assert adaptation.latent is None
        assert adaptation.context_transitions == 0
        adaptation.receive(trajectory(0.0))
    assert request_of(adaptation).stage == "adapt"
    assert len(bundle.contexts) == 1


@pytest.mark.parametrize("best", ["push", "door", "drawer"])
def test_the_family_is_the_one_of_best_average_return(best: str) -> None:
    adaptation, bundle = spied()
    probe_all(adaptation, {name: 0.3 + 0.1 * (name == best) for name in bundle.families})
    assert adaptation.family == best
    assert request_of(adaptation).family == best


@pytest.mark.parametrize(
    ("returns", "expected"),
    [
        ([0.0, 0.0, 0.0], "push"),
        ([0.1, 0.5, 0.5], "door"),
        ([0.5, 0.1, 0.5], "push"),
    ],
)
def test_a_tie_goes_to_the_first(returns: list[float], expected: str) -> None:
    adaptation, bundle = spied()
    probe_all(adaptation, dict(zip(bundle.families, returns, strict=True)))
    assert adaptation.family == expected


def test_the_choice_compares_means_so_a_probe_may_be_cut_short() -> None:
    """The sum of the short probe is smaller, its mean is larger."""
    adaptation, _ = spied()
    adaptation.receive(trajectory([0.2, 0.2, 0.2, 0.2]))
    adaptation.receive(trajectory([0.5]))
    adaptation.receive(trajectory([0.0, 0.0]))
    assert adaptation.family == "door"
    assert [record.average_return for record in adaptation.records] == pytest.approx([0.2, 0.5, 0])
    assert adaptation.context_transitions == 1


def test_context_is_the_chosen_probe_and_then_every_adaptation_trajectory() -> None:
    adaptation, bundle = spied(3)
    probes = probe_all(adaptation, {"push": 0.1, "door": 0.4, "drawer": 0.2})
    expected = probes[1].transitions
    for iteration in range(3):
        np.testing.assert_array_equal(bundle.contexts[iteration], expected)
        assert adaptation.context_transitions == len(expected)
        request = request_of(adaptation)
        assert (request.stage, request.family, request.iteration) == ("adapt", "door", iteration)
        np.testing.assert_array_equal(request.latent, bundle.components["door"] + iteration + 1)
        assert adaptation.latent is request.latent
        adapted = trajectory(0.5, mark=10.0 + iteration)
        adaptation.receive(adapted)
        expected = np.concatenate([expected, adapted.transitions])
    assert len(bundle.contexts) == 3
    assert adaptation.done


@pytest.mark.parametrize("iterations", [1, 2, 5])
def test_ends_after_so_many_iterations_unsolved(iterations: int) -> None:
    adaptation, bundle = spied(iterations)
    probe_all(adaptation, {"push": 0.1, "door": 0.4, "drawer": 0.2})
    for _ in range(iterations):
        assert not adaptation.done
        adaptation.receive(trajectory(0.5))
    assert adaptation.done
    assert adaptation.request is None
    assert not adaptation.solved
    assert len(adaptation.records) == 3 + iterations
    np.testing.assert_array_equal(
        adaptation.latent,
        bundle.components["door"] + iterations,  # of the last trajectory
    )


def test_ends_early_when_the_last_reward_says_solved() -> None:
    adaptation, bundle = spied(4)
    probe_all(adaptation, {"push": 0.1, "door": 0.4, "drawer": 0.2})
    adaptation.receive(trajectory([0.0, 1.0, 1.0, 0.93]))  # solved on the way is not solved
    assert not adaptation.done
    adaptation.receive(trajectory([0.0, 0.0, 0.0, 0.94]))
    assert adaptation.done
    assert adaptation.solved
    assert len(bundle.contexts) == 2
    assert adaptation.context_transitions == 2 * TINY_HORIZON


def test_a_probe_that_happens_to_solve_it_does_not_end_it() -> None:
    adaptation, _ = spied()
    adaptation.receive(trajectory(1.0))
    assert not adaptation.solved
    assert request_of(adaptation).stage == "probe"
    adaptation.receive(trajectory(0.0))
    adaptation.receive(trajectory(1.0))
    assert request_of(adaptation).stage == "adapt"
    assert not adaptation.solved
    assert not adaptation.done


def test_records_say_what_was_made() -> None:
    adaptation, bundle = spied(1)
    probe_all(adaptation, {"push": 0.1, "door": 0.4, "drawer": 0.2})
    adaptation.receive(trajectory([0.2, 0.4, 0.6, 0.8]))
    assert [(r.stage, r.family, r.iteration) for r in adaptation.records] == [
        ("probe", "push", 0),
        ("probe", "door", 1),
        ("probe", "drawer", 2),
        ("adapt", "door", 0),
    ]
    last = adaptation.records[-1]
    assert last.average_return == pytest.approx(0.5)
    assert last.last_reward == 0.8
    np.testing.assert_array_equal(last.latent, bundle.components["door"] + 1)


def test_actions_are_under_the_latent_of_the_request() -> None:
    adaptation, bundle = spied()
    np.testing.assert_array_equal(adaptation.act(np.zeros(12)), bundle.components["push"])
    probe_all(adaptation, {"push": 0.1, "door": 0.4, "drawer": 0.2})
    np.testing.assert_array_equal(adaptation.act(np.zeros(12)), bundle.components["door"] + 1)


def test_a_real_bundle_infers_from_the_whole_context(bundle: Bundle) -> None:
    """By hand: z = f + mean reward of the chosen probe and what followed."""
    adaptation = Adaptation(bundle)
    probe_all(adaptation, {"push": 0.0, "door": 0.25, "drawer": 0.0})
    np.testing.assert_allclose(request_of(adaptation).latent, [0.25, 1.25, 0.25])
    adaptation.receive(trajectory(0.75))
    np.testing.assert_allclose(request_of(adaptation).latent, [0.5, 1.5, 0.5])
    np.testing.assert_allclose(adaptation.act(np.zeros(12)), [0.5, 1.0, 0.5])


def test_two_adaptations_with_one_bundle_do_not_know_of_each_other(bundle: Bundle) -> None:
    first, second = Adaptation(bundle), Adaptation(bundle)
    probe_all(first, {"push": 0.0, "door": 0.25, "drawer": 0.0})
    assert request_of(second).family == "push"
    probe_all(second, {"push": 0.0, "door": 0.0, "drawer": 0.5})
    assert (first.family, second.family) == ("door", "drawer")
    assert len(first.records) == len(second.records) == 3


def told_enough(rewards: Sequence[float], *observations: NDArray[np.float64]) -> bool:
    """Whether a first probe, of a push, has told enough after these observations."""
    adaptation, _ = spied()
    for before, reward, after in zip(observations, rewards, observations[1:], strict=False):
        adaptation.extend(np.concatenate([before, np.zeros(3), [reward], after]))
    return adaptation.probe_told_enough


def test_a_probe_that_moved_its_object_for_nothing_is_cut_short() -> None:
    rest, on_the_way = observation_of(), observation_of(push=(0.02, 0.0))
    assert not told_enough([])
    assert not told_enough([0.0], rest, rest)
    assert not told_enough([0.0], rest, observation_of(push=(0.049, 0.0)))
    far = [observation_of(push=(x, 0.0)) for x in (0.051, 0.06)]
    assert told_enough([0.0] * 3, rest, on_the_way, *far)
    # One observation may be noise.
    assert not told_enough([0.0] * 3, rest, far[0], rest, far[0])
    assert not told_enough([0.1, 0.0, 0.0], rest, on_the_way, *far)
    assert not told_enough([0.0], rest, observation_of(door=(0.5,)))


def test_a_probe_counts_from_where_its_object_stood() -> None:
    aside = observation_of(push=(0.06, 0.0))
    assert not told_enough([0.0], aside, aside)
    assert told_enough([0.0] * 2, aside, *[observation_of(push=(0.12, 0.0))] * 2)


def test_an_attempt_infers_its_latent_again_on_the_way() -> None:
    adaptation, bundle = spied(inference_period=2)
    probe_all(adaptation, {"push": 0.4, "door": 0.1, "drawer": 0.2})
    first = request_of(adaptation).latent
    step = trajectory(1.0).transitions[0]
    adaptation.extend(step)
    assert len(bundle.contexts) == 1
    np.testing.assert_array_equal(request_of(adaptation).latent, first)
    adaptation.extend(step)
    assert len(bundle.contexts[1]) == TINY_HORIZON + 2
    assert adaptation.context_transitions == TINY_HORIZON + 2
    assert not np.array_equal(request_of(adaptation).latent, first)
    adaptation.extend(step)
    adaptation.extend(step)  # the last one: `receive` infers after it
    assert len(bundle.contexts) == 2
    adaptation.receive(trajectory(0.5))
    assert len(bundle.contexts[2]) == 2 * TINY_HORIZON


def test_an_attempt_that_is_made_again_forgets_what_it_inferred() -> None:
    adaptation, bundle = spied(inference_period=1)
    probe_all(adaptation, {"push": 0.4, "door": 0.1, "drawer": 0.2})
    adaptation.extend(trajectory(1.0).transitions[0])
    adaptation.restart()
    np.testing.assert_array_equal(bundle.contexts[-1], bundle.contexts[0])


def test_an_attempt_is_never_cut_short() -> None:
    adaptation, _ = spied()
    probe_all(adaptation, {"push": 0.4, "door": 0.1, "drawer": 0.2})
    pushed = observation_of(push=(0.2, 0.0))
    adaptation.extend(np.concatenate([observation_of(), np.zeros(4), pushed]))
    assert not adaptation.probe_told_enough


@pytest.mark.parametrize("iterations", [0, -1, 1.5, True, "4", None, float("nan")])
def test_iterations_are_a_number_of_trajectories(iterations: int) -> None:
    with pytest.raises(InvalidConfigError) as caught:
        spied(iterations)
    assert str(caught.value) == (
        f"iterations is {iterations!r}; allowed: a whole number of at least 1"
    )


def test_trajectories_of_another_length_are_refused_and_change_nothing() -> None:
    adaptation, bundle = spied()
    with pytest.raises(InvalidTrajectoryError) as caught:
        adaptation.receive(trajectory([0.0] * (TINY_HORIZON + 1)))
    assert str(caught.value) == "the probe trajectory has 5 steps; allowed: at most 4"
    assert adaptation.records == []
    probe_all(adaptation, {"push": 0.1, "door": 0.4, "drawer": 0.2})
    for steps in (3, 5):
        with pytest.raises(InvalidTrajectoryError) as caught:
            adaptation.receive(trajectory([1.0] * steps))
        assert str(caught.value) == (f"the adapt trajectory has {steps} steps; allowed: exactly 4")
    assert len(adaptation.records) == 3
    assert len(bundle.contexts) == 1


def test_nothing_is_accepted_when_it_is_done() -> None:
    adaptation, _ = spied(1)
    probe_all(adaptation, {"push": 0.1, "door": 0.4, "drawer": 0.2})
    adaptation.receive(trajectory(1.0))
    with pytest.raises(RuntimeError, match="the adaptation is done"):
        adaptation.receive(trajectory(1.0))
    with pytest.raises(RuntimeError, match="the adaptation is done"):
        adaptation.act(np.zeros(12))


def test_an_encoder_that_fails_on_a_context_is_a_bundle_error(tmp_path: Path) -> None:
    adaptation = Adaptation(tiny_bundle(tmp_path / "b", encoder=encoder_onnx(scale=1e38)))
    with pytest.raises(InvalidBundleError, match=r"^encoder\.onnx gave an output latent that is"):
        probe_all(adaptation, {"push": 0.0, "door": 10.0, "drawer": 0.0})


def test_a_bundle_of_one_family_is_probed_once(tmp_path: Path) -> None:
    adaptation = Adaptation(tiny_bundle(tmp_path / "b", components={"drawer": np.ones(3)}))
    adaptation.receive(trajectory(0.0))
    assert adaptation.family == "drawer"
    assert request_of(adaptation).stage == "adapt"
