"""Bundles that need no training and yet move; their encoder is that of the tiny bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from damsel.observation import ACTION_DIM, BLOCK, END_EFFECTOR, OBSERVATION_DIM
from tests.support.tiny_bundle import write_tiny_bundle

__all__ = ["write_circling_bundle", "write_ramming_bundle"]

Array = NDArray[np.float64]

_LATENT_DIM = 3
_OPSET = 17
_IR_VERSION = 8

_CENTRE_BASE = np.array([0.50, 0.0, 0.04])
_ROUND, _INWARDS, _LEVEL = 40.0, 16.0, 10.0


def write_circling_bundle(path: Path) -> Path:
    """Write a bundle that never rests and touches nothing: it goes round, 4 to 11 cm wide.

    a = clip(G (end effector - centre)). On the way round at least one axis goes at full speed, as
    far as the arm lags behind by one to three steps.
    """
    gain = np.array([[-_INWARDS, -_ROUND, 0.0], [_ROUND, -_INWARDS, 0.0], [0.0, 0.0, -_LEVEL]])
    of_observation = np.zeros((OBSERVATION_DIM, ACTION_DIM))
    of_observation[END_EFFECTOR] = gain.T
    policy = _policy(of_observation, np.zeros((_LATENT_DIM, ACTION_DIM)), -gain @ _CENTRE_BASE)
    return write_tiny_bundle(path, policy=policy, horizon=100)


def write_ramming_bundle(path: Path) -> Path:
    """Write a bundle that rams the block.

    a = clip(20 (block - end effector) + 0.8 z_x): for the block, and on through it as far as the
    first coordinate of the latent says. Rewards, contact and latents therefore differ from
    trajectory to trajectory.
    """
    of_observation = np.zeros((OBSERVATION_DIM, ACTION_DIM))
    of_observation[BLOCK] = 20.0 * np.eye(3)
    of_observation[END_EFFECTOR] = -20.0 * np.eye(3)
    of_latent = np.zeros((_LATENT_DIM, ACTION_DIM))
    of_latent[0, 0] = 0.8
    policy = _policy(of_observation, of_latent, np.zeros(ACTION_DIM))
    return write_tiny_bundle(path, policy=policy, horizon=100)


def _policy(of_observation: Array, of_latent: Array, bias: Array) -> bytes:
    """The graph of a = clip(observation @ of_observation + latent @ of_latent + bias)."""
    constants = {
        "of_observation": of_observation,
        "of_latent": of_latent,
        "bias": bias,
        "low": -1.0,
        "high": 1.0,
    }
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["observation", "of_observation"], ["seen"]),
            helper.make_node("MatMul", ["latent", "of_latent"], ["meant"]),
            helper.make_node("Sum", ["seen", "meant", "bias"], ["sum"]),
            helper.make_node("Clip", ["sum", "low", "high"], ["action"]),
        ],
        "moving",
        [
            helper.make_tensor_value_info("observation", TensorProto.FLOAT, ["n", OBSERVATION_DIM]),
            helper.make_tensor_value_info("latent", TensorProto.FLOAT, ["n", _LATENT_DIM]),
        ],
        [helper.make_tensor_value_info("action", TensorProto.FLOAT, ["n", ACTION_DIM])],
        [
            numpy_helper.from_array(np.asarray(value, np.float32), name)
            for name, value in constants.items()
        ],
    )
    model: onnx.ModelProto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
    )
    return bytes(model.SerializeToString())
