"""The small quadratic program of the cutting-plane method, and a bound on it that rounding cannot spoil."""

from dataclasses import dataclass, field

import clarabel
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, diags_array, eye_array, hstack, vstack

from tracker.errors import SolverError

_TOLERANCE = 1e-10  # objectives are losses per link: on data that can be told apart they come close to 0


@dataclass
class Bundle:
    """Planes that lie below a convex function of K weights, the sum of G parts.

        minimise  l2 / 2 |w - centre|^2 + sum over parts of max over its planes (constant + slope . w),
        low <= w <= high;   each part also has the plane 0.

    centre, low, high: (K,).   constant: (P,), slope: (P, K), part: (P,) of the planes so far.
    """

    l2: float
    centre: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    n_parts: int
    constant: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    slope: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    part: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def add(self, constant: NDArray[np.float64], slope: NDArray[np.float64], part: NDArray[np.int64]) -> None:
        """Add planes: constant (P,), slope (P, K), part (P,)."""
        slopes = self.slope.reshape(-1, len(self.centre))
        self.constant = np.append(self.constant, constant)
        self.slope = np.concatenate([slopes, slope])
        self.part = np.append(self.part, part)

    def lowest(self) -> tuple[NDArray[np.float64], float]:
        """The minimiser (K,), and a lower bound on the minimum.

        The solver gives multipliers of the planes. Whatever its tolerances, made to add up to at most 1 in each part
        they prove  min over w of  l2 / 2 |w - centre|^2 + sum of multiplier (constant + slope . w).
        """
        multipliers = self._multipliers()
        total = np.bincount(self.part, multipliers, self.n_parts)
        multipliers = multipliers / np.maximum(total, 1.0)[self.part]
        pull = multipliers @ self.slope
        weights = np.clip(self.centre - pull / self.l2, self.low, self.high)
        away = weights - self.centre
        bound = 0.5 * self.l2 * float(away @ away) + float(pull @ weights) + float(multipliers @ self.constant)
        return weights, bound

    def _multipliers(self) -> NDArray[np.float64]:
        """(P,) >= 0, of the planes at the optimum; columns of the program: steps away from the centre, then parts."""
        n_weights, n_planes = len(self.centre), len(self.constant)
        size = n_weights + self.n_parts
        below, above = np.flatnonzero(np.isfinite(self.low)), np.flatnonzero(np.isfinite(self.high))
        one_part = csc_array((-np.ones(n_planes), (np.arange(n_planes), self.part)), (n_planes, self.n_parts))
        every = eye_array(size, format="csr")
        matrix = vstack([
            hstack([csc_array(self.slope), one_part]),
            -every[n_weights:],
            -every[below],
            every[above],
        ])  # fmt: skip
        limit = np.concatenate([
            -(self.constant + self.slope @ self.centre),
            np.zeros(self.n_parts),
            (self.centre - self.low)[below],
            (self.high - self.centre)[above],
        ])  # fmt: skip
        cost = np.append(np.zeros(n_weights), np.ones(self.n_parts))
        curvature = np.append(np.full(n_weights, self.l2), np.zeros(self.n_parts))
        settings = clarabel.DefaultSettings()
        settings.verbose, settings.max_threads = False, 1
        settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = _TOLERANCE
        solver = clarabel.DefaultSolver(
            csc_array(diags_array(curvature)),
            cost,
            csc_array(matrix),
            limit,
            [clarabel.NonnegativeConeT(len(limit))],
            settings,
        )
        answer = solver.solve()
        # Anything but a failure gives multipliers that `lowest` makes a bound of; where it is poor, the gap says so.
        if answer.status in (clarabel.SolverStatus.NumericalError, clarabel.SolverStatus.Unsolved):
            raise SolverError(f"the quadratic program of {n_planes} planes was not solved: {answer.status}")
        return np.maximum(np.array(answer.z[:n_planes]), 0.0)
