from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from damsel.calibration import (
    Calibration,
    fit_camera_to_base,
    load_calibration,
    save_calibration,
)
from damsel.calibration.cli import fit_file
from damsel.errors import InvalidConfigError
from damsel.rigid import RigidTransform
from tests.support.transforms import rigid_transforms

POINTS = np.array(
    [[0.4, -0.3, 0.0], [0.7, -0.3, 0.05], [0.7, 0.3, 0.0], [0.4, 0.3, 0.1], [0.55, 0.0, 0.15]]
)
# Spread evenly enough, but by no more than a hand's tremor.
NEAR_ONE_PLACE = np.random.default_rng(0).normal([0.6, 0.0, 0.0], 0.003, (8, 3))
NEAR_A_LINE = np.stack(
    [0.6 + 0.0125 * np.array([1, -1] * 4), np.linspace(-0.2, 0.2, 8), np.zeros(8)], axis=1
)
OVERHEAD = RigidTransform.of([0.9, 0.1, 1.1], [np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0])
ON_TOP = RigidTransform.of([0.0, 0.0, -0.03], [0.0, 0.0, 0.0, 1.0])


@settings(deadline=None)
@given(rigid_transforms())
def test_exact_pairs_give_the_camera_back(camera_to_base: RigidTransform) -> None:
    seen = camera_to_base.inverse().apply(POINTS)
    fit = fit_camera_to_base(seen, POINTS)
    assert fit.residuals_m.max() < 1e-9
    np.testing.assert_allclose(fit.camera_to_base.rotation, camera_to_base.rotation, atol=1e-7)


def test_noise_of_a_millimetre_costs_about_a_millimetre() -> None:
    noise = np.random.default_rng(0).normal(0.0, 0.001, (40, 3))
    truth = np.random.default_rng(1).uniform([0.4, -0.4, -0.1], [0.8, 0.4, 0.15], (40, 3))
    fit = fit_camera_to_base(OVERHEAD.inverse().apply(truth) + noise, truth)
    probe = np.array([0.6, 0.0, 0.0])
    error = fit.camera_to_base.apply(OVERHEAD.inverse().apply(probe)) - probe
    assert np.linalg.norm(error) < 0.001
    assert 0.001 < fit.rms_m < 0.0025


def test_points_in_a_plane_do_not_become_their_mirror_image() -> None:
    flat = POINTS * [1.0, 1.0, 0.0]
    fit = fit_camera_to_base(OVERHEAD.inverse().apply(flat), flat)
    np.testing.assert_allclose(fit.camera_to_base.rotation, OVERHEAD.rotation, atol=1e-9)


def test_the_worst_pair_is_named() -> None:
    seen = OVERHEAD.inverse().apply(POINTS)
    seen[3] += [0.02, 0.0, 0.0]
    assert fit_camera_to_base(seen, POINTS).worst_pair == 3


@pytest.mark.parametrize(
    ("points", "says"),
    [
        (POINTS[:3], "3 pairs"),
        (np.linspace([0, 0, 0], [1, 1, 1], 6), "on a line"),
        (np.ones((6, 3)), "in one place"),
        (NEAR_ONE_PLACE, r"in one place, but for \d\.\d mm \(rms\); allowed: .* by 50 mm in two"),
        (NEAR_A_LINE, r"on a line or in one place, but for 12\.2 mm"),
        (POINTS[[0, 1, 2, 2, 1]], "the pairs are of 3 places that are 2 cm apart; allowed: 4"),
        (np.full((6, 3), np.nan), "not finite"),
        (np.ones((6, 2)), "shapes"),
    ],
)
def test_points_that_leave_the_camera_open_are_refused(
    points: NDArray[np.float64], says: str
) -> None:
    with pytest.raises(InvalidConfigError, match=says):
        fit_camera_to_base(points, points)


# The model and its file


def test_a_marker_is_carried_to_its_object_and_into_base() -> None:
    calibration = Calibration({"overhead": OVERHEAD}, {"block": ON_TOP})
    # A marker on top of the block, turned by half a turn about x: its z points down.
    marker_base = RigidTransform.of([0.55, 0.0, -0.04], [0.0, 0.0, 0.0, 1.0])
    marker = OVERHEAD.inverse().after(marker_base)
    found = calibration.object_position("block", "overhead", marker)
    np.testing.assert_allclose(found, [0.55, 0.0, -0.07], atol=1e-12)
    found = calibration.object_position("door_handle", "base", marker_base)
    np.testing.assert_allclose(found, [0.55, 0.0, -0.04], atol=1e-12)


def test_a_frame_that_nobody_calibrated_is_refused_by_name() -> None:
    with pytest.raises(InvalidConfigError, match=r"'side'.*allowed: base, overhead"):
        Calibration({"overhead": OVERHEAD}).object_position(
            "block", "side", RigidTransform.identity()
        )


def test_a_file_brings_back_what_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "calibration.yaml"
    save_calibration(path, Calibration({"overhead": OVERHEAD}, {"block": ON_TOP}))
    loaded = load_calibration(path)
    np.testing.assert_allclose(loaded.camera_to_base["overhead"].rotation, OVERHEAD.rotation)
    np.testing.assert_allclose(loaded.marker_to_object["block"].translation, [0, 0, -0.03])


