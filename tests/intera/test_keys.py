"""Key files: drawn once, kept private, not to be mixed up."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from damsel_intera import keys
from damsel_intera.errors import KeyFileError


def test_the_two_sides_fit(tmp_path: Path) -> None:
    keys.write_keys(tmp_path)
    server = keys.load_key(tmp_path / keys.SERVER_KEY, "server")
    client = keys.load_key(tmp_path / keys.CLIENT_KEY, "client")
    assert (server.public, server.other) == (client.other, client.public)
    assert server.secret != client.secret


def test_keys_are_their_owners_only(tmp_path: Path) -> None:
    keys.write_keys(tmp_path)
    for name in (keys.SERVER_KEY, keys.CLIENT_KEY):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    keys.write_keys(tmp_path)
    path = tmp_path / keys.CLIENT_KEY
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match="can be read by others; allowed: mode 600"):
        keys.load_key(path, "client")


def test_the_other_sides_key_is_refused(tmp_path: Path) -> None:
    keys.write_keys(tmp_path)
    with pytest.raises(KeyFileError, match="key of the 'server'; allowed here: 'client'"):
        keys.load_key(tmp_path / keys.SERVER_KEY, "client")


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"role": "client", "secret": 1}', '{"role": "client"}', "\x00"]
)
def test_a_damaged_key_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "client.key"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileError) as refused:
        keys.load_key(path, "client")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("end", ["", "~", "\u00e9"])
def test_a_key_that_is_short_or_has_foreign_characters_is_refused(tmp_path: Path, end: str) -> None:
    keys.write_keys(tmp_path)
    path = tmp_path / keys.CLIENT_KEY
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"secret": content["secret"][:-1] + end}))
    with pytest.raises(KeyFileError, match="is damaged; allowed: what"):
        keys.load_key(path, "client")


def test_keys_are_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert keys.main([str(tmp_path)]) == 0
    before = (tmp_path / keys.SERVER_KEY).read_text()
    assert keys.main([str(tmp_path)]) == 2
    assert "exists; allowed: a folder without keys" in capsys.readouterr().err
    assert (tmp_path / keys.SERVER_KEY).read_text() == before
