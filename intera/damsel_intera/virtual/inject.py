"""`python -m damsel_intera.virtual.inject WHAT [VALUE]`: do something to a virtual Sawyer.

For example `press_estop`, `release_estop`, `collide 0.2`, `state_fault '{"drop": 0.5}'`, `clear`,
`reset_objects`, `status`.
"""

from __future__ import annotations

import json
import sys

from damsel_intera.command_line import OneLineParser
from damsel_intera.errors import InteraError
from damsel_intera.virtual.__main__ import CONTROL_PORT
from damsel_intera.virtual.control import control


def main(arguments: list[str] | None = None) -> int:
    """Do it; 0 if it was done, 2 after one line if not."""
    parser = OneLineParser(prog="damsel_intera.virtual.inject", description=__doc__)
    parser.add_argument("what", help="`help` is answered with everything that can be done")
    parser.add_argument("value", nargs="?", help="JSON: a number, true, an object")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--control-port", type=int, default=CONTROL_PORT)
    options = parser.parse_args(arguments)
    try:
        value = None if options.value is None else json.loads(options.value)
        reply = control(f"tcp://{options.host}:{options.control_port}", options.what, value)
    except (InteraError, ValueError) as error:
        print(f"damsel_intera.virtual.inject: error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(reply, indent=2) if reply else "done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
