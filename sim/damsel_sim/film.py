"""Film of one adaptation: what the robot did in its probes and in every attempt after them.

    python -m damsel_sim.film --family push --goal 0.17,-0.04 --output push.png

A `.png` is a film strip with a row a trajectory; a `.gif` moves. Needs the extra `view`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import mujoco

from damsel.bundle import Bundle
from damsel.bundle_path import default_bundle
from damsel.cli import OneLineParser, run
from damsel.errors import InvalidConfigError
from damsel.tasks import parse_goal
from damsel_sim.adaptation import adapt_offline
from damsel_sim.physics import load_model
from damsel_sim.render import Renderer

__all__ = ["main"]

_FRAMES = {".png": 8, ".gif": 50}
"""Pictures of each trajectory, by the suffix of the file."""
_WIDTH_PX = {".png": 224, ".gif": 480}
"""Width of each picture, by the suffix of the file."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point."""
    given = sys.argv[1:] if arguments is None else arguments
    return run(lambda: _film(given), "damsel_sim.film")


def _film(arguments: Sequence[str]) -> None:
    options = _parser().parse_args(arguments)
    try:
        from damsel_sim.filmstrip import film_of, save_gif, save_png
    except ModuleNotFoundError as error:
        if error.name != "PIL":
            raise
        raise InvalidConfigError("a film needs Pillow; allowed: pip install pillow") from None
    task = parse_goal(options.family, options.goal)
    bundle = Bundle.load(options.bundle or default_bundle())
    kind = options.output.suffix
    # Whether this machine can draw shows before the robot moves.
    model = load_model()
    renderer = _renderer(model, options.width or _WIDTH_PX[kind], options.camera)
    try:
        adapted = adapt_offline(bundle, task, options.iterations, keep_states=True)
        frames = options.frames or _FRAMES[kind]
        film = film_of(adapted, task, bundle.control_rate_hz, model, renderer, frames)
    finally:
        renderer.close()
    save = save_png if kind == ".png" else save_gif
    try:
        save(film, options.output)
    except OSError as error:
        raise InvalidConfigError(f"cannot write {options.output}: {error.strerror}") from None
    print(options.output)


def _renderer(model: mujoco.MjModel, width: int, camera: str) -> Renderer:
    cameras = [model.camera(index).name for index in range(model.ncam)]
    if camera not in cameras:
        raise InvalidConfigError(f"--camera is {camera!r}; allowed: {', '.join(cameras)}")
    return Renderer(model, width, 3 * width // 4, camera)


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="python -m damsel_sim.film", description=_first_line(__doc__))
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="(models/default of this clone)")
    parser.add_argument("--family", required=True, help="of the hidden task")
    parser.add_argument("--goal", required=True, help="of the hidden task, such as 0.17,-0.04")
    parser.add_argument(
        "--iterations", type=int, default=4, metavar="K", help="attempts at most (%(default)s)"
    )
    parser.add_argument("--camera", default="hero", help="hero, side, front or top (%(default)s)")
    parser.add_argument(
        "--frames",
        type=_whole(2, 500),
        metavar="N",
        help="pictures of each trajectory (8 in a .png, 50 in a .gif)",
    )
    parser.add_argument(
        "--width",
        type=_whole(160, 1280),
        metavar="PIXELS",
        help="of each picture (224 in a .png, 480 in a .gif)",
    )
    parser.add_argument(
        "--output",
        type=_output,
        default=Path("film.png"),
        metavar="FILE",
        help=".png or .gif (%(default)s)",
    )
    return parser


def _first_line(text: str) -> str:
    return text.splitlines()[0]


def _whole(low: int, high: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"{text!r}; allowed: a whole number, {low} to {high}")
        return int(text)

    return whole


def _output(text: str) -> Path:
    path = Path(text)
    if path.suffix not in _FRAMES or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(
            f"{text!r}; allowed: a file {' or '.join('*' + suffix for suffix in _FRAMES)} "
            "in a folder that exists"
        )
    return path


if __name__ == "__main__":
    sys.exit(main())
