"""What a bundle is, apart from its two graphs; checked on construction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from damsel.errors import InvalidBundleError, brief
from damsel.families import FAMILIES
from damsel.observation import OBSERVATION_DIM, TRANSITION_DIM

__all__ = ["LARGEST_LATENT", "BundleMetadata", "Normalisation", "require_mapping"]

_PROVENANCE = ("commit", "seeds", "configuration", "command")
_NORMALISED = {"observation": OBSERVATION_DIM, "context": TRANSITION_DIM}

LARGEST_LATENT = 1024
"""Most coordinates of a latent."""


@dataclass(frozen=True, eq=False)
class Normalisation:
    """What a graph does to its input first: (x - centre) / scale.

    For the reader only: the numbers that count are inside the graph.

    Attributes:
        centre: (n,), in the units of the layout.
        scale: (n,), above 0, in the units of the layout.
    """

    centre: NDArray[np.float64]
    scale: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Copy, freeze and check the arrays.

        Raises:
            InvalidBundleError: If they are not vectors of one length, finite, with scale above 0.
        """
        object.__setattr__(self, "centre", _vector(self.centre, "normalisation centre"))
        scale = _vector(self.scale, "normalisation scale", len(self.centre))
        if not (scale > 0).all():
            raise InvalidBundleError("normalisation scale is not above 0 everywhere")
        object.__setattr__(self, "scale", scale)


@dataclass(frozen=True, eq=False)
class BundleMetadata:
    """Everything that a bundle is, apart from its two graphs.

    Attributes:
        components: Prior component (L,) of each family, in the order of probing; the same L for
            all, finite and pairwise different.
        control_rate_hz: Control steps a second that the policy was trained for.
        horizon: Control steps of a whole trajectory.
        step_size_m: Displacement in metres that an action of 1 stands for.
        observation_normalisation: Of `OBSERVATION_LAYOUT`, in the policy.
        context_normalisation: Of `CONTEXT_LAYOUT`, in the encoder; the next observation enters
            ours as the step from the one before, in centimetres, instead.
        provenance: Plain data on where the bundle was made; at least `commit` (text), `seeds`,
            `configuration` (a mapping) and `command` (text).
    """

    components: Mapping[str, NDArray[np.float64]]
    control_rate_hz: float
    horizon: int
    step_size_m: float
    observation_normalisation: Normalisation
    context_normalisation: Normalisation
    provenance: Mapping[str, Any]

    def __post_init__(self) -> None:
        """Check everything.

        Raises:
            InvalidBundleError: If a value has the wrong type or is out of range.
        """
        object.__setattr__(self, "components", _components(self.components))
        _check_number("control_rate_hz", self.control_rate_hz, 0.0, 1000.0)
        _check_number("horizon", self.horizon, 0.0, 100_000.0, whole=True)
        _check_number("step_size_m", self.step_size_m, 0.0, 0.1)
        for layout, length in _NORMALISED.items():
            found = getattr(self, f"{layout}_normalisation").centre.size
            if found != length:
                raise InvalidBundleError(
                    f"normalisation of the {layout} has length {found}; allowed: {length}"
                )
        _check_provenance(self.provenance)

    @property
    def latent_dim(self) -> int:
        """Length L of latents and components."""
        return int(next(iter(self.components.values())).size)


def require_mapping(value: object, what: str) -> Mapping[str, Any]:
    """Return a mapping as it is.

    Args:
        value: Anything.
        what: What it should be, to begin the message with.

    Raises:
        InvalidBundleError: If it is not a mapping.
    """
    if not isinstance(value, Mapping):
        raise InvalidBundleError(f"{what} is {brief(value)}; allowed: a mapping")
    return value


def _components(components: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.float64]]:
    if not components:
        raise InvalidBundleError(f"no families; allowed: at least one of {', '.join(FAMILIES)}")
    unknown = next((name for name in components if name not in FAMILIES), None)
    if unknown is not None:
        raise InvalidBundleError(f"unknown family {brief(unknown)}; allowed: {', '.join(FAMILIES)}")
    vectors: dict[str, NDArray[np.float64]] = {}
    length: int | None = None
    for name, values in components.items():
        vectors[name] = _vector(values, f"component of {name}", length)
        length = len(vectors[name])
    if length is None or not 1 <= length <= LARGEST_LATENT:
        raise InvalidBundleError(f"components have length {length}; allowed: 1 to {LARGEST_LATENT}")
    if len({vector.tobytes() for vector in vectors.values()}) != len(vectors):
        raise InvalidBundleError("two families have the same component")
    return vectors


def _check_provenance(provenance: Mapping[str, Any]) -> None:
    content = require_mapping(provenance, "provenance")
    missing = [key for key in _PROVENANCE if key not in content]
    if missing:
        raise InvalidBundleError(
            f"provenance lacks {', '.join(missing)}; allowed: at least {', '.join(_PROVENANCE)}"
        )
    for key in ("commit", "command"):
        if not isinstance(content[key], str) or not content[key]:
            raise InvalidBundleError(f"provenance {key} is {brief(content[key])}; allowed: text")
    require_mapping(content["configuration"], "provenance configuration")


def _check_number(name: str, value: object, low: float, high: float, whole: bool = False) -> None:
    kinds = int if whole else (int, float)
    is_number = isinstance(value, kinds) and not isinstance(value, bool)
    if not is_number or not low < cast("float", value) <= high:
        allowed = f"a whole number from 1 to {high:g}" if whole else f"({low:g}, {high:g}]"
        raise InvalidBundleError(f"{name} is {brief(value)}; allowed: {allowed}")


def _vector(values: ArrayLike, what: str, length: int | None = None) -> NDArray[np.float64]:
    """Return a read-only copy of finite numbers (n,), n = length if given."""
    try:
        if not isinstance(values, np.ndarray) and not _is_list_of_numbers(values):
            raise TypeError
        vector = np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InvalidBundleError(f"{what} is {brief(values)}; allowed: numbers") from None
    if vector.ndim != 1 or len(vector) != (len(vector) if length is None else length):
        wanted = "any" if length is None else length
        raise InvalidBundleError(f"{what} has shape {vector.shape}; allowed: ({wanted},)")
    # The graphs compute in float32, where larger numbers are infinite.
    if not (np.abs(vector) <= np.finfo(np.float32).max).all():
        raise InvalidBundleError(f"{what} is not finite")
    vector.setflags(write=False)
    return vector


def _is_list_of_numbers(values: object) -> bool:
    return isinstance(values, (list, tuple)) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) for value in values
    )
