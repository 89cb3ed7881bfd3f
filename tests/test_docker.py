"""Both Dockerfiles, as far as can be seen without an engine: their steps, and what they copy."""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import stat
import subprocess
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[1]
DOCKERFILES = ("Dockerfile", "intera/Dockerfile")

Instruction = tuple[str, str]


def instructions(name: str) -> list[Instruction]:
    """Instruction and arguments of every line, continued lines joined."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", text)
    found = []
    for line in filter(None, map(str.strip, joined.splitlines())):
        word, _, rest = line.partition(" ")
        found.append((word.upper(), rest.strip()))
    return found


def tracked_files() -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git repository")
    return set(listed.stdout.split("\n")) - {""}


def ignored(path: str) -> bool:
    """Whether .dockerignore leaves a file out; its patterns here have no exceptions."""
    patterns = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert not any(pattern.startswith("!") for pattern in patterns)
    parts = PurePosixPath(path).parts
    ancestors = ["/".join(parts[: length + 1]) for length in range(len(parts))]
    return any(
        fnmatch.fnmatchcase(one, pattern.removeprefix("**/"))
        or (pattern.startswith("**/") and fnmatch.fnmatchcase(one, f"*/{pattern[3:]}"))
        for one in ancestors
        for pattern in patterns
    )


def copied(name: str) -> list[str]:
    """Sources of every COPY from the repository."""
    sources: list[str] = []
    for word, rest in instructions(name):
        if word == "COPY" and "--from=" not in rest:
            paths = [part for part in shlex.split(rest) if not part.startswith("--")]
            sources += paths[:-1]
    return sources


def scripts_used(name: str) -> list[str]:
    """Scripts of every RUN and of the entry point."""
    found = [rest.split()[0] for word, rest in instructions(name) if word == "RUN"]
    for word, rest in instructions(name):
        if word == "ENTRYPOINT":
            found += re.findall(r'"([^"]+)"', rest)[:1]
    return found


@pytest.mark.parametrize("name", DOCKERFILES)
def test_every_step_is_a_script_of_ours(name: str) -> None:
    used = scripts_used(name)
    assert used
    tracked = tracked_files()
    for script in used:
        assert script in tracked, f"{script} is not in git"
        assert (ROOT / script).stat().st_mode & stat.S_IXUSR, f"{script} cannot be executed"
        assert not ignored(script), f"{script} is left out by .dockerignore"
        shell = (ROOT / script).read_text(encoding="utf-8").splitlines()[0].removeprefix("#!")
        checked = subprocess.run([*shell.split()[-1:], "-n", str(ROOT / script)], check=False)
        assert checked.returncode == 0


@pytest.mark.parametrize("name", DOCKERFILES)
def test_a_run_line_is_nothing_but_a_script_and_its_arguments(name: str) -> None:
    for word, rest in instructions(name):
        if word == "RUN":
            assert not set(rest) & set(";&|<>$`"), rest


@pytest.mark.parametrize("name", DOCKERFILES)
def test_what_is_copied_is_in_git_and_not_left_out(name: str) -> None:
    tracked = tracked_files()
    for source in copied(name):
        if source == ".":
            continue
        assert (ROOT / source).exists(), source
        files = [one for one in tracked if one == source or one.startswith(f"{source}/")]
        assert files, f"{source} is not in git"
        assert not any(map(ignored, files)), source


@pytest.mark.parametrize("name", DOCKERFILES)
def test_a_script_is_copied_before_it_runs(name: str) -> None:
    there: set[str] = set()
    for word, rest in instructions(name):
        if word == "FROM":
            there = set()
        elif word == "COPY":
            parts = [part for part in shlex.split(rest) if not part.startswith("--")]
            there |= set(parts[:-1]) if "--from=" not in rest else {"."}
        elif word == "RUN":
            assert there & {rest.split()[0], "."}, rest


@pytest.mark.parametrize("name", DOCKERFILES)
def test_nothing_runs_as_root_in_the_end(name: str) -> None:
    last_stage = instructions(name)
    while ("FROM" in {word for word, _ in last_stage[1:]}) and last_stage:
        last_stage = last_stage[1:]
    users = [rest for word, rest in last_stage if word == "USER"]
    assert users[-1:] == ["damsel"]


def test_what_the_set_up_and_the_nodes_need_is_not_left_out() -> None:
    needed = ("core/", "sim/", "intera/", "ros2_ws/src/", "launch/", "scripts/", "models/default/")
    files = [one for one in tracked_files() if one.startswith(needed)]
    files += ["Makefile", "README.md", "LICENSE", "pyproject.toml", "constraints.txt"]
    assert [one for one in files if ignored(one)] == []
    for left_out in (".venv/bin/python", "ros2_ws/build/x", "core/damsel/__pycache__/x.pyc"):
        assert ignored(left_out), left_out


def test_ci_runs_what_the_images_install() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for script in ("install_build_tools", "install_rendering", "install_ros1"):
        assert f"scripts/{script}" in ci


def test_the_ros2_image_adapts_in_simulation_by_default() -> None:
    """Its entry point, here with the environment of this clone."""
    command = dict(instructions("Dockerfile"))["CMD"]
    assert command == '["damsel-adapt"]'
    if not (ROOT / ".venv" / "bin" / "damsel-adapt").is_file():
        pytest.skip("no .venv; `make setup` makes it")
    done = subprocess.run(
        [str(ROOT / "scripts" / "entry_point"), "damsel-adapt", "--help"],
        env={**os.environ, "ROS_DISTRO": ""},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "--family" in done.stdout


@pytest.mark.ros1
def test_the_intera_image_says_when_it_has_no_sdk(tmp_path: Path) -> None:
    python = ["/usr/bin/python3", "-c", "import zmq"]
    if subprocess.run(python, check=False, capture_output=True).returncode:
        pytest.skip("the system's Python has no zmq; scripts/install_ros1 installs it")

    def serve(sdk: Path) -> str:
        done = subprocess.run(
            [str(ROOT / "scripts" / "serve_intera"), "--watchdog", "none"],
            env={"PATH": "/usr/bin:/bin", "DAMSEL_INTERA_SDK": str(sdk)},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2, done.stderr
        assert "damsel_intera.server" in done.stderr
        return done.stderr

    assert f"no intera_interface in {tmp_path}: speaking to the robot's topics" in serve(tmp_path)
    (tmp_path / "intera_interface").mkdir()
    assert "without the SDK" not in serve(tmp_path)
