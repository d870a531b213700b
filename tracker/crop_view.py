"""What a strip shows of a suggestion: which place, which frames, and which cells are outlined in them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tracker.candidates import CandidateGraph
from tracker.crop_strip import Outline, Panel, Style, draw_strip
from tracker.detections import Detections
from tracker.io.movie import Movie
from tracker.lineage import Lineage
from tracker.reading import pair_frames
from tracker.suggest import spacing

_GOLDEN = (np.sqrt(5) - 1) / 2
_GAMMA = 0.6
_SMALLEST_DIAMETERS, _LARGEST_DIAMETERS = 4, 6
_POINT_SPACINGS, _LONELY_POINT_PX = 0.35, 5.0
_Pixels = tuple[NDArray[np.generic] | None, NDArray[np.generic] | None]


class CropView:
    """Draws the strip of one detection after the other; fewest reads when their steps rise.

    margin: (N,) of the way out, for the text.   masks, images: at least one of them.   crop_size_px: 0 = automatic.
    """

    def __init__(
        self,
        lineage: Lineage,
        graph: CandidateGraph,
        margin: NDArray[np.float64],
        masks: Movie | None,
        images: Movie | None,
        crop_size_px: int,
    ) -> None:
        """Measure where the cells are, in pixels of the movie."""
        self.lineage, self.graph, self.margin, self.crop_size_px = lineage, graph, margin, crop_size_px
        self.found, self.step = lineage.detections, lineage.detections.step
        self.frames = _Frames(self.found, masks, images)
        self.shape = next(movie.shape for movie in (masks, images) if movie is not None)
        self.low, self.high = _boxes(self.found, from_masks=masks is not None)
        self.diameter_px = float(np.median((self.high - self.low)[:, -2:]))

    def strip(self, row: int, heading: str) -> Image.Image:
        """The strip of the detection `row`; heading: its number among the others."""
        step, links = int(self.step[row]), self.lineage.links
        self.frames.forget_before(step - 1)
        first, last = np.searchsorted(self.graph.links[:, 0], [row, row + 1])
        children = links[links[:, 0] == row, 1]
        others = np.setdiff1d(self.graph.links[first:last, 1], children)
        parent = self.lineage.parent[[row]]
        roles: dict[Style, NDArray[np.int64]] = {
            "cell": np.array([row]),
            "parent": parent[parent >= 0],
            "child": children,
            "grandchild": links[np.isin(links[:, 0], children), 1],
            "candidate": others,
        }
        window = self._window(row, children, others)
        steps = range(step - 1, max([step + 2, *self.step[children].tolist()]) + 1)
        panels = [self._panel(row, now, window, roles) for now in steps]
        if self.frames.images is not None:
            panels = _stretched(panels)
        drawn = sum(one.style == "candidate" for panel in panels for one in panel.outlines)
        title = f"{heading}    t = {self.found.frame[row]}, label {self.found.label[row]}: {self._answer(children)}"
        return draw_strip(panels, title, _margin_in_words(float(self.margin[row])), _candidates(len(others), drawn))

    def _answer(self, children: NDArray[np.int64]) -> str:
        names = [f"{self.found.frame[child]}:{self.found.label[child]}" for child in children.tolist()]
        if not names:
            return "the model says it ends here"
        return f"the model says it {'goes on as' if len(names) == 1 else 'divides into'} {' and '.join(names)}"

    def _window(
        self, row: int, children: NDArray[np.int64], others: NDArray[np.int64]
    ) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """What is cut out of a frame ([z,] y, x), with all planes; and which of these planes (3-D) are projected."""
        centre = (self.low[row] + self.high[row])[-2:] / 2
        answer = np.append(children, row)

        def reach_px(rows: NDArray[np.int64]) -> float:
            corners = np.concatenate([self.low[rows, -2:], self.high[rows, -2:]])
            return 2 * float(abs(corners - centre).max(initial=0.0)) + self.diameter_px / 2

        size_px = self.crop_size_px
        if not size_px:
            beyond = min(reach_px(others), _LARGEST_DIAMETERS * self.diameter_px)
            size_px = int(np.ceil(max(_SMALLEST_DIAMETERS * self.diameter_px, reach_px(answer), beyond)))
        place = []
        for middle, length in zip(centre.tolist(), self.shape[-2:], strict=True):
            start = int(np.clip(round(middle - size_px / 2), 0, max(0, length - size_px)))
            place.append(slice(start, min(start + size_px, length)))
        if len(self.shape) == 2:
            return tuple(place), ()
        planes = self.shape[0]
        bottom = int(np.clip(np.floor(self.low[answer, 0].min()) - 1, 0, planes - 1))
        top = int(np.clip(np.ceil(self.high[answer, 0].max()) + 1, bottom + 1, planes))
        return (slice(None), *place), (slice(bottom, top),)

    def _panel(
        self,
        row: int,
        step: int,
        window: tuple[tuple[slice, ...], tuple[slice, ...]],
        roles: dict[Style, NDArray[np.int64]],
    ) -> Panel:
        """One frame; grey is the image as it is, to be stretched, or made of the labels."""
        nothing = np.zeros((1, 1), np.int64)
        if not 0 <= step < len(self.found.frames):
            return Panel("no frame", None, nothing)
        frame, (place, planes) = int(self.found.frames[step]), window
        masks, image = self.frames.read(step)
        if masks is None and image is None:
            return Panel(f"no image of t = {frame}", None, nothing)
        inside = None if masks is None else masks[place]
        if inside is None:
            labels = np.zeros(tuple(part.stop - part.start for part in place[-2:]), np.int64)
        else:
            labels = _projected(inside, planes).astype(np.int64)
        grey = _label_grey(labels) if image is None else _projected(image[place], planes).astype(np.float64)
        outlines = []
        for style, rows in roles.items():
            for one in rows[self.step[rows] == step].tolist():
                pixels = self._disk(one, place) if inside is None else inside == self.found.label[one]
                flat = np.asarray(pixels.any(axis=0) if pixels.ndim == 3 else pixels)
                if flat.any():
                    outlines.append(Outline(flat, style, self._name(one, row)))
        return Panel(_panel_title(frame, step - int(self.step[row])), grey, labels, outlines)

    def _name(self, one: int, row: int) -> str:
        """The label; in volumes with the planes it lies above or below the detection that is asked about."""
        label = str(self.found.label[one])
        if self.found.ndim == 2:
            return label
        above = round(float((self.low[one] + self.high[one] - self.low[row] - self.high[row])[0]) / 2)
        return f"{label} z{above:+d}" if above else label

    def _disk(self, row: int, place: tuple[slice, ...]) -> NDArray[np.bool_]:
        """Pixels of the cut within the circle that stands for a point."""
        y, x = np.ogrid[place[-2], place[-1]]
        (cy, cx), (ry, rx) = ((self.low + self.high)[row, -2:] - 1) / 2, (self.high - self.low)[row, -2:] / 2
        return np.asarray(((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1)


@dataclass
class _Frames:
    """Masks and image of each kept frame, kept until they are forgotten."""

    found: Detections
    masks: Movie | None
    images: Movie | None
    held: dict[int, _Pixels] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Find the frame of the images that belongs to each step."""
        self.image_frames = self.found.frames
        if self.masks is not None and self.images is not None:
            self.image_frames = pair_frames(self.masks, self.images, self.found.frames)

    def forget_before(self, step: int) -> None:
        """Free the frames of earlier steps."""
        self.held = {kept: pixels for kept, pixels in self.held.items() if kept >= step}

    def read(self, step: int) -> _Pixels:
        """Masks and image of a step, None for what there is not."""
        if step not in self.held:
            frame = int(self.image_frames[step])
            seen = self.images is not None and frame in self.images.frames
            self.held[step] = (
                None if self.masks is None else self.masks.read(int(self.found.frames[step])),
                self.images.read(frame) if self.images is not None and seen else None,
            )
        return self.held[step]


