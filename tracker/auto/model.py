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
_LEAST_SEPARATION = np.log(1e-3)  # of children, in log distances between neighbours
# A poor mask moves centroid, size and intensity at once: their evidence is not independent, and counts for less.
PROPERTY_WEIGHT = 0.7
_Array = NDArray[np.float64]


@dataclass(frozen=True)
class MovieModel:
    """What was measured. numbers: of the whole movie.   flow: (N, D) local motion, in the unit of the positions.

    n_links: links to the next frame that the numbers were measured on; None when the numbers were given.
    sample: which part of the movie they were measured on, in words; None for all of it.
    """

    numbers: Measured
    flow: _Array
    n_links: int | None = None
    sample: str | None = None


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
            # Kept from now on: whatever comes next is asked for in the same units.
            known = {channel.name: channel for channel in channels_of(self.detections, units)}
            self._channels = known
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
        border = found.properties.get("border_distance_px")
        edge = np.zeros(len(links), bool) if border is None else border[parent] < numbers.edge_px
        leaving = np.where(edge, numbers.edge_disappear_rate, numbers.disappear_rate)
        likely += np.log(np.maximum(1 - numbers.division_rate - leaving, 0.1))
        likely += self.missed(parent, child) * np.log(numbers.missed_rate)
        return -likely - self._bounded(self.link_evidence(links, numbers), numbers.link_outliers)

    def divisions(
        self,
        links: NDArray[np.integer],
        pairs: NDArray[np.integer],
        model: MovieModel,
        about: "_LinkParts | None" = None,
    ) -> _Array:
        """(H,) surprise of divisions, given as pairs of links.   about: `link_parts` of the same links and model."""
        numbers, axes = model.numbers, self.detections.ndim
        about = self.link_parts(links, model) if about is None else about
        first, second = pairs[:, 0], pairs[:, 1]
        midpoint, half = _midpoint_and_half(about.step, first, second)
        scale: float | _Array = numbers.midpoint_steps * numbers.step_scale
        if about.gap is not None:
            scale = scale * np.sqrt(0.5 * (about.gap[first] + about.gap[second]))
        likely = log_student(midpoint, scale, MIDPOINT_TAIL, axes)
        log_nearest = about.log_nearest[first]
        with np.errstate(divide="ignore"):
            separation = np.maximum(0.5 * np.log(half) - log_nearest, _LEAST_SEPARATION)
        deviation = (separation - np.log(numbers.separation)) / numbers.separation_spread
        likely += log_student(np.square(deviation), 1.0, SEPARATION_TAIL, 1)
        # From the log of the length of h = (v - w) / 2 to h in space, and from (midpoint, h) to (v, w) unordered.
        likely -= axes * (separation + log_nearest)
        likely += about.by_child[first] + about.by_child[second]
        likely += np.log(numbers.division_rate) - np.log(numbers.separation_spread)
        likely -= log_sphere(axes) + (axes - 1) * np.log(2)
        return -likely - self._bounded(self._division_evidence(links, pairs, numbers, about), numbers.division_outliers)

    def link_parts(self, links: NDArray[np.integer], model: MovieModel) -> "_LinkParts":
        """What the surprise of a division needs of each of its two links."""
        numbers, found = model.numbers, self.detections
        parent, child = links.T
        gap = found.step[child] - found.step[parent]
        by_child = -self.log_crowd[child]
        # Twice: a child missed in its very first frame can nearly always be told as a division that came later.
        by_child += 2 * self.missed(parent, child) * np.log(numbers.missed_rate)
        surprise_of_child = [
            _log_t(values[child] - number.mean, number.spread) for number, values, _ in self.channels(numbers)
        ]
        return _LinkParts(
            step=np.ascontiguousarray(residuals(found, links, model.flow).T),
            gap=gap.astype(np.float64) if np.any(gap > 1) else None,
            log_nearest=np.log(self.nearest[parent]),
            by_child=by_child,
            by_chance=np.sum(surprise_of_child, axis=0) if surprise_of_child else np.zeros(len(links)),
        )

    def shape(self, links: NDArray[np.integer], pairs: NDArray[np.integer], model: MovieModel) -> tuple[_Array, _Array]:
        """(H,) how far the children's midpoint is from where the parent was to go, and (H,) how far they are apart.

        The second is half their distance over that from the parent to its nearest neighbour.
        """
        step = residuals(self.detections, links, model.flow).T
        midpoint, half = _midpoint_and_half(step, pairs[:, 0], pairs[:, 1])
        nearest = self.nearest[links[pairs[:, 0], 0]]
        # Two children in one place are not infinitely unlikely.
        return np.sqrt(midpoint), np.maximum(np.sqrt(half) / nearest, np.exp(_LEAST_SEPARATION))

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
        about = self.link_parts(links, MovieModel(numbers, np.zeros_like(self.detections.position)))
        return self._division_evidence(links, pairs, numbers, about)

    def _division_evidence(
        self, links: NDArray[np.integer], pairs: NDArray[np.integer], numbers: Measured, about: "_LinkParts"
    ) -> _Array:
        first, second = pairs[:, 0], pairs[:, 1]
        total = -(about.by_chance[first] + about.by_chance[second])
        for number, values, adds_up in self.channels(numbers):
            own, mother = values[links[:, 1]], values[links[:, 0]]
            one, other = own[first], own[second]
            together = children_together(one, other, adds_up)
            total += _log_t(together - mother[first] - number.division_shift, number.division_spread)
            total += _log_t(one - other, number.balance_spread)
        return total

    @staticmethod
    def _bounded(evidence: _Array, outliers: float) -> _Array:
        """PROPERTY_WEIGHT * log((1 - e) exp(evidence) + e): wrong properties cost at most -PROPERTY_WEIGHT log e."""
        return PROPERTY_WEIGHT * np.logaddexp(np.log1p(-outliers) + evidence, np.log(outliers))


@dataclass(frozen=True)
class _LinkParts:
    """What divisions need of their links.

    step: (D, E) less the local motion.   gap: (E,) in steps, None where all are 1.   log_nearest: (E,) log of the
    distance from the parent to its nearest neighbour.   by_child: (E,) what the child's crowd, and the frames that miss
    it, add to the log likelihood.   by_chance: (E,) log likelihood of the child's properties by chance.
    """

    step: _Array
    gap: _Array | None
    log_nearest: _Array
    by_child: _Array
    by_chance: _Array


def _midpoint_and_half(step: _Array, first: NDArray[np.integer], second: NDArray[np.integer]) -> tuple[_Array, _Array]:
    """(H,) squared length of the mean of two steps (D, E), and of half their difference."""
    midpoint, half = np.zeros(len(first)), np.zeros(len(first))
    for axis in step:
        one, other = axis[first], axis[second]
        midpoint += np.square(one + other)
        half += np.square(one - other)
    return 0.25 * midpoint, 0.25 * half


def outlier_share(evidence: _Array, outliers: float) -> _Array:
    """(K,) probability that a candidate's properties say nothing."""
    return np.exp(np.log(outliers) - np.logaddexp(np.log1p(-outliers) + evidence, np.log(outliers)))


def children_together(one: _Array, other: _Array, adds_up: bool) -> _Array:
    """What is compared with the parent: the log of the summed sizes, or the mean."""
    return np.logaddexp(one, other) if adds_up else 0.5 * (one + other)


def _log_t(value: _Array, spread: float) -> _Array:
    return log_student(value**2, spread, PROPERTY_TAIL, 1)
