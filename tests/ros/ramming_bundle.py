"""A bundle that needs no training and yet moves something: it rams the block.

Its policy goes for the block, a = clip(20 (block - end effector) + 0.8 z_x), and on through it as
far as the first coordinate of the latent says; its encoder is that of the tiny bundle. Rewards,
contact and latents therefore differ from trajectory to trajectory.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from damsel.observation import ACTION_DIM, BLOCK, END_EFFECTOR, OBSERVATION_DIM
from tests.support.tiny_bundle import write_tiny_bundle

__all__ = ["write_ramming_bundle"]

_LATENT_DIM = 3
_GAIN = 20.0
_OPSET = 17
_IR_VERSION = 8


def write_ramming_bundle(path: Path) -> Path:
    """Write the bundle to a folder and return it."""
    return write_tiny_bundle(path, policy=_policy(), horizon=100)


def _policy() -> bytes:
    of_observation = np.zeros((OBSERVATION_DIM, ACTION_DIM), np.float32)
    of_observation[BLOCK] = _GAIN * np.eye(3)
    of_observation[END_EFFECTOR] = -_GAIN * np.eye(3)
    of_latent = np.zeros((_LATENT_DIM, ACTION_DIM), np.float32)
    of_latent[0, 0] = 0.8
    constants = {
        "of_observation": of_observation,
        "of_latent": of_latent,
        "low": np.float32(-1.0),
        "high": np.float32(1.0),
    }
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["observation", "of_observation"], ["towards"]),
            helper.make_node("MatMul", ["latent", "of_latent"], ["through"]),
            helper.make_node("Add", ["towards", "through"], ["sum"]),
            helper.make_node("Clip", ["sum", "low", "high"], ["action"]),
        ],
        "ramming",
        [
            helper.make_tensor_value_info("observation", TensorProto.FLOAT, ["n", OBSERVATION_DIM]),
            helper.make_tensor_value_info("latent", TensorProto.FLOAT, ["n", _LATENT_DIM]),
        ],
        [helper.make_tensor_value_info("action", TensorProto.FLOAT, ["n", ACTION_DIM])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model: onnx.ModelProto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
    )
    return bytes(model.SerializeToString())
