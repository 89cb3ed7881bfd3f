"""Parameters with a description and a range; whatever lies outside is refused in one line."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterUninitializedException,
)
from rclpy.node import Node

from damsel.errors import InvalidConfigError, brief

__all__ = ["Parameter", "declare_parameters"]

Value = bool | int | float | str | list[float] | list[str]


@dataclass(frozen=True)
class Parameter:
    """One read-only parameter of a node.

    Attributes:
        name: Its name.
        default: Its default; the type of the default is the type of the parameter.
        description: What it means, with its unit.
        low: Smallest number allowed.
        high: Largest number allowed.
        choices: Allowed texts; empty for any.
    """

    name: str
    default: Value
    description: str
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        if self.choices:
            return " or ".join(self.choices)
        kind = {
            float: "a number with a decimal point",
            int: "a whole number",
            bool: "true or false",
            str: "a text",
            list: "a list of texts",
        }[type(self.default)]
        if isinstance(self.default, list) and isinstance(self.default[0], float):
            kind = "a list of numbers with a decimal point, such as [0.5]"
        if math.isinf(self.low) and math.isinf(self.high):
            return kind
        return f"{kind} in [{self.low:g}, {self.high:g}]"

    def descriptor(self) -> ParameterDescriptor:
        """Return the descriptor that tools show and rcl enforces."""
        descriptor = ParameterDescriptor(
            description=self.description,
            additional_constraints=f"one of: {', '.join(self.choices)}" if self.choices else "",
            read_only=True,
        )
        if math.isfinite(self.low) and math.isfinite(self.high):
            if isinstance(self.default, float):
                descriptor.floating_point_range = [
                    FloatingPointRange(from_value=self.low, to_value=self.high)
                ]
            elif isinstance(self.default, int):
                descriptor.integer_range = [
                    IntegerRange(from_value=int(self.low), to_value=int(self.high))
                ]
        return descriptor


def declare_parameters(node: Node, parameters: Iterable[Parameter]) -> Mapping[str, Any]:
    """Declare parameters on a node and return their values by name.

    Args:
        node: The node, whose overrides come from parameter files and the command line.
        parameters: What to declare.

    Raises:
        InvalidConfigError: If an override has the wrong type, is outside its range, or sets a
            parameter that the node does not have.
    """
    values = {parameter.name: _declare(node, parameter) for parameter in parameters}
    # rclpy ignores overrides of parameters that nobody declares, and with them every misspelling.
    unknown = sorted(name for name in node._parameter_overrides if not node.has_parameter(name))
    if unknown:
        raise InvalidConfigError(
            f"unknown parameter {brief(unknown[0])}; allowed: {', '.join(sorted(values))}"
        )
    return values


def _declare(node: Node, parameter: Parameter) -> Any:
    given = node._parameter_overrides.get(parameter.name)
    problem = InvalidConfigError(
        f"parameter {parameter.name} is {brief(given.value if given else parameter.default)}; "
        f"allowed: {parameter.allowed}"
    )
    try:
        value = node.declare_parameter(
            parameter.name, parameter.default, parameter.descriptor()
        ).value
    except (
        InvalidParameterTypeException,
        InvalidParameterValueException,
        ParameterUninitializedException,
    ):
        raise problem from None
    if value is None:  # an empty list has no type
        raise problem
    # rcl compares with `<` and `>`, which let NaN through.
    if isinstance(value, float) and not math.isfinite(value):
        raise problem
    if parameter.choices and value not in parameter.choices:
        raise problem
    return value
