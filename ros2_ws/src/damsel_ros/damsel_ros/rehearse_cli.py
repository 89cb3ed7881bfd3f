"""`damsel-rehearse`: `damsel-adapt --robot sawyer` without a Sawyer.

Starts a ROS 1 master, a virtual Sawyer and the Intera server, and adapts through them: every
process and every message on the way to a real arm, down to the robot's own topics. The person who
enables the arm and puts the objects back is played by the rehearsal.

`damsel-rehearse FILE --excite` is `damsel-record FILE --excite --robot sawyer` in the same way, and
`--arm friction=0.02,damping_scale=1.5,gain_scale=0.9,delay_s=0.06` makes the virtual arm unlike the
nominal one, to see whether `damsel-fit` finds out.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from damsel.cli import EXIT_BAD_INPUT, OneLineParser
from damsel.errors import DamselError, InvalidConfigError, brief
from damsel_intera.errors import InteraError, SettingError
from damsel_intera.virtual.arm import ArmPhysics
from damsel_intera.virtual.rehearsal import Rehearsal, missing_ros1
from damsel_ros.adapt_cli import Surroundings, run
from damsel_ros.person import StandIn
from damsel_ros.processes import hide_in_own_domain
from damsel_ros.record_cli import run as record
from damsel_ros.ros_arguments import without_ros_arguments

__all__ = ["main", "rehearse", "surroundings_of"]

PROGRAM = "damsel-rehearse"
EXIT_FAILED = 1

# How the virtual arm may differ from the nominal one.
_ARM = ("damping_scale", "friction", "gain_scale", "delay_s")

# Objects that were put back fall and settle.
_SETTLING_S = 1.0


def main() -> None:
    """Run `damsel-rehearse`."""
    sys.exit(rehearse(sys.argv[1:]))


def rehearse(argv: Sequence[str]) -> int:
    """Rehearse one adaptation and return the exit code, as `damsel-adapt` does.

    Args:
        argv: Options of `damsel-adapt`, without `--robot`; with `--excite`, those of
            `damsel-record`. `--arm` comes on top.
    """
    try:
        arm, argv = _arm_arguments(argv)
    except DamselError as error:
        return _fail(str(error), EXIT_BAD_INPUT)
    program = record if "--excite" in argv else run
    missing = missing_ros1()
    if missing:
        return _fail(missing)
    try:
        # Nobody else's cameras and nodes take part in a rehearsal.
        hide_in_own_domain()
        with (
            tempfile.TemporaryDirectory(prefix="damsel-rehearsal-") as folder,
            Rehearsal(Path(folder)) as rehearsal,
        ):
            rehearsal.start(arm=arm)
            return program([*argv, "--robot", "sawyer"], surroundings_of(rehearsal), PROGRAM)
    except (DamselError, InteraError, OSError) as error:  # OSError: no room for temporary files
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


def _arm_arguments(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split off `--arm friction=0.02,delay_s=0.06`, as arguments of the virtual Sawyer."""
    parser = OneLineParser(
        prog=PROGRAM,
        description="Adapt as damsel-adapt --robot sawyer does, or record as damsel-record does "
        "with --excite --robot sawyer, on a virtual Sawyer. Every other option is that command's "
        "own; see its --help.",
        usage="%(prog)s [--arm NAME=VALUE,...] [OPTIONS of damsel-adapt]\n"
        "       %(prog)s [--arm NAME=VALUE,...] FILE --excite [OPTIONS of damsel-record]",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--arm",
        default="",
        metavar="NAME=VALUE,...",
        help=f"make the virtual arm unlike the nominal one: {', '.join(_ARM)}",
    )
    parser.add_argument(
        "--excite", action="store_true", help="record the motion that damsel-fit needs to FILE"
    )
    given, rest = parser.parse_known_args(without_ros_arguments(argv))
    rest += ["--excite"] * given.excite
    physics = _physics(given.arm)
    return [text for name, value in physics.items() for text in (_option(name), str(value))], rest


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _physics(text: str) -> dict[str, float]:
    """What `--arm` gives: parameters of the virtual arm, by name."""
    physics = {}
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        if name not in _ARM:
            raise InvalidConfigError(
                f"--arm has {brief(name)}; allowed: NAME=VALUE of {', '.join(_ARM)}"
            )
        try:
            physics[name] = float(value)
        except ValueError:
            raise InvalidConfigError(
                f"--arm has {name} as {brief(value)}; allowed: a number"
            ) from None
    try:
        ArmPhysics(**physics)
    except SettingError as error:
        raise InvalidConfigError(f"--arm: {error}") from None
    return physics


def _fail(message: str, exit_code: int = EXIT_FAILED) -> int:
    print(f"{PROGRAM}: error: {message}", file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    main()
