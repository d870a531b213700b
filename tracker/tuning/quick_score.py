"""The metrics of `tracker.evaluate` from arrays alone, in milliseconds: what a search asks thousands of times."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.chota import chota
from tracker.errors import ConfigError
from tracker.lineage import Lineage, make_lineage
from tracker.matching import Matching
from tracker.truth import Truth

OBJECTIVES = ("aogm", "lnk", "division_f1", "chota")
_NODE_WEIGHTS = {"ns_nodes": 5.0, "fn_nodes": 10.0, "fp_nodes": 1.0}
_LINK_WEIGHTS = {"fp_edges": 1.0, "fn_edges": 1.5, "ws_edges": 1.0}


@dataclass(frozen=True)
class MatchedTruth:
    """A true lineage and the detection that each of its M objects is; made once, asked many times.

    lineage: over the M true objects.   rows: (M,) row of the detection, -1 = none; several may share one.
    single: (M,) the same, every detection used once.
    """

    lineage: Lineage
    rows: NDArray[np.int64]
    single: NDArray[np.int64]

    @classmethod
    def make(cls, truth: Truth, matching: Matching) -> "MatchedTruth":
        """From a truth of the frames of the detections, and who is who (`match_objects`)."""
        return cls(truth.to_lineage(), matching.rows, matching.one_to_one().rows)

    def part(self, frames: NDArray[np.int64], piece: NDArray[np.int64]) -> "MatchedTruth":
        """The truth of some frames alone.

        frames: (T,) increasing.   piece: (T,) number of the contiguous piece that each belongs to, -1 = left out.
        A link between two pieces is cut, as if each had been recorded alone.
        """
        own = piece_of(self.lineage.detections.frame, frames, piece)
        kept = np.flatnonzero(own >= 0)
        number = np.full(len(own), -1, np.int64)
        number[kept] = np.arange(len(kept))
        whole = self.lineage.detections
        detections = type(whole)(
            whole.frame[kept], whole.label[kept], whole.position[kept], whole.frames, whole.scale, whole.unit
        )
        parent, child = self.lineage.links.T
        inside = (own[parent] == own[child]) & (own[parent] >= 0)
        links = number[self.lineage.links[inside]]
        lineage = make_lineage(detections, np.ones(len(kept), bool), links)
        return MatchedTruth(lineage, self.rows[kept], self.single[kept])


@dataclass(frozen=True)
class Score:
    """Counts of errors, which add up over parts of a movie, and what follows from them.

    fp_nodes, fn_nodes, ns_nodes, fp_edges, fn_edges, ws_edges, links: as in `tracker.evaluate.Metrics`; links: true
    ones.   divisions, true_divisions, right_divisions: found, true, and those that are both.
    CHOTA: NaN where it was not asked for, or nothing is there.
    """

    fp_nodes: int
    fn_nodes: int
    ns_nodes: int
    fp_edges: int
    fn_edges: int
    ws_edges: int
    links: int
    divisions: int
    true_divisions: int
    right_divisions: int
    CHOTA: float

    @property
    def AOGM(self) -> float:  # noqa: N802 - the metric's own name
        """Weighted number of edits; 0 is perfect."""
        nodes: float = sum(weight * getattr(self, name) for name, weight in _NODE_WEIGHTS.items())
        return self._link_errors + nodes

    @property
    def LNK(self) -> float:  # noqa: N802 - the metric's own name
        """1 - weighted edits of links / those of an empty result, at least 0; NaN without true links."""
        worst = _LINK_WEIGHTS["fn_edges"] * self.links
        return 1 - min(self._link_errors, worst) / worst if worst else float("nan")

    @property
    def division_f1(self) -> float:
        """Harmonic mean of precision and recall; NaN where there is no true division, none found, or none right."""
        if not self.right_divisions:
            return float("nan")
        return 2 * self.right_divisions / (self.divisions + self.true_divisions)

    @property
    def _link_errors(self) -> float:
        links: float = sum(weight * getattr(self, name) for name, weight in _LINK_WEIGHTS.items())
        return links

    def loss(self, objective: str) -> float:
        """The objective as a number to make small: AOGM, or 1 - LNK, 1 - division F1, 1 - CHOTA.

        Where division F1 is not defined: 1 if divisions were missed or invented, 0 if rightly there are none.
        Raises ConfigError for an unknown objective, or one that is not defined here.
        """
        check_objective(objective)
        if objective == "aogm":
            return self.AOGM
        if objective == "division_f1":
            if self.right_divisions:
                return 1 - self.division_f1
            return float(self.divisions + self.true_divisions > 0)
        value = self.LNK if objective == "lnk" else self.CHOTA
        if not np.isfinite(value):
            raise ConfigError(
                f"the objective {objective} is not defined here: the truth has no "
                f"{'link' if objective == 'lnk' else 'object'} in the frames to score. Use aogm, or other frames"
            )
        return 1 - value

    def value(self, objective: str) -> float:
        """The objective as people know it; NaN where it is not defined."""
        return {"aogm": self.AOGM, "lnk": self.LNK, "division_f1": self.division_f1, "chota": self.CHOTA}[objective]


def check_objective(objective: str) -> None:
    """Raise ConfigError for an objective that does not exist."""
    if objective not in OBJECTIVES:
        raise ConfigError(f"an objective must be one of {', '.join(OBJECTIVES)}; found {objective!r}")


def piece_of(frame: NDArray[np.int64], frames: NDArray[np.int64], piece: NDArray[np.int64]) -> NDArray[np.int64]:
    """(K,) piece of each of the K frames given; -1 for frames left out and for those that `frames` does not hold."""
    step = np.minimum(np.searchsorted(frames, frame), len(frames) - 1)
    return np.where(frames[step] == frame, piece[step], -1)


def quick_score(lineage: Lineage, truth: MatchedTruth, *, with_chota: bool = True) -> Score:
    """Compare a lineage with a matched truth: the numbers of `tracker.evaluate.evaluate`, without traccuracy.

    Both over the same frames. A detection that several true objects share counts as one to be split (5), and no link
    of it is right; divisions, and CHOTA, see `evaluate`.
    """
    selected = np.append(lineage.selected, False)
    rows = np.where(selected[truth.rows], truth.rows, -1)
    single = np.where(selected[truth.single], truth.single, -1)
    count = len(lineage.selected)
    shared_by = np.bincount(rows[rows >= 0], minlength=count)
    dividing, true_dividing = lineage.n_children >= 2, truth.lineage.n_children >= 2

    object_of = _invert(np.where((rows >= 0) & (shared_by[rows] == 1), rows, -1), count)
    both, right = _links(lineage, truth.lineage, object_of)
    parent = lineage.links[right, 0]
    wrong_kind = dividing[parent] != true_dividing[object_of[parent]]

    object_of = _invert(single, count)
    _, right_single = _links(lineage, truth.lineage, object_of)
    right_children = np.bincount(object_of[lineage.links[right_single, 0]], minlength=len(true_dividing))
    return Score(
        fp_nodes=int((lineage.selected & (shared_by == 0)).sum()),
        fn_nodes=int((rows < 0).sum()),
        ns_nodes=int((shared_by > 1).sum()),
        fp_edges=int(both.sum() - right.sum()),
        fn_edges=int(len(truth.lineage.links) - right.sum()),
        ws_edges=int(wrong_kind.sum()),
        links=len(truth.lineage.links),
        divisions=int(dividing.sum()),
        true_divisions=int(true_dividing.sum()),
        right_divisions=int(((right_children == 2) & true_dividing).sum()),
        CHOTA=chota(lineage, truth.lineage, rows) if with_chota else float("nan"),
    )


def _invert(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """(N,) the true object of each detection, -1 = none."""
    object_of = np.full(count, -1, np.int64)
    found = np.flatnonzero(rows >= 0)
    object_of[rows[found]] = found
    return object_of


def _links(
    lineage: Lineage, true_lineage: Lineage, object_of: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(L,) links between true objects, and those of them that are true."""
    parent, child = object_of[lineage.links].T
    both = (parent >= 0) & (child >= 0)
    right = both.copy()
    right[both] = true_lineage.parent[child[both]] == parent[both]
    return both, right
