"""Which frames are learnt from and which are held out: contiguous blocks of time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.errors import ConfigError

_FEWEST_FRAMES = 2  # a block of one frame holds no link


@dataclass(frozen=True)
class Fold:
    """One way to divide a movie. Of its T frames each belongs to the training part, to the held-out part, or to none.

    name: for people.   train, test: (T,) int64 number of the contiguous piece of that part, -1 = not in it.
    Two pieces share no link and no division: those that cross a border belong to neither part, and a cell may begin
    and end at the border of a piece as it may at the ends of a movie.
    """

    name: str
    train: NDArray[np.int64]
    test: NDArray[np.int64]


def time_blocks(frames: NDArray[np.int64], known: NDArray[np.bool_], folds: int) -> list[Fold]:
    """Cut the annotated frames into `folds` contiguous blocks of nearly equal length; each is held out once.

    frames: (T,) of the movie.   known: (T,) bool, frames that the annotation speaks of; others are in no part.
    What is before and what is after the held-out block are two pieces of the training part, which so never sees a
    held-out frame, nor a link into one. With two folds, each half is learnt from once and scored once.
    Raises ConfigError when there are too few frames.
    """
    steps = np.flatnonzero(known)
    if not can_be_split(known, folds):
        raise ConfigError(
            f"{folds} time blocks need at least 2 blocks of {_FEWEST_FRAMES} annotated frames each; the annotation "
            f"covers {len(steps)} of the {len(frames)} frames. Choose other tuning.folds, or annotate more frames"
        )
    block = np.full(len(frames), -1, np.int64)
    for number, own in enumerate(np.array_split(steps, folds)):
        block[own] = number
    found = []
    for number in range(folds):
        train = contiguous_pieces((block >= 0) & (block != number))
        own = frames[block == number]
        found.append(Fold(f"t = {own[0]} to {own[-1]}", train, contiguous_pieces(block == number)))
    return found


def can_be_split(known: NDArray[np.bool_], folds: int) -> bool:
    """Whether so many blocks have the frames they need.   known: (T,) bool."""
    return folds >= 2 and int(known.sum()) >= _FEWEST_FRAMES * folds


def contiguous_pieces(inside: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(T,) number of the run of True that each frame belongs to, from 0; -1 where False."""
    begins = inside & ~np.append(False, inside[:-1])[: len(inside)]
    return np.where(inside, np.cumsum(begins) - 1, -1)
