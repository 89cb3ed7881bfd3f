from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto

from damsel.bundle import Bundle
from damsel.errors import InvalidBundleError
from tests.support.tiny_bundle import encoder_onnx, policy_onnx, write_tiny_bundle

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(name="path")
def fresh_bundle(tmp_path: Path) -> Path:
    return write_tiny_bundle(tmp_path / "b")


def refusal(path: Path) -> str:
    """Return why a bundle is refused, less the prefix that names it."""
    with pytest.raises(InvalidBundleError) as caught:
        Bundle.load(path)
    prefix = f"bundle {str(path)!r}: "
    text = str(caught.value)
    assert text.startswith(prefix)
    assert "\n" not in text
    assert len(text) < len(prefix) + 1000
    return text.removeprefix(prefix)


def edit(path: Path, change: Change, *, sign: bool = True) -> None:
    """Change `bundle.yaml`, and sign it again as somebody would who wants it to load."""
    document = yaml.safe_load((path / "bundle.yaml").read_text())
    change(document)
    if sign:
        signed = {key: value for key, value in document.items() if key != "sha256"}
        text = json.dumps(signed, sort_keys=True)
        document["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    (path / "bundle.yaml").write_text(yaml.safe_dump(document))


def replace_graph(path: Path, name: str, content: bytes) -> None:
    """Put another graph into a bundle, checksums and all."""
    (path / name).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    edit(path, lambda document: document["files"].update({name: digest}))


def test_signing_again_is_what_the_writer_does(path: Path) -> None:
    before = yaml.safe_load((path / "bundle.yaml").read_text())
    edit(path, lambda document: None)
    assert yaml.safe_load((path / "bundle.yaml").read_text()) == before
    Bundle.load(path)


# Missing


def test_a_missing_folder(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none") == (
        "no bundle.yaml there; allowed: a folder with bundle.yaml, encoder.onnx and policy.onnx"
    )
    assert refusal(tmp_path / ("x" * 5000)).startswith("no bundle.yaml there; ")


def test_a_file_instead_of_a_folder(path: Path) -> None:
    assert refusal(path / "bundle.yaml").startswith("no bundle.yaml there; ")


@pytest.mark.parametrize("name", ["encoder.onnx", "policy.onnx"])
def test_a_missing_graph(path: Path, name: str) -> None:
    (path / name).unlink()
    assert refusal(path) == f"{name} cannot be read: No such file or directory"


def test_a_folder_instead_of_a_graph(path: Path) -> None:
    (path / "policy.onnx").unlink()
    (path / "policy.onnx").mkdir()
    assert refusal(path) == "policy.onnx is not a regular file"


def test_a_pipe_instead_of_a_graph(path: Path) -> None:
    """Opening it would wait until somebody writes to it."""
    (path / "policy.onnx").unlink()
    os.mkfifo(path / "policy.onnx")
    assert refusal(path) == "policy.onnx is not a regular file"


def test_bundle_yaml_that_stands_for_more_than_it_holds(path: Path) -> None:
    """Checking the digest would write all of it out."""
    lines = ["a0: &a0 [1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 40)]
    with (path / "bundle.yaml").open("a") as stream:
        stream.write("\n".join(lines))
    assert refusal(path).endswith("the alias *a0 is not allowed")


# Truncated and tampered


@pytest.mark.parametrize("name", ["encoder.onnx", "policy.onnx"])
def test_a_truncated_or_extended_graph(path: Path, name: str) -> None:
    content = (path / name).read_bytes()
    for changed in (b"", content[:-1], content + b"\0", content[::-1]):
        (path / name).write_bytes(changed)
        assert refusal(path) == f"{name} was changed: its SHA-256 does not match"


def test_bundle_yaml_truncated_anywhere_is_refused(path: Path) -> None:
    content = (path / "bundle.yaml").read_bytes().rstrip()
    for length in range(0, len(content), 37):
        (path / "bundle.yaml").write_bytes(content[:length])
        refusal(path)
    (path / "bundle.yaml").write_bytes(content[:-1])
    assert refusal(path) == "bundle.yaml was changed: its sha256 does not match"


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["families"][0].update(component=[9.0, 0.0, 0.0]),
        lambda d: d["families"].reverse(),
        lambda d: d.update(control_rate_hz=10.0),
        lambda d: d["provenance"].update(commit="1" * 40),
        lambda d: d["normalisation"]["context"]["centre"].__setitem__(0, 1e-9),
        lambda d: d["files"].update({"encoder.onnx": "0" * 64}),
        lambda d: d.update(sha256="0" * 64),
        lambda d: d.update(sha256=None),
    ],
)
def test_a_change_anywhere_in_bundle_yaml_is_noticed(path: Path, change: Change) -> None:
    edit(path, change, sign=False)
    assert refusal(path) == "bundle.yaml was changed: its sha256 does not match"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_no_single_byte_changes_a_bundle_unnoticed(path: Path, position: int, byte: int) -> None:
    file = path / "bundle.yaml"
    content = bytearray(file.read_bytes())
    before = yaml.safe_load(bytes(content))
    content[position % len(content)] = byte
    broken = path.parent / "broken"
    shutil.copytree(path, broken, dirs_exist_ok=True)
    (broken / "bundle.yaml").write_bytes(content)
    try:
        Bundle.load(broken)
    except InvalidBundleError:
        return
    assert yaml.safe_load(bytes(content)) == before  # white space


