"""Simulated movies with known lineage: nuclei that move, grow, divide, enter, leave, blink and touch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.detections import Detections
from tracker.errors import ConfigError
from tracker.lineage import Lineage, make_lineage
from tracker.simulate_cells import MIN_CYCLE_FRAMES, Cells
from tracker.truth import contract


@dataclass(frozen=True)
class SimulationSettings:
    """What to simulate. Lengths are in pixels of y and x, times in frames.

    n_frames, shape ([z,] y, x), n_cells: frames, image size, and cells in the first frame.
    z_spacing: height of a plane in pixels of x; 3-D only.
    radius_px: of a cell in the middle of its cycle. Its volume (area in 2-D) doubles from birth to division.
    speed_px: root mean square step per frame and axis.   persistence: how much of its velocity a cell keeps, [0, 1).
    cycle_frames: mean time from birth to division, inf = no divisions; it varies by 15 percent.
    turnover: for every division another cell vanishes, and as many enter as leave, so that their number stays.
    enter_per_frame: mean number of cells that come in through the edges of y and x; cells leave there, too.
    blink_probability: of a cell to be missed in a frame. Only cells are missed that were seen just before, and go on;
        the lineage then skips that frame.
    contact: cells push each other apart until their distance is this many times the sum of their radii.
    push_rounds: how often they push per frame; 0 = they pass through each other, which is fastest.
    brightness, background: photons per pixel in a cell and outside.   read_noise: standard deviation, in photons.
    blur_px: standard deviation of the blur in y and x; z has as much, in its own planes.
    Raises ConfigError for values that make no movie.
    """

    n_frames: int = 30
    shape: tuple[int, ...] = (256, 256)
    n_cells: int = 24
    z_spacing: float = 3.0
    radius_px: float = 9.0
    speed_px: float = 1.5
    persistence: float = 0.7
    cycle_frames: float = 25.0
    enter_per_frame: float = 0.3
    blink_probability: float = 0.01
    contact: float = 0.95
    push_rounds: int = 4
    brightness: float = 120.0
    background: float = 20.0
    read_noise: float = 3.0
    blur_px: float = 1.5
    turnover: bool = False

    def __post_init__(self) -> None:
        """Check ranges."""
        wanted = {
            "n_frames must be at least 1": self.n_frames >= 1,
            "shape must be two or three positive sizes": len(self.shape) in (2, 3) and min(self.shape) >= 1,
            "n_cells must be at least 1": self.n_cells >= 1,
            "z_spacing must be positive": 0 < self.z_spacing < np.inf,
            "radius_px must be positive": 0 < self.radius_px < np.inf,
            "persistence must be at least 0 and below 1": 0 <= self.persistence < 1,
            f"cycle_frames must be at least {MIN_CYCLE_FRAMES}": self.cycle_frames >= MIN_CYCLE_FRAMES,
            "blink_probability must lie in [0, 1]": 0 <= self.blink_probability <= 1,
            "contact must be at least 0": 0 <= self.contact < np.inf,
        }
        for name in ("speed_px", "enter_per_frame", "push_rounds", "brightness", "background", "read_noise", "blur_px"):
            wanted[f"{name} must be finite and not negative"] = 0 <= getattr(self, name) < np.inf
        broken = next((text for text, holds in wanted.items() if not holds), None)
        if broken:
            raise ConfigError(f"simulation: {broken}; found {getattr(self, broken.split()[0])}")

    @property
    def scale(self) -> NDArray[np.float64]:
        """(D,) size of a pixel along [z,] y, x in pixels of x."""
        return np.array([1.0, 1.0] if len(self.shape) == 2 else [self.z_spacing, 1.0, 1.0])


@dataclass(frozen=True)
class Nuclei:
    """n nuclei sorted by frame.

    frame: (n,) int64 from 0.   position_px: (n, D) centre in pixels, [z,] y, x, 0 = centre of the first pixel.
    radius_px: (n,) in pixels of y and x.   brightness: (n,) relative to the usual one, higher around a mitosis.
    """

    frame: NDArray[np.int64]
    position_px: NDArray[np.float64]
    radius_px: NDArray[np.float64]
    brightness: NDArray[np.float64]

    def __len__(self) -> int:
        """Number of nuclei n."""
        return len(self.frame)

    def take(self, rows: NDArray[np.int64]) -> "Nuclei":
        """The nuclei of these rows."""
        return Nuclei(self.frame[rows], self.position_px[rows], self.radius_px[rows], self.brightness[rows])


@dataclass(frozen=True)
class SimulatedMovie:
    """A movie as numbers; `tracker.simulate_files` draws and writes it.

    nuclei: (N,) those detected, sorted by (frame, label).   missed: those that blink; in the images only.
    label: (N,) 1.. within each frame in random order, so that it tells nothing about the lineage.
    parent: (N,) int64 row of the parent or -1; across a blink it lies further back than one frame.
    """

    settings: SimulationSettings
    seed: int
    nuclei: Nuclei
    missed: Nuclei
    label: NDArray[np.int64]
    parent: NDArray[np.int64]

    def __len__(self) -> int:
        """Number of detected nuclei N."""
        return len(self.nuclei)

    @property
    def links(self) -> NDArray[np.int64]:
        """(L, 2) rows (parent, child)."""
        child = np.flatnonzero(self.parent >= 0)
        return np.column_stack([self.parent[child], child])

    def to_lineage(self, *, from_masks: bool = True) -> Lineage:
        """The true lineage, positions in pixels of x; labels as in the masks, or else the ids of the points."""
        scale = self.settings.scale
        detections = Detections(
            frame=self.nuclei.frame,
            label=self.label if from_masks else np.arange(1, len(self) + 1),
            position=self.nuclei.position_px * scale,
            frames=np.arange(self.settings.n_frames),
            scale=scale,
            image_shape=self.settings.shape if from_masks else None,
            properties={"radius_px": self.nuclei.radius_px},
        )
        return make_lineage(detections, np.ones(len(self), bool), self.links)


def simulate(settings: SimulationSettings, seed: int) -> SimulatedMovie:
    """Simulate a movie; the same settings and seed give the same numbers.

    Steps per frame: grow; divide, into halves that part along a random axis; move, a random walk that keeps
    `persistence` of its velocity; push apart; leave through, and enter from, the edges of y and x. In 3-D, cells stay
    between the first and last plane. A cell whose centre shares a pixel with another one's is missed, so that every
    detected nucleus has pixels of its own.
    """
    rng = np.random.default_rng(seed)
    cells = Cells(settings, rng)
    frames, parents, total = [], [], 0
    for frame in range(settings.n_frames):
        origin = cells.first() if frame == 0 else cells.advance()
        frames.append(_snapshot(cells, frame))
        # `origin` counts within the frame before, which begins `len(frames[-2])` rows earlier.
        before = total - (len(frames[-2]) if frame else 0)
        parents.append(np.where(origin >= 0, origin + before, -1))
        total += len(frames[-1])
    every = Nuclei(
        frame=np.concatenate([nuclei.frame for nuclei in frames]),
        position_px=np.concatenate([nuclei.position_px for nuclei in frames]),
        radius_px=np.concatenate([nuclei.radius_px for nuclei in frames]),
        brightness=np.concatenate([nuclei.brightness for nuclei in frames]),
    )
    parent = np.concatenate(parents)
    seen = ~_hidden(every, settings.shape)
    seen &= ~_blinking(parent, settings.blink_probability, rng)
    rows, parent = contract(parent, seen)
    nuclei = every.take(rows)
    order = np.lexsort((rng.random(len(rows)), nuclei.frame))
    rank = np.append(np.argsort(order), -1)
    nuclei = nuclei.take(order)
    start = np.searchsorted(nuclei.frame, nuclei.frame)
    return SimulatedMovie(
        settings=settings,
        seed=seed,
        nuclei=nuclei,
        missed=every.take(np.flatnonzero(~seen)),
        label=np.arange(len(rows)) - start + 1,
        parent=rank[parent[order]],
    )


def _snapshot(cells: Cells, frame: int) -> Nuclei:
    """The cells as they are now."""
    return Nuclei(
        frame=np.full(len(cells.age), frame, np.int64),
        position_px=cells.position / cells.settings.scale - 0.5,
        radius_px=cells.radius,
        brightness=cells.brightness,
    )


def _hidden(nuclei: Nuclei, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """(n,) whether a nucleus has its centre in the pixel of an earlier one."""
    pixel = centre_pixel(nuclei.position_px, shape)
    key = nuclei.frame * int(np.prod(shape)) + np.ravel_multi_index(tuple(pixel.T), shape)
    hidden = np.ones(len(nuclei), bool)
    hidden[np.unique(key, return_index=True)[1]] = False
    return hidden


def _blinking(parent: NDArray[np.int64], probability: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(n,) which nuclei are missed: their cell was seen just before, has not divided around here, and goes on."""
    children = np.bincount(parent[parent >= 0], minlength=len(parent))
    within = (parent >= 0) & (children == 1)
    within &= children[parent] == 1
    blinking: NDArray[np.bool_] = within & (rng.random(len(parent)) < probability)
    blinking[blinking] = ~blinking[parent[blinking]]
    return blinking


def centre_pixel(position_px: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """(n, D) the pixel in which each centre lies."""
    return np.clip(np.rint(position_px), 0, np.array(shape) - 1).astype(np.int64)
