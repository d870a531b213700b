"""Association scores of a movie: our `link_scores` against the trackastra package's `predict_windows`, one thread.

Same weights (random, of the sizes of the public training script: d_model 256, 6 + 6 layers, window 6, rotary), same
detections, the same links: every pair of neighbouring frames that trackastra keeps. It keeps scores >= 0.05, so
ours are made with that threshold. The package computes distances as |x|^2 + |y|^2 - 2xy, which at 4,000 px is off by a
pixel or two; scores are compared on its first window with exact distances, outside the timing.

(a) a field like HeLa's, 700 x 1100 px with 165 cells in each of 20 frames: the whole movie, in turns.
(b) a wide field, 4,000 x 4,000 px with 2,000 cells a frame: windows of 6 frames take trackastra minutes and 12 GB each,
    so both get windows of 3 frames, and the first 4 frames; ours alone also does all 20 frames in windows of 6.
(c) with --long: 1,441 frames of 500 cells with a small network, ours alone: time and memory at the peak.

Run by hand: `python benchmarks/inference.py [--long]`; about five minutes. Needs trackastra (the extra demo).
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch
import yaml
from trackastra.data.wrfeat import WRFeatures, build_windows
from trackastra.model import TrackingTransformer
from trackastra.model.predict import predict_windows

from embeddings.inference import ScoreSettings, link_scores
from embeddings.nets.trackastra_checkpoint import load_trackastra
from embeddings.nets.tracking_transformer import TrackingTransformer as OurTransformer
from embeddings.nets.transformer_config import TransformerConfig
from embeddings.windows import TokenMovie, token_movie
from tracker.detections import Detections

SIZES = {"coord_dim": 2, "feat_dim": 7, "feat_embed_per_dim": 8, "d_model": 256, "num_encoder_layers": 6}
SIZES |= {"num_decoder_layers": 6, "nhead": 4, "window": 6, "dropout": 0.0, "attn_positional_bias": "rope"}
THRESHOLD = 0.05


def main() -> None:
    torch.set_num_threads(1)
    if "--long" in sys.argv:
        long_movie()
        return
    compare("(a) HeLa size, 20 frames x 165", *networks(6), drifting(20, 165, (700, 1100)), turns=3)
    theirs, ours = networks(3)
    wide = drifting(20, 2000, (4000, 4000))
    compare("(b) wide field, 4 frames x 2,000", theirs, ours, first_frames(wide, 4), turns=1)
    settings = ScoreSettings(window_frames=6, threshold=THRESHOLD)
    seconds, _ = timed(lambda: link_scores(ours, wide, neighbours(wide, 60.0), settings))
    print(f"(b) all 20 frames, 15 windows of 6, ours alone: {seconds / 15:.2f} s per window", flush=True)


def networks(window_frames: int) -> tuple[torch.nn.Module, OurTransformer]:
    """Theirs and ours, of the same random weights."""
    torch.manual_seed(0)
    theirs = TrackingTransformer(**(SIZES | {"window": window_frames})).eval()
    with torch.no_grad():
        # Random weights tell nothing apart; larger ones at the end give scores between 0 and 1.
        theirs.head_x.fc2.weight *= 6
        theirs.head_y.fc2.weight *= 6
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.yaml").write_text(yaml.safe_dump(theirs.config))
        torch.save(theirs.state_dict(), Path(folder) / "model.pt")
        return theirs, load_trackastra(Path(folder))


def compare(name: str, theirs: torch.nn.Module, ours: OurTransformer, movie: TokenMovie, turns: int) -> None:
    """Both in turns on one movie."""
    frames, windows = public_input(movie, ours.config.window_frames)
    seconds: list[list[float]] = [[], []]
    for _ in range(turns):
        spent, (links, _) = timed(lambda: public_scores(theirs, frames, windows))
        seconds[0].append(spent)
        spent, _ = timed(lambda links=links: link_scores(ours, movie, links, ScoreSettings(threshold=THRESHOLD)))
        seconds[1].append(spent)
    first, second = (sorted(times)[len(times) // 2] / len(windows) for times in seconds)
    gigabytes = peak_gb()
    with exact_distances():
        links, wanted = public_scores(theirs, frames[: ours.config.window_frames], windows[:1])
    start = first_frames(movie, ours.config.window_frames)
    difference = np.abs(link_scores(ours, start, links, ScoreSettings(threshold=THRESHOLD)) - wanted).max()
    print(
        f"{name}, {len(windows)} windows of {ours.config.window_frames}: per window trackastra {first:.3f} s, ours "
        f"{second:.3f} s (median of {turns}): {first / second:.2f} times as fast, {gigabytes:.1f} GB at most; "
        f"{len(links)} scores of the first window, {wanted.min():.2f} to {wanted.max():.2f}, differ by at most "
        f"{difference:.1e}",
        flush=True,
    )


def public_scores(
    network: torch.nn.Module, frames: list[WRFeatures], windows: list[dict[str, torch.Tensor]]
) -> tuple[np.ndarray, np.ndarray]:
    """Links and scores of the package."""
    found = predict_windows(
        windows, frames, network, edge_threshold=THRESHOLD, spatial_dim=2, progbar_class=lambda steps, **_: steps
    )["weights"]
    return np.array([pair for pair, _ in found], np.int64), np.array([weight for _, weight in found])


@contextmanager
def exact_distances() -> Iterator[None]:
    before = torch.cdist
    torch.cdist = partial(before, compute_mode="donot_use_mm_for_euclid_dist")
    try:
        yield
    finally:
        torch.cdist = before


def long_movie() -> None:
    movie = drifting(1441, 500, (2000, 2000))
    links = neighbours(movie, 60.0)
    before = peak_gb()
    torch.manual_seed(0)
    network = OurTransformer(TransformerConfig(d_model=64, heads=4, encoder_layers=2, decoder_layers=2))
    seconds, _ = timed(lambda: link_scores(network, movie, links))
    print(
        f"(c) 1,441 frames x 500, d_model 64, 2 + 2 layers: {seconds:.0f} s for {len(links)} links; {peak_gb():.2f} "
        f"GB at the peak, {before:.2f} GB of it before scoring"
    )


def drifting(n_frames: int, per_frame: int, shape: tuple[int, int]) -> TokenMovie:
    """Cells that wander, with tokens that stay much the same."""
    rng = np.random.default_rng(0)
    place, own = rng.random((per_frame, 2)) * shape, rng.random((per_frame, 7)) * [20, 1, 50, 10, 10, 50, 1]
    places, tokens = [], []
    for _ in range(n_frames):
        place = np.clip(place + rng.normal(0, 3, place.shape), 0, np.array(shape) - 1)
        places.append(place)
        tokens.append(own * rng.normal(1, 0.05, own.shape))
    detections = Detections(
        frame=np.repeat(np.arange(n_frames), per_frame),
        label=np.tile(np.arange(per_frame) + 1, n_frames),
        position=np.concatenate(places),
        frames=np.arange(n_frames),
        scale=np.ones(2),
        image_shape=shape,
    )
    return token_movie(detections, np.concatenate(tokens).astype(np.float32))


def first_frames(movie: TokenMovie, n_frames: int) -> TokenMovie:
    count = movie.starts[n_frames]
    return TokenMovie(
        movie.position_px[:count], movie.tokens[:count], movie.starts[: n_frames + 1], movie.low_px, movie.high_px
    )


def public_input(movie: TokenMovie, window_frames: int) -> tuple[list[WRFeatures], list[dict[str, torch.Tensor]]]:
    """Frames and windows as the package wants them."""
    frames = []
    for step in range(movie.n_frames):
        rows = slice(movie.starts[step], movie.starts[step + 1])
        place = movie.position_px[rows].astype(np.float32)
        count = len(place)
        frames.append(WRFeatures(place, np.arange(count) + 1, np.full(count, step), {"tokens": movie.tokens[rows]}))
    windows = build_windows(frames, window_frames, progbar_class=lambda steps, **_: steps, as_torch=True)
    for start, window in enumerate(windows):
        # The package takes the first frame's number off all places; ours count time from the window's first frame.
        window["coords"] = window["coords"] + start
    return frames, windows


def neighbours(movie: TokenMovie, radius_px: float) -> np.ndarray:
    """Links of neighbouring frames up to radius_px."""
    from scipy.spatial import cKDTree

    links = []
    for step in range(movie.n_frames - 1):
        first, second, third = movie.starts[step : step + 3]
        near = cKDTree(movie.position_px[first:second]).sparse_distance_matrix(
            cKDTree(movie.position_px[second:third]), radius_px, output_type="ndarray"
        )
        links.append(np.stack([near["i"] + first, near["j"] + second], axis=1))
    return np.concatenate(links)


def timed(work: Callable[[], object]) -> tuple[float, object]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    main()
