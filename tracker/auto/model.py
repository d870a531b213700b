"""The model of the preset "auto": how surprising every candidate is, in nats.

A lineage explains every detection: it is there from the beginning, or it appeared, or it follows from a parent. The
densities say where and how a detection may follow; the same detection could also have turned up by chance, as likely as
detections are dense around it. The *surprise* of a candidate is minus the log of the ratio of the two:

    link      -log [ (1 - division rate - disappear rate) t(step; s, nu) / crowd(v) * properties * missed^frames ]
    division  -log [ division rate * t(midpoint; s m, 4) t(log separation; 5) J / (crowd(v) crowd(w)) * properties ]
    appear    -log appear rate         disappear   -log disappear rate

so their sum is, up to a constant, minus the log likelihood of the lineage, and the cheapest lineage the likeliest.
"step" and "midpoint" are what is left after the local motion is taken off; t is Student's density, heavy-tailed, since
some cells jump. "missed^frames" counts the frames that a link skips, those without any detection left out. J turns the
density of the logarithm of half the children's distance into one over space.
A property's factor compares its change with that of detections drawn at random; it is bounded by a share of outliers.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.auto.channels import channels_of
from tracker.auto.density import crowding, log_sphere, log_student
from tracker.config_measured import Measured, MeasuredProperty
from tracker.detections import Detections
from tracker.local_motion import residuals

MIDPOINT_TAIL = 4.0
SEPARATION_TAIL = 5.0
PROPERTY_TAIL = 4.0
# A poor mask moves centroid, size and intensity at once: their evidence is not independent, and counts for less.
PROPERTY_WEIGHT = 0.7
_Array = NDArray[np.float64]


@dataclass(frozen=True)
class MovieModel:
    """What was measured. numbers: of the whole movie.   flow: (N, D) local motion, in the unit of the positions.

    n_links: links to the next frame that the numbers were measured on; None when the numbers were given.
    """

    numbers: Measured
    flow: _Array
    n_links: int | None = None


class Surprise:
    """The surprises of a movie's candidates. Everything that does not depend on the numbers is computed once."""

    def __init__(self, detections: Detections) -> None:
        """Look around each detection."""
        self.detections = detections
        self.nearest, self.log_crowd = crowding(detections)
        self._channels = {channel.name: channel for channel in channels_of(detections)}
        self._occupied = np.cumsum(np.diff(detections.starts) > 0)[detections.step]

    def missed(self, parent: NDArray[np.integer], child: NDArray[np.integer]) -> NDArray[np.int64]:
        """How often a cell was missed in between; not in frames where nothing at all was detected."""
        return np.asarray(self._occupied[child] - self._occupied[parent] - 1)

    def channels(self, numbers: Measured) -> list[tuple[MeasuredProperty, _Array, bool]]:
        """Per measured property that is there: its numbers, its (N,) values, whether they add up at divisions."""
        units: dict[str, float] = {name: number.unit for name, number in numbers.properties.items()}
        known = self._channels
        if any(name in known and known[name].unit != unit for name, unit in units.items()):
            known = {channel.name: channel for channel in channels_of(self.detections, units)}
        return [
            (number, known[name].values, known[name].adds_up)
            for name, number in numbers.properties.items()
            if name in known
        ]

    def at_edge(self, numbers: Measured) -> NDArray[np.bool_]:
        """(N,) whether a detection lies at the image edge."""
        border = self.detections.properties.get("border_distance_px")
        if border is None:
            return np.zeros(len(self.detections), bool)
        return np.asarray(border < numbers.edge_px)

    def ends(self, numbers: Measured) -> tuple[_Array, _Array]:
        """(N,) surprise of appearing and of disappearing."""
        edge = self.at_edge(numbers)
        appear = np.where(edge, numbers.edge_appear_rate, numbers.appear_rate)
        disappear = np.where(edge, numbers.edge_disappear_rate, numbers.disappear_rate)
        return -np.log(appear), -np.log(disappear)

    def splitting(self, numbers: Measured) -> float:
        """Surprise of a typical division less that of its two links taken as links: the split model's constant."""
        axes, crowd = self.detections.ndim, float(np.median(self.log_crowd)) if len(self.log_crowd) else 0.0
        half = numbers.separation * (float(np.median(self.nearest)) if len(self.nearest) else 1.0)
        stays = max(1 - numbers.division_rate - numbers.disappear_rate, 0.1)
        link = log_student(half**2, numbers.step_scale, numbers.step_tail, axes) - crowd + np.log(stays)
        scale = numbers.midpoint_steps * numbers.step_scale
        division = np.log(numbers.division_rate) + log_student(axes * scale**2, scale, MIDPOINT_TAIL, axes)
        division += log_student(0.0, 1.0, SEPARATION_TAIL, 1) - np.log(numbers.separation_spread)
        division -= log_sphere(axes) + axes * np.log(half) + (axes - 1) * np.log(2) + 2 * crowd
        return float(2 * link - division)

    def links(self, links: NDArray[np.integer], model: MovieModel) -> _Array:
        """(E,) surprise of links."""
        numbers, found = model.numbers, self.detections
        parent, child = links.T
        gap = (found.step[child] - found.step[parent]).astype(np.float64)
        step = residuals(found, links, model.flow)
        squared = np.einsum("ij,ij->i", step, step)
        likely = log_student(squared, numbers.step_scale * np.sqrt(gap), numbers.step_tail, found.ndim)
        likely -= self.log_crowd[child]
        leaving = np.exp(-self.ends(numbers)[1])[parent]
        likely += np.log(np.maximum(1 - numbers.division_rate - leaving, 0.1))
        likely += self.missed(parent, child) * np.log(numbers.missed_rate)
        return -likely - self._bounded(self.link_evidence(links, numbers), numbers.link_outliers)

    def divisions(self, links: NDArray[np.integer], pairs: NDArray[np.integer], model: MovieModel) -> _Array:
        """(H,) surprise of divisions, given as pairs of links."""
        numbers, found = model.numbers, self.detections
        parent, one, other = links[pairs[:, 0], 0], links[pairs[:, 0], 1], links[pairs[:, 1], 1]
        gaps = found.step[links[pairs, 1]] - found.step[parent][:, None]
        midpoint, separation = self.shape(links, pairs, model)
        likely = np.full(len(pairs), np.log(numbers.division_rate))
        scale = numbers.midpoint_steps * numbers.step_scale * np.sqrt(gaps.mean(axis=1))
        likely += log_student(midpoint**2, scale, MIDPOINT_TAIL, found.ndim)
        deviation = np.log(separation / numbers.separation) / numbers.separation_spread
        likely += log_student(deviation**2, 1.0, SEPARATION_TAIL, 1) - np.log(numbers.separation_spread)
        # From the log of the length of h = (v - w) / 2 to h in space, and from (midpoint, h) to (v, w) unordered.
        likely -= log_sphere(found.ndim) + found.ndim * np.log(separation * self.nearest[parent])
        likely -= (found.ndim - 1) * np.log(2)
        likely -= self.log_crowd[one] + self.log_crowd[other]
        # Twice: a child missed in its very first frame can nearly always be told as a division that came later.
        likely += 2 * (self.missed(parent, one) + self.missed(parent, other)) * np.log(numbers.missed_rate)
        return -likely - self._bounded(self.division_evidence(links, pairs, numbers), numbers.division_outliers)

    def shape(self, links: NDArray[np.integer], pairs: NDArray[np.integer], model: MovieModel) -> tuple[_Array, _Array]:
        """(H,) how far the children's midpoint is from where the parent was to go, and (H,) how far they are apart.

        The second is half their distance over that from the parent to its nearest neighbour.
        """
        first, second = links[pairs[:, 0]], links[pairs[:, 1]]
        steps = [residuals(self.detections, own, model.flow) for own in (first, second)]
        midpoint = np.linalg.norm(0.5 * (steps[0] + steps[1]), axis=1)
        half = 0.5 * np.linalg.norm(steps[0] - steps[1], axis=1)
        nearest = self.nearest[first[:, 0]]
        return midpoint, np.maximum(half / nearest, 1e-3)  # two children in one place are not infinitely unlikely

    def link_evidence(self, links: NDArray[np.integer], numbers: Measured) -> _Array:
        """(E,) log of how much better a link explains its child's properties than a random draw."""
        parent, child = links.T
        total = np.zeros(len(links))
        for number, values, _ in self.channels(numbers):
            total += _log_t(values[child] - values[parent], number.link_spread)
            total -= _log_t(values[child] - number.mean, number.spread)
        return total

    def division_evidence(self, links: NDArray[np.integer], pairs: NDArray[np.integer], numbers: Measured) -> _Array:
        """(H,) the same for the properties of both children."""
        parent, one, other = links[pairs[:, 0], 0], links[pairs[:, 0], 1], links[pairs[:, 1], 1]
        total = np.zeros(len(pairs))
        for number, values, adds_up in self.channels(numbers):
            together = children_together(values[one], values[other], adds_up)
            total += _log_t(together - values[parent] - number.division_shift, number.division_spread)
            total += _log_t(values[one] - values[other], number.balance_spread)
            total -= _log_t(values[one] - number.mean, number.spread)
            total -= _log_t(values[other] - number.mean, number.spread)
        return total

    @staticmethod
    def _bounded(evidence: _Array, outliers: float) -> _Array:
        """PROPERTY_WEIGHT * log((1 - e) exp(evidence) + e): wrong properties cost at most -PROPERTY_WEIGHT log e."""
        return PROPERTY_WEIGHT * np.logaddexp(np.log1p(-outliers) + evidence, np.log(outliers))


def outlier_share(evidence: _Array, outliers: float) -> _Array:
    """(K,) probability that a candidate's properties say nothing."""
    return np.exp(np.log(outliers) - np.logaddexp(np.log1p(-outliers) + evidence, np.log(outliers)))


def children_together(one: _Array, other: _Array, adds_up: bool) -> _Array:
    """What is compared with the parent: the log of the summed sizes, or the mean."""
    return np.logaddexp(one, other) if adds_up else 0.5 * (one + other)


def _log_t(value: _Array, spread: float) -> _Array:
    return log_student(value**2, spread, PROPERTY_TAIL, 1)
