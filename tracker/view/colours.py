"""The colours of tracks, those of the report, as napari's layers take them."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tracker.track_colours import colour_table

if TYPE_CHECKING:
    from napari.utils.colormaps import CyclicLabelColormap

MOST_LABEL_COLOURS = 65_535  # of a labels layer; masks of tracks beyond take the colours of the first ones again


def track_rgba(parent_tracks: NDArray[np.int64]) -> NDArray[np.float64]:
    """(T + 1, 4) colour of each track number; 0, which is no track, is transparent.

    parent_tracks: (T,) of the tracks 1 .. T the one that divided into it, or 0.
    """
    rgb = colour_table(parent_tracks)
    rgba = np.column_stack([rgb, np.ones(len(rgb))])
    rgba[0, 3] = 0.0
    return rgba


def label_colormap(rgba: NDArray[np.float64]) -> "CyclicLabelColormap":
    """For masks whose values are tracks: a texture, in which napari finds a colour at once, however many there are."""
    from napari.utils.colormaps import CyclicLabelColormap

    return CyclicLabelColormap(colors=rgba[:MOST_LABEL_COLOURS])


class LineColours:
    """What a tracks layer asks for the colours of its lines."""

    def __init__(self, rgba: NDArray[np.float64]) -> None:
        """rgba: of `track_rgba`."""
        self._rgba = rgba

    def map(self, track: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) track numbers -> (n, 4); numbers that others added take the colours of the first ones again."""
        return self._rgba[np.asarray(track, np.int64) % len(self._rgba)]
