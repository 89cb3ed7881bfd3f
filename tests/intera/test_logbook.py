"""The server's log, which must not stop the server."""

from __future__ import annotations

import io
import threading
import time

from damsel_intera.logbook import Logbook


def test_a_log_that_nobody_reads_stops_nothing() -> None:
    read = threading.Event()

    class Stopped(io.StringIO):
        def write(self, text: str) -> int:
            read.wait()
            return super().write(text)

    stream = Stopped()
    log = Logbook(stream)
    begin_s = time.monotonic()
    for number in range(5_000):
        log.note(f"event {number}")
    log.close()
    assert time.monotonic() - begin_s < 3.0
    read.set()
    log.close()
    assert stream.getvalue().startswith(f"{stream.getvalue()[:8]} damsel_intera: event 0\n")
