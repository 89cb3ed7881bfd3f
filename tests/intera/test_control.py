"""Doing things to the virtual robot from a command line, without one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from damsel_intera.errors import NoAnswerError, RefusedError, SettingError
from damsel_intera.virtual import inject
from damsel_intera.virtual.control import ControlPort, control
from damsel_intera.virtual.rehearsal import free_ports


@pytest.fixture(name="port")
def served_port() -> Iterator[int]:
    (port,) = free_ports(1)
    done: list[Any] = []

    def refuse(_: Any) -> None:
        raise SettingError("drop is 2; allowed: 0 to 1")

    handlers = {"collide": done.append, "status": lambda _: {"done": done}, "refuse": refuse}
    served = ControlPort(f"tcp://127.0.0.1:{port}", handlers)
    running = threading.Event()
    running.set()

    def serve() -> None:
        while running.is_set():
            served.serve()
            threading.Event().wait(0.005)
        served.close()

    thread = threading.Thread(target=serve)
    thread.start()
    yield port
    running.clear()
    thread.join()


def test_things_are_done_and_told(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert inject.main(["collide", "0.5", "--control-port", str(port)]) == 0
    assert capsys.readouterr().out == "done\n"
    assert inject.main(["status", "--control-port", str(port)]) == 0
    assert "0.5" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["explode"], "no such thing to do; allowed: collide, refuse, status"),
        (["refuse"], "drop is 2; allowed: 0 to 1"),
        (["collide", "{"], "Expecting property name"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_2(
    port: int, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert inject.main([*arguments, "--control-port", str(port)]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


def test_without_a_virtual_robot_it_says_so() -> None:
    (port,) = free_ports(1)
    with pytest.raises(NoAnswerError, match="no virtual robot answers at tcp://"):
        control(f"tcp://127.0.0.1:{port}", "status", timeout_s=0.1)


def test_a_port_that_is_taken_is_one_line(port: int) -> None:
    with pytest.raises(SettingError, match="allowed: a free port"):
        ControlPort(f"tcp://127.0.0.1:{port}", {})


def test_a_refusal_names_what_is_allowed(port: int) -> None:
    with pytest.raises(RefusedError, match="allowed: 0 to 1"):
        control(f"tcp://127.0.0.1:{port}", "refuse")
