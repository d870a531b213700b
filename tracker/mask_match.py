"""Whether masks are those of a lineage: what a frame holds against what its tracks need."""

import numpy as np
from numpy.typing import NDArray

from tracker.errors import first_five


def other_masks(labels: NDArray[np.generic], wanted: NDArray[np.int64], name: str, frame: int) -> str:
    """What is wrong with the mask of a frame, in words; "" when it holds exactly the labels that are wanted.

    labels: the mask.   wanted: (K,) labels of the tracks in that frame.   name: where the masks lie.
    """
    there = np.unique(labels).astype(np.int64)
    there = there[there > 0]
    absent, further = np.setdiff1d(wanted, there), np.setdiff1d(there, wanted)
    if not len(absent) and not len(further):
        return ""
    said = [
        f"{what} {first_five(which.tolist())}" for what, which in (("without", absent), ("with", further)) if len(which)
    ]
    return (
        f"the masks in {name} are not those of the tracks: frame {frame} must hold the labels of its tracks, and is "
        f"{' and '.join(said)}. Were the masks or the tracks changed since? Run again: `track run`"
    )