def test_line_endings_of_another_system_do_not_matter(path: Path) -> None:
    file = path / "bundle.yaml"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    Bundle.load(path)


# Schema


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (0, "schema_version is 0; allowed: 2, so export the bundle again"),
        (-3, "schema_version is -3; allowed: 2, so export the bundle again"),
        (3, "schema_version is 3; allowed: 2, so update damsel"),
        ("1", "schema_version is '1'; allowed: 2"),
        (1.0, "schema_version is 1.0; allowed: 2"),
        (True, "schema_version is True; allowed: 2"),
        (None, "schema_version is None; allowed: 2"),
    ],
)
def test_another_schema_version_is_said_before_anything_else(
    path: Path, version: object, expected: str
) -> None:
    """A file of another version has other keys and another signature; that is not the news."""
    edit(path, lambda d: d.update(schema_version=version, more="keys"), sign=False)
    assert refusal(path) == expected


def test_a_file_without_a_version(path: Path) -> None:
    edit(path, lambda d: d.pop("schema_version"))
    assert refusal(path) == "schema_version is None; allowed: 2"


KEYS = (
    "allowed: exactly schema_version, layouts, normalisation, latent_dim, families, "
    "control_rate_hz, horizon, step_size_m, provenance, files, sha256"
)


def test_missing_and_added_keys(path: Path) -> None:
    edit(path, lambda d: d.pop("horizon"))
    assert refusal(path) == f"bundle.yaml lacks horizon; {KEYS}"
    edit(path, lambda d: d.update(horizon=4, goal=0.6))
    assert refusal(path) == f"bundle.yaml has the key 'goal'; {KEYS}"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "bundle.yaml is None; allowed: a mapping"),
        ("- 1", "bundle.yaml is [1]; allowed: a mapping"),
        ("text", "bundle.yaml is 'text'; allowed: a mapping"),
        ("{1: 2}", "schema_version is None; allowed: 2"),
    ],
)
def test_bundle_yaml_that_is_no_mapping(path: Path, content: str, expected: str) -> None:
    (path / "bundle.yaml").write_text(content)
    assert refusal(path) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"{", "is not valid YAML at line 1: "),
        (b"\xff\xff", "is not UTF-8 text"),
        (b"a: !!python/object/apply:os.system [true]", "is not valid YAML at line 1: could not"),
        (pickle.dumps({"schema_version": 1}), "is not UTF-8 text"),
        (b"#" * (1 << 21), "is larger than 1048576 bytes, the most allowed"),
    ],
    ids=["open", "bytes", "tag", "pickle", "huge"],
)
def test_bundle_yaml_that_is_no_yaml(path: Path, content: bytes, expected: str) -> None:
    (path / "bundle.yaml").write_bytes(content)
    assert refusal(path).startswith(f"file {str(path / 'bundle.yaml')!r} {expected}")


def test_values_that_yaml_knows_and_a_bundle_does_not(path: Path) -> None:
    file = path / "bundle.yaml"
    text = file.read_text()
    for value in ("2026-01-01", "!!set {a}", "!!binary aGk=", ".nan", "{1: 2}"):
        file.write_text(text.replace("command: made by hand", f"command: {value}"))
        assert refusal(path) == "bundle.yaml was changed: its sha256 does not match"


