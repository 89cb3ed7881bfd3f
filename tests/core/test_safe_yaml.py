from __future__ import annotations

import time
from pathlib import Path

import pytest

from damsel.errors import InvalidTaskError
from damsel.safe_yaml import read_yaml


def read(path: Path) -> object:
    return read_yaml(path, "file", InvalidTaskError)


def message(path: Path) -> str:
    with pytest.raises(InvalidTaskError) as caught:
        read(path)
    text = str(caught.value)
    assert text.startswith(f"file {str(path)!r} ")
    return text.removeprefix(f"file {str(path)!r} ")


def test_reads_plain_data(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("a: [1, 2.5, text, true, null]\n", encoding="utf-8")
    assert read(path) == {"a": [1, 2.5, "text", True, None]}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: [1, 2", "is not valid YAML at line 1: expected ',' or ']'"),
        (b"a: 1\n b: 2", "is not valid YAML at line 2: mapping values are not allowed"),
        (b"a: 1\na: 2", "is not valid YAML at line 1: the key 'a' is given twice"),
        (b"a: !!python/object/apply:os.getcwd []", "is not valid YAML at line 1: could not"),
        (b"a: !!python/name:os.system x", "is not valid YAML at line 1: could not"),
        (b"day: 2001-99-99", "is not valid YAML: month must be in 1..12"),
        (b"a: 1\n---\nb: 2", "is not valid YAML at line 2: but found another document"),
        (b"a: \xff\xfe", "is not UTF-8 text"),
        (b"a: \x00", "is not valid YAML: unacceptable character #x0000"),
        (b"[" * 5000, "is nested too deeply"),
        (b" " * (1 << 20) + b"1", "is larger than 1048576 bytes, the most allowed"),
    ],
    ids=["open", "indent", "twice", "apply", "name", "date", "two", "bytes", "null", "deep", "big"],
)
def test_anything_else_is_one_line(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    found = message(path)
    assert found.startswith(expected)
    assert "\n" not in found


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert message(tmp_path / "missing") == "does not exist"
    assert message(tmp_path) == "is not a regular file"
    assert message(tmp_path / ("x" * 5000)).startswith("cannot be read: File name too long")
    with pytest.raises(InvalidTaskError, match=r"^file 'a\\x00b' (cannot be read|does not exist)"):
        read(Path("a\0b"))


@pytest.mark.parametrize(
    "content",
    ["a: &a [x]\nb: *a", "&a [*a]", "a: &a {x: 1}\nb: {<<: *a}"],
    ids=["twice", "in itself", "merged"],
)
def test_aliases_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "alias.yaml"
    path.write_text(content, encoding="utf-8")
    assert message(path).endswith(": the alias *a is not allowed")


def test_many_keys_take_no_time_that_grows_with_their_square(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(f"{{{', '.join(f'k{i}' for i in range(40_000))}}}", encoding="utf-8")
    started_s = time.monotonic()
    assert len(read(path)) == 40_000  # type: ignore[arg-type]
    assert time.monotonic() - started_s < 30.0
