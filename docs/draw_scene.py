"""Draw the tabletop to scale from the simulation's own numbers, for whoever builds it.

python docs/draw_scene.py           # writes docs/images/scene_*.svg, the table in docs/scene.md
python docs/draw_scene.py --check   # writes nothing, fails if they are not current
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from drawing.annotations import MARK, dimension, frame_arrows, ordinates, outline
from drawing.dimensions import MM, Scene, dimension_table, load_scene
from drawing.shapes import SIDE_VIEW, TOP_VIEW, draw_solids, named
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from damsel import scene
from damsel.families import FAMILIES

DOCS = Path(__file__).parent
PAGE = DOCS / "scene.md"
BEGIN, END = "<!-- dimensions: begin -->\n", "<!-- dimensions: end -->\n"

ARM = ("base", "l0", "head", "l1", "l2", "l3", "l4", "l5", "l6", "gripper", "finger")
GOAL = "#b8640a"
PAGE_WIDTH_IN = 9.2
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "lines.linewidth": 0.8,
    "patch.linewidth": 0.8,
    # Text stays text, and nothing is drawn by chance: the same drawing on every run.
    "svg.fonttype": "none",
    "svg.hashsalt": "damsel",
}


def main(arguments: Sequence[str]) -> int:
    """Write or check everything; returns the exit code."""
    if list(arguments) not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    current = {DOCS / "images" / f"scene_{name}.svg": svg(draw) for name, draw in VIEWS.items()}
    current[PAGE] = with_table(PAGE.read_text(encoding="utf-8"))
    stale = [p for p, text in current.items() if not p.exists() or p.read_text("utf-8") != text]
    for path in stale:
        print(f"{'not current' if arguments else 'writing'}: {path.relative_to(DOCS.parent)}")
        if not arguments:
            path.write_text(current[path], encoding="utf-8")
    return 1 if arguments and stale else 0


def with_table(page: str) -> str:
    """The page with its table made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{dimension_table(load_scene())}\n\n{END}{after}"


def svg(draw: Callable[[Scene], Figure]) -> str:
    """A drawing as text."""
    with mpl.rc_context(STYLE):
        buffer = io.StringIO()
        draw(load_scene()).savefig(
            buffer, format="svg", metadata={"Creator": "docs/draw_scene.py", "Date": None}
        )
    return "".join(f"{line.rstrip()}\n" for line in buffer.getvalue().splitlines())


def from_above(shut: Scene) -> Figure:
    """Where everything stands."""
    opened = load_scene(FAMILIES["door"].high[0], FAMILIES["drawer"].high[0])
    figure, axes = sheet((-300, 1340), (-850, 850))
    draw_solids(axes, shut, TOP_VIEW, ["pedestal_foot", "pedestal", "table"])
    draw_solids(axes, shut, TOP_VIEW, named(shut, *ARM))
    draw_solids(axes, opened, TOP_VIEW, ["door_panel", "drawer_tray", "drawer_face"], ghost=True)
    draw_solids(axes, opened, TOP_VIEW, ["door_bar", "drawer_bar"], ghost=True)
    handles = named(shut, "door_post", "door_bar", "drawer_post", "drawer_bar")
    draw_solids(axes, shut, TOP_VIEW, ["door_cabinet", "drawer_roof", *handles])
    draw_solids(axes, shut, TOP_VIEW, ["door_panel", "door_hinge", "drawer_face", "block"])
    low, high = MM * scene.WORKSPACE_LOW_BASE, MM * scene.WORKSPACE_HIGH_BASE
    outline(axes, low, high, "workspace of the end effector", "#3b434c")
    push, block = FAMILIES["push"], MM * scene.BLOCK_START_BASE
    goal_low, goal_high = (block[:2] + MM * np.array(end) for end in (push.low, push.high))
    outline(axes, goal_low, goal_high, "goals of\nthe block", GOAL)
    draw_handle_goals(axes)
    hinge, drawer = MM * scene.DOOR_HINGE_BASE, MM * scene.DRAWER_HANDLE_START_BASE
    solids, tip = shut.solids, shut.end_effector
    table, bar, panel = solids["table"], solids["door_bar"], solids["door_panel"]
    mark(axes, tip[0], tip[1])
    mark(axes, hinge[0], hinge[1])
    ordinates(axes, 0, table.low[1] - 15, [
        (0, -260, "base"),
        (table.low[0], table.low[1], ""),
        (low[0], low[1], ""),
        (tip[0], tip[1], "start"),
        (block[0], block[1], "block"),
        (drawer[0], drawer[1], "handle"),
        (solids["drawer_face"].low[0], drawer[1], "front"),
        (high[0], low[1], ""),
        (table.high[0], table.low[1], ""),
    ])  # fmt: skip
    ordinates(axes, 0, table.high[1] + 15, [
        (goal_low[0], goal_high[1], "goals"),
        (goal_high[0], goal_high[1], ""),
        (bar.centre[0], bar.centre[1], "handle"),
        (hinge[0], hinge[1], "hinge"),
    ])  # fmt: skip
    ordinates(axes, 1, table.high[0] + 15, [
        (table.high[1], table.high[0], ""),
        (high[1], high[0], ""),
        (hinge[1], hinge[0], "hinge"),
        (bar.centre[1], bar.centre[0], "handle"),
        (panel.low[1], panel.high[0], "panel"),
        (goal_high[1], goal_high[0], "goals"),
        (block[1], goal_high[0], "block, start"),
        (goal_low[1], goal_high[0], "goals"),
        (drawer[1], drawer[0], "drawer"),
        (low[1], high[0], ""),
        (table.low[1], table.high[0], ""),
    ])  # fmt: skip
    frame_arrows(axes, (-220, -700), ("x", "y"))
    return figure


