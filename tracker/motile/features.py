"""The table of features of a motile model, filled by whole columns and kept in double precision."""

from typing import SupportsIndex

import numpy as np
from motile.costs import Features
from numpy.typing import NDArray


class ArrayFeatures(Features):
    """motile's `Features` (variables x weights) that also takes arrays.

    Values are float64 where motile has float32: a cost survives the way into the solver unchanged.
    changes: counts what was added, so that costs computed before can be told from present ones.
    """

    def __init__(self) -> None:
        """No variables, no weights."""
        super().__init__()
        self._values = np.zeros((0, 0), np.float64)
        self.changes = 0

    def add_feature(self, variable_index: SupportsIndex, feature_index: int, value: float) -> None:
        """Add a value to one variable's feature."""
        self.changes += 1
        super().add_feature(variable_index, feature_index, value)

    def add_column(self, variables: slice | NDArray[np.int64], feature: int, values: NDArray[np.float64] | float) -> None:
        """Add values to one feature of many variables, each of which is named once and exists."""
        self.changes += 1
        self._values[variables, feature] += values