def _set_first_name(document: dict[str, Any]) -> None:
    document["layouts"]["observation"]["names"][0] = "gripper.x"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            _set_first_name,
            "layout of the observation lacks ['end_effector.x'] and has ['gripper.x'] besides; ",
        ),
        (
            lambda d: d["layouts"]["action"].update(units=["m", "m", "m"]),
            "layout of the action has units ['m', 'm', 'm']; allowed: step_size_m",
        ),
        (
            lambda d: d["layouts"]["context"].update(frame="world"),
            "layout of the context is in frame 'world'; allowed: base",
        ),
        (
            lambda d: d["layouts"].pop("context"),
            "layouts lacks context; allowed: exactly observation, action, context",
        ),
        (
            lambda d: d["layouts"].update(observation=[]),
            "layout of the observation is []; allowed: a mapping",
        ),
        (lambda d: d.update(layouts=None), "layouts is None; allowed: a mapping"),
        (lambda d: d.update(latent_dim=4), "latent_dim is 4, but the components have length 3"),
        (lambda d: d.update(latent_dim="3"), "latent_dim is '3', but the components have length 3"),
        (lambda d: d.update(families=[]), "families are []; allowed: a list of at least one"),
        (lambda d: d.update(families={}), "families are {}; allowed: a list of at least one"),
        (
            lambda d: d["families"].append("push"),
            "an entry of families is 'push'; allowed: a mapping",
        ),
        (
            lambda d: d["families"].append(dict(d["families"][0], component=[1.0, 2.0, 3.0])),
            "family 'push' is not a name or is there twice",
        ),
        (
            lambda d: d["families"][0].update(name=["push"]),
            "family ['push'] is not a name or is there twice",
        ),
        (
            lambda d: d["families"][0].update(name="lid"),
            "unknown family 'lid'; allowed: push, door, drawer",
        ),
        (
            lambda d: d["families"][0].update(component=None),
            "component of push is None; allowed: numbers",
        ),
        (
            lambda d: d["families"][0].update(component=["a", "b", "c"]),
            "component of push is ['a', 'b', 'c']; allowed: numbers",
        ),
        (lambda d: d.update(horizon="long"), "horizon is 'long'; allowed: a whole number from 1 "),
        (lambda d: d.update(step_size_m=-0.01), "step_size_m is -0.01; allowed: (0, 0.1]"),
        (lambda d: d.update(normalisation=7), "normalisation is 7; allowed: a mapping"),
        (
            lambda d: d["normalisation"]["context"].update(scale=[1.0]),
            "normalisation scale has shape (1,); allowed: (28,)",
        ),
        (
            lambda d: d["normalisation"]["context"].pop("scale"),
            "normalisation lacks scale; allowed: exactly centre, scale",
        ),
        (lambda d: d.update(provenance="me"), "provenance is 'me'; allowed: a mapping"),
        (lambda d: d.update(files=[]), "files is []; allowed: a mapping"),
    ],
)
def test_content_that_was_signed_but_is_not_allowed(
    path: Path, change: Change, expected: str
) -> None:
    edit(path, change)
    assert refusal(path).startswith(expected)


# File names


@pytest.mark.parametrize(
    "name", ["../encoder.onnx", "/etc/passwd", "sub/../../x.onnx", "encoder.onnx.bak", "..", ""]
)
def test_a_bundle_cannot_name_files_elsewhere(path: Path, name: str) -> None:
    edit(path, lambda d: d["files"].update({name: "0" * 64}))
    assert refusal(path) == (
        f"files has the key {name!r}; allowed: exactly encoder.onnx, policy.onnx"
    )


def test_a_bundle_names_both_graphs(path: Path) -> None:
    edit(path, lambda d: d["files"].pop("policy.onnx"))
    assert refusal(path) == "files lacks policy.onnx; allowed: exactly encoder.onnx, policy.onnx"


def test_a_checksum_is_text(path: Path) -> None:
    edit(path, lambda d: d["files"].update({"policy.onnx": 7}))
    assert refusal(path) == "the SHA-256 of policy.onnx is 7; allowed: text"


