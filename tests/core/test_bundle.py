from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from damsel.bundle import Bundle, write_bundle
from damsel.errors import InvalidBundleError, InvalidTaskError, InvalidTrajectoryError
from damsel.observation import CONTEXT_LAYOUT, OBSERVATION_LAYOUT
from tests.support.tiny_bundle import (
    TINY_HORIZON,
    encoder_onnx,
    policy_onnx,
    tiny_bundle,
    tiny_metadata,
    write_tiny_bundle,
)

REWARD = CONTEXT_LAYOUT.index("reward")


def context_of(*rewards: float) -> np.ndarray:
    context = np.full((len(rewards), 28), 0.3)
    context[:, REWARD] = rewards
    return context


def test_a_bundle_says_what_it_was_made_with(bundle: Bundle) -> None:
    assert bundle.families == ("push", "door", "drawer")
    np.testing.assert_array_equal(bundle.components["door"], [0.0, 1.0, 0.0])
    assert bundle.latent_dim == 3
    assert bundle.control_rate_hz == 20.0
    assert bundle.horizon == TINY_HORIZON
    assert bundle.step_size_m == 0.01
    assert bundle.provenance["command"] == "made by hand"


def test_numbers_survive_writing_exactly(tmp_path: Path) -> None:
    component = np.array([1 / 3, -1e-30, 1e5])
    written = tiny_bundle(tmp_path / "b", components={"drawer": component}, step_size_m=0.1 / 3)
    assert written.families == ("drawer",)
    np.testing.assert_array_equal(written.components["drawer"], component)
    assert written.step_size_m == 0.1 / 3


def test_encode_adds_the_mean_reward_to_the_component(bundle: Bundle) -> None:
    latent = bundle.encode(context_of(0.0, 0.5, 1.0), "door")
    assert latent.dtype == np.float64
    np.testing.assert_allclose(latent, [0.5, 1.5, 0.5], atol=1e-7)


def test_an_empty_context_is_exactly_the_component(tmp_path: Path) -> None:
    """Exactly: a third does not survive float32, so no graph ran."""
    third = tiny_bundle(tmp_path / "b", components={"door": np.full(3, 1 / 3)})
    latent = third.encode(np.empty((0, 28)), "door")
    np.testing.assert_array_equal(latent, np.full(3, 1 / 3))
    latent[0] = 7.0
    np.testing.assert_array_equal(third.components["door"], np.full(3, 1 / 3))


def test_act_under_a_latent(bundle: Bundle) -> None:
    observation = np.zeros(12)
    observation[:3] = 0.25, -0.5, 0.0
    action = bundle.act(observation, [0.5, 0.0, -0.125])
    assert action.dtype == np.float64
    np.testing.assert_array_equal(action, [0.75, -0.5, -0.125])


def test_actions_are_clipped_even_if_the_graph_does_not(tmp_path: Path) -> None:
    wild = Bundle.load(write_tiny_bundle(tmp_path / "b", policy=policy_onnx(clip=False)))
    np.testing.assert_array_equal(wild.act(np.zeros(12), [9.0, -9.0, 0.5]), [1.0, -1.0, 0.5])


def test_the_same_input_gives_the_same_bits(bundle: Bundle, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    again = tiny_bundle(tmp_path / "again")
    context, observation = rng.normal(size=(200, 28)), rng.normal(size=12)
    latent = bundle.encode(context, "push")
    np.testing.assert_array_equal(latent, again.encode(context, "push"))
    np.testing.assert_array_equal(bundle.act(observation, latent), again.act(observation, latent))


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        (np.zeros((2, 27)), "context has shape (2, 27); allowed: (any, 28)"),
        (np.zeros(28), "context has shape (28,); allowed: (any, 28)"),
        (context_of(0.0, np.nan), "context is not finite"),
        (context_of(1e39), "context is not finite"),  # is infinite in float32
    ],
)
def test_encode_refuses_other_contexts(bundle: Bundle, context: np.ndarray, expected: str) -> None:
    with pytest.raises(InvalidTrajectoryError) as caught:
        bundle.encode(context, "door")
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("observation", "latent", "expected"),
    [
        (np.zeros((1, 12)), np.zeros(3), "observation has shape (1, 12); allowed: (12,)"),
        (np.zeros(12), np.zeros(4), "latent has shape (4,); allowed: (3,)"),
        (np.full(12, np.inf), np.zeros(3), "observation is not finite"),
        (np.zeros(12), np.full(3, np.nan), "latent is not finite"),
    ],
)
def test_act_refuses_other_inputs(
    bundle: Bundle, observation: np.ndarray, latent: np.ndarray, expected: str
) -> None:
    with pytest.raises(InvalidTrajectoryError) as caught:
        bundle.act(observation, latent)
    assert str(caught.value) == expected


def test_encode_refuses_a_family_that_the_bundle_does_not_have(tmp_path: Path) -> None:
    pushes = tiny_bundle(tmp_path / "b", components={"push": np.ones(3)})
    with pytest.raises(InvalidTaskError) as caught:
        pushes.encode(np.empty((0, 28)), "door")
    assert str(caught.value) == (
        f"family 'door' is not in bundle {str(tmp_path / 'b')!r}; allowed: push"
    )


def test_an_output_that_is_not_finite_only_later_is_refused_then(tmp_path: Path) -> None:
    """1e38 times a mean reward of 0 is harmless when loading, times 10 it is not."""
    loud = tiny_bundle(tmp_path / "b", encoder=encoder_onnx(scale=1e38))
    with pytest.raises(InvalidBundleError) as caught:
        loud.encode(context_of(10.0), "door")
    assert str(caught.value) == "encoder.onnx gave an output latent that is not finite"


