"""Does TAP see divisions? Accuracy of the arrow of time, and AUC of the division scores, against the truth of a movie.

python benchmarks/time_arrow.py MODEL [--movie hela|sim|gowt1] [--unseen 13 20] [--pins 20]

MODEL: as `track train tap configs/tap_hela_small.toml` writes it; with `--set data.frames=[0,13]` it has not seen the
frames 13 to 19, which --unseen 13 20 says. Printed: the share of pairs put in order, around detections and on
background, over all frames, those held out, and those unseen; the AUC (share of pairs of one dividing and one other
detection that the score ranks right) of each kind of evidence, of how much the picture changes there (which needs no
network), and of a probe on --pins dividing cells and three times as many others, on all detections it has not seen.
"within a frame": a true division there or a frame before.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from learning import MOVIES, data
from numpy.typing import NDArray
from scipy.stats import rankdata

from embeddings.arrow_places import changes_at, zoomed_centres
from embeddings.frame_images import FrameImages
from embeddings.inference.linear_probe import linear_probe
from embeddings.learning_movie import LearningMovie
from embeddings.methods.tap import division_scores, embed_tap
from embeddings.methods.tap_accuracy import arrow_accuracy
from embeddings.zoomed_frames import ZoomedFrames
from tracker.config import make_config
from tracker.inputs import read_inputs
from tracker.learning.movies import learning_movie
from tracker.pin_sources import truth_as_lineage
from tracker.truth import read_truth


def auc(score: NDArray[Any], positive: NDArray[np.bool_]) -> float:
    """Mann-Whitney: ties count one half."""
    rank = rankdata(score)
    n, m = positive.sum(), (~positive).sum()
    return float((rank[positive].sum() - n * (n + 1) / 2) / (n * m))


def changes(movie: LearningMovie) -> NDArray[Any]:
    """What needs no network: how much the picture changes at each detection, mean of the frames before and after."""
    images = ZoomedFrames(FrameImages(movie, "change"))
    place = [zoomed_centres(images, step) for step in range(len(images))]
    change = np.full((2, len(movie.detections)), np.nan)
    starts = movie.detections.starts
    for step in range(len(images) - 1):
        pair = images.image(step), images.image(step + 1)
        for slot in (0, 1):
            one = step + slot
            change[slot, starts[one] : starts[one + 1]] = changes_at(place[one], *pair, crop_px=80)
    return np.asarray(np.nanmean(change, axis=0))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--movie", default="hela", choices=tuple(MOVIES))
    parser.add_argument("--unseen", type=int, nargs=2, metavar=("FROM", "TO"), help="frames not learnt from")
    parser.add_argument("--pins", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    config = make_config({"data": data(given.movie)}, folder=Path.cwd())
    inputs = read_inputs(config)
    movie, found = learning_movie(config, inputs), inputs.detections
    about = json.loads((given.model / "model.json").read_text())["provenance"]
    away = about["movies"][0].get("held_out_frames")
    unseen = list(range(*given.unseen)) if given.unseen else None
    asked = {"all frames": None, "held-out frames": away} | ({"unseen frames": unseen} if unseen else {})
    for name, frames in asked.items():
        for place in ("detections", "background"):
            share, pairs = arrow_accuracy(given.model, movie, place=place, frames=frames, seed=given.seed)
            print(f"{name}, {place}: {share:.3f} of {pairs} pairs in order", flush=True)
    truth = read_truth(config.path(str(config.data.truth)))
    lineage = truth_as_lineage(truth, found, inputs.masks).lineage
    divides = np.bincount(lineage.links[:, 0], minlength=len(found)) == 2
    child = lineage.links[divides[lineage.links[:, 0]], 1]
    near = divides.copy()
    near[child] = True
    inner = (found.step > 0) & (found.step < len(found.frames) - 2)
    print(f"{divides.sum()} detections divide, {near.sum()} are within a frame of a division, of {len(found)}")
    kept = {"all": inner} | ({"unseen": inner & np.isin(found.frame, unseen[:-1])} if unseen else {})

    def show(name: str, score: NDArray[Any]) -> None:
        values = [
            f"{where} {auc(score[rows], divides[rows]):.3f}, within a frame {auc(score[rows], near[rows]):.3f}"
            for where, rows in kept.items()
        ]
        print(f"{name}: AUC {'; '.join(values)}", flush=True)

    show("change of the picture, both", changes(movie))
    for evidence in ("frame", "change", "votes"):
        for role in ("first", "both"):
            show(f"{evidence}, {role}", division_scores(given.model, movie, evidence=evidence, role=role))
    vector = embed_tap(given.model, movie).vector.astype(np.float64)
    rng = np.random.default_rng(given.seed)
    told = np.concatenate(
        [
            rng.permutation(np.flatnonzero(which))[:count]
            for which, count in ((divides, given.pins), (~near, 3 * given.pins))
        ]
    )
    score = linear_probe(vector, told, divides[told])
    rest = inner.copy()
    rest[told] = False
    print(f"probe on {len(told)} detections: AUC {auc(score[rest], divides[rest]):.3f} on the others")


if __name__ == "__main__":
    main()
