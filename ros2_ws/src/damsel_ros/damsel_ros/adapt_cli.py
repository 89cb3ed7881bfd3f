"""`damsel-adapt`: one adaptation to a hidden task, from nothing running to a table.

Exit codes: 0 when the adaptation ran to its end, solved or not; 1 when it could not; 2 when the
command was wrong, in which case nothing was started; 130 when interrupted.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rclpy.utilities import try_shutdown

from damsel.cli import EXIT_BAD_INPUT, EXIT_INTERRUPTED
from damsel.errors import DamselError, RobotError, brief
from damsel.results import AdaptationResult, write_json
from damsel.tasks import Task
from damsel_msgs.msg import TrajectoryRecord
from damsel_ros.adapt_options import Options, parse_options
from damsel_ros.attendant import Attendant
from damsel_ros.console import end_output, open_missing_streams
from damsel_ros.interrupt import Interrupt, RunInterruptedError
from damsel_ros.node_main import check_domain_id, die_with_operator, start_ros
from damsel_ros.nodes import (
    NAMESPACE,
    Parameter,
    finish_recording,
    start_nodes,
    start_recorder,
    wait_for_recorder,
)
from damsel_ros.operator_client import Operator
from damsel_ros.person import Person, TerminalPerson
from damsel_ros.processes import NodeProcess, NodeProcesses, hide_in_own_domain
from damsel_ros.progress import ProgressLines
from damsel_ros.ros_arguments import without_ros_arguments
from damsel_ros.run_result import result_of

__all__ = [
    "AT_A_TERMINAL",
    "ENABLE_TIMEOUT_S",
    "EXIT_FAILED",
    "Surroundings",
    "main",
    "run",
]

PROGRAM = "damsel-adapt"
EXIT_FAILED = 1

_START_TIMEOUT_S = 20.0
ENABLE_TIMEOUT_S = 25.0
"""How long enabling may take: the vendor allows five seconds for each of reset and enable."""


def main() -> None:
    """Run `damsel-adapt`."""
    open_missing_streams()
    code = run(sys.argv[1:])
    end_output()
    sys.exit(code)


@dataclass(frozen=True)
class Surroundings:
    """What is around the three nodes, if anything.

    Attributes:
        person: Looks after a physical arm.
        overrides: Parameters of the nodes, by node and name.
        extra: Names of further nodes to start.
    """

    person: Callable[[Callable[[str], None]], Person]
    overrides: Mapping[str, Mapping[str, Parameter]] = field(default_factory=dict)
    extra: Sequence[str] = ()


AT_A_TERMINAL = Surroundings(person=TerminalPerson)
"""What `damsel-adapt` has around it."""


def run(
    argv: Sequence[str], surroundings: Surroundings = AT_A_TERMINAL, program: str = PROGRAM
) -> int:
    """Run one adaptation and return the exit code.

    Args:
        argv: Arguments without the program's name.
        surroundings: What is around the nodes.
        program: Name for messages.
    """
    try:
        options = parse_options(without_ros_arguments(argv))
        check_domain_id()
    except DamselError as error:
        return _fail(error, EXIT_BAD_INPUT, program)
    interrupt = Interrupt()
    die_with_operator()  # that of a launch, if any
    try:
        result, recording_problem = _adapt(options, interrupt, surroundings)
    except RunInterruptedError:
        print(f"{program}: interrupted, {interrupt.aftermath}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except (DamselError, OSError) as error:  # OSError: nobody reads what is printed, or a full disk
        return _fail(error, EXIT_FAILED, program)
    problems: list[Exception] = [RobotError(recording_problem)] if recording_problem else []
    try:
        if options.json is not None:
            write_json(result, options.json)
    except OSError as error:
        what = f"--json {brief(str(options.json))} cannot be written: {error.strerror}"
        problems.append(DamselError(what))
    try:
        # All that is left of the run, should there be no file.
        print(f"\n{result.table()}", flush=True)
    except OSError as error:
        problems.append(error)
    return _fail(problems[0], EXIT_FAILED, program) if problems else 0


def _adapt(
    options: Options, interrupt: Interrupt, surroundings: Surroundings
) -> tuple[AdaptationResult, str]:
    """Start the nodes, adapt, and stop the nodes whatever happens.

    Returns:
        The result, and what is wrong with its recording, in one line; empty for nothing.
    """
    with ExitStack() as stack:
        alone = _needs_nobody(options) and hide_in_own_domain()
        processes = stack.enter_context(NodeProcesses())
        run_folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="damsel-")))
        attendants: list[Attendant] = []

        def check() -> None:
            interrupt.check()
            for attendant in attendants:
                attendant.poll()
            dead = processes.first_dead()
            if dead is not None:
                raise RobotError(f"the {dead.name} node died: {dead.cause_of_death}")

        start_ros([])
        stack.callback(try_shutdown)
        operator = Operator(namespace=NAMESPACE, check=check)
        stack.callback(operator.close)
        if not (options.attach or alone):
            operator.require_no_nodes()
        recorder = _start(options, surroundings, processes, run_folder)
        progress = ProgressLines(sys.stdout, horizon=options.bundle.horizon)
        try:
            operator.wait_for_nodes(_START_TIMEOUT_S)
            if options.attach:
                operator.require_backend(options.robot, _START_TIMEOUT_S)
            # Refused while an adaptation runs, whose arm is none of this command's business.
            operator.set_task(options.task)
            if options.robot != "sim":
                attendant = Attendant(operator.node, surroundings.person(progress.say))
                attendant.enable(
                    operator.poll, ENABLE_TIMEOUT_S, partial(_take_over, operator, options.task)
                )
                attendants.append(attendant)
                # Minutes may have passed.
                operator.set_task(options.task)
            if recorder is not None:
                wait_for_recorder(operator.node, operator.poll, _START_TIMEOUT_S)
            finished = operator.adapt(options.iterations, _shower(progress))
            problem = "" if recorder is None else finish_recording(recorder, operator.poll)
        except BaseException:
            _stop(operator, interrupt, progress)
            raise
        return result_of(finished, options.task), problem


def _take_over(operator: Operator, task: Task) -> None:
    """Answer for the arm from now on, unless somebody else's run has begun meanwhile."""
    operator.set_task(task)
    operator.answers_for_arm = True


