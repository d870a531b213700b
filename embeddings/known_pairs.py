"""Annotations as known pairs of a window: which pairs of detections a person's answers judge, and how. numpy only."""

import hashlib
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.errors import ConfigError
from tracker.lineage import Lineage
from tracker.pin_checks import ResolvedPins


@dataclass(frozen=True)
class KnownLinks:
    """What is known about who descends from whom. All are rows of the detections.

    annotated: (K,) increasing: detections whose children are all known.   children: (K, 2) those, increasing, -1 where
        there is none.
    linked: (L, 2) parent and child, increasing by child, each child once: the links of `children` and those known by
        themselves. Parent -1: the child is known to have none.
    refused: (R, 2) parent and child, increasing: pairs known to be no link.
    """

    annotated: NDArray[np.int64]
    children: NDArray[np.int64]
    linked: NDArray[np.int64]
    refused: NDArray[np.int64]

    @property
    def anchors(self) -> NDArray[np.int64]:
        """Rows, increasing, each once, that a window must hold to hold anything known."""
        parent, child = self.linked.T
        known_by = np.where(parent < 0, child, parent)
        return np.unique(np.concatenate([self.annotated, known_by, self.refused[:, 0]]))

    @property
    def digest(self) -> str:
        """Tells one set of answers from another, in 16 hexadecimal digits."""
        content = hashlib.sha256()
        for rows in astuple(self):
            content.update(f"{rows.shape}".encode())
            content.update(np.ascontiguousarray(rows).tobytes())
        return content.hexdigest()[:16]


def known_links_of_pins(pins: ResolvedPins) -> KnownLinks:
    """What the certain pins say; those with a confidence are left out, for they may be wrong.

    All children are known of a detection with a true `children`, `division`, `disappear`, with two true `link`, and of
    one that is not real. No parent has what truly appears or is not real. A single true `link` tells the child's parent
    alone, a false one that pair alone. What is false of `division`, `appear` and `disappear` says nothing about a pair.
    """
    hard = pins.hard
    unreal = _with_value(hard.detection, 0)[:, 0]
    division, link = _with_value(hard.division, 1), _with_value(hard.link, 1)
    answered = hard.children
    links = np.concatenate([answered[:, [0, 1]], answered[:, [0, 2]], division[:, [0, 1]], division[:, [0, 2]], link])
    complete = np.concatenate([answered[:, 0], division[:, 0], _with_value(hard.disappear, 1)[:, 0], unreal])
    without_parent = np.concatenate([_with_value(hard.appear, 1)[:, 0], unreal])
    return _known_links(complete, links[links[:, 1] >= 0], without_parent, _with_value(hard.link, 0))


def known_links_of_lineage(lineage: Lineage, rows: NDArray[np.integer]) -> KnownLinks:
    """The links out of the given rows, as if a person had confirmed them: for pseudo-labels."""
    nothing = np.empty(0, np.int64)
    links = lineage.links[np.isin(lineage.links[:, 0], rows)]
    return _known_links(np.asarray(rows, np.int64), links, nothing, nothing.reshape(0, 2))


def joined(first: KnownLinks, second: KnownLinks) -> KnownLinks:
    """What either knows. They must not contradict each other, as a solution does not contradict its pins."""
    links = np.concatenate([first.linked, second.linked])
    has_parent = links[:, 0] >= 0
    return _known_links(
        np.union1d(first.annotated, second.annotated),
        links[has_parent],
        links[~has_parent, 1],
        np.concatenate([first.refused, second.refused]),
    )


def pseudo_labelled(
    association_out_sum: NDArray[np.float64],
    lineage: Lineage,
    exclude: NDArray[np.bool_] | None = None,
    *,
    share: float = 0.1,
) -> NDArray[np.int64]:
    """Rows, increasing, whose links out are believed without asking (Attrackt; Lalit and Funke, ICCV Workshops 2025).

        inconsistency_i = | sum_j A_ij over the candidate links out of i  -  children of i in the solution |

    These are the given share of the selected detections that have a next frame, the most consistent, rounded down,
    less what is excluded. Ties are broken by the order of detections.

    association_out_sum: (N,) the sum over j.   exclude: (N,) detections that need no belief, such as those annotated.
    Raises ConfigError for a share outside 0 .. 1.
    """
    if not 0 <= share <= 1:
        raise ConfigError(f"the share of pseudo-labels must lie between 0 and 1, found {share:g}")
    found = lineage.detections
    rows = np.flatnonzero(lineage.selected & (found.step < len(found.frames) - 1))
    inconsistency = np.abs(association_out_sum - lineage.n_children)[rows]
    # A share of 0.7 of 90 are 63, although 0.7 * 90 is less in floating point.
    most = int(share * len(rows) + 1e-9)
    chosen = np.sort(rows[np.argsort(inconsistency, kind="stable")[:most]])
    return chosen if exclude is None else chosen[~exclude[chosen]]


