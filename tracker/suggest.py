"""Which detections a person should look at next: those whose answer the model is least sure of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tracker.candidates import CandidateGraph
from tracker.detections import Detections
from tracker.errors import ConfigError
from tracker.lineage import Lineage
from tracker.margins import Margins
from tracker.neighbors import neighbor_distances
from tracker.pin_table import PinRow
from tracker.scores import scores_out

Order = Literal["margin", "confidence", "combined", "random", "diverse"]
ORDERS: tuple[Order, ...] = ("margin", "confidence", "combined", "random", "diverse")
REGION_SPACINGS, REGION_FRAMES = 2.0, 5


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
    per_frame: int | None = None,
    per_region: int | None = None,
    seed: int = 0,
    known: NDArray[np.bool_] | None = None,
) -> Suggestions:
    """Rank the selected detections that have a next frame by how doubtful their children are.

    margin: smallest margin of the way out first.
    confidence: largest |sum of association scores of the next frame - chosen children| first (Attrackt, section 1.11);
        needs associations.
    combined: mean of the ranks by margin and by confidence; without associations by margin and by the smallest margin
        of the children's way in.
    diverse: as combined, but unless told otherwise per_frame is ceil(2 budget / frames with somebody to ask about) and
        per_region is four times the budget over the number of regions.
    random: a permutation drawn with `seed`.
    per_frame, per_region: walking down the order, detections whose frame or region (see `regions`) has so many already
        are passed over; 0 = any number, the default of every order but diverse. When these limits leave fewer than
        `budget`, those that were passed over follow in their order, until there are as many.
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
    if order == "diverse":
        frames_asked = max(len(np.unique(found.frame[rows])), 1)
        per_frame = -(-2 * budget // frames_asked) if per_frame is None else per_frame
        if per_region is None:  # about a quarter of the questions may fall where others are
            n_regions = int(regions(found).max(initial=0)) + 1
            per_region = -(-4 * budget // n_regions)
    limited = []
    if per_frame:
        limited.append((found.step[rows[ranked]], per_frame))
    if per_region:
        limited.append((regions(found)[rows[ranked]], per_region))
    ranked = ranked[_spread(limited, len(ranked), budget)]
    return Suggestions(rows[ranked], doubt[ranked])


def regions(detections: Detections) -> NDArray[np.int64]:
    """(N,) number of the region of space and time that each detection lies in.

    A block is 5 successive kept frames; its space is cut into square (3-D: cubic) cells whose side is twice the
    median distance of its detections to their nearest neighbour in the frame, in the unit of the positions. A region is
    one cell in one block: what is hard to track is so for some frames at one place. A block in which no frame has two
    detections apart is one region.
    """
    number, used = np.full(len(detections), -1, np.int64), 0
    starts, steps = detections.starts, len(detections.frames)
    for first in range(0, steps, REGION_FRAMES):
        last = min(first + REGION_FRAMES, steps)
        block = slice(int(starts[first]), int(starts[last]))
        if block.start == block.stop:
            continue
        side = REGION_SPACINGS * spacing(detections, first, last)
        cell = np.floor(detections.position[block] / (side if side > 0 else np.inf))
        cells, place = np.unique(cell, axis=0, return_inverse=True)
        number[block] = used + place.reshape(-1)
        used += len(cells)
    return number


def spacing(detections: Detections, first: int, last: int) -> float:
    """Median distance to the nearest neighbour in the own frame, over steps first .. last - 1; inf without any."""
    distance = neighbor_distances(detections, steps=(first, last))[:, 0]
    distance = distance[np.isfinite(distance)]
    return float(np.median(distance)) if len(distance) else np.inf


def _spread(limited: list[tuple[NDArray[np.int64], int]], count: int, budget: int) -> NDArray[np.int64]:
    """Places in the order, at most `budget`: greedily those within every limit, then the others.

    limited: for each limit the (count,) group of each place and how many of one group there may be.
    """
    if not limited:
        return np.arange(min(count, budget))
    groups = np.column_stack([group for group, _ in limited]).tolist()
    room = [dict.fromkeys(np.unique(group).tolist(), most) for group, most in limited]
    within: list[int] = []
    passed: list[int] = []
    for place, own in enumerate(groups):
        if len(within) == budget:
            break
        free = all(left[group] for left, group in zip(room, own, strict=True))
        (within if free else passed).append(place)
        if free:
            for left, group in zip(room, own, strict=True):
                left[group] -= 1
    return np.array((within + passed)[:budget], np.int64)


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
        other = np.abs(scores_out(graph, association) - lineage.n_children)
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