def _needs_nobody(options: Options) -> bool:
    """Whether no node of somebody else, such as a physical arm's camera, belongs to the run."""
    return not options.attach and options.robot == "sim"


def _start(
    options: Options, surroundings: Surroundings, processes: NodeProcesses, run_folder: Path
) -> NodeProcess | None:
    """Start what is not there yet; returns the recorder, if there is to be one."""
    if not options.attach:
        start_nodes(
            processes,
            robot=options.robot,
            mode=options.mode,
            bundle=options.bundle_folder,
            composed=options.composed,
            run_folder=run_folder,
            parameters=() if options.parameters is None else (options.parameters,),
            overrides=surroundings.overrides,
            extra=surroundings.extra,
        )
    if options.record is None:
        return None
    return start_recorder(processes, options.record, run_folder)


def _stop(operator: Operator, interrupt: Interrupt, progress: ProgressLines) -> None:
    """Stop the arm first: a terminal that is gone, or halted by Ctrl-S, must not keep it moving."""
    stopped = operator.stop()
    if operator.answers_for_arm:
        interrupt.aftermath = "the arm holds" if stopped else "nobody confirmed that the arm holds"
    with suppress(OSError):
        progress.close()


def _shower(progress: ProgressLines) -> Callable[[TrajectoryRecord, bool], None]:
    def show(record: TrajectoryRecord, finished: bool) -> None:
        progress.show(
            stage=record.stage,
            family=record.family,
            iteration=record.iteration,
            steps=record.steps,
            total=record.return_sum,
            finished=finished,
        )

    return show


def _fail(error: Exception, exit_code: int, program: str) -> int:
    print(f"{program}: error: {error}", file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    main()