MADE_FOR = {
    "control_rate_hz": 20.0,
    "step_size_m": 0.01,
    "observation_layout": OBSERVATION_LAYOUT,
}


def test_the_robot_that_it_was_made_for(bundle: Bundle) -> None:
    bundle.check_robot(**MADE_FOR)  # type: ignore[arg-type]
    bundle.check_robot(**(MADE_FOR | {"control_rate_hz": 1 / 0.05}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"control_rate_hz": 10.0},
            "was made for a control rate of 20 Hz, but the robot's is 10 Hz",
        ),
        (
            {"control_rate_hz": float("nan")},
            "was made for a control rate of 20 Hz, but the robot's is nan Hz",
        ),
        ({"step_size_m": 0.02}, "was made for a step size of 0.01 m, but the robot's is 0.02 m"),
        (
            {"observation_layout": ("end_effector.x",)},
            f"observes {', '.join(OBSERVATION_LAYOUT)}, but the robot end_effector.x",
        ),
        ({"observation_layout": ()}, f"observes {', '.join(OBSERVATION_LAYOUT)}, but the robot no"),
    ],
)
def test_another_robot_is_refused(bundle: Bundle, change: dict[str, object], expected: str) -> None:
    with pytest.raises(InvalidBundleError) as caught:
        bundle.check_robot(**(MADE_FOR | change))  # type: ignore[arg-type]
    assert str(caught.value).startswith(f"bundle {str(bundle.path)!r} {expected}")


def test_writing_leaves_the_bundle_and_nothing_else(tmp_path: Path) -> None:
    path = write_tiny_bundle(tmp_path / "deep" / "folder" / "b")
    assert sorted(file.name for file in path.iterdir()) == [
        "bundle.yaml",
        "encoder.onnx",
        "policy.onnx",
    ]
    assert list(path.parent.iterdir()) == [path]
    assert stat.S_IMODE(path.stat().st_mode) & 0o500 == 0o500


def test_writing_is_reproducible(tmp_path: Path) -> None:
    first, second = write_tiny_bundle(tmp_path / "1"), write_tiny_bundle(tmp_path / "2")
    for name in ("bundle.yaml", "encoder.onnx", "policy.onnx"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_a_bundle_that_is_there_is_replaced(tmp_path: Path) -> None:
    path = write_tiny_bundle(tmp_path / "b", horizon=7)
    assert Bundle.load(path).horizon == 7
    assert Bundle.load(write_tiny_bundle(path, horizon=8)).horizon == 8
    assert list(tmp_path.iterdir()) == [path]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    assert tiny_bundle(tmp_path / "b").families


def test_what_would_not_load_is_not_written_and_the_old_one_stays(tmp_path: Path) -> None:
    path = write_tiny_bundle(tmp_path / "b", horizon=7)
    with pytest.raises(InvalidBundleError, match=r"encoder\.onnx: latent is tensor\(double\)|doub"):
        write_tiny_bundle(path, horizon=8, encoder=encoder_onnx(element_type=TensorProto.DOUBLE))
    assert Bundle.load(path).horizon == 7
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("precious")
    with pytest.raises(InvalidBundleError) as caught:
        write_tiny_bundle(tmp_path)
    assert str(caught.value) == (
        f"bundle {str(tmp_path)!r} cannot be written: it holds 'notes.txt'; "
        "allowed: a new folder or one with nothing but a bundle"
    )
    with pytest.raises(InvalidBundleError, match=r"cannot be written: it is not a folder; allowed"):
        write_tiny_bundle(tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "precious"


def test_a_rename_that_fails_brings_the_old_bundle_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_tiny_bundle(tmp_path / "b", horizon=7)
    rename = Path.rename

    def fail_on_new(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError("disk on fire")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_on_new)
    with pytest.raises(OSError, match="disk on fire"):
        write_tiny_bundle(path, horizon=8)
    monkeypatch.undo()
    assert Bundle.load(path).horizon == 7
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "value", [{1: "key"}, {"x": (1, 2)}, {"x": float("nan")}, {"x": Path("x")}, {"x": b"x"}]
)
def test_provenance_is_plain_data(tmp_path: Path, value: dict[object, object]) -> None:
    provenance = {**tiny_metadata().provenance, "configuration": value}
    with pytest.raises(InvalidBundleError) as caught:
        write_tiny_bundle(tmp_path / "b", provenance=provenance)
    assert str(caught.value) == (
        "provenance holds values that are not plain; "
        "allowed: mappings with text keys, lists, text, finite numbers, true, false, null"
    )


def test_paths_may_be_text(tmp_path: Path) -> None:
    text = str(tmp_path / "b")
    write_bundle(
        text, encoder_onnx=encoder_onnx(), policy_onnx=policy_onnx(), metadata=tiny_metadata()
    )
    assert Bundle.load(text).path == tmp_path / "b"


def test_provenance_may_name_one_list_twice(tmp_path: Path) -> None:
    """YAML would write the second as an alias, which loading refuses."""
    seeds = [1, 2, 3]
    provenance = tiny_metadata().provenance | {"seeds": seeds, "evaluation_seeds": seeds}
    bundle = tiny_bundle(tmp_path / "bundle", provenance=provenance)
    assert bundle.provenance["evaluation_seeds"] == seeds
