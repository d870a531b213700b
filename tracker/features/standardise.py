"""Z-scores with remembered statistics."""

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

    def __call__(self, column: NDArray[np.float64]) -> NDArray[np.float64]:
        """(K,) z-scores."""
        # Rounding leaves a constant column a std of about 1e-16 of its mean; dividing by it would make noise a feature.
        if self.std <= 1e-12 * abs(self.mean):
            return np.zeros(len(column))
        return (column - self.mean) / self.std
