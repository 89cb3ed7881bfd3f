"""From trained networks to a model bundle that needs no torch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from damsel.bundle import Bundle, BundleMetadata, Normalisation, write_bundle
from damsel.control import ControllerCfg
from damsel.observation import OBSERVATION_DIM, TRANSITION_DIM
from damsel_training.damsel_cfg import DamselCfg
from damsel_training.errors import DivergedError
from damsel_training.networks import (
    CONTEXT_CENTRE,
    CONTEXT_SCALE,
    OBSERVATION_CENTRE,
    OBSERVATION_SCALE,
    Encoder,
    Policy,
)

__all__ = ["export_bundle"]

_AGREEMENT = 1e-4


def export_bundle(
    path: Path,
    encoder: Encoder,
    policy: Policy,
    components: Mapping[str, NDArray[np.float64]],
    cfg: DamselCfg,
    provenance: Mapping[str, Any],
) -> Bundle:
    """Hold a bundle to the networks it is made from, write it, and load it back.

    Args:
        path: the bundle's folder, replaced if it exists.
        encoder: trained.
        policy: trained.
        components: (L,) by family, the latents' prior.
        cfg: the configuration of the meta-training.
        provenance: commit, seeds, configuration and command.

    Raises:
        DivergedError: a weight is not finite.
    """
    for module in (encoder, policy):
        if not all(torch.isfinite(weight).all() for weight in module.state_dict().values()):
            raise DivergedError(f"the {type(module).__name__.lower()} has non-finite weights")
    latent_dim = cfg.network.latent_dim
    controller = ControllerCfg()
    metadata = BundleMetadata(
        components=dict(components),
        control_rate_hz=1.0 / controller.control_period_s,
        horizon=cfg.horizon,
        step_size_m=controller.step_size_m,
        observation_normalisation=Normalisation(OBSERVATION_CENTRE, OBSERVATION_SCALE),
        context_normalisation=Normalisation(CONTEXT_CENTRE, CONTEXT_SCALE),
        provenance=provenance,
    )
    graphs = {
        "encoder_onnx": _to_onnx(
            encoder,
            {"context": torch.zeros(3, TRANSITION_DIM), "component": torch.zeros(latent_dim)},
            output="latent",
            dynamic={"context": {0: "transitions"}},
        ),
        "policy_onnx": _to_onnx(
            policy,
            {"observation": torch.zeros(3, OBSERVATION_DIM), "latent": torch.zeros(3, latent_dim)},
            output="action",
            dynamic={"observation": {0: "batch"}, "latent": {0: "batch"}},
        ),
    }
    _check_agreement(Bundle(path, metadata, **graphs), encoder, policy)
    write_bundle(path, **graphs, metadata=metadata)
    return Bundle.load(path)


def _to_onnx(
    module: torch.nn.Module,
    inputs: dict[str, torch.Tensor],
    *,
    output: str,
    dynamic: dict[str, dict[int, str]],
) -> bytes:
    shapes = {
        name: {axis: torch.export.Dim(label) for axis, label in dynamic.get(name, {}).items()}
        for name in inputs
    }
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # of packages that we do not use
    with warnings.catch_warnings():
        # Of the exporter about itself; none of them is about these graphs.
        warnings.simplefilter("ignore")
        program = _export(module, inputs, output, shapes)
    assert program is not None
    model = program.model_proto
    # The exporter notes the source lines, with this machine's paths, at every node.
    del model.metadata_props[:]
    for part in (
        model.graph,
        *model.graph.node,
        *model.graph.value_info,
        *model.graph.input,
        *model.graph.output,
        *model.graph.initializer,
    ):
        part.doc_string = ""
        del part.metadata_props[:]
    content: bytes = model.SerializeToString()
    return content


def _export(
    module: torch.nn.Module,
    inputs: dict[str, torch.Tensor],
    output: str,
    shapes: dict[str, Any],
) -> torch.onnx.ONNXProgram | None:
    return torch.onnx.export(
        module.eval(),
        kwargs=inputs,
        input_names=list(inputs),
        output_names=[output],
        dynamic_shapes=shapes,
        opset_version=18,
        dynamo=True,
        verbose=False,
    )


def _check_agreement(bundle: Bundle, encoder: Encoder, policy: Policy) -> None:
    rng = np.random.default_rng(0)
    family = bundle.families[0]
    component = bundle.components[family]
    context = CONTEXT_CENTRE + CONTEXT_SCALE * rng.standard_normal((17, TRANSITION_DIM))
    observation = OBSERVATION_CENTRE + OBSERVATION_SCALE * rng.standard_normal(OBSERVATION_DIM)
    with torch.no_grad():
        latent = encoder(_single(context), _single(component)).numpy()
        action = policy(_single(observation)[None], _single(component)[None])[0].numpy()
    for name, here, there in (
        ("encoder", bundle.encode(context, family), latent),
        ("policy", bundle.act(observation, component), action),
    ):
        if np.abs(here - there).max() > _AGREEMENT * (1 + np.abs(there).max()):
            raise DivergedError(f"the exported {name} does not agree with the trained one")


def _single(values: NDArray[np.float64]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)
