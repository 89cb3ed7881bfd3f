"""The two ONNX graphs of a bundle, their interfaces checked before anything relies on them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from damsel.errors import InvalidBundleError

# A robot's computer reports to nobody, unless its owner wants it: see onnxruntime's Privacy.md.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime as ort

__all__ = ["Graph"]

_FLOAT32 = "tensor(float)"

# How ONNX's protobuf says that a tensor is kept in another file: a string of length 8, `location`.
# Such a file would be read from the working directory, and no checksum would cover it. However
# many bytes a writer spends on the length, the last is 8 or 0.
_EXTERNAL_DATA = re.compile(rb"[\x00\x08]location")


class Graph:
    """One graph with float32 inputs and one float32 output, run deterministically on one thread."""

    def __init__(
        self,
        name: str,
        content: bytes,
        *,
        inputs: Mapping[str, Sequence[int | None]],
        output: tuple[str, Sequence[int | None]],
    ) -> None:
        """Load the graph and check names, types and shapes.

        Args:
            name: Name of its file, for messages.
            content: The file.
            inputs: Shape of each input by name; None for a dimension that must be dynamic.
            output: Name and shape of the output; None for a dimension that may be dynamic.

        Raises:
            InvalidBundleError: If the content is not such a graph.
        """
        self._name = name
        self._output = output[0]
        if _EXTERNAL_DATA.search(content):
            raise InvalidBundleError(
                f"{name} keeps weights in another file; allowed: everything in one file"
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 4  # what goes wrong is raised; nothing is printed
        try:
            self._session = ort.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as cause:  # noqa: BLE001, onnxruntime's have no narrower base
            raise InvalidBundleError(
                f"{name} is not a usable ONNX graph: {_first_line(cause)}"
            ) from None
        self._check("inputs", self._session.get_inputs(), inputs)
        self._check("outputs", self._session.get_outputs(), dict([output]))

    def run(self, inputs: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return the output, finite.

        Args:
            inputs: Arrays by name, of the shapes given on construction.

        Raises:
            InvalidBundleError: If the graph fails or its output is not finite.
        """
        feed = {name: np.asarray(array, dtype=np.float32) for name, array in inputs.items()}
        try:
            (output,) = self._session.run([self._output], feed)
        except Exception as cause:  # noqa: BLE001, as above
            raise InvalidBundleError(f"{self._name} cannot run: {_first_line(cause)}") from None
        result = np.asarray(output, dtype=np.float64)
        if not np.isfinite(result).all():
            raise InvalidBundleError(
                f"{self._name} gave an output {self._output} that is not finite"
            )
        return result

    def _check(
        self,
        what: str,
        found: Sequence[ort.NodeArg],
        expected: Mapping[str, Sequence[int | None]],
    ) -> None:
        names = [one.name for one in found]
        if sorted(names) != sorted(expected):
            raise InvalidBundleError(
                f"{self._name} has {what} {', '.join(names) or 'none'}; "
                f"allowed: {', '.join(expected)}"
            )
        for one in found:
            shape = expected[one.name]
            if one.type != _FLOAT32:
                raise InvalidBundleError(
                    f"{self._name}: {one.name} is {one.type}; allowed: {_FLOAT32}"
                )
            # Exporters may leave an output's size open; running the graph will tell.
            open_allowed = what == "outputs"
            if len(one.shape) != len(shape) or not all(
                _fits(size, wanted, open_allowed)
                for size, wanted in zip(one.shape, shape, strict=True)
            ):
                raise InvalidBundleError(
                    f"{self._name}: {one.name} has shape {_text(one.shape)}; "
                    f"allowed: {_text(shape)}"
                )


def _fits(size: int | str | None, wanted: int | None, open_allowed: bool) -> bool:
    """Whether a dimension of a graph is as wanted; anything but a number is dynamic."""
    if isinstance(size, int):
        return size == wanted
    return wanted is None or open_allowed


def _text(shape: Sequence[int | str | None]) -> str:
    sizes = [str(size) if isinstance(size, int) else "any" for size in shape]
    return f"({', '.join(sizes)}{',' * (len(sizes) == 1)})"


def _first_line(cause: Exception) -> str:
    lines = str(cause).strip().splitlines()
    return lines[0][:200] if lines else type(cause).__name__
