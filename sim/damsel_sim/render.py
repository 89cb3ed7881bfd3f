"""Off-screen pictures of the scene."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from damsel.errors import DamselError
from damsel_sim import has_display

__all__ = ["NoGraphicsError", "Renderer"]


class NoGraphicsError(DamselError):
    """This machine cannot draw."""


class Renderer:
    """Draws a full physics state, off-screen."""

    def __init__(
        self, model: mujoco.MjModel, width: int = 640, height: int = 480, camera: str = "hero"
    ) -> None:
        self.camera = camera
        self._model = model
        self._data = mujoco.MjData(model)
        # There is no such class where no graphics library was found, or none is wanted.
        context = getattr(mujoco, "GLContext", None)
        if getattr(context, "__module__", "") == "mujoco.glfw" and not has_display():
            # GLFW would not fail but kill the process; this happens if mujoco was imported first.
            raise NoGraphicsError(
                "no display; set MUJOCO_GL=egl, or import damsel_sim before mujoco"
            )
        try:
            self._renderer = mujoco.Renderer(model, height, width)
        except Exception as error:
            # What is raised depends on the graphics back end, and some do not derive from OSError.
            raise NoGraphicsError(
                f"no off-screen graphics here ({type(error).__name__}); install libegl1 and "
                "libgl1-mesa-dri, or set MUJOCO_GL to one of egl, osmesa, glfw"
            ) from error

    def render(self, state: NDArray[np.float64], camera: str | None = None) -> NDArray[np.uint8]:
        """Image (height, width, 3).

        Args:
            state: (nstate,), MuJoCo's full physics state, a row of `TabletopPhysics.state`.
            camera: one of hero, front, side, top.
        """
        mujoco.mj_setState(self._model, self._data, state, mujoco.mjtState.mjSTATE_FULLPHYSICS)
        mujoco.mj_forward(self._model, self._data)
        self._renderer.update_scene(self._data, camera=camera or self.camera)
        image: NDArray[np.uint8] = self._renderer.render()
        return image

    def close(self) -> None:
        """Release the graphics context."""
        self._renderer.close()
