"""Confidence intervals over seeds, and Pearson's correlation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Interval", "correlation", "mean_interval", "t_quantile"]

Array = NDArray[np.float64]

# Student's t at 0.975, for 1, 2, ... degrees of freedom.
_T_975 = (
    12.7062,
    4.3027,
    3.1824,
    2.7764,
    2.5706,
    2.4469,
    2.3646,
    2.3060,
    2.2622,
    2.2281,
    2.2010,
    2.1788,
    2.1604,
    2.1448,
    2.1314,
    2.1199,
    2.1098,
    2.1009,
    2.0930,
)
_NORMAL_975 = 1.9600


class Interval(NamedTuple):
    """A mean and its 95% confidence interval; NaN limits where there is one value only."""

    mean: float
    low: float
    high: float


def t_quantile(degrees: int) -> float:
    """The 0.975 quantile of Student's t with as many degrees of freedom, at least 1.

    From 20 on, Cornish and Fisher's expansion around the normal quantile, good to four digits.
    """
    if degrees <= len(_T_975):
        return _T_975[degrees - 1]
    z = _NORMAL_975
    return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)


def mean_interval(
    values: Sequence[float] | Array, low: float = -np.inf, high: float = np.inf
) -> Interval:
    """Mean of one value a seed, and its interval: mean +- t s / sqrt(n), kept to [low, high].

    Args:
        values: (n,), one a seed.
        low: least possible value.
        high: largest possible value.
    """
    array = np.asarray(values, np.float64)
    mean = float(array.mean())
    if len(array) < 2:
        return Interval(mean, float("nan"), float("nan"))
    half = t_quantile(len(array) - 1) * float(array.std(ddof=1)) / np.sqrt(len(array))
    return Interval(mean, max(low, mean - half), min(high, mean + half))


def correlation(first: Sequence[float] | Array, second: Sequence[float] | Array) -> float:
    """Pearson's r of paired values (n,); NaN where one of them does not vary."""
    a = np.asarray(first, np.float64) - np.mean(first)
    b = np.asarray(second, np.float64) - np.mean(second)
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    # What varies by rounding alone does not vary.
    if np.linalg.norm(a) < 1e-9 or np.linalg.norm(b) < 1e-9:
        return float("nan")
    return float(a @ b) / size
