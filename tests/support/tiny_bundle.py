"""A bundle small enough to compute by hand, made without torch.

Its encoder is z = f + mean reward of the context, in every coordinate; its policy is
a = clip(z[:3] + end effector position).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from damsel.bundle import Bundle, BundleMetadata, Normalisation, write_bundle
from damsel.families import FAMILIES
from damsel.observation import ACTION_DIM, CONTEXT_LAYOUT, OBSERVATION_DIM, TRANSITION_DIM

__all__ = [
    "TINY_HORIZON",
    "encoder_onnx",
    "policy_onnx",
    "tiny_bundle",
    "tiny_metadata",
    "write_tiny_bundle",
]

TINY_HORIZON = 4

_OPSET = 17
_IR_VERSION = 8

Shape = Sequence[int | str]


def tiny_metadata(**changes: object) -> BundleMetadata:
    """Metadata of the tiny bundle, with some of it changed.

    Args:
        changes: Arguments of `BundleMetadata`.
    """
    arguments: dict[str, object] = {
        "components": {name: np.eye(3)[i] for i, name in enumerate(FAMILIES)},
        "control_rate_hz": 20.0,
        "horizon": TINY_HORIZON,
        "step_size_m": 0.01,
        "observation_normalisation": _no_normalisation(OBSERVATION_DIM),
        "context_normalisation": _no_normalisation(TRANSITION_DIM),
        "provenance": {
            "commit": "0" * 40,
            "seeds": [0],
            "configuration": {"latent_dim": 3},
            "command": "made by hand",
        },
    }
    return BundleMetadata(**(arguments | changes))  # type: ignore[arg-type]


def write_tiny_bundle(
    path: Path,
    *,
    encoder: bytes | None = None,
    policy: bytes | None = None,
    **changes: object,
) -> Path:
    """Write a tiny bundle and return its folder.

    Args:
        path: The folder.
        encoder: The encoder's graph if not the tiny one.
        policy: The policy's graph if not the tiny one.
        changes: Arguments of `BundleMetadata`.
    """
    metadata = tiny_metadata(**changes)
    write_bundle(
        path,
        encoder_onnx=encoder_onnx(metadata.latent_dim) if encoder is None else encoder,
        policy_onnx=policy_onnx(metadata.latent_dim) if policy is None else policy,
        metadata=metadata,
    )
    return path


def tiny_bundle(path: Path, **changes: object) -> Bundle:
    """Write a tiny bundle to a folder and load it.

    Args:
        path: The folder.
        changes: Arguments of `BundleMetadata`.
    """
    return Bundle.load(write_tiny_bundle(path, **changes))  # type: ignore[arg-type]


def encoder_onnx(
    latent_dim: int = 3,
    *,
    context: str = "context",
    context_shape: Shape = ("transitions", TRANSITION_DIM),
    latent_shape: Shape | None = None,
    element_type: int = TensorProto.FLOAT,
    scale: float = 1.0,
) -> bytes:
    """Return the encoder z = f + scale * mean reward.

    Args:
        latent_dim: L.
        context: Name of the input for the context.
        context_shape: Its declared shape.
        latent_shape: Declared shape of the output; (L,) by default.
        element_type: Type of all tensors.
        scale: What the mean reward is multiplied with.
    """
    width = int(context_shape[-1])
    column = min(CONTEXT_LAYOUT.index("reward"), width - 1)
    weights = np.zeros((width, latent_dim))
    weights[column] = scale
    nodes = [
        helper.make_node("ReduceMean", [context], ["mean"], axes=[0], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["offset"]),
        helper.make_node("Add", ["offset", "component"], ["latent"]),
    ]
    return _model(
        nodes,
        {"weights": weights},
        inputs={context: context_shape, "component": [latent_dim]},
        outputs={"latent": [latent_dim] if latent_shape is None else latent_shape},
        element_type=element_type,
    )


def policy_onnx(
    latent_dim: int = 3,
    *,
    observation_shape: Shape = ("batch", OBSERVATION_DIM),
    action: str = "action",
    action_shape: Shape = ("batch", ACTION_DIM),
    element_type: int = TensorProto.FLOAT,
    clip: bool = True,
) -> bytes:
    """Return the policy a = clip(z[:3] + end effector).

    Args:
        latent_dim: L.
        observation_shape: Declared shape of the observation.
        action: Name of the output.
        action_shape: Its declared shape.
        element_type: Type of all tensors.
        clip: Whether the graph itself keeps to [-1, 1].
    """
    width = int(observation_shape[-1])
    last = [
        helper.make_node("Clip", ["sum", "low", "high"], [action])
        if clip
        else helper.make_node("Identity", ["sum"], [action])
    ]
    nodes = [
        helper.make_node("MatMul", ["observation", "of_observation"], ["moved"]),
        helper.make_node("MatMul", ["latent", "of_latent"], ["meant"]),
        helper.make_node("Add", ["moved", "meant"], ["sum"]),
        *last,
    ]
    constants = {
        "of_observation": np.eye(width, ACTION_DIM),
        "of_latent": np.eye(latent_dim, ACTION_DIM),
    }
    if clip:
        constants |= {"low": np.array(-1.0), "high": np.array(1.0)}
    return _model(
        nodes,
        constants,
        inputs={"observation": observation_shape, "latent": [observation_shape[0], latent_dim]},
        outputs={action: action_shape},
        element_type=element_type,
    )


def _model(
    nodes: list[onnx.NodeProto],
    constants: dict[str, np.ndarray],
    *,
    inputs: dict[str, Shape],
    outputs: dict[str, Shape],
    element_type: int,
) -> bytes:
    kind = helper.tensor_dtype_to_np_dtype(element_type)
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(n, element_type, list(s)) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, element_type, list(s)) for n, s in outputs.items()],
        [numpy_helper.from_array(value.astype(kind), n) for n, value in constants.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
    )
    return bytes(model.SerializeToString())


def _no_normalisation(size: int) -> Normalisation:
    return Normalisation(centre=np.zeros(size), scale=np.ones(size))
