"""Pictures are drawn off-screen, and show the scene."""

from __future__ import annotations

import numpy as np
import pytest

from damsel_sim.physics import TabletopPhysics
from damsel_sim.render import NoGraphicsError, Renderer


@pytest.mark.parametrize("camera", ["hero", "front", "side", "top"])
def test_every_camera_sees_something(camera: str) -> None:
    physics = TabletopPhysics(1)
    try:
        renderer = Renderer(physics.model, 160, 120)
    except NoGraphicsError as error:
        pytest.skip(str(error))
    image = renderer.render(physics.state[0], camera)
    renderer.close()
    assert image.shape == (120, 160, 3)
    assert np.ptp(image) > 100
