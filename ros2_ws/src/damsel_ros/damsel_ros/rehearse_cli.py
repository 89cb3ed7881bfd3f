"""`damsel-rehearse`: `damsel-adapt --robot sawyer` without a Sawyer.

Starts a ROS 1 master, a virtual Sawyer and the Intera server, and adapts through them: every
process and every message on the way to a real arm, down to the robot's own topics. The person who
enables the arm and puts the objects back is played by the rehearsal.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rclpy.utilities import remove_ros_args

from damsel_intera.errors import InteraError
from damsel_intera.virtual.rehearsal import Rehearsal, missing_ros1
from damsel_ros.adapt_cli import Surroundings, run
from damsel_ros.person import StandIn

__all__ = ["main", "rehearse", "surroundings_of"]

PROGRAM = "damsel-rehearse"
EXIT_FAILED = 1

# Objects that were put back fall and settle.
_SETTLING_S = 1.0


def main() -> None:
    """Run `damsel-rehearse`."""
    sys.exit(rehearse(remove_ros_args(sys.argv)[1:]))


def rehearse(argv: Sequence[str]) -> int:
    """Rehearse one adaptation and return the exit code, as `damsel-adapt` does.

    Args:
        argv: Options of `damsel-adapt`, without `--robot`.
    """
    missing = missing_ros1()
    if missing:
        return _fail(missing)
    with tempfile.TemporaryDirectory(prefix="damsel-rehearsal-") as folder:
        try:
            with Rehearsal(Path(folder)) as rehearsal:
                rehearsal.start()
                return run([*argv, "--robot", "sawyer"], surroundings_of(rehearsal), PROGRAM)
        except InteraError as error:
            return _fail(str(error))


def surroundings_of(rehearsal: Rehearsal) -> Surroundings:
    """What is around the ROS 2 nodes at a rehearsal.

    Args:
        rehearsal: The processes of the robot's side, started.
    """

    def person(tell: Callable[[str], None]) -> StandIn:
        return StandIn(lambda: _put_objects_back(rehearsal), tell)

    addresses = rehearsal.addresses
    return Surroundings(
        person=person,
        overrides={
            "robot": {
                "sawyer.server_host": addresses.host,
                "sawyer.state_port": addresses.state_port,
                "sawyer.command_port": addresses.command_port,
                "sawyer.operator_port": addresses.operator_port,
            },
            "object_bridge": {"objects_address": rehearsal.objects_address},
        },
        extra=("object_bridge",),
    )


def _put_objects_back(rehearsal: Rehearsal) -> None:
    rehearsal.inject("reset_objects")
    time.sleep(_SETTLING_S)


def _fail(message: str) -> int:
    print(f"{PROGRAM}: error: {message}", file=sys.stderr)
    return EXIT_FAILED


if __name__ == "__main__":
    main()
