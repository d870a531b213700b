"""Association scores of a movie: our `link_scores` against the trackastra package's `predict_windows`, one thread.

Same weights (random, of the sizes of the public training script: d_model 256, 6 + 6 layers, window 6, rotary), same
detections, the same links: every pair of neighbouring frames that trackastra keeps. It keeps scores >= 0.05, so
ours are made with that threshold. Places are on half pixels, where both compute distances exactly.

(a) a field like HeLa's, 700 x 1100 px with 165 cells in each of 20 frames: the whole movie, in turns.
(b) a wide field, 4,000 x 4,000 px with 2,000 cells a frame: windows of trackastra's take minutes and gigabytes, so both
    get the first 7 frames, which are 2 windows, and the time is per window; ours alone also does all 20 frames.
(c) with --long: 1,441 frames of 500 cells with a small network, ours alone: time and memory at the peak.

Run by hand: `python benchmarks/inference.py [--long]`; about eight minutes. Needs trackastra (the extra demo).
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import yaml
from trackastra.data.wrfeat import WRFeatures, build_windows
from trackastra.model import TrackingTransformer
from trackastra.model.predict import predict_windows

from embeddings.inference import ScoreSettings, link_scores
from embeddings.nets.tracking_transformer import TrackingTransformer as OurTransformer
from embeddings.nets.trackastra_checkpoint import load_trackastra
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
    torch.manual_seed(0)
    theirs = TrackingTransformer(**SIZES).eval()
    with torch.no_grad():
        # Random weights tell nothing apart; larger ones at the end give scores between 0 and 1.
        theirs.head_x.fc2.weight *= 6
        theirs.head_y.fc2.weight *= 6
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.yaml").write_text(yaml.safe_dump(theirs.config))
        torch.save(theirs.state_dict(), Path(folder) / "model.pt")
        ours = load_trackastra(Path(folder))
    compare("(a) HeLa size, 20 frames x 165", theirs, ours, drifting(20, 165, (700, 1100)), turns=3)
    wide = drifting(20, 2000, (4000, 4000))
    compare("(b) wide field, 7 frames x 2,000", theirs, ours, first_frames(wide, 7), turns=1)
    links = neighbours(wide, 60.0)
    seconds = timed(lambda: link_scores(ours, wide, links, ScoreSettings(threshold=THRESHOLD)))[0]
    print(f"(b) all 20 frames, ours alone: {seconds:.1f} s, {seconds / 15:.2f} s per window", flush=True)


def compare(name: str, theirs: torch.nn.Module, ours: OurTransformer, movie: TokenMovie, turns: int) -> None:
    """Both in turns on one movie."""
    frames, windows = public_input(movie)
    seconds: list[list[float]] = [[], []]
    for _ in range(turns):
        spent, found = timed(
            lambda: predict_windows(
                windows, frames, theirs, edge_threshold=THRESHOLD, spatial_dim=2, progbar_class=lambda steps, **_: steps
            )
        )
        seconds[0].append(spent)
        links = np.array([pair for pair, _ in found["weights"]], np.int64)
        wanted = np.array([weight for _, weight in found["weights"]])
        spent, scores = timed(lambda links=links: link_scores(ours, movie, links, ScoreSettings(threshold=THRESHOLD)))
        seconds[1].append(spent)
    first, second = (sorted(times)[len(times) // 2] / len(windows) for times in seconds)
    differs = np.abs(scores - wanted)
    print(
        f"{name}, {len(windows)} windows: trackastra {first:.3f} s, ours {second:.3f} s per window (median of {turns}): "
        f"{first / second:.2f} times as fast; {len(links)} links, scores {wanted.min():.2f} to {wanted.max():.2f} differ "
        f"by at most {differs.max():.1e}, {(differs > 1e-4).sum()} by more than 1e-4; at most {peak_gb():.1f} GB in use "
        "so far",
        flush=True,
    )


def long_movie() -> None:
    movie = drifting(1441, 500, (2000, 2000))
    links = neighbours(movie, 60.0)
    before = peak_gb()
    torch.manual_seed(0)
    network = OurTransformer(TransformerConfig(d_model=64, heads=4, encoder_layers=2, decoder_layers=2))
    seconds, _ = timed(lambda: link_scores(network, movie, links))
    print(
        f"(c) 1,441 frames x 500, d_model 64, 2 + 2 layers: {seconds:.0f} s for {len(links)} links; {peak_gb():.2f} GB at "
        f"the peak, {before:.2f} GB of it before scoring"
    )


def drifting(n_frames: int, per_frame: int, shape: tuple[int, int]) -> TokenMovie:
    """Cells that wander, at half pixels, with tokens that stay much the same."""
    rng = np.random.default_rng(0)
    place, own = rng.random((per_frame, 2)) * shape, rng.random((per_frame, 7)) * [20, 1, 50, 10, 10, 50, 1]
    places, tokens = [], []
    for _ in range(n_frames):
        place = np.clip(place + rng.normal(0, 3, place.shape), 0, np.array(shape) - 1)
        places.append(np.round(2 * place) / 2)
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


def public_input(movie: TokenMovie) -> tuple[list[WRFeatures], list[dict[str, torch.Tensor]]]:
    """Frames and windows as the package wants them."""
    frames = []
    for step in range(movie.n_frames):
        rows = slice(movie.starts[step], movie.starts[step + 1])
        place = movie.position_px[rows].astype(np.float32)
        count = len(place)
        frames.append(WRFeatures(place, np.arange(count) + 1, np.full(count, step), {"tokens": movie.tokens[rows]}))
    windows = build_windows(frames, SIZES["window"], progbar_class=lambda steps, **_: steps, as_torch=True)
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
