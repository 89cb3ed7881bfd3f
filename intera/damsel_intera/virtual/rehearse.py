"""`python -m damsel_intera.virtual.rehearse`: master, virtual Sawyer and server, until Ctrl-C.

On the usual ports of this machine, where the ROS 2 side looks for them without being told.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from damsel_intera.command_line import OneLineParser
from damsel_intera.errors import InteraError, RobotPortError
from damsel_intera.transport import Addresses
from damsel_intera.virtual.rehearsal import Rehearsal, missing_ros1


def main(arguments: list[str] | None = None) -> int:
    """Run until Ctrl-C or until something ends; 2 after one line if it cannot be."""
    parser = OneLineParser(prog="damsel_intera.virtual.rehearse", description=__doc__)
    parser.add_argument("--robot", choices=("topics", "sdk"), default="topics")
    parser.add_argument(
        "--sdk",
        type=Path,
        default=os.environ.get("DAMSEL_INTERA_SDK"),
        help="folder with intera_interface, for --robot sdk (default: $DAMSEL_INTERA_SDK)",
    )
    parser.add_argument(
        "--free-ports", action="store_true", help="not the usual ports but any that are free"
    )
    parser.add_argument("--logs", type=Path, help="folder for the processes' output")
    options = parser.parse_args(arguments)
    logs = options.logs or Path(tempfile.mkdtemp(prefix="damsel_rehearsal_"))
    try:
        if missing := missing_ros1():
            raise RobotPortError(missing)
        logs.mkdir(parents=True, exist_ok=True)
        addresses = None if options.free_ports else Addresses()
        with Rehearsal(logs, sdk=options.sdk, addresses=addresses) as rehearsal:
            rehearsal.start(options.robot)
            print(
                f"the rehearsal is up: {rehearsal.addresses}, objects at "
                f"{rehearsal.objects_address}, faults at {rehearsal.control_address}, "
                f"ROS_MASTER_URI={rehearsal.master_uri}, logs in {logs}",
                flush=True,
            )
            while True:
                time.sleep(0.5)
                for name, process in rehearsal.processes.items():
                    if process.poll() is not None:
                        raise InteraError(f"{name} has ended; {logs / name}.log says why")
    except InteraError as error:
        print(f"damsel_intera.virtual.rehearse: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
