"""The server's command line, up to where it serves."""

from __future__ import annotations

from typing import NoReturn

import pytest

from damsel_intera import server


def test_ctrl_c_before_the_robot_is_heard_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(kind: str) -> NoReturn:
        assert kind == "topics"
        raise KeyboardInterrupt

    monkeypatch.setattr(server, "_robot", interrupted)
    ports = ["--state-port", "27301", "--command-port", "27302", "--operator-port", "27303"]
    assert server.main(["--robot", "topics", *ports]) == 0
    assert capsys.readouterr().err == "damsel_intera.server: stopped before it served\n"
