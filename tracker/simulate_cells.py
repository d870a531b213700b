"""The cells of a simulated movie, and what they do from one frame to the next."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from tracker.simulate import SimulationSettings

#: The shortest cell cycle, so that no cell divides before it has been seen as a cell of its own.
MIN_CYCLE_FRAMES = 4


@dataclass
class Cells:
    """The cells of the current frame, one row each; lengths in pixels of x, counted from the corner of the image."""

    settings: "SimulationSettings"
    rng: np.random.Generator
    position: NDArray[np.float64] = field(init=False)
    velocity: NDArray[np.float64] = field(init=False)
    age: NDArray[np.float64] = field(init=False)
    cycle: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        """Measure the image; there are no cells before `first`."""
        self.size = np.array(self.settings.shape) * self.settings.scale

    def first(self) -> NDArray[np.int64]:
        """Scatter the first cells; returns their origin, -1 each."""
        count, ndim = self.settings.n_cells, len(self.size)
        self.position = self.rng.random((count, ndim)) * self.size
        self.velocity = self.rng.normal(0.0, self.settings.speed_px, (count, ndim))
        self.cycle = self._cycles(count)
        self.age = self._ages(self.cycle)
        for _ in range(4):
            self._push()
        self._stay_inside()
        return np.full(count, -1)

    def advance(self) -> NDArray[np.int64]:
        """Go one frame on; returns for each cell its row, or its mother's, in the frame before, -1 if it came in."""
        self.age += 1
        dividing = np.flatnonzero(self.age >= self.cycle)
        origin = np.concatenate([np.arange(len(self.age)), dividing])
        axis = self.rng.normal(size=(len(dividing), len(self.size)))
        axis /= np.linalg.norm(axis, axis=1, keepdims=True)
        away = axis * self.radius[dividing, None]
        self._take(origin)
        born = slice(len(origin) - len(dividing), None)
        self.position[born] += 0.8 * away
        self.position[dividing] -= 0.8 * away
        for daughters in (dividing, np.arange(len(origin) - len(dividing), len(origin))):
            self.age[daughters] = 0
            self.cycle[daughters] = self._cycles(len(dividing))
        keep = self.settings.persistence
        kick = self.rng.normal(0.0, self.settings.speed_px, self.velocity.shape)
        self.velocity = keep * self.velocity + np.sqrt(1 - keep**2) * kick
        self.position += self.velocity
        self._push()
        plane = self.position[:, -2:]
        inside = np.asarray(((plane >= 0) & (plane < self.size[-2:])).all(axis=1))
        if self.settings.turnover and len(dividing):
            older = np.flatnonzero(self.age > 0)
            inside[self.rng.choice(older, min(len(dividing), len(older)), replace=False)] = False
        stays = np.flatnonzero(inside)
        self._take(stays)
        origin = np.concatenate([origin[stays], np.full(self._enter(len(stays)), -1)])
        self._stay_inside()
        return origin

    @property
    def radius(self) -> NDArray[np.float64]:
        """(n,) from the volume, which grows from 2/3 at birth to 4/3 at division, 1 = of `radius_px`."""
        grown = np.where(np.isinf(self.cycle), 0.5, self.age / self.cycle)
        volume: NDArray[np.float64] = 2 / 3 * (1 + np.minimum(grown, 1))
        return self.settings.radius_px * volume ** (1 / len(self.size))

    @property
    def brightness(self) -> NDArray[np.float64]:
        """(n,) 1, but 2 in the last frame before a division and 1.5 in the first after one."""
        return 1.0 + (self.age >= self.cycle - 1) * 1.0 + (self.age < 1) * 0.5

    def _take(self, rows: NDArray[np.int64]) -> None:
        self.position, self.velocity = self.position[rows], self.velocity[rows]
        self.age, self.cycle = self.age[rows], self.cycle[rows]

    def _cycles(self, count: int) -> NDArray[np.float64]:
        mean = self.settings.cycle_frames
        if np.isinf(mean):
            return np.full(count, np.inf)
        return np.maximum(self.rng.normal(mean, 0.15 * mean, count), MIN_CYCLE_FRAMES)

    def _ages(self, cycle: NDArray[np.float64]) -> NDArray[np.float64]:
        """Somewhere in their cycle, but past birth."""
        share = self.rng.random(len(cycle))
        return np.where(np.isinf(cycle), 1.0, 1 + share * (np.where(np.isinf(cycle), 1.0, cycle) - 1))

    def _push(self) -> None:
        """Push cells apart that are nearer than `contact` times the sum of their radii, each half of the way."""
        radius = self.radius * self.settings.contact
        for _ in range(self.settings.push_rounds if len(radius) > 1 else 0):
            pairs = cKDTree(self.position).query_pairs(2 * radius.max(), output_type="ndarray")
            apart = self.position[pairs[:, 0]] - self.position[pairs[:, 1]]
            distance = np.maximum(np.linalg.norm(apart, axis=1), 1e-6)
            lacking = np.maximum(radius[pairs].sum(axis=1) - distance, 0)
            shift = apart * (lacking / distance / 2)[:, None]
            np.add.at(self.position, pairs[:, 0], shift)
            np.add.at(self.position, pairs[:, 1], -shift)

    def _enter(self, present: int) -> int:
        """Let cells in at the edges of y and x, heading inwards; returns how many. With turnover the number stays."""
        count, ndim = int(self.rng.poisson(self.settings.enter_per_frame)), len(self.size)
        if self.settings.turnover:
            count = max(0, self.settings.n_cells - present)
        position = self.rng.random((count, ndim)) * self.size
        velocity = self.rng.normal(0.0, self.settings.speed_px, (count, ndim))
        side, axis = self.rng.integers(2, size=count), ndim - 2 + self.rng.integers(2, size=count)
        rows = np.arange(count)
        position[rows, axis] = side * self.size[axis] * (1 - 1e-9)
        velocity[rows, axis] = np.abs(velocity[rows, axis]) * (1 - 2 * side)
        cycle = self._cycles(count)
        self.position, self.velocity = np.vstack([self.position, position]), np.vstack([self.velocity, velocity])
        self.cycle, self.age = np.append(self.cycle, cycle), np.append(self.age, self._ages(cycle))
        return count

    def _stay_inside(self) -> None:
        """Pushing may put cells out of z, or the first ones out of the image: back to the edge."""
        np.clip(self.position, 0, self.size * (1 - 1e-9), out=self.position)
