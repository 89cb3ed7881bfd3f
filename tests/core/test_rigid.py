from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from damsel.errors import InvalidConfigError
from damsel.rigid import RigidTransform
from tests.support.transforms import rigid_transforms

SOME = RigidTransform.of([1.0, 2.0, 3.0], [0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5)])


def test_a_quarter_turn_about_z_takes_x_to_y() -> None:
    np.testing.assert_allclose(SOME.apply(np.array([1.0, 0.0, 0.0])), [1.0, 3.0, 3.0], atol=1e-12)


@given(rigid_transforms(), rigid_transforms())
def test_transforms_compose_and_invert(one: RigidTransform, other: RigidTransform) -> None:
    points = np.array([[0.1, -0.2, 0.3], [1.0, 0.0, 0.0]])
    both = one.after(other).apply(points)
    np.testing.assert_allclose(both, one.apply(other.apply(points)), atol=1e-9)
    np.testing.assert_allclose(one.inverse().apply(one.apply(points)), points, atol=1e-9)


@given(rigid_transforms())
def test_a_quaternion_says_the_same_as_its_rotation(transform: RigidTransform) -> None:
    again = RigidTransform.of(transform.translation.tolist(), transform.quaternion.tolist())
    np.testing.assert_allclose(again.rotation, transform.rotation, atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(transform.rotation), 1.0)


@given(st.floats(0.0, np.pi))
def test_quaternions_near_half_a_turn(angle: float) -> None:
    quaternion = np.array([np.sin(angle / 2), 0.0, 0.0, np.cos(angle / 2)])
    found = RigidTransform.of([0, 0, 0], quaternion.tolist()).quaternion
    assert abs(float(found @ quaternion)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("translation", "quaternion", "says"),
    [
        ([0, 0], [0, 0, 0, 1], "three finite numbers"),
        ([0, 0, np.nan], [0, 0, 0, 1], "three finite numbers"),
        ([0, 0, 0], [0, 0, 0, 0], "unit length"),
        ([0, 0, 0], [0, 0, 1], "unit length"),
        ([0, 0, 0], [0, 0, np.inf, 1], "unit length"),
        ([0, 0, 0], [0, 0, 0, 1.5], "unit length"),
    ],
)
def test_no_pose_is_no_transform(
    translation: list[float], quaternion: list[float], says: str
) -> None:
    with pytest.raises(InvalidConfigError, match=says):
        RigidTransform.of(translation, quaternion)
