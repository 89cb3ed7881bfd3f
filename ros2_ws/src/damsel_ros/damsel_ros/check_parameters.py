"""`check_parameters FILE`: for launch files, whose Python does not see `damsel`."""

from __future__ import annotations

import sys
from pathlib import Path

from damsel.cli import EXIT_BAD_INPUT
from damsel.errors import InvalidConfigError
from damsel_ros.parameter_file import check_parameter_file

__all__ = ["main"]


def main() -> None:
    """Say in one line why a parameter file is refused, if it is."""
    (file,) = sys.argv[1:]
    try:
        check_parameter_file(Path(file), "parameters:=")
    except InvalidConfigError as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_BAD_INPUT)


if __name__ == "__main__":
    main()