def from_the_side(shut: Scene) -> Figure:
    """Heights, seen from the robot's right."""
    figure, axes = sheet((-300, 1340), (-1110, 790))
    solids, tip = shut.solids, shut.end_effector
    floor, table = solids["floor"].centre[2], solids["table"]
    axes.plot([-300, table.high[0]], [floor, floor], color=MARK, linewidth=0.6)
    draw_solids(axes, shut, SIDE_VIEW, ["pedestal", "pedestal_foot", *named(shut, *ARM)])
    draw_solids(axes, shut, SIDE_VIEW, ["leg_near_right", "leg_far_right", "table"])
    draw_solids(axes, shut, SIDE_VIEW, ["block", *named(shut, "drawer_tray", "drawer_face")])
    draw_solids(axes, shut, SIDE_VIEW, named(shut, "drawer_side_right", "drawer_roof"))
    draw_solids(axes, shut, SIDE_VIEW, named(shut, "drawer_post_right", "drawer_bar"))
    low, high = MM * scene.WORKSPACE_LOW_BASE, MM * scene.WORKSPACE_HIGH_BASE
    outline(axes, low[[0, 2]], high[[0, 2]], "workspace", "#3b434c")
    mark(axes, tip[0], tip[2])
    bar, block = solids["drawer_bar"], solids["block"]
    ordinates(axes, 1, table.high[0] + 15, [
        (0, 90, "base"),
        (table.high[2], table.high[0], "table top"),
        (low[2], high[0], "workspace"),
        (high[2], high[0], "workspace"),
        (tip[2], tip[0], "start"),
        (bar.centre[2], bar.centre[0], "handles"),
        (MM * (scene.TABLE_HEIGHT_M + 2 * scene.BLOCK_HALF_SIZE_M), block.high[0], "block"),
        (floor, table.high[0], "floor"),
    ])  # fmt: skip
    ordinates(axes, 0, floor - 5, [
        (0, 0, "base"),
        (table.low[0], table.low[2], "table"),
        (table.high[0], table.low[2], "table"),
    ])  # fmt: skip
    frame_arrows(axes, (-230, -700), ("x", "z"))
    return figure


def details(shut: Scene) -> Figure:
    """Door, drawer and fingers at a larger scale."""
    figure = Figure(figsize=(PAGE_WIDTH_IN, 5.0))
    panels = figure.subplots(1, 3, width_ratios=(240, 240, 130))
    figure.subplots_adjust(0.0, 0.0, 1.0, 0.94, wspace=0.0)
    door, drawer, fingers = panels
    draw_door(prepared(door, (650, 890), (130, 450), "door, from above"), shut)
    draw_drawer(prepared(drawer, (650, 890), (-440, -120), "drawer, from above"), shut)
    draw_fingers(prepared(fingers, (-60, 70), (20, 193), "fingers, along x"), shut)
    return figure


