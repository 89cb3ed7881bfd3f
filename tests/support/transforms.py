"""Rigid transforms for property-based tests."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from damsel.rigid import RigidTransform

__all__ = ["rigid_transforms"]


@st.composite
def rigid_transforms(draw: st.DrawFn) -> RigidTransform:
    """Any turn, any place within two metres."""
    numbers = draw(st.lists(st.floats(-1, 1), min_size=4, max_size=4))
    quaternion = np.array(numbers)
    length = np.linalg.norm(quaternion)
    quaternion = quaternion / length if length > 1e-3 else np.array([0.0, 0.0, 0.0, 1.0])
    translation = draw(st.lists(st.floats(-2, 2), min_size=3, max_size=3))
    return RigidTransform.of(translation, quaternion.tolist())
