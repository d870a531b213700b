"""A coarse map of features read at places of a fine image, without enlarging the map; numpy and scipy only.

Reading a map between its cells by bilinear interpolation is linear in the map, so a set of places, or means over masks,
is a sparse matrix over the cells: computed once, and multiplied with all channels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array


@dataclass(frozen=True)
class FeatureGrid:
    """How the cells of a map lie on an image.

    shape: (rows, columns) cells.   cells_per_px: along y, x. Cell k reaches from k / cells_per_px to
    (k + 1) / cells_per_px, both counted in pixels from the edge of the image, where pixel 0 begins.
    """

    shape: tuple[int, int]
    cells_per_px: tuple[float, float]

    def weights(self, place_px: NDArray[np.float64]) -> csr_array:
        """(n, rows * columns): what each cell counts at each place.

        With u = (place + 1/2) cells_per_px - 1/2 along each axis, held within [0, cells - 1], the cells floor(u) and
        floor(u) + 1 count 1 - (u - floor(u)) and u - floor(u): bilinear between the centres of cells, and beyond the
        outermost of them as there.   place_px: (n, 2) y, x; whole numbers are the centres of pixels.
        """
        count = len(place_px)
        at = (place_px + 0.5) * self.cells_per_px - 0.5
        at = np.clip(at, 0, np.array(self.shape) - 1)
        low = np.floor(at).astype(np.int64)
        high = np.minimum(low + 1, np.array(self.shape) - 1)
        share = at - low
        corners = [
            ((y[:, 0] * self.shape[1] + x[:, 1]), (wy[:, 0] * wx[:, 1]))
            for y, wy in ((low, 1 - share), (high, share))
            for x, wx in ((low, 1 - share), (high, share))
        ]
        cell = np.stack([one for one, _ in corners], axis=1).ravel()
        weight = np.stack([one for _, one in corners], axis=1).ravel()
        row = np.repeat(np.arange(count), len(corners))
        weights = csr_array((weight, (row, cell)), shape=(count, self.shape[0] * self.shape[1]))
        weights.eliminate_zeros()
        return weights

    def mean_weights(self, place_px: NDArray[np.float64], owner: NDArray[np.int64], owners: int) -> csr_array:
        """(owners, rows * columns): the mean of `weights` over the places of each owner, 0 for one without any.

        owner: (n,) integers in [0, owners).
        """
        counts = np.bincount(owner, minlength=owners)
        mean = csr_array((1.0 / counts[owner], (owner, np.arange(len(owner)))), shape=(owners, len(owner)))
        return mean @ self.weights(place_px)


def read_map(features: NDArray[np.float32], weights: csr_array) -> NDArray[np.float32]:
    """(C, rows, columns) and weights (n, rows * columns) -> (n, C)."""
    used = np.unique(weights.indices)
    few = np.ascontiguousarray(features.reshape(len(features), -1)[:, used].T)
    return (weights[:, used] @ few).astype(np.float32)
