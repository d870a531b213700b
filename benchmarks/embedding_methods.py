"""Every method of learned scores on one movie, with the same time to learn: the lineage with positions and its scores.

python benchmarks/embedding_methods.py [--movie hela|sim|gowt1] [--minutes 5] [--seeds 0 1 2] [--methods ...]

Each method of configs/*_small.toml learns from the movie, without its truth, for as many steps as fit into the time,
which 30 steps beforehand tell; models are taken from --folder where they are there. Then the movie is tracked by the
presets attrackt and auto: alone; with the distance of vectors as one more term of links and divisions (weight
0.3, z-scores); with TAP's division scores; with Attrackt's associations. `sam` needs --sam FILE, its published weights.
Printed per method and seed, then as means and standard deviations: AOGM, LNK, division F1 (NaN without divisions),
seconds to train (NaN for a model that was there) and to embed. Embeddings fused into a network that learns from a
truth: learning.py fused.
"""

import argparse
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
from learning import CONFIGS, MOVIES, data

from tracker.config import Config, load_config, make_config
from tracker.config_learning import Reid
from tracker.learning.embed import embed_movie
from tracker.learning.train import train_method
from tracker.pipeline import run

#: Config, and the section that counts its steps.
LEARNT = {
    "autoencoder": ("attrackt_hela_small.toml", "autoencoder"),
    "reid": ("attrackt_hela_small.toml", "reid"),
    "maester": ("maester_hela_small.toml", "maester"),
    "ascent": ("ascent_hela_small.toml", "ascent"),
    "tap": ("tap_hela_small.toml", "tap"),
    "cellulus": ("cellulus_hela_small.toml", "cellulus"),
    "attrackt": ("attrackt_hela_small.toml", "training"),
}
WEIGHT = 0.3
PILOT_STEPS = 30


def config_of(method: str, movie: str, seed: int, steps: int) -> Config:
    """The small config of a method, on this movie."""
    name, section = LEARNT[method]
    config = load_config(CONFIGS / name)
    given = getattr(config, section)
    if method == "reid":  # no config of its own: the auto-encoder's network
        assert config.autoencoder is not None
        sizes = ("channels", "multipliers", "blocks", "groups", "attention_px")
        given = Reid(**{size: getattr(config.autoencoder, size) for size in sizes})
    assert given is not None
    changes: dict[str, Any] = {section: given.model_copy(update={"steps": steps})}
    training = changes.get("training", config.training)
    changes["training"] = training.model_copy(update={"seed": seed, "cpu_hours": 0.0})
    changes["data"] = type(config.data)(**data(movie))
    changes["associations"] = changes["embeddings"] = changes["division_scores"] = None
    return config.model_copy(update=changes)


def learn(method: str, movie: str, seed: int, seconds: float, folder: Path) -> float:
    """A model in `folder`, trained for so long; seconds it took, NaN where it was there."""
    if (folder / "model.json").exists():
        return float("nan")
    pilot = folder.with_name(folder.name + "-pilot")
    shutil.rmtree(pilot, ignore_errors=True)
    seen: list[float] = []
    first = config_of(method, movie, seed, PILOT_STEPS)
    if method == "attrackt":  # whose auto-encoder has learnt before, and counts apart
        first = with_autoencoder(first, folder, movie, seed)
    assert first.training is not None
    often = first.model_copy(update={"training": first.training.model_copy(update={"report_steps": 10})})
    train_method(
        method, often, pilot, resume=False,
        watch=lambda stage, shown: None if shown is None else seen.append(shown.steps_per_second),
    )  # fmt: skip
    shutil.rmtree(pilot)
    steps = max(50, round(seconds * seen[-1]))
    config = config_of(method, movie, seed, steps)
    if method == "attrackt":
        config = with_autoencoder(config, folder, movie, seed)
    start = time.perf_counter()
    train_method(method, config, folder, resume=False, watch=lambda stage, shown: None)
    print(f"  {method} {seed}: {steps} steps", flush=True)
    return time.perf_counter() - start