def _boxes(found: Detections, *, from_masks: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(N, D) smallest coordinate of each detection in pixels, and largest plus one.

    A point is given 0.35 of the usual distance to the nearest neighbour as its radius.
    """
    if from_masks:
        box = found.properties["bbox_px"]
        return box[:, : found.ndim], box[:, found.ndim :]
    near = spacing(found, 0, len(found.frames))
    usual = _POINT_SPACINGS * near / found.scale
    radius_px = np.maximum(usual, 1.0) if np.isfinite(near) else np.full(found.ndim, _LONELY_POINT_PX)
    place = found.position / found.scale
    return place - radius_px, place + radius_px + 1


def _projected(cut: NDArray[np.generic], planes: tuple[slice, ...]) -> NDArray[np.generic]:
    return cut[planes].max(axis=0) if planes else cut


def _label_grey(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """A grey level per label, neighbouring numbers far apart; the background nearly black."""
    return np.where(labels > 0, 0.25 + 0.4 * (labels * _GOLDEN % 1), 0.05)


def _stretched(panels: Sequence[Panel]) -> list[Panel]:
    """All panels between the same dark and bright, percentiles of the pixels of all of them; dim cells lifted."""
    seen = np.concatenate([panel.grey[np.isfinite(panel.grey)] for panel in panels if panel.grey is not None])
    dark, bright = np.percentile(seen, [1, 99.7]) if len(seen) else (0.0, 1.0)
    span = max(bright - dark, 1e-12)
    return [
        panel
        if panel.grey is None
        else replace(panel, grey=np.nan_to_num(np.clip((panel.grey - dark) / span, 0, 1)) ** _GAMMA)
        for panel in panels
    ]


def _panel_title(frame: int, after: int) -> str:
    where = {-1: "   before", 0: "   the cell", 1: "   its answer and other candidates"}
    return f"t = {frame}{where.get(after, '   after')}"


def _margin_in_words(margin: float) -> str:
    if np.isnan(margin):
        return "margin unknown"
    if np.isinf(margin):
        return "margin infinite: there is no other answer"
    return f"margin {margin:.3g}: what another answer would add to the model's cost"


def _candidates(count: int, drawn: int) -> str:
    if not count:
        return ""
    outside = f", {count - drawn} outside the picture" if count > drawn else ""
    return f"{count} other candidate{'' if count == 1 else 's'}{outside}"
