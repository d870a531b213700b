"""The table of features of a motile model, filled by whole columns and kept in double precision."""

from typing import SupportsIndex

import numpy as np
from motile.costs import Features
from numpy.typing import NDArray


class ArrayFeatures(Features):
    """motile's `Features` (variables x weights) that also takes arrays.

    Values are float64 where motile has float32: a cost survives the way into the solver unchanged. Values that come
    one by one are gathered first, and added when somebody looks.
    changes: counts what was added, so that costs computed before can be told from present ones.
    """

    def __init__(self) -> None:
        """No variables, no weights."""
        self._table = np.zeros((0, 0), np.float64)
        self._single: tuple[list[SupportsIndex], list[int], list[float]] = ([], [], [])
        self.changes = 0

    @property  # type: ignore[override]  # float32 there
    def _values(self) -> NDArray[np.float64]:
        """The table, with everything added; named as in motile, whose methods use it."""
        if self._single[0]:
            rows, columns, values = self._single
            self._single = ([], [], [])
            indices = np.fromiter((int(row) for row in rows), np.int64, len(rows))
            if len(indices) and indices.max() >= len(self._table):
                self.resize(num_variables=int(indices.max()) + 1)
            np.add.at(self._table, (indices, np.array(columns, np.int64)), np.array(values, np.float64))
        return self._table

    @_values.setter
    def _values(self, table: NDArray[np.float64]) -> None:
        self._table = table

    def add_feature(self, variable_index: SupportsIndex, feature_index: int, value: float) -> None:
        """Add a value to one variable's feature."""
        self.changes += 1
        rows, columns, values = self._single
        rows.append(variable_index)
        columns.append(feature_index)
        values.append(value)

    def add_column(
        self, variables: slice | NDArray[np.int64], feature: int, values: NDArray[np.float64] | float
    ) -> None:
        """Add values to one feature of many variables, each of which is named once and exists."""
        self.changes += 1
        self._values[variables, feature] += values
