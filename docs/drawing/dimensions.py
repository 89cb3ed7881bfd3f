"""Every dimension of the tabletop scene, read from the simulation, for its drawing and table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import mujoco
import numpy as np
from numpy.typing import NDArray

from damsel import scene
from damsel.families import FAMILIES
from damsel.kinematics import JOINT_NAMES, end_effector_position
from damsel_sim.physics import load_model

__all__ = ["MM", "Dimension", "Scene", "Solid", "dimension_table", "dimensions", "load_scene"]

Array = NDArray[np.float64]

MM = 1000.0
_PLACE = "± 3 mm"
_PART = "± 1 mm"


class Solid(NamedTuple):
    """One primitive of the MJCF, in millimetres in frame `base`.

    Attributes:
        kind: MuJoCo's type of geometry.
        centre: (3,).
        rotation: (3, 3), local axes as columns; a capsule or cylinder lies along the third.
        size: half sizes of a box; radius and half length of a capsule or cylinder.
    """

    kind: mujoco.mjtGeom
    centre: Array
    rotation: Array
    size: Array

    @property
    def low(self) -> Array:
        """Corner (3,) with the smallest coordinates of a box that is not turned."""
        return self.centre - self.size

    @property
    def high(self) -> Array:
        """Corner (3,) with the largest coordinates of a box that is not turned."""
        return self.centre + self.size

    @property
    def ends(self) -> tuple[Array, Array]:
        """Where the axis of a capsule or cylinder ends, (3,) each."""
        half = self.rotation[:, 2] * self.size[1]
        return self.centre - half, self.centre + half


class Scene(NamedTuple):
    """The model and where its parts are.

    Attributes:
        model: MuJoCo's model.
        solids: by the name of the geometry, in the order of the MJCF.
        end_effector: (3,), millimetres in frame `base`, where it starts.
    """

    model: mujoco.MjModel
    solids: dict[str, Solid]
    end_effector: Array


class Dimension(NamedTuple):
    """A line of the table.

    Attributes:
        what: is measured.
        value: with its unit.
        tolerance: advice for who builds it, or empty.
    """

    what: str
    value: str
    tolerance: str = ""


def load_scene(door_rad: float = 0.0, drawer_m: float = 0.0) -> Scene:
    """The scene with the arm at its start.

    Args:
        door_rad: how far the door is open.
        drawer_m: how far the drawer is open.
    """
    model = load_model()
    data = mujoco.MjData(model)
    data.qpos[: len(JOINT_NAMES)] = scene.HOME_JOINT_POSITIONS
    data.joint("door").qpos[:] = door_rad
    data.joint("drawer").qpos[:] = drawer_m
    mujoco.mj_forward(model, data)
    solids = {
        model.geom(index).name: Solid(
            mujoco.mjtGeom(int(model.geom_type[index])),
            MM * data.geom_xpos[index],
            data.geom_xmat[index].reshape(3, 3).copy(),
            MM * model.geom_size[index],
        )
        for index in range(model.ngeom)
    }
    return Scene(model, solids, MM * end_effector_position(scene.HOME_JOINT_POSITIONS[None])[0])


def dimensions(this: Scene) -> dict[str, Sequence[Dimension]]:
    """What to build, by section, of a scene with door and drawer shut."""
    return {
        "table": _table(this),
        "block": _block(this),
        "door": _door(this),
        "drawer": _drawer(this),
        "robot": _robot(this),
        "goals": _goals(),
    }


def dimension_table(this: Scene) -> str:
    """All sections as one Markdown table."""
    lines = ["| part | dimension | value | tolerance |", "|---|---|---|---|"]
    for section, rows in dimensions(this).items():
        for index, row in enumerate(rows):
            lines.append(f"| {'' if index else f'**{section}**'} | {' | '.join(row)} |")
    return "\n".join(lines)


def _number(value: float) -> str:
    # Adding zero turns a rounded -0 into 0.
    return f"{round(float(value), 1) + 0:g}"


def _mm(*values: float) -> str:
    return f"{' x '.join(_number(value) for value in values)} mm"


def _range(low: float, high: float) -> str:
    return f"{_number(low)} .. {_number(high)} mm"


def _place(**coordinates: float) -> str:
    return ", ".join(f"{name} = {_number(value)}" for name, value in coordinates.items()) + " mm"


def _friction(this: Scene, name: str) -> float:
    return float(this.model.geom(name).friction[0])


def _table(this: Scene) -> list[Dimension]:
    table, top = this.solids["table"], MM * scene.TABLE_HEIGHT_M
    low, high = MM * scene.WORKSPACE_LOW_BASE, MM * scene.WORKSPACE_HIGH_BASE
    floor = this.solids["floor"].centre[2]
    return [
        Dimension("top, z in frame `base`", _mm(top), _PART),
        Dimension("top above the floor, robot on its pedestal", _mm(top - floor), _PART),
        Dimension("top, length in x and y", _mm(*2 * table.size[:2]), "or larger in y"),
        Dimension("near edge", _place(x=table.low[0]), "± 20 mm"),
        Dimension("friction coefficient", _number(_friction(this, "table")), "0.35 .. 0.45"),
        Dimension("workspace of the end effector, x", _range(low[0], high[0])),
        Dimension("workspace, y", _range(low[1], high[1])),
        Dimension("workspace, z", _range(low[2], high[2])),
        Dimension("workspace, above the table", _range(low[2] - top, high[2] - top)),
    ]


def _block(this: Scene) -> list[Dimension]:
    start = MM * scene.BLOCK_START_BASE
    body = this.model.body("block")
    friction = max(_friction(this, "block"), _friction(this, "table"))
    slides_n = friction * float(body.mass[0]) * abs(float(this.model.opt.gravity[2]))
    return [
        Dimension("cube, edges along x and y", _mm(2 * MM * scene.BLOCK_HALF_SIZE_M), _PART),
        Dimension("start, centre", _place(x=start[0], y=start[1]), "± 2 mm, ± 2°"),
        Dimension("mass", f"{float(body.mass[0]):g} kg", "± 0.01 kg"),
        Dimension("friction coefficient", _number(_friction(this, "block")), "0.35 .. 0.45"),
        Dimension("slides on the table from", f"{slides_n:.2f} N", "0.7 .. 0.9 N"),
    ]


def _door(this: Scene) -> list[Dimension]:
    panel, bar = this.solids["door_panel"], this.solids["door_bar"]
    axis, top = MM * scene.DOOR_HINGE_BASE, MM * scene.TABLE_HEIGHT_M
    joint, arm = this.model.joint("door"), scene.DOOR_HANDLE_FROM_HINGE_M
    friction, damping = float(joint.frictionloss[0]), float(joint.damping[0])
    inertia = float(this.model.dof_M0[int(joint.dofadr[0])])
    return [
        Dimension("hinge, vertical axis", _place(x=axis[0], y=axis[1]), _PLACE),
        Dimension("panel, thickness x width x height", _mm(*2 * panel.size), _PART),
        Dimension(
            "panel, from the axis along -y",
            _range(axis[1] - panel.high[1], axis[1] - panel.low[1]),
            _PART,
        ),
        Dimension(
            "panel, above the table", _range(panel.low[2] - top, panel.high[2] - top), "± 2 mm"
        ),
        Dimension("handle, from the axis along the panel", _mm(MM * arm), "± 2 mm"),
        Dimension(
            "handle, from the axis towards the robot",
            _mm(MM * scene.DOOR_HANDLE_STANDOFF_M),
            "± 2 mm",
        ),
        *_handle(this, "door", panel.low[0] - bar.centre[0]),
        Dimension(
            "range, towards the robot", f"0 .. {math.degrees(joint.range[1]):.0f}°", "45° or more"
        ),
        Dimension("mass", f"{float(this.model.body('door').mass[0]):g} kg", "± 0.2 kg"),
        Dimension("inertia about the axis", f"{inertia:.4f} kg m²", "± 25 %"),
        Dimension("dry friction", f"{friction:g} N m", "0.1 .. 0.3 N m"),
        Dimension("dry friction, felt at the handle", f"{friction / arm:.2f} N", "0.6 .. 1.9 N"),
        Dimension("damping", f"{damping:g} N m s/rad", "0.1 .. 0.6 N m s/rad"),
    ]


def _drawer(this: Scene) -> list[Dimension]:
    face, bar = this.solids["drawer_face"], this.solids["drawer_bar"]
    top, handle = MM * scene.TABLE_HEIGHT_M, MM * scene.DRAWER_HANDLE_START_BASE
    joint = this.model.joint("drawer")
    return [
        Dimension("handle, shut, middle of the bar", _place(x=handle[0], y=handle[1]), _PLACE),
        Dimension("front, thickness x width x height", _mm(*2 * face.size), _PART),
        Dimension(
            "front, above the table", _range(face.low[2] - top, face.high[2] - top), "± 2 mm"
        ),
        Dimension("handle, axis from the front", _mm(face.low[0] - bar.centre[0]), "± 2 mm"),
        *_handle(this, "drawer", face.low[0] - bar.centre[0]),
        Dimension("travel along -x", _range(0, MM * joint.range[1]), "150 mm or more"),
        Dimension("mass", f"{float(this.model.body('drawer').mass[0]):g} kg", "± 0.2 kg"),
        Dimension("dry friction", f"{float(joint.frictionloss[0]):g} N", "1 .. 2 N"),
        Dimension("damping", f"{float(joint.damping[0]):g} N s/m", "2 .. 8 N s/m"),
    ]


def _handle(this: Scene, name: str, axis_to_panel: float) -> list[Dimension]:
    bar, top = this.solids[f"{name}_bar"], MM * scene.TABLE_HEIGHT_M
    radius, half = bar.size[:2]
    return [
        Dimension("handle, bar above the table", _mm(bar.centre[2] - top), _PLACE),
        Dimension("handle, bar between the posts' axes", _mm(2 * half), "± 2 mm"),
        Dimension("handle, diameter of bar and posts", _mm(2 * radius), _PART),
        Dimension("handle, clear gap behind the bar", _mm(axis_to_panel - radius), "± 2 mm"),
    ]


def _robot(this: Scene) -> list[Dimension]:
    left, right = this.solids["finger_left"], this.solids["finger_right"]
    radius = left.size[0]
    body, tip = this.solids["gripper_body"], this.end_effector
    return [
        Dimension("start, end effector", _place(x=tip[0], y=tip[1], z=tip[2]), _PLACE),
        Dimension("fingers, straight down, side by side in", "y"),
        Dimension("fingers, between their axes", _mm(left.centre[1] - right.centre[1]), "± 2 mm"),
        Dimension("fingers, diameter", _mm(2 * radius), _PART),
        Dimension("fingers, out of the gripper's body", _mm(body.low[2] - tip[2]), "± 2 mm"),
        Dimension(
            "fingers, friction coefficient", _number(_friction(this, "finger_left")), "0.8 .. 1.2"
        ),
    ]


def _goals() -> list[Dimension]:
    push, door, drawer = FAMILIES["push"], FAMILIES["door"], FAMILIES["drawer"]
    return [
        Dimension("block, forward from its start", _range(MM * push.low[0], MM * push.high[0])),
        Dimension("block, sideways", _range(MM * push.low[1], MM * push.high[1])),
        Dimension("door", f"0 .. {math.degrees(door.high[0]):.0f}°"),
        Dimension("drawer", _range(0.0, MM * drawer.high[0])),
    ]
