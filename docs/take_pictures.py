"""Take the pictures in `docs/images` that are rendered from the simulation.

    python docs/take_pictures.py                     # all of them
    python docs/take_pictures.py scene push          # some: scene, push, door, drawer

`scene.png` shows the start of a trajectory. `adaptation_*.png` are film strips of one adaptation
to a hidden task of each family with the bundle in `models/default`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from damsel.cli import run
from damsel.errors import InvalidConfigError
from damsel_sim import film
from damsel_sim.physics import TabletopPhysics
from damsel_sim.render import Renderer

IMAGES = Path(__file__).parent / "images"
BUNDLE = Path(__file__).parents[1] / "models" / "default"
GOALS = {"push": "0.17,-0.04", "door": "0.62", "drawer": "0.1"}
SCENE_SIZE = (1200, 900)


def main(names: Sequence[str]) -> int:
    """Take the named pictures, all by default; returns the exit code."""
    allowed = ["scene", *GOALS]
    unknown = [name for name in names if name not in allowed]
    if unknown:
        raise InvalidConfigError(f"no picture is called {unknown[0]!r}; allowed: {allowed}")
    for name in names or allowed:
        if name == "scene":
            take_scene(IMAGES / "scene.png")
        elif code := take_film(name, IMAGES / f"adaptation_{name}.png"):
            return code
    return 0


def take_scene(path: Path) -> None:
    """Draw the scene at the start of a trajectory."""
    physics = TabletopPhysics()
    renderer = Renderer(physics.model, *SCENE_SIZE)
    Image.fromarray(renderer.render(physics.state[0], "hero")).save(path, optimize=True)
    renderer.close()
    print(path)


def take_film(family: str, path: Path) -> int:
    """Film an adaptation; returns the exit code."""
    task = ["--family", family, "--goal", GOALS[family]]
    return film.main(["--bundle", str(BUNDLE), *task, "--camera", "side", "--output", str(path)])


if __name__ == "__main__":
    sys.exit(run(lambda: main(sys.argv[1:])))
