"""Film strips and animations of an adaptation. Needs Pillow; `damsel_sim.film` is the command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import mujoco
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from damsel.families import FAMILIES
from damsel.tasks import Task, is_solved
from damsel_sim.adaptation import OfflineRun
from damsel_sim.goal_marker import goal_position, pixel_of
from damsel_sim.render import Renderer

__all__ = ["Film", "FilmRow", "film_of", "save_gif", "save_png"]

_MARGIN = 12
_GAP = 4
_LABEL_WIDTH = 120
_TITLE_HEIGHT = 52
_TIMES_HEIGHT = 20
_LINE_HEIGHT = 19
_SMALL, _NORMAL, _LARGE = 12, 14, 18
_PAPER = (255, 255, 255)
_INK = (32, 36, 42)
_FAINT = (110, 116, 124)
_MARK = (20, 122, 62)
_RING = (214, 20, 60)
_COLOURS = 255


class FilmRow(NamedTuple):
    """One trajectory.

    Attributes:
        title: what kind of trajectory it is.
        notes: what came of it, a line each.
        mark: what is special about it, or empty.
        frames: (n, height, width, 3) uint8, pictures in order.
    """

    title: str
    notes: Sequence[str]
    mark: str
    frames: NDArray[np.uint8]


class Film(NamedTuple):
    """All trajectories of an adaptation.

    Attributes:
        title: the task and what became of it.
        times_s: (n,), when the pictures of each trajectory were taken, seconds since its start.
        rows: one a trajectory, in order.
    """

    title: str
    times_s: Sequence[float]
    rows: Sequence[FilmRow]


def film_of(
    adapted: OfflineRun,
    task: Task,
    control_rate_hz: float,
    model: mujoco.MjModel,
    renderer: Renderer,
    frames: int,
) -> Film:
    """Draw every trajectory at even times, the first and the last moment included.

    A ring shows where block or handle should end; the robot does not see it.

    Args:
        adapted: the adaptation, with its states kept.
        task: what was hidden from it.
        control_rate_hz: control steps in a second.
        model: the scene.
        renderer: draws it.
        frames: pictures of each trajectory, at least 2.
    """
    unit = FAMILIES[task.family].unit
    last = max(map(len, adapted.states)) - 1
    steps = np.linspace(0, last, frames).round().astype(int)
    camera = renderer.camera
    rows = []
    for record, total, distance, states in zip(
        adapted.adaptation.records,
        adapted.returns,
        adapted.final_distances,
        adapted.states,
        strict=True,
    ):
        probe = record.stage == "probe"
        chosen = probe and record.family == adapted.adaptation.family
        solved = not probe and is_solved(distance, task)
        # A probe that was cut short stays as it ended.
        shown = [states[min(step, len(states) - 1)] for step in steps]
        seconds = (len(states) - 1) / control_rate_hz
        ended = f"ended at {seconds:.1f} s" if len(states) <= last else f"return {total:.1f}"
        rows.append(
            FilmRow(
                title=f"probe {record.family}" if probe else f"attempt {record.iteration + 1}",
                notes=(ended, f"{distance:.3f} {unit} to go"),
                mark="chosen" if chosen else "solved" if solved else "",
                frames=np.stack(
                    [_ringed(renderer.render(state), task, model, camera) for state in shown]
                ),
            )
        )
    return Film(_title(adapted, task), [float(step / control_rate_hz) for step in steps], rows)


def save_png(film: Film, path: Path) -> None:
    """Write a page: a row a trajectory, time from left to right.

    Args:
        film: the film.
        path: the file, replaced if it is there.

    Raises:
        OSError: it cannot be written.
    """
    count, height, width = film.rows[0].frames.shape[:3]
    left, top = _MARGIN + _LABEL_WIDTH, _TITLE_HEIGHT + _TIMES_HEIGHT
    right = left + count * (width + _GAP) - _GAP + _MARGIN
    bottom = top + len(film.rows) * (height + _GAP) - _GAP + _MARGIN
    page = Image.new("RGB", (right, bottom), _PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((_MARGIN, _MARGIN), film.title, _INK, _font(_LARGE))
    corner = (right - _MARGIN, _MARGIN)
    draw.text(corner, "ring: the goal, unseen by the robot", _RING, _font(_NORMAL), anchor="ra")
    for column, time_s in enumerate(film.times_s):
        corner = (left + column * (width + _GAP), _TITLE_HEIGHT)
        draw.text(corner, f"{time_s:.1f} s", _FAINT, _font(_SMALL))
    for index, row in enumerate(film.rows):
        y = top + index * (height + _GAP)
        _draw_label(draw, _MARGIN, y, row)
        for column, frame in enumerate(row.frames):
            page.paste(Image.fromarray(frame), (left + column * (width + _GAP), y))
    # With a palette the file is a third of the size.
    _reduced(page).save(path, "PNG", optimize=True)


def save_gif(film: Film, path: Path) -> None:
    """Write an endless animation, trajectory after trajectory, in real time.

    Args:
        film: the film.
        path: the file, replaced if it is there.

    Raises:
        OSError: it cannot be written.
    """
    first, *rest = [
        _reduced(_captioned(frame, film.title, row, time_s))
        for row in film.rows
        for frame, time_s in zip(row.frames, film.times_s, strict=True)
    ]
    period_ms = round(1000 * film.times_s[-1] / (len(film.times_s) - 1))
    first.save(path, "GIF", save_all=True, append_images=rest, loop=0, duration=period_ms)


def _title(adapted: OfflineRun, task: Task) -> str:
    goal = ", ".join(f"{value:g}" for value in task.goal)
    verdict = "solved" if is_solved(adapted.final_distances[-1], task) else "not solved"
    return (
        f"hidden task: {task.family} {goal} {FAMILIES[task.family].unit};  "
        f"inferred: {adapted.adaptation.family};  {verdict}"
    )


def _ringed(
    frame: NDArray[np.uint8], task: Task, model: mujoco.MjModel, camera: str
) -> NDArray[np.uint8]:
    goal = goal_position(task)
    if goal is None:
        return frame
    height, width = frame.shape[:2]
    picture = Image.fromarray(frame)
    ring_px = width / 36
    ImageDraw.Draw(picture).circle(
        pixel_of(goal, model, camera, width, height), ring_px, outline=_RING, width=2
    )
    return np.asarray(picture)


def _draw_label(draw: ImageDraw.ImageDraw, x: int, y: int, row: FilmRow) -> None:
    draw.text((x, y), row.title, _INK, _font(_NORMAL))
    lines = [*((note, _FAINT) for note in row.notes), (row.mark, _MARK)]
    for number, (text, colour) in enumerate(lines, start=1):
        draw.text((x, y + number * _LINE_HEIGHT), text, colour, _font(_NORMAL))


def _captioned(frame: NDArray[np.uint8], title: str, row: FilmRow, time_s: float) -> Image.Image:
    height, width = frame.shape[:2]
    picture = Image.new("RGB", (width, height + _TITLE_HEIGHT), _PAPER)
    picture.paste(Image.fromarray(frame), (0, _TITLE_HEIGHT))
    draw = ImageDraw.Draw(picture)
    draw.text((_MARGIN, 6), title, _INK, _font(_NORMAL))
    caption = f"{row.title}, {row.mark}" if row.mark else row.title
    below = 6 + _LINE_HEIGHT
    draw.text((_MARGIN, below), caption, _FAINT, _font(_NORMAL))
    draw.text((width - _MARGIN, below), f"{time_s:.1f} s", _FAINT, _font(_NORMAL), anchor="ra")
    return picture


def _reduced(picture: Image.Image) -> Image.Image:
    # Maximum coverage keeps the few pixels of the block and the door their colours.
    return picture.quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