def draw_door(axes: Axes, shut: Scene) -> None:
    """Panel, hinge and handle of the door."""
    names = ["door_cabinet", *named(shut, "door_post"), "door_bar", "door_panel"]
    draw_solids(axes, shut, TOP_VIEW, names)
    hinge, panel, bar = (
        MM * scene.DOOR_HINGE_BASE,
        *(shut.solids[f"door_{n}"] for n in ("panel", "bar")),
    )
    x, y = bar.centre[:2]
    radius, half = bar.size[:2]
    mark(axes, hinge[0], hinge[1])
    axes.text(hinge[0] + 8, hinge[1] + 6, "axis of\nthe hinge", color=MARK)
    dimension(axes, hinge, (hinge[0], panel.low[1]), hinge[0] + 62, axis=1)
    dimension(axes, hinge, (x, y), x - 48, axis=1, side=-1)
    dimension(axes, (x, y + half), (x, y - half), x - 22, axis=1, side=-1)
    dimension(axes, (x, y - half), (hinge[0], panel.low[1]), panel.low[1] - 22, axis=0, side=-1)
    dimension(axes, (x + radius, y), (panel.low[0], y), y, axis=0)
    dimension(axes, (panel.low[0], hinge[1]), (panel.high[0], hinge[1]), hinge[1] + 30, axis=0)
    axes.text(x, y + half + 10, f"Ø {2 * radius:g}", ha="right", va="bottom")


def draw_drawer(axes: Axes, shut: Scene) -> None:
    """Front and handle of the drawer."""
    draw_solids(axes, shut, TOP_VIEW, named(shut, "drawer_tray", "drawer_wall"))
    draw_solids(axes, shut, TOP_VIEW, ["drawer_roof", *named(shut, "drawer_post")])
    draw_solids(axes, shut, TOP_VIEW, ["drawer_bar", "drawer_face"])
    face, bar = (shut.solids[f"drawer_{name}"] for name in ("face", "bar"))
    x, y = bar.centre[:2]
    radius, half = bar.size[:2]
    dimension(axes, face.high, (face.high[0], face.low[1]), face.high[0] + 46, axis=1)
    dimension(axes, (x, y + half), (x, y - half), x - 22, axis=1, side=-1)
    dimension(axes, (x, y - half), face.low, face.low[1] - 22, axis=0, side=-1)
    dimension(axes, (x + radius, y), (face.low[0], y), y, axis=0)
    dimension(axes, (face.low[0], face.high[1]), face.high, face.high[1] + 22, axis=0)
    axes.text(x, y + half + 10, f"Ø {2 * radius:g}", ha="right", va="bottom")


def draw_fingers(axes: Axes, shut: Scene) -> None:
    """The fingers below the body of the gripper."""
    draw_solids(axes, shut, (1, 2), named(shut, "finger", "gripper", "l6"))
    left, right, body = (shut.solids[n] for n in ("finger_left", "finger_right", "gripper_body"))
    radius, (_, y, z) = left.size[0], shut.end_effector
    mark(axes, y, z)
    axes.text(y, z + 5, "end\neffector", ha="center", va="bottom", color=MARK)
    dimension(axes, (right.centre[1], z), (left.centre[1], z), z - 9, axis=0, side=-1)
    side = left.centre[1] + radius
    dimension(axes, (side, body.low[2]), (side, z), side + 14, axis=1)
    axes.text(right.centre[1] - radius - 3, z + 40, f"Ø {2 * radius:g}", ha="right")


VIEWS = {"top": from_above, "side": from_the_side, "details": details}


def draw_handle_goals(axes: Axes) -> None:
    """The ways of the middles of the two handles to their farthest goals."""
    door, drawer = FAMILIES["door"].high[0], FAMILIES["drawer"].high[0]
    arc = MM * scene.door_handle_position(np.linspace(0.0, door, 40))
    way = MM * scene.drawer_handle_position(np.array([0.0, drawer]))
    axes.plot(arc[:, 0], arc[:, 1], color=GOAL)
    axes.plot(way[:, 0], way[:, 1], color=GOAL)
    axes.text(arc[-1, 0] - 8, arc[-1, 1], f"{np.degrees(door):.0f}°", color=GOAL, ha="right")
    axes.text(
        way[-1, 0] - 12, way[-1, 1], f"{MM * drawer:.0f}", color=GOAL, ha="right", va="center"
    )


def mark(axes: Axes, x: float, y: float) -> None:
    """A point that others are measured from."""
    axes.plot(x, y, "+", color=MARK, markersize=9)


def sheet(x: tuple[float, float], y: tuple[float, float]) -> tuple[Figure, Axes]:
    """A page that shows so many millimetres."""
    height = PAGE_WIDTH_IN * (y[1] - y[0]) / (x[1] - x[0])
    figure = Figure(figsize=(PAGE_WIDTH_IN, height))
    return figure, prepared(figure.add_axes((0, 0, 1, 1)), x, y)


def prepared(axes: Axes, x: tuple[float, float], y: tuple[float, float], title: str = "") -> Axes:
    """Axes to scale and without a frame."""
    axes.set(xlim=x, ylim=y, aspect="equal")
    axes.set_title(title, fontsize=9)
    axes.axis("off")
    return axes


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
