"""`damsel-record-pairs`: records what `damsel-calibrate` fits a camera from.

Lead the arm by hand so that the point between the finger tips touches a marker, press Enter, and do
so again elsewhere. Each time the marker's position in the camera's frame and the end effector's in
`base` go into the file. The arm is only listened to.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from damsel.calibration.fit import MIN_PAIRS
from damsel.cli import OneLineParser
from damsel.cli import run as run_command
from damsel.errors import InvalidConfigError, RobotError, brief
from damsel.whole_files import write_whole
from damsel_intera.errors import InteraError
from damsel_ros.backends.server_talk import connect_client
from damsel_ros.pair_recorder import PairRecorder
from damsel_ros.ros_arguments import without_ros_arguments
from damsel_ros.set_up import sawyer_set_up

__all__ = ["main", "record_pairs"]

PROGRAM = "damsel-record-pairs"


def main() -> None:
    """Run `damsel-record-pairs`."""
    sys.exit(run_command(lambda: record_pairs(sys.argv[1:], input), PROGRAM))


def record_pairs(argv: Sequence[str], ask: Callable[[str], str]) -> int:
    """Record pairs until told to stop, and return the exit code.

    Args:
        argv: Arguments without the program's name.
        ask: Asks for a line; empty for one more pair, anything else to stop.

    Raises:
        DamselError: If the command is wrong, the server does not answer, or the file exists.
    """
    given = _parser().parse_args(without_ros_arguments(argv))
    path = Path(given.output)
    _check_new_file(path)
    pairs: list[dict[str, list[float]]] = []
    with (
        sawyer_set_up(given.parameters) as found,
        connect_client(found.cfg.addresses, PROGRAM, found.cfg.key) as client,
    ):
        try:
            client.hello()
        except InteraError as error:
            raise RobotError(f"Intera server: {error}") from None
        recorder = PairRecorder(found.node, client, given.topic)
        while not _stopped(ask, len(pairs)):
            try:
                pairs.append(recorder.take())
            except RobotError as error:
                print(error)
                continue
            print(f"pair {len(pairs)}: {pairs[-1]}")
            # After each, so that nothing is lost with the terminal.
            _write(path, pairs)
    if recorder.frame_id is not None:
        print(f"{len(pairs)} pairs in frame {brief(recorder.frame_id)}: {path}")
    return 0


def _check_new_file(path: Path) -> None:
    """Find out before anybody has led the arm anywhere whether pairs can be written."""
    try:
        path.open("x").close()
        path.unlink()
    except FileExistsError:
        raise InvalidConfigError(
            f"--output {brief(str(path))} exists; allowed: a new file"
        ) from None
    except OSError as error:
        raise InvalidConfigError(
            f"--output {brief(str(path))} cannot be written: {error.strerror}"
        ) from None


def _write(path: Path, pairs: list[dict[str, list[float]]]) -> None:
    try:
        write_whole(path, yaml.safe_dump(pairs, default_flow_style=None))
    except OSError as error:
        raise InvalidConfigError(
            f"--output {brief(str(path))} cannot be written: {error.strerror}"
        ) from None


def _stopped(ask: Callable[[str], str], taken: int) -> bool:
    missing = max(0, MIN_PAIRS - taken)
    hint = f"{missing} more are needed" if missing else "enough to fit; more are better"
    try:
        return ask(f"touch the marker and press Enter, or q to stop ({hint}) ").strip() != ""
    except EOFError:
        return True


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog=PROGRAM,
        description="Record pairs of points, seen by a camera and touched by the arm.",
        allow_abbrev=False,
    )
    parser.add_argument("--topic", required=True, help="topic of the marker's PoseStamped")
    parser.add_argument("--output", required=True, metavar="FILE", help="new YAML file")
    parser.add_argument(
        "--parameters", default="", metavar="FILE", help="ROS parameter file of your own set-up"
    )
    return parser


if __name__ == "__main__":
    main()
