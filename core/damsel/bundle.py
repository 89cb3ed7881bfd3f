"""A model bundle: the meta-trained encoder and policy with everything needed to use them.

A bundle is a folder of `encoder.onnx`, `policy.onnx` and `bundle.yaml`. Loading verifies all of
it and refuses anything else in one line; nothing in it is ever unpickled or executed as code.
"""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import yaml
from numpy.typing import ArrayLike, NDArray

from damsel.bundle_graphs import Graph
from damsel.bundle_metadata import BundleMetadata, Normalisation
from damsel.bundle_schema import (
    ENCODER_FILE,
    METADATA_FILE,
    POLICY_FILE,
    SCHEMA_VERSION,
    document_of,
    metadata_of,
)
from damsel.errors import InvalidBundleError, InvalidTaskError, InvalidTrajectoryError, brief
from damsel.observation import ACTION_DIM, OBSERVATION_DIM, OBSERVATION_LAYOUT, TRANSITION_DIM
from damsel.safe_yaml import read_yaml

__all__ = ["SCHEMA_VERSION", "Bundle", "BundleMetadata", "Normalisation", "write_bundle"]

_MAX_GRAPH_BYTES = 256 << 20


class Bundle:
    """A loaded and verified bundle.

    Attributes:
        path: Its folder.
        families: Names of the families, in the order of probing.
        components: Prior component (L,) of each family.
        latent_dim: Length L of latents and components.
        control_rate_hz: Control steps a second that the policy was trained for.
        horizon: Control steps of a whole trajectory.
        step_size_m: Displacement in metres that an action of 1 stands for.
        provenance: Where the bundle was made: commit, seeds, configuration, command.
    """

    def __init__(
        self, path: Path, metadata: BundleMetadata, *, encoder_onnx: bytes, policy_onnx: bytes
    ) -> None:
        """Make a bundle of its parts; `load` reads them from a folder.

        Raises:
            InvalidBundleError: If a graph has another interface or gives wrong or non-finite
                output.
        """
        self.path = path
        self.families: tuple[str, ...] = tuple(metadata.components)
        self.components: Mapping[str, NDArray[np.float64]] = MappingProxyType(
            dict(metadata.components)
        )
        self.latent_dim = metadata.latent_dim
        self.control_rate_hz = float(metadata.control_rate_hz)
        self.horizon = int(metadata.horizon)
        self.step_size_m = float(metadata.step_size_m)
        self.provenance: Mapping[str, Any] = MappingProxyType(dict(metadata.provenance))
        size = self.latent_dim
        self._encoder = Graph(
            ENCODER_FILE,
            encoder_onnx,
            inputs={"context": (None, TRANSITION_DIM), "component": (size,)},
            output=("latent", (size,)),
        )
        self._policy = Graph(
            POLICY_FILE,
            policy_onnx,
            inputs={"observation": (None, OBSERVATION_DIM), "latent": (None, size)},
            output=("action", (None, ACTION_DIM)),
        )
        self._try_out()

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read and verify a bundle.

        Args:
            path: Its folder.

        Raises:
            InvalidBundleError: If anything is missing, changed, of another schema version or
                layout, not finite, or a graph has another interface. The message names the bundle.
        """
        folder = Path(path)
        try:
            if not _exists(folder / METADATA_FILE):
                raise InvalidBundleError(
                    f"no {METADATA_FILE} there; allowed: a folder with {METADATA_FILE}, "
                    f"{ENCODER_FILE} and {POLICY_FILE}"
                )
            document = read_yaml(folder / METADATA_FILE, "file", InvalidBundleError)
            metadata, checksums = metadata_of(document)
            graphs = {name: _read(folder / name, digest) for name, digest in checksums.items()}
            return cls(
                folder,
                metadata,
                encoder_onnx=graphs[ENCODER_FILE],
                policy_onnx=graphs[POLICY_FILE],
            )
        except InvalidBundleError as cause:
            raise InvalidBundleError(f"bundle {str(folder)!r}: {cause}") from None

    def encode(self, context: ArrayLike, family: str) -> NDArray[np.float64]:
        """Infer the latent z = q(c), line 7 of Algorithm 2.

        Args:
            context: (N, 28) transitions in `CONTEXT_LAYOUT`, raw units; their order does not
                matter to a bundle of DAMSEL.
            family: Family of the context, one of `families`.

        Returns:
            Latent (L,); for N = 0 exactly the family's component.

        Raises:
            InvalidTrajectoryError: If the context has another shape or is not finite.
            InvalidTaskError: If the bundle has no such family.
            InvalidBundleError: If the encoder fails.
        """
        transitions = _checked(context, "context", (None, TRANSITION_DIM))
        if family not in self.components:
            raise InvalidTaskError(
                f"family {brief(family)} is not in bundle {str(self.path)!r}; "
                f"allowed: {', '.join(self.families)}"
            )
        component = self.components[family]
        if len(transitions) == 0:
            return component.copy()
        latent = self._encoder.run({"context": transitions, "component": component})
        return self._shaped(latent, (self.latent_dim,), ENCODER_FILE)

    def act(self, observation: ArrayLike, latent: ArrayLike) -> NDArray[np.float64]:
        """Return the action of the policy pi(a | s, z).

        Args:
            observation: (12,), positions in frame `base`, metres.
            latent: (L,).

        Returns:
            (3,) in [-1, 1], displacement of the end effector in step sizes, frame `base`.

        Raises:
            InvalidTrajectoryError: If an input has another shape or is not finite.
            InvalidBundleError: If the policy fails.
        """
        state = _checked(observation, "observation", (OBSERVATION_DIM,))
        code = _checked(latent, "latent", (self.latent_dim,))
        action = self._policy.run({"observation": state[None], "latent": code[None]})
        clipped: NDArray[np.float64] = np.clip(
            self._shaped(action, (1, ACTION_DIM), POLICY_FILE)[0], -1.0, 1.0
        )
        return clipped

    def check_robot(
        self, *, control_rate_hz: float, step_size_m: float, observation_layout: Sequence[str]
    ) -> None:
        """Refuse a robot that the bundle was not made for.

        Args:
            control_rate_hz: The robot's control steps a second.
            step_size_m: The robot's largest displacement a control step, metres.
            observation_layout: Names of the coordinates that the robot observes.

        Raises:
            InvalidBundleError: If one of them differs from the bundle's.
        """
        for what, unit, own, given in (
            ("control rate", "Hz", self.control_rate_hz, control_rate_hz),
            ("step size", "m", self.step_size_m, step_size_m),
        ):
            if not math.isclose(own, given, rel_tol=1e-6):
                raise InvalidBundleError(
                    f"bundle {str(self.path)!r} was made for a {what} of {own:g} {unit}, "
                    f"but the robot's is {given:g} {unit}"
                )
        if tuple(observation_layout) != OBSERVATION_LAYOUT:
            raise InvalidBundleError(
                f"bundle {str(self.path)!r} observes {', '.join(OBSERVATION_LAYOUT)}, "
                f"but the robot {', '.join(map(str, observation_layout)) or 'nothing'}"
            )

    def _try_out(self) -> None:
        """Run both graphs once a family: sizes left open and non-finite weights show now."""
        for family, component in self.components.items():
            latent = self.encode(np.zeros((2, TRANSITION_DIM)), family)
            for code in (component, latent):
                self.act(np.zeros(OBSERVATION_DIM), code)

    @staticmethod
    def _shaped(
        output: NDArray[np.float64], shape: tuple[int, ...], name: str
    ) -> NDArray[np.float64]:
        if output.shape != shape:
            raise InvalidBundleError(f"{name} gave shape {output.shape}; allowed: {shape}")
        return output


def write_bundle(
    path: str | Path, *, encoder_onnx: bytes, policy_onnx: bytes, metadata: BundleMetadata
) -> None:
    """Write a bundle that `Bundle.load` accepts, all of it or nothing.

    Args:
        path: Its folder; made with its parents. A bundle that is there already is replaced.
        encoder_onnx: Graph with inputs `context` (N, 28) and `component` (L,), output `latent`
            (L,), all float32, N dynamic.
        policy_onnx: Graph with inputs `observation` (n, 12) and `latent` (n, L), output `action`
            (n, 3), all float32, n dynamic.
        metadata: The rest.

    Raises:
        InvalidBundleError: If the result would not load, or the folder holds anything else.
        OSError: If the folder cannot be written.
    """
    target = Path(path)
    files = {ENCODER_FILE: encoder_onnx, POLICY_FILE: policy_onnx}
    document = document_of(metadata, files)
    text = yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=100)
    files[METADATA_FILE] = text.encode("utf-8")
    _check_replaceable(target, allowed=set(files))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as staging:
        new, old = Path(staging, "new"), Path(staging, "old")
        new.mkdir()
        for name, content in files.items():
            with (new / name).open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        Bundle.load(new)
        # Only a folder that is empty can be renamed over; `old` goes with the staging folder.
        if target.exists():
            target.rename(old)
        try:
            new.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise


def _check_replaceable(target: Path, allowed: set[str]) -> None:
    if not target.exists():
        return
    others = sorted({entry.name for entry in target.iterdir()} - allowed) if target.is_dir() else []
    if others or not target.is_dir():
        found = f"holds {brief(others[0])}" if others else "is not a folder"
        raise InvalidBundleError(
            f"bundle {str(target)!r} cannot be written: it {found}; "
            "allowed: a new folder or one with nothing but a bundle"
        )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, a null byte
        return False


def _read(path: Path, digest: str) -> bytes:
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait for its writer
            raise InvalidBundleError(f"{path.name} is not a regular file")
        with path.open("rb") as stream:
            content = stream.read(_MAX_GRAPH_BYTES + 1)
    except OSError as cause:
        raise InvalidBundleError(f"{path.name} cannot be read: {cause.strerror}") from None
    if len(content) > _MAX_GRAPH_BYTES:
        raise InvalidBundleError(
            f"{path.name} is larger than {_MAX_GRAPH_BYTES} bytes, the most allowed"
        )
    if hashlib.sha256(content).hexdigest() != digest:
        raise InvalidBundleError(f"{path.name} was changed: its SHA-256 does not match")
    return content


def _checked(values: ArrayLike, what: str, shape: tuple[int | None, ...]) -> NDArray[np.float64]:
    """Return finite float64 values of a shape in which None is any size."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != len(shape) or any(
        wanted is not None and size != wanted
        for size, wanted in zip(array.shape, shape, strict=True)
    ):
        wanted_text = ", ".join("any" if size is None else str(size) for size in shape)
        raise InvalidTrajectoryError(
            f"{what} has shape {array.shape}; allowed: ({wanted_text}{',' * (len(shape) == 1)})"
        )
    if not (np.abs(array) <= np.finfo(np.float32).max).all():
        raise InvalidTrajectoryError(f"{what} is not finite")
    return array
