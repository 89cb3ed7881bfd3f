"""`damsel-record`: writes a run to MCAP, or makes one that shows what the arm is like.

Without `--excite` it hears nodes that run, in this DDS domain, until Ctrl-C. With it, it starts the
robot node, moves the arm above the table for some seconds, and ends. Exit codes are those of
`damsel-adapt`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.utilities import try_shutdown

from damsel.cli import EXIT_BAD_INPUT, EXIT_INTERRUPTED, OneLineParser
from damsel.errors import DamselError, InvalidConfigError, RobotError
from damsel.excitation import ExcitationCfg
from damsel_ros.adapt_cli import AT_A_TERMINAL, ENABLE_TIMEOUT_S, EXIT_FAILED, Surroundings
from damsel_ros.attendant import Attendant
from damsel_ros.backends import BACKEND_NAMES, make_robot
from damsel_ros.exciter import Exciter
from damsel_ros.interrupt import Interrupt, RunInterruptedError
from damsel_ros.node_main import start_ros
from damsel_ros.nodes import (
    NAMESPACE,
    finish_recording,
    require_no_nodes,
    start_nodes,
    start_recorder,
    wait_for_recorder,
)
from damsel_ros.parameter_file import check_parameter_file
from damsel_ros.processes import NodeProcesses, hide_in_own_domain
from damsel_ros.recorder_node import RecorderNode, record
from damsel_ros.recording_file import check_new_file
from damsel_ros.ros_arguments import without_ros_arguments

__all__ = ["main", "run"]

PROGRAM = "damsel-record"

_START_TIMEOUT_S = 20.0
_RESET_TIMEOUT_S = 900.0
_POLL_S = 0.02


@dataclass(frozen=True)
class _Options:
    output: Path
    excitation: ExcitationCfg | None
    robot: str
    parameters: Path | None


def main() -> None:
    """Run `damsel-record`."""
    sys.exit(run(sys.argv[1:]))


def run(
    argv: Sequence[str], surroundings: Surroundings = AT_A_TERMINAL, program: str = PROGRAM
) -> int:
    """Record and return the exit code.

    Args:
        argv: Arguments without the program's name.
        surroundings: What is around the nodes, with `--excite`.
        program: Name for messages.
    """
    try:
        options = _parse(argv)
    except DamselError as error:
        return _fail(error, EXIT_BAD_INPUT, program)
    if options.excitation is None:
        return _listen(options.output, program)
    interrupt = Interrupt()
    try:
        _excite(options, options.excitation, interrupt, surroundings)
        print(f"recorded: {options.output}", flush=True)
    except RunInterruptedError:
        print(f"{program}: interrupted, {interrupt.aftermath}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except (DamselError, OSError) as error:  # OSError: nobody reads what is printed
        return _fail(error, EXIT_FAILED, program)
    return 0


def _listen(output: Path, program: str) -> int:
    nodes: list[RecorderNode] = []

    def create() -> RecorderNode:
        nodes.append(RecorderNode(output))
        print(f"recording to {output} until Ctrl-C", flush=True)
        return nodes[0]

    code = record(program, create)
    if code == 0 and nodes:
        print(f"{nodes[0].messages} messages recorded: {output}")
    return code


def _excite(
    options: _Options, cfg: ExcitationCfg, interrupt: Interrupt, surroundings: Surroundings
) -> None:
    """Start the robot node and a recorder, make the motion, and stop both whatever happens."""
    with ExitStack() as stack:
        # Cameras and operators of a physical arm are in the domain that the user has chosen.
        alone = options.robot == "sim" and hide_in_own_domain()
        start_ros([])
        stack.callback(try_shutdown)
        node = Node("operator", namespace=NAMESPACE)
        executor = SingleThreadedExecutor()
        executor.add_node(node)

        def let_arrive() -> None:
            executor.spin_once(timeout_sec=_POLL_S)

        if not alone:
            require_no_nodes(node, ("robot",), let_arrive)
        processes = stack.enter_context(NodeProcesses())
        run_folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="damsel-")))
        start_nodes(
            processes,
            robot=options.robot,
            nodes=("robot",),
            run_folder=run_folder,
            parameters=() if options.parameters is None else (options.parameters,),
            overrides=surroundings.overrides,
            extra=surroundings.extra,
        )
        recorder = start_recorder(processes, options.output, run_folder)
        attendants: list[Attendant] = []

        def poll() -> None:
            interrupt.check()
            for attendant in attendants:
                attendant.poll()
            dead = processes.first_dead()
            if dead is not None:
                raise RobotError(f"the {dead.name} node died: {dead.cause_of_death}")
            let_arrive()

        period_s = make_robot(options.robot).description.control_period_s
        exciter = Exciter(node, cfg, period_s)
        try:
            exciter.wait_for_robot(poll, _START_TIMEOUT_S)
            wait_for_recorder(node, poll, _START_TIMEOUT_S, ("robot",))
            if options.robot != "sim":
                attendant = Attendant(node, surroundings.person(partial(print, flush=True)))
                attendant.enable(poll, ENABLE_TIMEOUT_S)
                attendants.append(attendant)
            exciter.run(poll, _RESET_TIMEOUT_S)
        except BaseException:
            stopped = exciter.hold(let_arrive)
            interrupt.aftermath = "the arm holds" if stopped else "nobody confirmed a hold"
            raise
        if problem := finish_recording(recorder, poll):
            raise RobotError(problem)


def _parse(argv: Sequence[str]) -> _Options:
    parser = OneLineParser(
        prog=PROGRAM,
        description="Record a run to MCAP, until Ctrl-C; or make one with --excite.",
        allow_abbrev=False,
    )
    parser.add_argument("output", metavar="FILE", help="new MCAP file")
    parser.add_argument(
        "--excite",
        action="store_true",
        help="start the robot node and move the arm above the table, to fit the simulation to",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        metavar="S",
        help=f"how long it moves ({ExcitationCfg().duration_s:g})",
    )
    parser.add_argument("--robot", choices=BACKEND_NAMES, help="which arm moves (sim)")
    parser.add_argument(
        "--parameters", default="", metavar="FILE", help="ROS parameter file of your own set-up"
    )
    given: argparse.Namespace = parser.parse_args(without_ros_arguments(argv))
    output = Path(given.output)
    check_new_file(output, "FILE")
    parameters = Path(given.parameters) if given.parameters else None
    if parameters is not None:
        check_parameter_file(parameters)
    if not given.excite:
        for name in ("seconds", "robot", "parameters"):
            if getattr(given, name) not in (None, ""):
                raise InvalidConfigError(
                    f"--{name} is for the motion that --excite makes; allowed without it: FILE"
                )
        return _Options(output, None, "sim", None)
    cfg = ExcitationCfg() if given.seconds is None else ExcitationCfg(duration_s=given.seconds)
    return _Options(output, cfg, given.robot or "sim", parameters)


def _fail(error: Exception, exit_code: int, program: str) -> int:
    print(f"{program}: error: {error}", file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    main()
