"""How fast the tokens of a movie are measured, against the trackastra package's extraction, in one run.

python benchmarks/tokens.py [--frames 20] [--repeats 3]       HeLa, one thread; needs the extra "demo"

Both start from the same masks and raw images in memory. Of each the fastest of the repeats, taken in turn. The
package's normalisation of the images is timed apart, and the ratio stated with and without it; ours is always included.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from instances import DATA

from embeddings.tokens import tokens_of
from tracker.detections import Detections
from tracker.io.movies import open_movie
from tracker.reading import detections_from_masks

HELA = DATA / "Fluo-N2DL-HeLa-02-t00-19"
WANTED_RATIO = 8.0


class InMemory:
    """Frames of a movie that were read already."""

    def __init__(self, name: str, kind: str, count: int) -> None:
        movie = open_movie(HELA / name, kind=kind)
        self.frames, self.shape, self.name = movie.frames[:count], movie.shape, movie.name
        self.kept = {int(frame): movie.read(int(frame)) for frame in self.frames}

    def read(self, frame: int) -> np.ndarray:
        return self.kept[int(frame)]


def timed(function: Callable[[], object]) -> tuple[float, object]:
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    import torch
    from trackastra.data.wrfeat import WRFeatures, get_features
    from trackastra.utils import normalize

    torch.set_num_threads(1)
    masks = InMemory("02_SEG", "masks", arguments.frames)
    images = InMemory("02", "images", arguments.frames)
    mask_stack = np.stack(list(masks.kept.values()))

    def ours() -> tuple[Detections, np.ndarray]:
        found = detections_from_masks(masks, images)
        return found, tokens_of(found)

    def normalised() -> np.ndarray:
        return np.stack([normalize(image) for image in images.kept.values()])

    image_stack = normalised()

    def theirs() -> list[WRFeatures]:
        return get_features(mask_stack, image_stack, ndim=2, progbar_class=lambda steps, **_: steps)

    seconds = np.full((arguments.repeats, 3), np.inf)
    for turn in range(arguments.repeats):
        seconds[turn, 0], (found, tokens) = timed(ours)
        seconds[turn, 1], reference = timed(theirs)
        seconds[turn, 2], _ = timed(normalised)
    wanted = WRFeatures.concat(reference).features_stacked
    difference = np.abs(tokens - wanted) / np.maximum(np.abs(wanted), 1)
    own, extraction, normalisation = 1000 * seconds.min(axis=0) / len(masks.frames)
    print(f"{len(masks.frames)} frames, {len(found)} detections, {len(found) / len(masks.frames):.0f} a frame")
    print(f"largest difference (relative, or absolute below 1): {difference.max():.1e}")
    print(f"pintrack               {own:7.2f} ms a frame, the scale of the intensities included")
    print(f"trackastra extraction  {extraction:7.2f} ms a frame, and {normalisation:.2f} ms to normalise the image")
    ratio = extraction / own
    both = (extraction + normalisation) / own
    print(f"ratio {ratio:.1f} (with their normalisation {both:.1f}; wanted {WANTED_RATIO:g})")
    if ratio < WANTED_RATIO:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
