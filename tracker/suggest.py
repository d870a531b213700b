"""Which detections a person should look at next: those whose answer the model is least sure of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tracker.candidates import CandidateGraph
from tracker.errors import ConfigError
from tracker.lineage import Lineage
from tracker.margins import Margins
from tracker.pin_table import PinRow

Order = Literal["margin", "confidence", "combined", "random"]


@dataclass(frozen=True)
class Suggestions:
    """rows: (K,) detections, the most doubtful first.   doubt: (K,) the score they were ranked by, larger first."""

    rows: NDArray[np.int64]
    doubt: NDArray[np.float64]


def suggest(
    lineage: Lineage,
    graph: CandidateGraph,
    margins: Margins,
    association: NDArray[np.float64] | None,
    *,
    order: Order = "margin",
    budget: int = 50,
    per_frame: int = 0,
    seed: int = 0,
    known: NDArray[np.bool_] | None = None,
) -> Suggestions:
    """Rank the selected detections that have a next frame by how doubtful their children are.

    margin: smallest margin of the way out first.
    confidence: largest |sum of association scores of the links out - chosen children| first (Attrackt, section 1.11);
        needs associations.
    combined: mean of the ranks by margin and by confidence; without associations by margin and by the smallest margin
        of the children's way in.
    random: a permutation drawn with `seed`.
    per_frame: at most so many of one frame, 0 = any number, so that a person is not sent to one spot.
    known: (N,) detections that need no answer, such as those annotated already.
    Ties are broken by the order of detections. Raises ConfigError for confidence without associations.
    """
    found = lineage.detections
    asked = lineage.selected & (found.step < len(found.frames) - 1)
    if known is not None:
        asked &= ~known
    rows = np.flatnonzero(asked)
    doubt = _doubt(lineage, graph, margins, association, order, seed)[rows]
    ranked = np.lexsort((rows, -doubt))
    if per_frame:
        frame = found.frame[rows[ranked]]
        by_frame = np.argsort(frame, kind="stable")
        place = np.empty(len(frame), np.int64)
        place[by_frame] = np.arange(len(frame)) - np.searchsorted(frame[by_frame], frame[by_frame])
        ranked = ranked[place < per_frame]
    ranked = ranked[:budget]
    return Suggestions(rows[ranked], doubt[ranked])


def as_questions(
    lineage: Lineage, suggestions: Suggestions, columns: Mapping[str, NDArray[np.float64]]
) -> list[PinRow]:
    """`children` rows with the model's own answer filled in and the value left open (`?`); numbers go into the note."""
    found = lineage.detections
    order = np.argsort(lineage.links[:, 0], kind="stable")
    by_parent = lineage.links[order]
    starts = np.searchsorted(by_parent[:, 0], suggestions.rows)
    ends = np.searchsorted(by_parent[:, 0], suggestions.rows, side="right")
    questions = []
    for row, start, end in zip(suggestions.rows.tolist(), starts.tolist(), ends.tolist(), strict=True):
        family = [row, *by_parent[start:end, 1].tolist()]
        keys = tuple((int(found.frame[one]), int(found.label[one])) for one in family)
        note = ", ".join(f"{name} {column[row]:.3g}" for name, column in columns.items())
        questions.append(PinRow("children", keys, value=None, note=note))
    return questions


def _doubt(
    lineage: Lineage,
    graph: CandidateGraph,
    margins: Margins,
    association: NDArray[np.float64] | None,
    order: Order,
    seed: int,
) -> NDArray[np.float64]:
    """(N,) larger is more doubtful."""
    count = len(lineage.detections)
    if order == "random":
        return np.random.default_rng(seed).permutation(count).astype(np.float64)
    if order == "confidence" and association is None:
        raise ConfigError(
            'the order "confidence" compares associations with the solution; give [associations], or use margin'
        )
    if order == "margin":
        return -margins.out
    if association is not None:
        total = np.bincount(graph.links[:, 0], weights=association, minlength=count)
        other = np.abs(total - lineage.n_children)
        if order == "confidence":
            return other
    else:
        least = np.full(count, np.inf)
        np.minimum.at(least, lineage.links[:, 0], margins.into[lineage.links[:, 1]])
        other = -least
    return 0.5 * (_rank(-margins.out) + _rank(other))


def _rank(doubt: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 0 (least doubtful), equal values sharing theirs."""
    values, place = np.unique(doubt, return_inverse=True)
    return place / max(len(values) - 1, 1)