def test_numbers_may_be_written_as_yaml_does_not_know_them(tmp_path: Path) -> None:
    path = tmp_path / "calibration.yaml"
    path.write_text(
        "schema: 1\n"
        "marker_to_object: {block: {translation: [0, +1e-3, -3e-2], rotation: [0, 0, 0, 1]}}",
        encoding="utf-8",
    )
    found = load_calibration(path).marker_to_object["block"].translation
    np.testing.assert_allclose(found, [0.0, 0.001, -0.03])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "allowed: schema"),
        ("schema: 2", "schema 2; allowed: 1"),
        ("schema: 1\nextra: 3", "allowed: schema"),
        ("schema: 1\ncamera_to_base: [1]", "not a mapping"),
        ("schema: 1\ncamera_to_base: {a: {translation: [0, 0, 0]}}", "a is .*exactly the keys"),
        (
            "schema: 1\ncamera_to_base: {a: {translation: [0, 0, x], rotation: [0, 0, 0, 1]}}",
            "a: translation is .*not a list of numbers; allowed: such as",
        ),
        (
            f"schema: 1\nmarker_to_object: {{block: {{translation: [0, 0, 1{'0' * 400}], "
            "rotation: [0, 0, 0, 1]}}",
            "block: translation is .*not a list of numbers",
        ),
        (
            "schema: 1\nmarker_to_object: {cup: {translation: [0,0,0], rotation: [0,0,0,1]}}",
            "names 'cup'; allowed: block, door_handle, drawer_handle",
        ),
        (
            "schema: 1\ncamera_to_base: {base: {translation: [0,0,0], rotation: [0,0,0,1]}}",
            "names the frame 'base'",
        ),
        (
            "schema: 1\ncamera_to_base: {a: {translation: [0,0,0], rotation: [0,0,0,9]}}",
            "a: quaternion",
        ),
    ],
)
def test_a_file_that_is_no_calibration_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "calibration.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidConfigError, match=says) as error:
        load_calibration(path)
    assert "\n" not in str(error.value)


# The command


def write_pairs(
    path: Path, seen: NDArray[np.float64], points: NDArray[np.float64] = POINTS
) -> Path:
    pairs = [
        f"- {{camera: {c.tolist()}, base: {b.tolist()}}}" for c, b in zip(seen, points, strict=True)
    ]
    path.write_text("\n".join(pairs), encoding="utf-8")
    return path


def test_the_command_reports_residuals_and_adds_to_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "calibration.yaml"
    save_calibration(output, Calibration({"side": OVERHEAD}, {"block": ON_TOP}))
    pairs = write_pairs(tmp_path / "pairs.yaml", OVERHEAD.inverse().apply(POINTS))
    assert fit_file([str(pairs), "--frame", "overhead", "--output", str(output)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "   1    0.0 mm"
    assert lines[6].startswith("rms 0.00 mm, worst 0.00 mm (pair ")
    written = load_calibration(output)
    assert set(written.camera_to_base) == {"side", "overhead"}
    assert set(written.marker_to_object) == {"block"}


def test_pairs_in_a_plane_are_warned_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = OVERHEAD.inverse().apply(POINTS)
    assert fit_file([str(write_pairs(tmp_path / "pairs.yaml", seen))]) == 0
    assert capsys.readouterr().err == ""
    flat = POINTS * [1.0, 1.0, 0.0] + [0.0, 0.0, 0.003] * np.array([[1], [-1], [1], [-1], [0]])
    # A camera whose y points the wrong way fits all the same.
    mirrored = OVERHEAD.inverse().apply(flat) * [1.0, -1.0, 1.0]
    pairs = write_pairs(tmp_path / "pairs.yaml", mirrored, flat)
    assert fit_file([str(pairs), "--limit-mm", "8"]) == 0
    (warning,) = capsys.readouterr().err.splitlines()
    assert "warning: all pairs are within 2.7 mm (rms) of a plane" in warning


def test_a_camera_without_a_name_is_not_written(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs.yaml", OVERHEAD.inverse().apply(POINTS))
    output = tmp_path / "calibration.yaml"
    with pytest.raises(InvalidConfigError, match="--output needs --frame"):
        fit_file([str(pairs), "--output", str(output)])
    assert not output.exists()


def test_pairs_that_disagree_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    seen = OVERHEAD.inverse().apply(POINTS)
    seen[1] += [0.05, 0.0, 0.0]
    pairs = write_pairs(tmp_path / "pairs.yaml", seen)
    output = tmp_path / "calibration.yaml"
    with pytest.raises(InvalidConfigError, match=r"pair 2 is \d+\.\d mm off; allowed: 5 mm"):
        fit_file([str(pairs), "--frame", "side", "--output", str(output)])
    assert not output.exists()


@pytest.mark.parametrize(
    ("factors", "says"),
    [
        ([1000.0] * 3, "points lie 1e\\+03 times as far apart: are both in metres"),
        ([1.0, 1.0, -1.0], "mirrored, all pairs fit: the axes .* are not right-handed"),
    ],
)
def test_what_is_wrong_with_all_pairs_is_no_pair_to_leave_out(
    factors: list[float], says: str, tmp_path: Path
) -> None:
    pairs = write_pairs(tmp_path / "pairs.yaml", OVERHEAD.inverse().apply(POINTS) * factors)
    with pytest.raises(InvalidConfigError, match=says):
        fit_file([str(pairs)])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{}", "allowed: a list"),
        ("- {camera: [0, 0, 0]}", "pair 1 is .*exactly the keys camera and base"),
        ("- {camera: [0, 0], base: [0, 0, 0]}", "pair 1, camera is .*three numbers"),
        ("- {camera: [0, 0, true], base: [0, 0, 0]}", "pair 1, camera is .*three numbers"),
        (f"- {{camera: [0, 0, 1{'0' * 400}], base: [0, 0, 0]}}", "pair 1, camera is .*numbers"),
        ("[]", "0 pairs"),
    ],
)
def test_a_file_that_holds_no_pairs_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "pairs.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidConfigError, match=says):
        fit_file([str(path)])
