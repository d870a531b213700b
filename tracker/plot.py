"""overview.png: the last frames with their tracks, and the lineage tree."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tracker.errors import MissingExtraError
from tracker.io.movie import Movie
from tracker.io.tracked_masks import relabel
from tracker.lineage import Lineage, lineage_ids, track_parents
from tracker.reading import pair_frames
from tracker.track_colours import colour_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DARK, _PANEL, _INK, _FAINT = "#10141b", "#171d27", "#e6eaf0", "#8a94a3"
_WIDTH_PX, _HEIGHT_PX, _EDGE_PX = 1600, 900, 24
_TAIL_STEPS = 8
_MAX_COLUMNS = 100
_MAX_SIDE_PX = 1400


def lineage_colours(lineage: Lineage) -> NDArray[np.float64]:
    """(N, 3) RGB in 0..1 per detection, by its track; grey where it has none."""
    return colour_table(track_parents(lineage))[lineage.track_id]


def require_matplotlib() -> None:
    """Raise MissingExtraError without matplotlib: ask before any work is done."""
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError("matplotlib", "plot", "the overview picture")


def plot_overview(path: Path, lineage: Lineage, masks: Movie | None, images: Movie | None) -> None:
    """Write a 1600 x 900 PNG: the last three frames coloured by track, and the tree of the lineages.

    Frames: masks (or points) over the image where there is one, volumes as maximum projection along z; tails show
    the last 8 steps, rings the children of a division in the frame where they are born.
    Tree: time runs down, one column per track. No more than 100 columns are drawn: then those of the lineages
    with most tracks, the title saying how many. Raises MissingExtraError without matplotlib.
    """
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH_PX / 100, _HEIGHT_PX / 100), dpi=100, facecolor=_DARK)
    FigureCanvasAgg(figure)
    colors = lineage_colours(lineage)
    found = lineage.detections
    figure.text(
        _EDGE_PX / _WIDTH_PX,
        1 - 34 / _HEIGHT_PX,
        f"{_count(int(lineage.selected.sum()), 'detection')} in {_count(len(found.frames), 'frame')}  ·  "
        f"{_count(int(lineage.appears.sum()), 'lineage')}  ·  {_count(len(lineage.divisions), 'division')} (circled)",
        color=_INK,
        fontsize=15,
        verticalalignment="center",
    )
    window = _window(lineage, masks, images)
    # One wide frame above two narrow ones: the height decides how wide they may be.
    slope = abs(window[3] - window[2]) / abs(window[1] - window[0])
    top_px, title_px = 84, 26
    wide_px = float(np.clip((_HEIGHT_PX - top_px - title_px - _EDGE_PX) / (1.5 * slope), 480, 900))
    half_px = (wide_px - 12) / 2
    below_px = top_px + min(wide_px * slope, 520.0) + title_px
    rest_px = min(half_px * slope, _HEIGHT_PX - below_px - _EDGE_PX)
    boxes = [
        (_EDGE_PX, top_px, wide_px, below_px - title_px - top_px),
        (_EDGE_PX + wide_px - half_px, below_px, half_px, rest_px),
        (_EDGE_PX, below_px, half_px, rest_px),
    ]
    for frame, box in zip(found.frames[::-1].tolist(), boxes, strict=False):
        axes = figure.add_axes(_fractions(*box))
        _draw_frame(axes, lineage, colors, frame, masks, images, window, line_px=box[2] / 560)
    tree_px = _EDGE_PX + wide_px + 62
    tree = figure.add_axes(_fractions(tree_px, top_px, _WIDTH_PX - _EDGE_PX - tree_px, _HEIGHT_PX - top_px - _EDGE_PX))
    _draw_tree(tree, lineage, colors)
    figure.savefig(path, format="png", facecolor=_DARK)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _fractions(left_px: float, top_px: float, width_px: float, height_px: float) -> tuple[float, float, float, float]:
    bottom_px = _HEIGHT_PX - top_px - height_px
    return left_px / _WIDTH_PX, bottom_px / _HEIGHT_PX, width_px / _WIDTH_PX, height_px / _HEIGHT_PX


def _window(lineage: Lineage, masks: Movie | None, images: Movie | None) -> tuple[float, float, float, float]:
    """Left, right, bottom, top of what is shown, in pixels of the movie, y downwards; around the points alone."""
    for movie in (masks, images):
        if movie is not None:
            height, width = movie.shape[-2:]
            return -0.5, width - 0.5, height - 0.5, -0.5
    found = lineage.detections
    place = (found.position / found.scale)[:, -2:]
    low, high = (place.min(axis=0), place.max(axis=0)) if len(place) else (np.zeros(2), np.ones(2))
    margin = 0.05 * float((high - low).max()) + 1e-9
    return float(low[1] - margin), float(high[1] + margin), float(high[0] + margin), float(low[0] - margin)


def _draw_frame(
    axes: "Axes",
    lineage: Lineage,
    colors: NDArray[np.float64],
    frame: int,
    masks: Movie | None,
    images: Movie | None,
    window: tuple[float, float, float, float],
    line_px: float,
) -> None:
    """One frame: picture, tails, rings."""
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Circle

    found = lineage.detections
    place = (found.position / found.scale)[:, [-1, -2]]
    rows = np.flatnonzero(found.frame == frame)
    if masks is not None or images is not None:
        picture = _picture(found.label[rows], colors[rows], frame, masks, images)
        axes.imshow(picture, extent=window, interpolation="antialiased")
    axes.set(aspect="equal", xlim=window[:2], ylim=window[2:], xticks=[], yticks=[], facecolor=_PANEL)
    axes.spines[:].set_visible(False)
    if masks is None:
        area = min(60.0, 3e4 / max(len(rows), 1)) * line_px**2
        axes.scatter(place[rows, 0], place[rows, 1], s=area, c=colors[rows], linewidths=0)
    step, parent, child = found.step, lineage.links[:, 0], lineage.links[:, 1]
    age = int(np.searchsorted(found.frames, frame)) - step[child]
    recent = (age >= 0) & (age < _TAIL_STEPS)
    tails = np.stack([place[parent[recent]], place[child[recent]]], axis=1)
    tint = np.column_stack([colors[child[recent]], 1 - age[recent] / _TAIL_STEPS])
    axes.add_collection(LineCollection(list(tails), colors=tint, linewidths=line_px, capstyle="round"), autolim=False)
    for _, one, other in lineage.divisions[found.frame[lineage.divisions[:, 1]] == frame]:
        centre = (place[one] + place[other]) / 2
        radius = float(np.linalg.norm(place[one] - place[other])) / 2 + 0.016 * (window[1] - window[0])
        axes.add_patch(Circle(tuple(centre), radius, fill=False, edgecolor="white", linewidth=1.3 * line_px))
    axes.set_title(f"t = {frame}", loc="left", color=_FAINT, fontsize=11, pad=4)


def _picture(
    labels: NDArray[np.int64], colors: NDArray[np.float64], frame: int, masks: Movie | None, images: Movie | None
) -> NDArray[np.float64]:
    """RGB (y, x, 3): the image in grey, the masks over it in their colours with bright edges."""
    shape = next(movie.shape[-2:] for movie in (masks, images) if movie is not None)
    thin = -(-max(shape) // _MAX_SIDE_PX)
    flat = (slice(None, None, thin), slice(None, None, thin))
    size = np.zeros(shape, bool)[flat].shape
    picture = np.tile(np.array([int(_PANEL[i : i + 2], 16) / 255 for i in (1, 3, 5)]), (*size, 1))
    if images is not None:
        of_frame = frame if masks is None else int(pair_frames(masks, images, np.array([frame]))[0])
        grey = _projected(images.read(of_frame))[flat].astype(np.float64)
        dark, bright = np.percentile(grey, [1, 99.7])
        picture += 0.75 * np.clip((grey - dark) / max(bright - dark, 1e-12), 0, 1)[:, :, None]
    if masks is not None:
        number, _ = relabel(masks.read(frame), labels, np.arange(1, len(labels) + 1, dtype=np.int32))
        cell = np.asarray(_projected(number)[flat], np.int64)
        edge = np.zeros(size, bool)
        edge[:-1] |= cell[:-1] != cell[1:]
        edge[:, :-1] |= cell[:, :-1] != cell[:, 1:]
        cover = np.where(edge, 0.95, 0.55 if images is not None else 0.7) * (cell > 0)
        paint = np.concatenate([np.zeros((1, 3)), colors])[cell]
        picture += cover[:, :, None] * (paint - picture)
    return np.asarray(np.clip(picture, 0, 1))


def _projected(volume: NDArray[np.generic]) -> NDArray[np.generic]:
    return volume.max(axis=0) if volume.ndim == 3 else volume


@dataclass(frozen=True)
class _Tracks:
    """Tracks as arrays (T,), in order of their ids: rows, lineage number, parent track or -1, side -1, 0, 1."""

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    lineage: NDArray[np.int64]
    parent: NDArray[np.int64]
    side: NDArray[np.int64]
    generation: NDArray[np.int64]


def _tracks(lineage: Lineage) -> _Tracks:
    rows = np.flatnonzero(lineage.selected)
    number = lineage.track_id[rows]
    first = rows[np.unique(number, return_index=True)[1]]
    last = rows[::-1][np.unique(number[::-1], return_index=True)[1]]
    parent = track_parents(lineage) - 1
    side = np.zeros(len(first), np.int64)
    for sign, child in ((-1, lineage.divisions[:, 1]), (1, lineage.divisions[:, 2])):
        side[lineage.track_id[child] - 1] = sign
    generation = np.zeros(len(first), np.int64)
    while not np.array_equal(deeper := np.where(parent >= 0, generation[parent] + 1, 0), generation):
        generation = deeper
    return _Tracks(first, last, lineage_ids(lineage)[first], parent, side, generation)


def _shown(tracks: _Tracks) -> NDArray[np.int64]:
    """Lineage numbers to draw, in order: most tracks first, then earliest division or longest; as many as fit."""
    number, n_tracks = np.unique(tracks.lineage, return_counts=True)
    first, last = tracks.first[tracks.generation == 0], tracks.last[tracks.generation == 0]
    order = np.lexsort((number, np.where(n_tracks > 1, last, first - last), -n_tracks))
    fits = np.cumsum((n_tracks[order] + 1) // 2) <= _MAX_COLUMNS
    fits[:1] = True
    return number[order[fits]]


def _columns(tracks: _Tracks, shown: NDArray[np.int64]) -> NDArray[np.float64]:
    """(T,) x of each track of the shown lineages: leaves side by side, a parent midway above its children."""
    x = np.full(len(tracks.first), np.nan)
    root = {int(tracks.lineage[track]): track for track in np.flatnonzero(tracks.parent < 0).tolist()}
    children: dict[int, list[int]] = {}
    for track in np.flatnonzero(tracks.parent >= 0).tolist():
        children.setdefault(int(tracks.parent[track]), []).append(track)
    column, family = 0.0, 0
    stack = [root[number] for number in shown.tolist()[::-1]]
    while stack:
        track = stack.pop()
        if track >= 0 and track in children:
            # Seen again as ~track once its children have their place.
            stack += [~track, *children[track][::-1]]
        elif track >= 0:
            # A family with divisions stands a little apart from its neighbours.
            column += 1.0 + 0.3 * (tracks.lineage[track] != family and tracks.generation[track] > 0)
            family = int(tracks.lineage[track])
            x[track] = column
        else:
            x[~track] = np.mean(x[children[~track]])
    return x


def _draw_tree(axes: "Axes", lineage: Lineage, colors: NDArray[np.float64]) -> None:
    """Time downwards, one column per track, forks at divisions."""
    from matplotlib.collections import LineCollection
    from matplotlib.ticker import MaxNLocator

    tracks, found = _tracks(lineage), lineage.detections
    axes.set(facecolor=_DARK, xticks=[])
    axes.spines[:].set_visible(False)
    axes.tick_params(colors=_FAINT, length=0, labelsize=9)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("t", color=_FAINT, rotation=0)
    shown = _shown(tracks)
    total = int(lineage.appears.sum())
    which = _count(total, "lineage") if len(shown) == total else f"the {len(shown)} largest of {total} lineages"
    axes.set_title(which, loc="left", color=_FAINT, fontsize=11, pad=4)
    if not len(shown):
        axes.set_yticks([])
        return
    x = _columns(tracks, shown)
    drawn = np.flatnonzero(np.isfinite(x))
    born, dead = found.frame[tracks.first].astype(float), found.frame[tracks.last].astype(float)
    above = tracks.parent[drawn]
    start, left = np.where(above >= 0, (dead[above], x[above]), (born[drawn], x[drawn]))
    path = np.stack(
        [np.column_stack([left, start]), np.column_stack([x[drawn], start]), np.column_stack([x[drawn], dead[drawn]])],
        axis=1,
    )
    width = float(np.clip(180 / np.nanmax(x), 1.2, 4))
    paint = colors[tracks.first[drawn]]
    axes.add_collection(LineCollection(list(path), colors=paint, linewidths=width, capstyle="round", joinstyle="round"))
    fork = np.unique(above[above >= 0])
    axes.scatter(x[fork], dead[fork], s=(2.2 * width) ** 2, facecolor=_DARK, edgecolor="white", linewidth=1.1, zorder=3)
    low, high = float(found.frames[0]), float(found.frames[-1])
    axes.set(xlim=(0, np.nanmax(x) + 1), ylim=(high + 0.02 * (high - low) + 0.2, low - 0.02 * (high - low) - 0.2))
    axes.grid(axis="y", color="#1d2530", linewidth=0.8)
    axes.set_axisbelow(True)
