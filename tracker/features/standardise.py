"""Z-scores with remembered statistics."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Standardiser:
    """z(x) = (x - mean) / std, with the statistics (population std) of the proposed candidates.

    They are kept with the result and applied to candidates added later, so that a pin changes no cost.
    A column without spread carries no information: its z-score is 0.
    """

    mean: float
    std: float

    @classmethod
    def measure(cls, column: NDArray[np.float64]) -> "Standardiser":
        """Statistics of a (K,) column; mean 0 and std 0 when it is empty."""
        if not len(column):
            return cls(0.0, 0.0)
        return cls(float(column.mean()), float(column.std()))

    @classmethod
    def of_parts(cls, parts: Iterable["Moments"]) -> "Standardiser":
        """Statistics of a column that came in parts; mean 0 and std 0 when all are empty."""
        whole = Moments()
        for part in parts:
            whole = whole.joined(part)
        return cls(whole.mean, math.sqrt(whole.squares / whole.count)) if whole.count else cls(0.0, 0.0)

    def __call__(self, column: NDArray[np.float64]) -> NDArray[np.float64]:
        """(K,) z-scores."""
        # Rounding leaves a constant column a std of about 1e-16 of its mean; dividing by it would make noise a feature.
        if self.std <= 1e-12 * abs(self.mean):
            return np.zeros(len(column))
        return (column - self.mean) / self.std


@dataclass(frozen=True)
class Moments:
    """What is kept of a part of a column. squares: sum of (x - mean)^2 over its `count` numbers."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    @classmethod
    def measure(cls, column: NDArray[np.float64]) -> "Moments":
        """Moments of a (K,) column."""
        if not len(column):
            return cls()
        mean = float(column.mean())
        return cls(len(column), mean, float(np.square(column - mean).sum()))

    def joined(self, other: "Moments") -> "Moments":
        """Those of both parts together, without cancellation. Source: Chan, Golub and LeVeque 1979."""
        count = self.count + other.count
        if not self.count or not other.count:
            return self if self.count else other
        apart = other.mean - self.mean
        mean = self.mean + apart * (other.count / count)
        squares = self.squares + other.squares + apart**2 * (self.count * other.count / count)
        return Moments(count, mean, squares)
