"""How well masks agree with true ones, object by object."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.errors import ConfigError, TruthError
from tracker.io.movie import Movie

IOU = 0.5


@dataclass(frozen=True)
class MaskAccuracy:
    """Counts over all frames compared, and what follows from them; None where there is nothing to divide by.

    found, true: objects.   hits: true objects whose intersection over union with an object found is above `iou`, which
        makes both unique.   precision = hits / found, recall = hits / true, f1 = 2 hits / (found + true).
    seg: the measure of the Cell Tracking Challenge: mean over true objects of their intersection over union with the
        object that covers more than half of them, 0 where there is none.
    frames: compared.
    """

    found: int
    true: int
    hits: int
    precision: float | None
    recall: float | None
    f1: float | None
    seg: float | None
    frames: int
    iou: float

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def mask_accuracy(
    found: Movie, true: Movie, *, iou: float = IOU, frames: NDArray[np.int64] | None = None
) -> MaskAccuracy:
    """Compare the frames that both movies have.

    frames: numbers of those to compare, of the ones found; None = all.
    iou: at least 0.5: below it an object could match two. Raises ConfigError for it, TruthError where shapes differ or
    no frame is shared.
    """
    if not 0.5 <= iou < 1:
        raise ConfigError(f"objects are matched at an intersection over union of at least 0.5 and below 1, found {iou}")
    if found.shape != true.shape:
        raise TruthError(
            f"the masks found and the true ones must have one shape; found {found.shape} in {found.name} and "
            f"{true.shape} in {true.name}"
        )
    own = found.frames if frames is None else np.intersect1d(found.frames, frames)
    shared = np.intersect1d(own, true.frames)
    if not len(shared):
        raise TruthError(
            f"the true masks {true.name} (t = {true.frames[0]} to {true.frames[-1]}) share no frame with those found "
            f"(t = {own[0]} to {own[-1]}). Give the truth of this movie"
        )
    counts = np.zeros(3, np.int64)
    jaccard = 0.0
    for frame in shared.tolist():
        one, two = found.read(frame), true.read(frame)
        union, over, areas = overlaps(one, two)
        counts += [areas[0], areas[1], int(np.count_nonzero(union > iou))]
        jaccard += float(union[over > 0.5].sum())
    n_found, n_true, hits = counts.tolist()
    return MaskAccuracy(
        found=n_found,
        true=n_true,
        hits=hits,
        precision=hits / n_found if n_found else None,
        recall=hits / n_true if n_true else None,
        f1=2 * hits / (n_found + n_true) if n_found + n_true else None,
        seg=jaccard / n_true if n_true else None,
        frames=len(shared),
        iou=iou,
    )


def overlaps(
    found: NDArray[np.generic], true: NDArray[np.generic]
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[int, int]]:
    """All pairs of labels of two masks of one shape that share pixels, 0 being background.

    Returns intersection over union (P,), the part of the true object that is covered (P,), and how many labels either
    mask has.
    """
    inside = (found != 0) | (true != 0)
    first, own = np.unique(found[inside], return_inverse=True)
    second, other = np.unique(true[inside], return_inverse=True)
    area, true_area = np.bincount(own, minlength=len(first)), np.bincount(other, minlength=len(second))
    pair, shared = np.unique(own * len(second) + other, return_counts=True)
    a, b = np.divmod(pair, max(len(second), 1))
    both = (first[a] != 0) & (second[b] != 0)
    a, b, shared = a[both], b[both], shared[both]
    labels = (int(np.count_nonzero(first)), int(np.count_nonzero(second)))
    return shared / (area[a] + true_area[b] - shared), shared / true_area[b], labels
