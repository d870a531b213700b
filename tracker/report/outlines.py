"""The outlines of all detections of a movie, frame by frame, few bytes each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.errors import MovieError
from tracker.io.movie import Movie
from tracker.lineage import Lineage
from tracker.mask_match import other_masks
from tracker.report.contours import Contours, find_contours, thin

UNIT_PX = 0.25


@dataclass(frozen=True)
class Outlines:
    """C closed lines, sorted by frame, plane, and label in the masks: those of a detection in a plane lie together.

    row: (C,) detection.   plane: (C,) -1 for the movie as seen from above (of volumes the maximum projection of the
        labels, in which large labels lie in front), else the z.
    length: (C,) points of each line.   points: (P, 2) int16, y, x in quarters of a pixel: the first point of a line
        from the detection's centre (see `centre_units`), the others from the one before.
    """

    row: NDArray[np.int64]
    plane: NDArray[np.int64]
    length: NDArray[np.int64]
    points: NDArray[np.int16]


def centre_units(lineage: Lineage) -> NDArray[np.int64]:
    """(N, 2) y, x of each detection in quarters of a pixel, from which its outlines begin."""
    found = lineage.detections
    # As the page rounds what it has: 32-bit numbers, halves upwards.
    place = (found.position / found.scale)[:, -2:].astype(np.float32).astype(np.float64)
    return np.floor(place / UNIT_PX + 0.5).astype(np.int64)


def outline_movie(lineage: Lineage, mask_label: NDArray[np.int64], masks: Movie, planes: list[int]) -> list[Contours]:
    """Contours of every kept frame and plane, frame by frame and in it in the order of `planes`; label holds the row.

    mask_label: (N,) of each detection in `masks`.   planes: -1 or a z.
    Raises MovieError when a frame does not hold exactly the labels of its detections: other masks than the result's.
    """
    found, drawn = lineage.detections, []
    starts = found.starts
    for step, frame in enumerate(found.frames.tolist()):
        labels = masks.read(frame)
        wanted = mask_label[starts[step] : starts[step + 1]]
        order = np.argsort(wanted)
        wrong = other_masks(labels, wanted, masks.name, frame)
        if wrong:
            raise MovieError(wrong)
        for plane in planes:
            flat = labels if labels.ndim == 2 else labels.max(axis=0) if plane < 0 else labels[plane]
            seen = find_contours(flat.astype(np.int64))
            row = starts[step] + order[np.searchsorted(wanted[order], seen.label)]
            drawn.append(Contours(row, seen.start, seen.points))
    return drawn


def pack_outlines(drawn: list[Contours], planes: list[int], centre: NDArray[np.int64], thinning: int) -> Outlines:
    """One table of what `outline_movie` gave, with one of `thinning` points.   centre: of `centre_units`."""
    drawn = [thin(contours, thinning) for contours in drawn]
    row = np.concatenate([contours.label for contours in drawn])
    plane = np.repeat(np.resize(planes, len(drawn)), [len(contours.label) for contours in drawn])
    length = np.concatenate([np.diff(contours.start) for contours in drawn])
    whole = np.round(np.concatenate([contours.points for contours in drawn]) / UNIT_PX).astype(np.int64)
    starts = np.append(0, np.cumsum(length))[:-1]
    delta = np.diff(whole, axis=0, prepend=0)
    delta[starts] = whole[starts] - centre[row]
    # Quarters of a pixel in 16 bits reach 8,191 pixels from one point to the next.
    return Outlines(row, plane, length, np.clip(delta, -32768, 32767).astype(np.int16))
