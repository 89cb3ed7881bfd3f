"""`python -m damsel_intera.virtual`: a virtual Sawyer on the ROS 1 that ROS_MASTER_URI names."""

from __future__ import annotations

import argparse
import signal
import sys
from dataclasses import fields

from damsel_intera import ros1
from damsel_intera.command_line import OneLineParser
from damsel_intera.errors import InteraError
from damsel_intera.logbook import Logbook

CONTROL_PORT, OBJECTS_PORT = 47105, 47104


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="damsel_intera.virtual", description="A virtual Sawyer.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at")
    parser.add_argument("--control-port", type=int, default=CONTROL_PORT)
    parser.add_argument("--objects-port", type=int, default=OBJECTS_PORT)
    parser.add_argument("--version", default="5.3.0", help="robot software that it claims to run")
    parser.add_argument(
        "--no-gripper-tip", action="store_true", help="tell about right_hand only, as without tool"
    )
    parser.add_argument(
        "--collision-force",
        type=float,
        default=40.0,
        metavar="NEWTONS",
        help="contact force that it feels as a collision (default %(default)s)",
    )
    for name in ("damping_scale", "friction", "gain_scale", "delay_s"):
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=float, help="unlike the nominal arm"
        )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run until a signal comes; 0 then, 2 after one line if it cannot be."""
    options = _parser().parse_args(arguments)
    log = Logbook(sys.stderr)
    try:
        ros1.activate()
        from damsel_intera.virtual.arm import ArmPhysics
        from damsel_intera.virtual.node import VirtualSawyer

        given = {field.name: getattr(options, field.name) for field in fields(ArmPhysics)}
        robot = VirtualSawyer(
            control_address=f"tcp://{options.host}:{options.control_port}",
            objects_address=f"tcp://{options.host}:{options.objects_port}",
            tips=("right_hand",) if options.no_gripper_tip else ("right_hand", "right_gripper_tip"),
            version=options.version,
            physics=ArmPhysics(
                **{name: value for name, value in given.items() if value is not None}
            ),
            collision_force_n=options.collision_force,
            log=log,
        )
    except InteraError as error:
        print(f"damsel_intera.virtual: error: {error}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGINT, robot.close)
    signal.signal(signal.SIGTERM, robot.close)
    log.note("a virtual Sawyer is up")
    robot.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
