"""Command line of the set-up: `python3 scripts/bootstrap run|all`.

This file must run under any Python, however old, to say in one line that it is too old; hence no
annotations, no f-strings and no other import before the check.
"""

import os
import sys

OLDEST = (3, 11)


def newer_python():
    # type: () -> str | None
    """Return the path of a Python on PATH that is new enough, or None."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        for minor in (13, 12, 11, 14):
            path = os.path.join(folder, "python3.%d" % minor)  # noqa: PTH118, UP031
            if os.access(path, os.X_OK):
                return path
    return None


if sys.version_info < OLDEST:
    PYTHON = newer_python()
    if PYTHON is None:
        sys.exit(
            "set-up: error: Python 3.11 or newer is needed, this is %d.%d; install one (Debian: "  # noqa: UP031
            "apt-get install python3 python3-dev python3-venv) or name one with "
            "make PYTHON=/path/to/python" % sys.version_info[:2]
        )
    os.execv(PYTHON, [PYTHON] + sys.argv)  # noqa: RUF005

# Run as a folder, this has the folder itself on the path, not the one that holds the package.
sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120

from bootstrap.setup import main  # noqa: E402

sys.exit(main())
