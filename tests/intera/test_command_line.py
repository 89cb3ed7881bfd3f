"""The robot's side says in one line what is wrong with a command line."""

from __future__ import annotations

import pytest

from damsel_intera import keys, server


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--realtime-priority", "100"], "--realtime-priority: '100'; allowed: 0 to 99"),
        (["--realtime-priority", "-1"], "allowed: 0 to 99"),
        (["--state-port", "many"], "--state-port: invalid int value: 'many'"),
        (["--robbot", "sdk"], "unrecognized arguments: --robbot sdk"),
    ],
)
def test_a_server_that_cannot_be_meant(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        server.main(arguments)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("damsel_intera.server: error: ")
    assert words in line


def test_keys_need_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        keys.main([])
    (line,) = capsys.readouterr().err.splitlines()
    assert "the following arguments are required: folder" in line
