"""Films: a row a trajectory, mistakes in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from damsel.bundle import Bundle
from damsel.families import FAMILIES
from damsel.tasks import Task
from damsel_sim import film
from damsel_sim.adaptation import adapt_offline
from damsel_sim.render import NoGraphicsError, Renderer
from tests.support.tiny_bundle import TINY_HORIZON, write_tiny_bundle

Image = pytest.importorskip("PIL.Image")
filmstrip = pytest.importorskip("damsel_sim.filmstrip")

FRAMES = 3
GOAL = ["--family", "door", "--goal", "0.4"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "tiny"
    write_tiny_bundle(path)
    return path


@pytest.fixture(scope="module")
def strip(bundle: Path) -> filmstrip.Film:
    from damsel_sim.physics import load_model

    model = load_model()
    try:
        renderer = Renderer(model, 160, 120, "side")
    except NoGraphicsError as error:
        pytest.skip(str(error))
    task = Task("door", (0.4,))
    loaded = Bundle.load(bundle)
    adapted = adapt_offline(loaded, task, 1, keep_states=True)
    made = filmstrip.film_of(adapted, task, loaded.control_rate_hz, model, renderer, FRAMES)
    renderer.close()
    return made


def test_a_row_a_trajectory_that_says_what_came_of_it(strip: filmstrip.Film) -> None:
    # Nothing moves in the tiny bundle's few steps: all probes return 0, and the first is chosen.
    assert [row.title for row in strip.rows] == [*(f"probe {f}" for f in FAMILIES), "attempt 1"]
    assert [row.mark for row in strip.rows] == ["chosen", "", "", ""]
    assert strip.rows[0].notes == ("return 0.0", "0.400 rad to go")
    assert strip.title == "hidden task: door 0.4 rad;  inferred: push;  not solved"
    assert strip.times_s == [0.0, TINY_HORIZON / 2 / 20, TINY_HORIZON / 20]


def test_frames_show_the_arm_moving(strip: filmstrip.Film) -> None:
    for row in strip.rows:
        assert row.frames.shape == (FRAMES, 120, 160, 3)
    first = [row.frames[0] for row in strip.rows]
    assert all(np.array_equal(first[0], other) for other in first[1:])
    assert not np.array_equal(strip.rows[0].frames[0], strip.rows[0].frames[-1])


def test_the_page_holds_every_frame_where_it_belongs(strip: filmstrip.Film, tmp_path: Path) -> None:
    filmstrip.save_png(strip, tmp_path / "film.png")
    page = np.asarray(Image.open(tmp_path / "film.png").convert("RGB")).astype(int)
    height, width = page.shape[:2]
    last = strip.rows[-1].frames[-1].astype(int)
    found = page[height - 12 - 120 : height - 12, width - 12 - 160 : width - 12]
    # The palette changes colours a little.
    assert np.abs(found - last).mean() < 6


def test_the_animation_runs_in_real_time(strip: filmstrip.Film, tmp_path: Path) -> None:
    filmstrip.save_gif(strip, tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as animation:
        assert animation.n_frames == FRAMES * len(strip.rows)
        assert animation.info["duration"] == 1000 * TINY_HORIZON / 20 / (FRAMES - 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--family", "dor", "--goal", "0.4"], "unknown family 'dor'"),
        (["--family", "door", "--goal", "4"], "door goal (4.0,) is out of range"),
        ([*GOAL, "--camera", "roof"], "--camera is 'roof'; allowed: front, side, hero, top"),
        ([*GOAL, "--output", "film.jpg"], "'film.jpg'; allowed: a file *.png or *.gif"),
        ([*GOAL, "--frames", "1"], "'1'; allowed: a whole number, 2 to 500"),
        ([*GOAL, "--bundle", "nowhere"], "nowhere"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], message: str, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert film.main(["--bundle", str(bundle), *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert message in lines[0]