def known_pairs(
    known: KnownLinks, rows: NDArray[np.int64], frame: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Mask M and target A of the pairs of a window, (n, n) each, symmetric.   A_ij = 1: i is parent or child of j.

    Known are, with t the steps, for detections in the window (after Attrackt):

        (j, all of step t_j + 1)                  where all children of j are known
        (j, all of the steps t_j + 1 .. t_c)      where they are and the earliest of them is c, all in the window
        (all of the steps t_p .. t_c - 1, c)      where p is the parent of c
        (all of the step t_c - 1, c)              where c has no parent
        (p, c)                                    where this is known to be no link

    of which the links are 1 and all others 0. The ranges of steps matter for links that skip frames alone. Beyond the
    earliest child nothing follows from the children: there its descendants are, which are associated with j too.

    rows: (n,) the detections of the window, increasing, then -1 where padded, as in Window and Batch.
    frame: (n,) step of each, from any origin.
    """
    count = int((rows >= 0).sum())
    mask, target = np.zeros((2, len(rows), len(rows)), np.bool_)
    if not count:
        return mask, target
    rows, frame = rows[:count], frame[:count]
    seen, true = mask[:count, :count], target[:count, :count]

    entry = _places(known.annotated, rows)
    own = np.flatnonzero(entry >= 0)
    children = known.children[entry[own]]
    place = _places(rows, children)
    all_inside = ((place >= 0) | (children < 0)).all(axis=1) & (place >= 0).any(axis=1)
    earliest = np.where(place >= 0, frame[place], np.iinfo(np.int64).max).min(axis=1)
    until = np.where(all_inside, earliest, frame[own] + 1)
    seen[own] = (frame > frame[own, None]) & (frame <= until[:, None])

    entry = _places(known.linked[:, 1], rows)
    own = np.flatnonzero(entry >= 0)
    parent = known.linked[entry[own], 0]
    place = _places(rows, parent)
    # A parent outside the window leaves an empty range of steps.
    since = np.where(parent < 0, frame[own] - 1, np.where(place >= 0, frame[place], frame[own]))
    seen[own] |= (frame >= since[:, None]) & (frame < frame[own, None])  # written as (c, p): it is made symmetric below
    true[place[place >= 0], own[place >= 0]] = True

    first, last = np.searchsorted(known.refused[:, 0], [rows[0], rows[-1] + 1])
    refused = _places(rows, known.refused[first:last])
    refused = refused[(refused >= 0).all(axis=1)]
    seen[refused[:, 0], refused[:, 1]] = True
    seen |= seen.T
    true |= true.T
    return mask, target


def _known_links(
    complete: NDArray[np.int64],
    links: NDArray[np.int64],
    without_parent: NDArray[np.int64],
    refused: NDArray[np.int64],
) -> KnownLinks:
    """complete: rows whose links out are all among the links.   links, refused: (L, 2), (R, 2); repeats do no harm."""
    links = np.unique(links, axis=0)
    parent, count = np.unique(links[:, 0], return_counts=True)
    annotated = np.union1d(complete, parent[count == 2])  # two children are all there can be
    children = np.full((len(annotated), 2), -1, np.int64)
    first = np.searchsorted(links[:, 0], annotated)
    number = np.searchsorted(links[:, 0], annotated, side="right") - first
    for place in (0, 1):
        has = number > place
        children[has, place] = links[first[has] + place, 1]
    alone = np.unique(without_parent)
    linked = np.concatenate([links, np.column_stack([np.full_like(alone, -1), alone])])
    linked = linked[np.argsort(linked[:, 1], kind="stable")]
    return KnownLinks(annotated, children, linked, np.unique(refused, axis=0))


def _with_value(pins: NDArray[np.int64], value: int) -> NDArray[np.int64]:
    """The pins with this value in the last column, without it."""
    return pins[pins[:, -1] == value, :-1]


def _places(within: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each of `wanted` stands in the increasing `within`, whose numbers are >= 0; -1 where it does not."""
    if not len(within):
        return np.full(wanted.shape, -1, np.int64)
    place = np.minimum(np.searchsorted(within, wanted), len(within) - 1)
    return np.where(within[place] == wanted, place, -1)
