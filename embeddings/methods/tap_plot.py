"""Where the arrow of time shows in one frame, and a picture of it."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings.arrow_pairs import need_frames
from embeddings.frame_images import FrameImages
from embeddings.inference.arrow_attribution import Decision, Evidence, arrow_evidence
from embeddings.inference.arrow_features import dense_features
from embeddings.learning_movie import LearningMovie
from embeddings.methods.tap import NOUN, Role, load_tap
from embeddings.pixel_pools import centres_px
from embeddings.training.device import choose_device
from embeddings.zoomed_frames import ZoomedFrames
from tracker.errors import MissingExtraError, OutputError

_LOW, _HIGH = 50, 99.9  # percentiles between which an attribution begins to show, and is fully seen
_NAMED = 5
_DIAMETER_PX = 16.0  # of points, which have none


def require_matplotlib() -> None:
    """Raise MissingExtraError without matplotlib: ask before any work is done."""
    if find_spec("matplotlib") is None:
        raise MissingExtraError("matplotlib", "plot", "the picture of an attribution")


def frame_attribution(
    folder: Path,
    movie: LearningMovie,
    step: int,
    *,
    role: Role = "first",
    evidence: Evidence = "frame",
    decision: Decision = "difference",
    device: str = "auto",
    tile_px: int = 512,
) -> NDArray[np.float32]:
    """What `division_scores` pools at the detections of a step, for every pixel: (y, x), not negative.

    y, x: of the frame at the zoom of the model.
    Arguments and errors: as there; a movie of one pair of frames is long enough.
    """
    network, pairs, _ = load_tap(folder)
    gap = min(pairs.gaps_frames)
    frames, chosen = ZoomedFrames(FrameImages(movie, NOUN), pairs.zoom), choose_device(device)
    need_frames(frames.frames, gap + 1)
    network.to(chosen)
    network.requires_grad_(False)
    both = {"first": (step, step + gap), "second": (step - gap, step)}
    there = {name: pair for name, pair in both.items() if pair[0] >= 0 and pair[1] < len(frames)}
    wanted = [pair for name, pair in there.items() if role in (name, "both")] or list(there.values())
    if not wanted:
        need_frames(frames.frames, 2 * gap)  # in the middle of fewer frames there is no pair
    dense = {
        one: dense_features(network, frames.image(one), chosen, tile_px=tile_px) for one in {*np.ravel(wanted).tolist()}
    }
    maps = []
    for pair in wanted:
        found = arrow_evidence(network, dense[pair[0]], dense[pair[1]], chosen, evidence=evidence, decision=decision)
        maps.append(found[pair.index(step)])
    return np.asarray(np.mean(maps, axis=0), np.float32)


def plot_attribution(
    path: Path, movie: LearningMovie, step: int, attribution: NDArray[np.float32], score: NDArray[np.floating]
) -> None:
    """Write a PNG of a step: its image in grey, the attribution (y, x) over it, the highest scores circled and named.

    attribution: of the whole frame, in pixels of any size.   score: (N,) of all detections.
    Raises MissingExtraError without matplotlib, OutputError.
    """
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Circle

    image = FrameImages(movie, NOUN).image(step)
    found = movie.detections
    height, width = image.shape
    inches = 9.0
    figure = Figure(figsize=(inches, min(max(0.85 * inches * height / width, 2.0), 2 * inches)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.imshow(image, cmap="gray", vmin=0, vmax=1.2, interpolation="nearest")
    low, high = (float(value) for value in np.percentile(attribution, [_LOW, _HIGH]))
    strength = np.clip((attribution - low) / max(high - low, 1e-12), 0, 1)
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    shown = axes.imshow(attribution, cmap="autumn", vmin=low, vmax=high, alpha=strength, extent=extent)
    rows = np.arange(found.starts[step], found.starts[step + 1])
    centre = centres_px(found, step, image.shape)
    diameter = found.properties.get("equivalent_diameter_px", np.full(len(found), _DIAMETER_PX))[rows]
    radius = 0.75 * diameter + 2
    for place in np.argsort(-score[rows], kind="stable")[:_NAMED].tolist():
        y, x = centre[place]
        axes.add_patch(Circle((x, y), radius[place], fill=False, color="#7fe0ff", linewidth=1))
        axes.annotate(
            f"{found.label[rows[place]]}: {score[rows[place]]:.3g}",
            (x, y - radius[place]),
            ha="center",
            va="bottom",
            fontsize=8,
            color="#7fe0ff",
        )
    axes.set(title=f"t = {found.frames[step]}: where the arrow of time shows", xticks=[], yticks=[])
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    figure.colorbar(shown, ax=axes, shrink=0.7, label="attribution")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=120, format="png")
    except OSError as error:
        raise OutputError(f"the picture {path} cannot be written: {error.strerror}. Name another place") from error