def with_autoencoder(config: Config, folder: Path, movie: str, seed: int) -> Config:
    """Attrackt learns with the vectors of the auto-encoder of this benchmark."""
    own = folder.with_name(f"autoencoder-{movie}-{seed}").resolve()
    assert config.attrackt is not None
    return config.model_copy(update={"attrackt": config.attrackt.model_copy(update={"autoencoder": str(own)})})


def lineage(movie: str, folder: Path, preset: str, **sections: Any) -> dict[str, float]:
    """AOGM, LNK and division F1."""
    terms = sections.pop("terms", [])
    content = {
        "data": data(movie),
        "costs": {"preset": preset, "terms": terms},
        "output": {"path": str(folder / "result"), "margins": "none"},
        **sections,
    }
    done = run(make_config(content, folder=Path.cwd()), overwrite=True)
    assert done.metrics is not None
    found = {name: done.metrics[name] for name in ("AOGM", "LNK", "division_f1")}
    return {name: float("nan") if value is None else float(value) for name, value in found.items()}


def with_method(method: str, movie: str, folder: Path, preset: str, table: Path) -> dict[str, dict[str, float]]:
    """The movie tracked with the scores of a method, in each of the ways it has."""
    found = {}
    if method == "attrackt":
        return {
            "associations": lineage(movie, folder, preset, associations={"path": str(table), "competition": "both"})
        }
    terms = [
        {"on": on, "feature": "embedding_distance", "weight": WEIGHT, "standardise": "zscore"}
        for on in ("link", "division")
    ]
    found["vectors"] = lineage(movie, folder, preset, embeddings={"path": str(table)}, terms=terms)
    scores = table.with_name(table.stem + ".division_scores.npz")
    if method == "tap":
        term = {"on": "division", "feature": "division_surprise", "weight": 1.0}
        found["division scores"] = lineage(movie, folder, preset, division_scores={"path": str(scores)}, terms=[term])
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--movie", default="hela", choices=tuple(MOVIES))
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=list(LEARNT), choices=(*LEARNT, "sam"))
    parser.add_argument("--sam", type=Path, help="published weights of SAM or micro-SAM")
    parser.add_argument("--folder", type=Path, default=Path("results/embeddings"))
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for preset in ("attrackt", "auto"):
        print(f"positions, {preset}: {lineage(given.movie, given.folder, preset)}", flush=True)
    for method in given.methods:
        table: dict[str, list[dict[str, float]]] = {}
        for seed in given.seeds if method != "sam" else [0]:
            model = given.sam if method == "sam" else given.folder / f"{method}-{given.movie}-{seed}"
            trained = 0.0
            if method != "sam":
                trained = learn(method, given.movie, seed, 60 * given.minutes, model)
            out = given.folder / f"{method}-{given.movie}-{seed}.npz"
            config = make_config({"data": data(given.movie)}, folder=Path.cwd())
            if method != "sam":
                config = config_of(method, given.movie, seed, 1)
            start = time.perf_counter()
            embed_movie(method, config, model, out, overwrite=True)
            embedded = time.perf_counter() - start
            for preset in ("attrackt", "auto"):
                for way, numbers in with_method(method, given.movie, given.folder, preset, out).items():
                    numbers |= {"training_s": trained, "embedding_s": embedded}
                    table.setdefault(f"{method} ({way}), {preset}", []).append(numbers)
                    print(f"  {method} {seed} ({way}), {preset}: {numbers}", flush=True)
        for name, rows in table.items():
            cells = [
                f"{key} {np.nanmean([row[key] for row in rows]):.4g} +- {np.nanstd([row[key] for row in rows]):.2g}"
                for key in rows[0]
                if not np.isnan([row[key] for row in rows]).all()
            ]
            print(f"{name}: {', '.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
