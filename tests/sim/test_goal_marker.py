"""The ring of a film is where the goal is."""

from __future__ import annotations

import numpy as np
import pytest

from damsel.families import FAMILIES
from damsel.observation import BLOCK, DOOR_HANDLE, DRAWER_HANDLE
from damsel.tasks import Task, distance
from damsel_sim.goal_marker import goal_position, pixel_of
from damsel_sim.physics import TabletopPhysics
from damsel_sim.render import NoGraphicsError, Renderer
from tests.support.observations import observation_of

OBJECTS = {"push": BLOCK, "door": DOOR_HANDLE, "drawer": DRAWER_HANDLE}


@pytest.mark.parametrize("family", list(FAMILIES))
def test_an_object_at_the_marker_has_reached_its_goal(family: str) -> None:
    task = Task(family, FAMILIES[family].high)
    observation = observation_of()
    observation[OBJECTS[family]] = goal_position(task)
    assert distance(observation, task) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("camera", ["hero", "front", "side", "top"])
def test_the_pixel_of_the_block_is_orange(camera: str) -> None:
    physics = TabletopPhysics()
    width, height = 320, 240
    try:
        renderer = Renderer(physics.model, width, height, camera)
    except NoGraphicsError as error:
        pytest.skip(str(error))
    image = renderer.render(physics.state[0])
    renderer.close()
    block = physics.observation()[0, BLOCK]
    # The middle of the face that the camera sees best.
    for face in np.concatenate([np.eye(3), -np.eye(3)]) * 0.03:
        x, y = pixel_of(block + face, physics.model, camera, width, height)
        red, green, blue = image[round(y), round(x)].astype(int)
        if red > green + 40 > blue + 80:
            return
    pytest.fail("no face of the block is where it should be seen")
