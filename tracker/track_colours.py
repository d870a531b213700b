"""The colour of each track, the same in every picture: a hue per lineage, daughters near mothers, lightness by track.

Hue and lightness of track n are n * (0.7549, 0.5698) modulo 1, the additive sequence of the plastic number (Roberts):
any few successive numbers lie far apart in both, so that neighbours are told apart in colour and in grey.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

_HUE_STEP, _LIGHTNESS_STEP = 0.7548776662466927, 0.5698402909980532
_DARKEST, _LIGHTEST, _CHROMA = 0.60, 0.86, 0.135
_DAUGHTER_TURN, _PER_GENERATION = 0.055, 0.75
NO_TRACK_LIGHTNESS = 0.76


def track_colours(track_id: ArrayLike) -> NDArray[np.float64]:
    """(n, 3) sRGB in 0..1 of track ids, whose mothers are not asked for; grey for 0, which is no track."""
    number = np.asarray(track_id, np.int64)
    return _srgb(_lightness(number), np.where(number > 0, _CHROMA, 0.0), number * _HUE_STEP)


def colour_table(parent_track: ArrayLike) -> NDArray[np.float64]:
    """(T + 1, 3) sRGB in 0..1, to be indexed by track id 0 .. T: `track_colours` of each, but daughters near mothers.

    parent_track: (T,) of the tracks 1 .. T the id of the track that divided into it, 0 for none; mothers may come in
        any order. A track without a mother has the colour of `track_colours`. Daughters have the hue of their mother,
        turned by 0.055 of the circle to both sides (the smaller id backwards), three quarters of that in each
        further generation; and a lightness of their own.
    """
    parent = np.append(0, np.asarray(parent_track, np.int64).reshape(-1))
    number = np.arange(len(parent))
    hue, turned = number * _HUE_STEP, parent == 0
    turn = _DAUGHTER_TURN * _sides(parent)
    while not turned.all():
        born = np.flatnonzero(~turned & turned[parent])
        if not len(born):
            raise ValueError("parent_track goes in a circle")
        hue[born] = hue[parent[born]] + turn[born]
        turned[born] = True
        turn *= _PER_GENERATION
    return _srgb(_lightness(number), np.where(number > 0, _CHROMA, 0.0), hue)


def as_bytes(colours: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The same in 0..255, rounded."""
    return np.round(255 * colours).astype(np.uint8)


def _sides(parent: NDArray[np.int64]) -> NDArray[np.float64]:
    """-1 for the first track of each mother, 1 for the next, 2 for the one after; 0 without a mother."""
    order = np.argsort(parent, kind="stable")
    rank = np.empty(len(parent), np.int64)
    rank[order] = np.arange(len(parent)) - np.searchsorted(parent[order], parent[order])
    return np.where(parent == 0, 0.0, np.where(rank == 0, -1.0, rank))


def _lightness(number: NDArray[np.int64]) -> NDArray[np.float64]:
    """OKLCH lightness of each track; 0.76 for 0."""
    own = _DARKEST + (_LIGHTEST - _DARKEST) * (number * _LIGHTNESS_STEP % 1)
    return np.where(number > 0, own, NO_TRACK_LIGHTNESS)


def _srgb(
    lightness: NDArray[np.float64], chroma: NDArray[np.float64], hue: NDArray[np.floating]
) -> NDArray[np.float64]:
    """OKLCH (lightness, chroma, hue in turns) to sRGB, clipped."""
    a, b = chroma * np.cos(2 * np.pi * hue), chroma * np.sin(2 * np.pi * hue)
    to_lms = np.array([[0.3963377774, 0.2158037573], [-0.1055613458, -0.0638541728], [-0.0894841775, -1.2914855480]])
    lms = (lightness[..., None] + np.stack([a, b], axis=-1) @ to_lms.T) ** 3
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip(lms @ to_rgb.T, 0, 1)
    return np.asarray(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))
