"""The set-up: what it says when something is missing, when it works again, and what it rewrites."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bootstrap import requirements
from bootstrap.console import Console
from bootstrap.environment import Environment
from bootstrap.errors import SetupError
from bootstrap.layout import Layout
from bootstrap.ros_source import RosSource, find_ros, without_ros
from bootstrap.setup import main, set_up
from bootstrap.stamps import Stamps, digest_of_files
from bootstrap.workspace import mend_include_paths

ROOT = Path(__file__).parents[1]
BOOTSTRAP = ROOT / "scripts" / "bootstrap"


def only_on_path(monkeypatch: pytest.MonkeyPatch, folder: Path, *names: str) -> None:
    folder.mkdir()
    for name in names:
        (folder / name).symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("CXX", raising=False)


@pytest.mark.parametrize(
    ("present", "missing"),
    [
        (("g++", "make"), "no C compiler found (cc, gcc, clang)"),
        (("cc", "make"), "no C++ compiler found (c++, g++, clang++)"),
        (("clang", "clang++"), "no make found (make, gmake)"),
    ],
)
def test_a_missing_tool_is_one_line_that_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    present: tuple[str, ...],
    missing: str,
) -> None:
    only_on_path(monkeypatch, tmp_path / "bin", *present)
    monkeypatch.setattr(sys, "argv", ["set-up", "run"])
    assert main() == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"set-up: error: {missing}; install one (Debian, Ubuntu: apt-get")
    assert printed.err.count("\n") == 1


def test_a_compiler_named_by_variable_counts_with_its_options(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    only_on_path(monkeypatch, tmp_path / "bin", "make", "my-cc", "c++")
    monkeypatch.setenv("CC", "my-cc -m64")
    requirements.check_compilers()
    monkeypatch.setenv("CXX", "absent++")
    with pytest.raises(SetupError, match=r"no C\+\+ compiler found \(absent\+\+\)"):
        requirements.check_compilers()


@pytest.mark.parametrize("place", ["/home/user/damsel", "/opt/c++/lab_2/x@y-1.0/damsel"])
def test_a_plain_path_will_do(place: str) -> None:
    requirements.check_place(Path(place))


@pytest.mark.parametrize(
    ("place", "strange"), [("/home/my lab/damsel", "' '"), ("/a,b/d\u00e9pot/d", "',', '\u00e9'")]
)
def test_a_path_that_the_build_tools_cannot_take_is_named(place: str, strange: str) -> None:
    with pytest.raises(SetupError) as refused:
        requirements.check_place(Path(place))
    assert f"its path has {strange}; allowed: letters" in str(refused.value)


def test_nothing_is_set_up_in_such_a_place(tmp_path: Path) -> None:
    place = tmp_path / "my lab"
    with pytest.raises(SetupError, match="its path has ' '"):
        set_up(Layout(place), everything=False)
    assert not place.exists()


def test_missing_headers_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(requirements.sysconfig, "get_path", lambda _: str(tmp_path))
    with pytest.raises(SetupError, match=r"Python\.h\); install them .*python3-dev"):
        requirements.check_headers()


@pytest.mark.parametrize(
    ("system", "machine"), [("Darwin", "arm64"), ("Linux", "aarch64"), ("Windows", "AMD64")]
)
def test_another_platform_is_refused(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str
) -> None:
    monkeypatch.setattr(requirements.platform, "system", lambda: system)
    monkeypatch.setattr(requirements.platform, "machine", lambda: machine)
    with pytest.raises(SetupError, match=f"Linux x86-64 only, this is {system} {machine}"):
        requirements.check_platform()


def test_a_python_without_venv_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements.sys, "executable", "/bin/false")
    with pytest.raises(SetupError, match="apt-get install python3-venv"):
        requirements.check_venv()


def test_the_entry_can_be_read_by_a_python_that_is_too_old() -> None:
    source = (BOOTSTRAP / "__main__.py").read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 4))
    too_new = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr)
    assert not [node for node in ast.walk(tree) if isinstance(node, too_new)]


def test_the_set_up_needs_the_standard_library_only() -> None:
    imported = {
        name.split(".")[0]
        for file in BOOTSTRAP.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
        )
    }
    assert imported <= {*sys.stdlib_module_names, "bootstrap"}


def test_stamps_last_and_can_be_taken_back(tmp_path: Path) -> None:
    Stamps(tmp_path / "stamps").set("packages", "1")
    Stamps(tmp_path / "stamps").set("workspace", "2")
    assert Stamps(tmp_path / "stamps").is_current("packages", "1")
    assert not Stamps(tmp_path / "stamps").is_current("packages", "2")
    Stamps(tmp_path / "stamps").forget("packages")
    assert not Stamps(tmp_path / "stamps").is_current("packages", "1")
    assert Stamps(tmp_path / "stamps").is_current("workspace", "2")


@pytest.mark.parametrize("damage", ["", "{", "[]"])
def test_damaged_stamps_count_as_none(tmp_path: Path, damage: str) -> None:
    (tmp_path / "stamps").write_text(damage)
    assert not Stamps(tmp_path / "stamps").is_current("packages", "1")


def test_digest_changes_with_content_name_and_place_but_not_with_caches(tmp_path: Path) -> None:
    source = tmp_path / "src"
    (source / "package").mkdir(parents=True)
    (source / "package" / "a.py").write_text("a")
    seen = [digest_of_files([source])]
    (source / "package" / "__pycache__").mkdir()
    (source / "package" / "__pycache__" / "a.pyc").write_text("b")
    assert digest_of_files([source]) == seen[0]
    (source / "package" / "a.py").write_text("b")
    seen.append(digest_of_files([source]))
    (source / "package" / "a.py").rename(source / "package" / "b.py")
    seen.append(digest_of_files([source]))
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "x.py").write_text("x")
    (source / "link").symlink_to(tmp_path / "linked")
    seen.append(digest_of_files([source]))
    (tmp_path / "linked" / "x.py").write_text("y")
    seen.append(digest_of_files([source]))
    assert len(set(seen)) == len(seen)


def test_include_folders_of_the_build_machine_are_replaced(tmp_path: Path) -> None:
    exported = tmp_path / "std_msgs" / "cmake" / "export_std_msgs.cmake"
    exported.parent.mkdir(parents=True)
    exported.write_text(
        'X "${_IMPORT_PREFIX}/include/std_msgs;/opt/python/cp311-cp311/include/python3.11;'
        '/opt/python/cp311-cp311/lib/python3.11/site-packages/numpy/_core/include"\n'
    )
    for _ in range(2):  # doing it again changes nothing
        mend_include_paths(tmp_path, r"/my\1/include", "/my numpy")
        assert exported.read_text() == (
            'X "${_IMPORT_PREFIX}/include/std_msgs;/my\\1/include;/my numpy"\n'
        )


def test_a_failed_command_shows_its_end_and_where_the_rest_is(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    console = Console(tmp_path / "log" / "setup.log")
    code = "print(*range(100), sep='\\n'); raise SystemExit(3)"
    with pytest.raises(SetupError) as error, console.step("counting"):
        console.run([sys.executable, "-c", code], env=os.environ)
    lines = str(error.value).splitlines()
    assert "failed with exit code 3" in lines[0]
    assert str(console.log) in lines[0]
    assert lines[1:] == [f"  | {number}" for number in range(80, 100)]
    assert capsys.readouterr().out.endswith("counting ... failed\n")
    assert "\n0\n1\n" in console.log.read_text()


def test_an_interrupted_command_has_time_to_clear_its_files_away(tmp_path: Path) -> None:
    """Ctrl-C reaches all of the group; what a command was writing must not stay."""
    inner = (
        "import pathlib, time\n"
        "left = pathlib.Path('left'); left.touch()\n"
        "try: time.sleep(60)\n"
        "finally: time.sleep(0.6); left.unlink()"
    )
    outer = (
        "import os, pathlib, sys; from bootstrap.console import Console\n"
        f"Console(pathlib.Path('log')).run([sys.executable, '-c', {inner!r}], env=os.environ)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", outer],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "scripts")},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    deadline_s = time.monotonic() + 20.0
    while not (tmp_path / "left").exists():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=20.0)
    assert not (tmp_path / "left").exists()


def test_a_sourced_ros_is_used_only_if_its_rclpy_can_be_imported(tmp_path: Path) -> None:
    clean = without_ros(os.environ)
    assert find_ros(clean).sourced_distro is None
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "rclpy.py").write_text("raise ImportError('compiled for another Python')\n")
    sourced = clean | {"ROS_DISTRO": "kilted", "PYTHONPATH": str(broken)}
    assert find_ros(sourced).sourced_distro is None
    (broken / "rclpy.py").write_text("")
    found = find_ros(sourced | {"AMENT_PREFIX_PATH": "/opt/ros/kilted"})
    assert (found.sourced_distro, found.prefixes) == ("kilted", "/opt/ros/kilted")


def test_what_another_ros_or_python_set_is_not_passed_on() -> None:
    kept = without_ros({"PATH": "/bin", "PYTHONPATH": "/x", "LD_LIBRARY_PATH": "/y", "HOME": "/h"})
    assert kept == {"PATH": "/bin", "HOME": "/h"}


def test_an_environment_is_remade_for_another_folder_python_or_ros_only() -> None:
    def digest(root: str, ros: RosSource) -> str:
        return Environment(Layout(Path(root)), ros, Console(Path("log"))).digest

    python, sourced = sys.executable, "/opt/ros/jazzy"
    different = [
        digest("/here", RosSource(python)),
        digest("/moved", RosSource(python)),
        digest("/here", RosSource("/bin/sh")),
        digest("/here", RosSource(python, "jazzy", sourced)),
        digest("/here", RosSource(python, "kilted", sourced)),
        digest("/here", RosSource(python, "jazzy", f"/underlay:{sourced}")),
    ]
    assert len(set(different)) == len(different)
    with_our_workspace = RosSource(python, "jazzy", f"/here/ros2_ws/install:{sourced}")
    assert digest("/here", with_our_workspace) == different[3]


@pytest.mark.ros
def test_the_workspace_installs_what_launching_needs() -> None:
    share = ROOT / "ros2_ws" / "install" / "share" / "damsel_ros"
    if not share.is_dir():
        pytest.skip("no built workspace; `make setup` builds it")
    sources = [
        *(ROOT / "launch").glob("*.launch.py"),
        *(ROOT / "ros2_ws" / "src" / "damsel_ros" / "config").glob("*.yaml"),
    ]
    assert sources
    for source in sources:
        assert (share / source.parent.name / source.name).is_file(), source.name


@pytest.mark.ros
def test_a_python_of_the_environment_sees_the_workspace_whatever_it_inherits() -> None:
    python = ROOT / ".venv" / "bin" / "python"
    if not (python.is_file() and (ROOT / "ros2_ws" / "install").is_dir()):
        pytest.skip("no .venv with a workspace beside it; `make setup` makes both")
    code = (
        "import os; from damsel_msgs.msg import Observation;"
        "from rclpy.serialization import serialize_message as to_bytes;"
        "print(len(to_bytes(Observation())) > 0, os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'])"
    )
    elsewhere = {
        "LD_LIBRARY_PATH": "/elsewhere/ros2_ws/install/lib",
        "AMENT_PREFIX_PATH": "/elsewhere/ros2_ws/install",
        "_DAMSEL_OVERLAY_PID": "1",
        "_ROS_WHEELS_BOOTSTRAP_COMPLETE": "1",
    }
    bare = {"PATH": os.environ["PATH"], "HOME": "/"}
    for environ in (bare, bare | elsewhere):
        run = subprocess.run(
            [str(python), "-c", code], env=environ, capture_output=True, text=True, check=False
        )
        assert (run.stdout, run.stderr) == ("True LOCALHOST\n", "")