# Graphs


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            encoder_onnx(context="transitions"),
            "encoder.onnx has inputs transitions, component; allowed: context, component",
        ),
        (
            encoder_onnx(context_shape=("n", 27)),
            "encoder.onnx: context has shape (any, 27); allowed: (any, 28)",
        ),
        (
            encoder_onnx(context_shape=(128, 28)),
            "encoder.onnx: context has shape (128, 28); allowed: (any, 28)",
        ),
        (encoder_onnx(4), "encoder.onnx: component has shape (4,); allowed: (3,)"),
        (
            encoder_onnx(element_type=TensorProto.DOUBLE),
            "encoder.onnx: context is tensor(double); allowed: tensor(float)",
        ),
        (
            encoder_onnx(scale=float("nan")),
            "encoder.onnx gave an output latent that is not finite",
        ),
        (policy_onnx(), "encoder.onnx has inputs observation, latent; allowed: context, component"),
        (b"", "encoder.onnx is not a usable ONNX graph: "),
        (b"\x80\x04not onnx", "encoder.onnx is not a usable ONNX graph: "),
        (encoder_onnx()[:-20], "encoder.onnx is not a usable ONNX graph: "),
        (pickle.dumps([1, 2, 3]), "encoder.onnx is not a usable ONNX graph: "),
    ],
)
def test_an_encoder_with_another_interface(path: Path, content: bytes, expected: str) -> None:
    replace_graph(path, "encoder.onnx", content)
    assert refusal(path).startswith(expected)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            policy_onnx(observation_shape=("batch", 13)),
            "policy.onnx: observation has shape (any, 13); allowed: (any, 12)",
        ),
        (
            policy_onnx(observation_shape=(1, 12)),
            "policy.onnx: observation has shape (1, 12); allowed: (any, 12)",
        ),
        (policy_onnx(2), "policy.onnx: latent has shape (any, 2); allowed: (any, 3)"),
        (policy_onnx(action="torque"), "policy.onnx has outputs torque; allowed: action"),
        (
            policy_onnx(element_type=TensorProto.FLOAT16),
            "policy.onnx: observation is tensor(float16); allowed: tensor(float)",
        ),
        (encoder_onnx(), "policy.onnx has inputs context, component; allowed: observation, latent"),
    ],
)
def test_a_policy_with_another_interface(path: Path, content: bytes, expected: str) -> None:
    replace_graph(path, "policy.onnx", content)
    assert refusal(path).startswith(expected)


def with_last_node(*nodes: onnx.NodeProto, **constants: np.ndarray) -> bytes:
    """Return the tiny encoder with nodes between its result `sum` and the output `latent`."""
    model = onnx.load_from_string(encoder_onnx(latent_shape=("unknown",)))
    model.graph.node[-1].output[0] = "sum"
    model.graph.node.extend(nodes)
    for name, value in constants.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
    return bytes(model.SerializeToString())


def test_an_output_of_open_size_is_tried_out(path: Path) -> None:
    """The exporter may not know the size of an output; a wrong one shows when it runs."""
    compress = onnx.helper.make_node("Compress", ["sum", "kept"], ["latent"], axis=0)
    replace_graph(path, "encoder.onnx", with_last_node(compress, kept=np.full(3, True)))
    Bundle.load(path)
    replace_graph(path, "encoder.onnx", with_last_node(compress, kept=np.array([True, False])))
    assert refusal(path) == "encoder.onnx gave shape (1,); allowed: (3,)"


def failing_when_run() -> bytes:
    """Return an encoder that reshapes three numbers into as many as their sum, which is one."""
    return with_last_node(
        onnx.helper.make_node("ReduceSum", ["sum"], ["total"], keepdims=1),
        onnx.helper.make_node("Cast", ["total"], ["sizes"], to=TensorProto.INT64),
        onnx.helper.make_node("Reshape", ["sum", "sizes"], ["latent"]),
    )


def test_a_graph_that_fails_when_it_runs(path: Path) -> None:
    replace_graph(path, "encoder.onnx", failing_when_run())
    assert refusal(path).startswith("encoder.onnx cannot run: ")


def test_weights_outside_the_graph_are_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime would read them from the working directory, and no checksum covers them."""
    model = onnx.load_from_string(encoder_onnx())
    weights = model.graph.initializer[0]
    (path.parent / "weights.bin").write_bytes(weights.raw_data)
    monkeypatch.chdir(path.parent)
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="weights.bin")
    content = model.SerializeToString()
    key, value = b"\n\x08location", b"\x12\x0bweights.bin"
    assert key + value in content
    # The order of fields and the length of lengths are free.
    for entry in (key + value, value + key):
        replace_graph(path, "encoder.onnx", content.replace(key + value, entry))
        assert refusal(path) == (
            "encoder.onnx keeps weights in another file; allowed: everything in one file"
        )


def test_an_operator_that_nobody_knows(path: Path) -> None:
    model = onnx.load_from_string(policy_onnx())
    model.graph.node[0].op_type = "RunAnything"
    model.graph.node[0].domain = "elsewhere"
    model.opset_import.add(domain="elsewhere", version=1)
    replace_graph(path, "policy.onnx", model.SerializeToString())
    assert refusal(path).startswith("policy.onnx is not a usable ONNX graph: ")


def test_loading_prints_nothing(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Bundle.load(path)
    replace_graph(path, "policy.onnx", policy_onnx()[:-9])
    refusal(path)
    replace_graph(path, "encoder.onnx", failing_when_run())
    refusal(path)
    assert capfd.readouterr() == ("", "")
