"""Figures and tables from kept CSV files: what is drawn, and what the page says."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from matplotlib.patches import Rectangle

from damsel.errors import InvalidConfigError
from damsel.families import FAMILIES
from damsel.tasks import Task, is_solved
from damsel_training.errors import InvalidDatasetError, MissingStageError
from damsel_training.figures import make_figures
from damsel_training.figures.curves import adaptation_curves
from damsel_training.figures.latents import latent_spaces
from damsel_training.figures.page import update_page
from damsel_training.figures.results import load_results
from damsel_training.figures.style import styled
from damsel_training.figures.tables import (
    GENTLE_N,
    effort_table,
    robustness_table,
    seeds_table,
    success_table,
)
from damsel_training.figures.variants import make_variants_page
from damsel_training.trajectory_table import TrajectoryRow, write_rows

GOALS = {
    "push": [(0.17, -0.04), (0.14, 0.05)],
    "door": [(0.62,), (0.3,)],
    "drawer": [(0.1,), (0.05,)],
}
UNSOLVED = 0.5


def _rows(method: str, seed: int, gaps: list[float], **changes: object) -> list[TrajectoryRow]:
    """Every task goes through the same distances, in units of its paper threshold."""
    rows = []
    for index, (family, goal) in enumerate(
        (f, goal) for f, goals in GOALS.items() for goal in goals
    ):
        task = Task(family, goal)
        for number, gap in enumerate(gaps):
            distance = gap * FAMILIES[family].success_threshold
            row = TrajectoryRow(
                method=method,
                seed=seed,
                task_set="few",
                disturbance="none",
                family=family,
                task=index,
                goal=goal,
                trajectory=number,
                stage="probe" if number == 0 else "adapt",
                inferred=family if method == "damsel" else "",
                steps=100,
                state=tuple(value + distance for value in goal),
                distance=distance,
                success=is_solved(distance, task),
                strict_success=is_solved(distance, task, strict=True),
                return_sum=10.0,
                peak_force=12.0,
                latent=() if method == "nothing" else (0.1 * index, 0.2 * number, seed / 10),
            )
            rows.append(row._replace(**changes))
    return rows


@pytest.fixture(name="results")
def results_fixture(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    tables = {
        "a": _rows("damsel", 0, [4.0, 0.3]) + _rows("damsel", 1, [4.0, 1.5]),
        "b": _rows("gmps", 0, [4.0, 2.0]),
        "c": _rows("nothing", 0, [4.0]),
        "d": _rows("damsel", 0, [4.0, 0.3], disturbance="delay_1"),
    }
    for name, rows in tables.items():
        write_rows(rows, folder / f"{name}.csv")
    return folder


def test_everything_is_drawn_and_shown(results: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    page = tmp_path / "results.md"
    written = make_figures(results, tmp_path / "images", page, "damsel-train figures")
    names = {path.name for path in written}
    for stem in ("adaptation_curves_few", "latent_spaces_few", "confusion_few"):
        assert {f"{stem}.svg", f"{stem}.png"} <= names
        assert f"images/{stem}.png" in page.read_text()
    text = page.read_text()
    assert "2 push, 2 door, 2 drawer tasks" in text
    assert "## Changed worlds, tasks `few`" in text
    assert "delay 1" in text


def test_figures_are_the_same_to_the_last_byte(results: Path, tmp_path: Path) -> None:
    content = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        written = make_figures(results, folder, tmp_path / f"{name}.md", "x")
        content.append([path.read_bytes() for path in written if path.suffix != ".md"])
    assert content[0] == content[1]


def test_a_page_keeps_what_people_wrote(results: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    page = tmp_path / "results.md"
    page.write_text("# Ours\n\nbefore\n\n<!-- begin few -->\nold\n<!-- end few -->\n\nafter\n")
    for _ in range(2):
        make_figures(results, tmp_path / "images", page, "x")
    text = page.read_text()
    assert text.startswith("# Ours\n\nbefore\n\n<!-- begin few -->\n## Tasks `few`")
    assert "old" not in text
    assert text.count("<!-- begin few -->") == text.count("<!-- begin provenance -->") == 1
    assert text.index("after") < text.index("<!-- begin provenance -->")


def test_a_section_that_there_are_no_tables_of_any_more_is_taken_out(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    update_page(page, {"few": "text", "many": "more"}, "# Results\n")
    update_page(page, {"many": "most"}, "# Results\n")
    assert page.read_text() == "# Results\n\n<!-- begin many -->\nmost\n<!-- end many -->\n"


def test_an_open_marker_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- begin few -->\n")
    with pytest.raises(InvalidConfigError, match="marker few is not closed"):
        update_page(page, {"few": "text"}, "# Results\n")


def test_no_tables_no_figures(tmp_path: Path) -> None:
    with pytest.raises(MissingStageError, match="run `damsel-train compare` first"):
        make_figures(tmp_path, tmp_path, tmp_path / "page.md", "x")


def test_the_success_table_by_hand() -> None:
    """One seed solves every task strictly, the other none: the mean is half, anything possible."""
    rows = _rows("damsel", 0, [4.0, 0.3]) + _rows("damsel", 1, [4.0, 1.5])
    lines = success_table(rows + _rows("nothing", 0, [4.0])).splitlines()
    assert lines[2].startswith("| DAMSEL | 2 | 50.0% [0.0%, 100.0%] |")
    assert lines[3] == "| do nothing | 1 | 0.0% | 0.0% | 0.0% | 0.0% | 0.0% | 0.0% |"


def test_one_seed_has_no_interval() -> None:
    assert "[" not in success_table(_rows("oracle", 0, [0.3])) + effort_table(
        _rows("oracle", 0, [0.3])
    )


def test_a_task_that_only_a_probe_solves_is_never_solved() -> None:
    assert "| never |" in effort_table(_rows("damsel", 0, [0.3, 4.0]))


def test_force_is_the_mean_of_the_seeds_peaks_and_that_of_the_worst() -> None:
    rows = [
        *(row._replace(peak_force=10.0 + row.trajectory) for row in _rows("damsel", 0, [4.0, 0.3])),
        *(row._replace(peak_force=30.0 + row.trajectory) for row in _rows("damsel", 1, [4.0, 0.3])),
    ]
    assert effort_table(rows).endswith("| 21.0 [0.0, 148.1] | 31.0 |")


def test_probes_are_shaded_as_long_as_most_tasks_have_them() -> None:
    """One probe a task, and a second one of the doors."""
    rows = [
        row._replace(stage="probe") if row.family == "door" and row.trajectory == 1 else row
        for row in _rows("damsel", 0, [4.0, 2.0, 0.3])
    ]
    with styled():
        figure = adaptation_curves(rows)
        ends = [
            patch.get_x() + patch.get_width()
            for axis in figure.axes[::2]
            for patch in axis.patches
            if isinstance(patch, Rectangle)
        ]
        plt.close(figure)
    assert ends == pytest.approx([1.5, 2.5, 1.5])


def test_the_undisturbed_world_comes_first() -> None:
    rows = [
        *_rows("damsel", 0, [0.3], disturbance="delay_1"),
        *_rows("damsel", 0, [0.3]),
    ]
    lines = robustness_table(rows, "damsel").splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| none", "| delay 1"]


def test_seeds_are_ranked_by_their_worst_family_and_then_by_force() -> None:
    """Seed 0 leaves one of two drawers unsolved; the others solve all, seed 2 not gently."""
    rows = []
    for seed, peak in ((0, 5.0), (1, GENTLE_N), (2, GENTLE_N + 1.0)):
        changed = _rows("damsel", seed, [0.3], disturbance="delay_1", peak_force=5.0)
        changed[4] = changed[4]._replace(peak_force=peak)
        if seed == 0:
            changed[5] = changed[5]._replace(success=False, strict_success=False)
        rows += [*changed, *_rows("damsel", seed, [0.3], peak_force=1.0)]
    first, second, third = seeds_table(rows, "damsel").splitlines()[2:]
    assert first.startswith("| 1 | 2 | 100.0% | 100.0% | 100.0% | 100.0% (push, delay 1) | 30.0 (")
    assert second.endswith("| 91.7% | 100.0% (push, delay 1) | 31.0 (drawer, delay 1) |")
    assert third == (
        "| 0 | 2 | 91.7% | 91.7% | 91.7% | 50.0% (drawer, delay 1) | 5.0 (push, delay 1) |"
    )


def test_a_probe_that_presses_is_not_gentle() -> None:
    rows = _rows("damsel", 0, [4.0, 0.3], peak_force=5.0)
    rows = [r._replace(peak_force=60.0) if r.trajectory == 0 else r for r in rows]
    assert "| 0.0% | 100.0% (push, none) | 60.0 (push, none) |" in seeds_table(rows, "damsel")


def test_variants_stand_beside_the_method_itself(results: Path, tmp_path: Path) -> None:
    variants = tmp_path / "variants"
    write_rows(_rows("damsel", 0, [4.0, 0.9]), variants / "mean_pooling" / "a.csv")
    write_rows(_rows("damsel", 3, [4.0, 2.0]), variants / "no_dagger" / "a.csv")
    page = make_variants_page(variants, results, tmp_path / "ablations.md", "x")
    lines = page.read_text().splitlines()
    table = [line for line in lines if line.startswith("| ") and "--" not in line]
    assert [line.split(" | ")[0] for line in table[1:]] == [
        "| DAMSEL",
        "| mean pooling",
        "| no dagger",
    ]
    assert page.read_text().startswith("# Variants\n")
    assert "made by `damsel-train ablations` from the tables in\n[variants](variants)" in "".join(
        f"{line}\n" for line in lines
    )
    assert "| mean pooling | 1 | 100.0% |" in table[2]
    assert "| no dagger | 1 | 0.0% |" in table[3]


def test_without_variants_it_is_said_how_one_is_made(results: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingStageError, match=r"compare --output .*/NAME"):
        make_variants_page(tmp_path / "none", results, tmp_path / "page.md", "x")


@pytest.mark.parametrize("tasks", [1, 2, 3])
def test_few_tasks_are_drawn_too(tmp_path: Path, tasks: int) -> None:
    rows = [row for row in _rows("damsel", 0, [4.0, 0.3]) if row.task < tasks]
    write_rows(rows, tmp_path / "results" / "a.csv")
    (tmp_path / "images").mkdir()
    written = make_figures(tmp_path / "results", tmp_path / "images", tmp_path / "page.md", "x")
    assert tmp_path / "images" / "latent_spaces_few.png" in written


def test_what_was_never_inferred_has_no_place_among_latents() -> None:
    probes = [row._replace(stage="probe") for row in _rows("damsel", 0, [0.3])]
    assert latent_spaces(probes) is None
    with styled():
        figure = latent_spaces([*probes, *_rows("gmps", 0, [4.0, 0.3])])
        assert figure is not None
        assert [axis.get_title() for axis in figure.axes] == ["GMPS variant"]
        plt.close(figure)


def test_tables_of_other_goals_do_not_go_together(tmp_path: Path) -> None:
    write_rows(_rows("damsel", 0, [4.0, 0.3]), tmp_path / "a.csv")
    others = [
        row._replace(goal=(0.7,)) if row.task == 2 else row for row in _rows("gmps", 1, [4.0, 0.3])
    ]
    write_rows(others, tmp_path / "b.csv")
    with pytest.raises(InvalidDatasetError) as caught:
        load_results(tmp_path)
    assert (
        "task 2 of few has another goal for gmps with seed 1 than for damsel with seed 0; move one"
    ) in str(caught.value)


def test_seeds_that_were_allowed_more_do_not_go_together(tmp_path: Path) -> None:
    """Four attempts with seed 0, two with seed 1, which two were not enough for."""
    write_rows(_rows("damsel", 0, [4.0, 2.0, 2.0, 2.0, 0.3]), tmp_path / "a.csv")
    write_rows(_rows("damsel", 1, [4.0, 2.0, 2.0]), tmp_path / "b.csv")
    with pytest.raises(InvalidDatasetError) as caught:
        load_results(tmp_path)
    assert "damsel on few had 4 trajectories with seed 0 and 2 with seed 1; move" in str(
        caught.value
    )
    # Two attempts can be enough, and where observations are noisy, seem to be.
    (tmp_path / "b.csv").unlink()
    write_rows(_rows("damsel", 1, [4.0, 2.0, 2.0], disturbance="delay_1"), tmp_path / "c.csv")
    noisy = _rows("damsel", 2, [4.0, 2.0, 2.0, 2.0, 0.3], disturbance="delay_1")
    write_rows(noisy, tmp_path / "e.csv")
    write_rows(_rows("damsel", 2, [4.0, 2.0, 0.3]), tmp_path / "d.csv")
    assert {row.seed for row in load_results(tmp_path)} == {0, 1, 2}
