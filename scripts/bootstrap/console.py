"""What a person sees of the set-up: a line a step; everything else goes to a log file."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bootstrap.errors import SetupError

__all__ = ["Console"]

_TAIL_LINES = 20
_CLEARING_S = 10.0


class Console:
    """Prints steps and runs commands.

    Attributes:
        log: File that gets the commands and their output.
    """

    def __init__(self, log: Path) -> None:
        self.log = log
        self._started = False

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Print a title, and the seconds it took once the block has ended."""
        if not self._started:
            self._started = True
            self.log.parent.mkdir(parents=True, exist_ok=True)
            self.log.write_text("", encoding="utf-8")
            print(f"set-up (details: {_short(self.log)})", flush=True)
        print(f"  {title} ... ", end="", flush=True)
        began_s = time.monotonic()
        try:
            yield
        except BaseException:
            print("failed", flush=True)
            raise
        print(f"{time.monotonic() - began_s:.1f} s", flush=True)

    def note(self, text: str) -> None:
        """Print one line that is worth knowing."""
        print(f"set-up: note: {text}", flush=True)

    def run(
        self, command: Sequence[str], *, env: Mapping[str, str], cwd: Path | None = None
    ) -> None:
        """Run a command with its output in the log.

        Raises:
            SetupError: If it fails; the message has the end of its output.
        """
        with self.log.open("a", encoding="utf-8", errors="replace") as log:
            log.write(f"$ {' '.join(command)}\n")
            log.flush()
            begin = log.tell()
            process = subprocess.Popen(
                command,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            try:
                process.wait()
            except BaseException:
                # An interrupt from the keyboard reaches it as well; it has files to clear away.
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_CLEARING_S)
                process.kill()
                raise
        if process.returncode == 0:
            return
        with self.log.open("rb") as written:
            written.seek(begin)
            lines = written.read().decode("utf-8", errors="replace").splitlines()
        tail = "\n".join(f"  | {line}" for line in lines[-_TAIL_LINES:])
        raise SetupError(
            f"`{' '.join(command[:4])} ...` failed with exit code {process.returncode}; "
            f"all of its output is in {_short(self.log)}, the end of it is\n{tail}"
        )


def _short(path: Path) -> str:
    """Return the path relative to the working directory if it is below it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
