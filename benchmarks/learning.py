"""What learned associations do to the lineage: AOGM (0 is perfect) given detections, with and without them.

python benchmarks/learning.py unsupervised [--movie hela|sim|gowt1] [--seeds 0 1 2]     configs/attrackt_hela_small.toml
python benchmarks/learning.py supervised [--movie hela|sim] [--seeds 0 1 2]             trackastra_supervised.toml
python benchmarks/learning.py fused [--movie hela|sim] [--seeds 0 1 2]                  trackastra_fused.toml
python benchmarks/learning.py finetune [--seeds 0]                                      finetune_interpolation.toml

Each seed is trained into --folder, or taken from there. Unsupervised: learnt and tested on the same movie, truth for
the score alone. Supervised: HeLa frames 0-12 against 13-19, SIM+ frames 0-49 against 50-64, then the other movies.
Fused: supervised, with MAESTER's vectors of a model trained on the frames learnt from, against the same without.
Finetune: 100 annotations that `track suggest --order confidence` asks for with the unsupervised model, answered by the
truth; before and after fine-tuning, with these pins in force and without. Two cores; a quarter of an hour per seed.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from instances import DATA

from embeddings.train import TrainingResult
from tracker.annotations import solve_pinned
from tracker.config import Config, load_config, make_config
from tracker.config_scores import AssociationSettings, EmbeddingSettings
from tracker.learning.train import train_method
from tracker.margins import bound_margins
from tracker.pin_sources import pins_from_lineage, truth_as_lineage
from tracker.pin_table import PinRow
from tracker.pins import write_pins
from tracker.pipeline import run, to_lineage
from tracker.prepare import prepare, solver_settings
from tracker.stopwatch import Stopwatch
from tracker.suggest import suggest
from tracker.truth import read_truth

CONFIGS = Path(__file__).parents[1] / "configs"
MOVIES: dict[str, dict[str, Any]] = {
    "hela": {"folder": "Fluo-N2DL-HeLa-02-t00-19", "images": "02", "segmentation": "02_SEG", "truth": "02_GT/TRA"},
    "sim": {"folder": "Fluo-N2DH-SIM+", "images": "01", "segmentation": "01_GT/TRA", "truth": "01_GT/TRA"},
    "gowt1": {"folder": "Fluo-N2DH-GOWT1", "images": "01", "segmentation": "01_GT/TRA", "truth": "01_GT/TRA"},
}
SPLITS = {"hela": ((0, 13), (13, 20)), "sim": ((0, 50), (50, 65))}


def data(movie: str, frames: tuple[int, int] | None = None) -> dict[str, Any]:
    known = MOVIES[movie]
    folder = DATA / known["folder"]
    return {key: str(folder / known[key]) for key in ("images", "segmentation", "truth")} | (
        {} if frames is None else {"frames": list(frames)}
    )


def with_data(name: str, movie: str, seed: int, frames: tuple[int, int] | None = None) -> Config:
    """A config of the project on a movie of ours."""
    config = load_config(CONFIGS / name)
    assert config.training is not None
    return config.model_copy(
        update={
            "data": type(config.data)(**data(movie, frames)),
            "training": config.training.model_copy(update={"seed": seed}),
        }
    )


def aogm(folder: Path, movie: str, frames: tuple[int, int] | None = None, **sections: dict[str, Any]) -> float:
    """Track and evaluate."""
    content = {"data": data(movie, frames), "output": {"path": str(folder / "result"), "margins": "none"}, **sections}
    done = run(make_config(content, folder=Path.cwd()), overwrite=True)
    assert done.metrics is not None
    return float(done.metrics["AOGM"])


def costs_with(model: Path | None) -> dict[str, dict[str, dict[str, Any]]]:
    """The costs that are compared."""
    scores: dict[str, Any] = {} if model is None else {"associations": {"model": str(model.resolve())}}
    both = {name: {**given, "competition": "both"} for name, given in scores.items()}
    return {
        "attrackt": {"costs": {"preset": "attrackt"}, **both},
        "attrackt, one competition": {"costs": {"preset": "attrackt"}, **scores},
        "auto": {"costs": {"preset": "auto"}, **scores},
        "auto, gaps": {"costs": {"preset": "auto"}, "candidates": {"max_frame_gap": 2}, **scores},
    }


def compare(folder: Path, movie: str, model: Path, frames: tuple[int, int] | None = None) -> dict[str, float]:
    """AOGM of each cost without and with the scores of the model, printed."""
    found = {}
    with_scores = costs_with(model)
    for name, sections in costs_with(None).items():
        found[name] = aogm(folder, movie, frames, **sections)
        found[f"{name} + scores"] = aogm(folder, movie, frames, **with_scores[name])
    cells = "; ".join(f"{name} {found[name]:g} -> {found[f'{name} + scores']:g}" for name in with_scores)
    print(f"  {movie} {frames or 'all frames'}: {cells}", flush=True)
    return found


def trained(method: str, config: Config, folder: Path) -> Path:
    """A model, trained unless it is there."""
    if (folder / "model.json").exists():
        print(f"  {folder} is there already")
        return folder
    start = time.perf_counter()
    done: TrainingResult = train_method(method, config, folder, resume=True, watch=lambda stage, shown: None)
    print(f"  trained {folder} in {time.perf_counter() - start:.0f} s, loss {done.loss:.4g}", flush=True)
    return folder


def summary(name: str, values: list[float]) -> None:
    print(f"{name}: mean {np.mean(values):.4g} of {', '.join(f'{value:g}' for value in values)}", flush=True)


def unsupervised(movie: str, seeds: list[int], folder: Path) -> None:
    found = []
    for seed in seeds:
        model = trained(
            "attrackt", with_data("attrackt_hela_small.toml", movie, seed), folder / f"attrackt-{movie}-{seed}"
        )
        found.append(compare(folder, movie, model))
    model = folder / f"attrackt-{movie}-{seeds[0]}" / "autoencoder"
    terms = [
        {"on": on, "feature": feature, "standardise": "zscore"}
        for on in ("link", "division")
        for feature in ("distance", "embedding_distance")
    ]
    distance = aogm(folder, movie, costs={"preset": "none", "terms": terms}, embeddings={"model": str(model.resolve())})
    print(f"attrackt + distance of the auto-encoder's vectors: {distance:g}")
    for name in found[0]:
        summary(name, [one[name] for one in found])


def supervised(movie: str, seeds: list[int], folder: Path) -> None:
    learnt, tested = SPLITS[movie]
    found = []
    for seed in seeds:
        config = with_data("trackastra_supervised.toml", movie, seed, learnt)
        model = trained("trackastra", config, folder / f"trackastra-{movie}-{seed}")
        found.append(compare(folder, movie, model, tested))
        for other in MOVIES:
            if other != movie:
                compare(folder, other, model)
    for name in found[0]:
        summary(name, [one[name] for one in found])


def fused(movie: str, seeds: list[int], folder: Path) -> None:
    learnt, tested = SPLITS[movie]
    texture = trained("maester", with_data("trackastra_fused.toml", movie, 0, learnt), folder / f"maester-{movie}-0")
    given = EmbeddingSettings(method="maester", model=str(texture.resolve()))
    found: dict[str, list[dict[str, float]]] = {"unfused": [], "fused": []}
    for seed in seeds:
        config = with_data("trackastra_fused.toml", movie, seed, learnt).model_copy(update={"embeddings": given})
        model = trained("trackastra", config, folder / f"fused-{movie}-{seed}")
        found["fused"].append(compare(folder, movie, model, tested))
        alone = with_data("trackastra_supervised.toml", movie, seed, learnt)
        model = trained("trackastra", alone, folder / f"trackastra-{movie}-{seed}")
        found["unfused"].append(compare(folder, movie, model, tested))
    for which, values in found.items():
        for name in values[0]:
            summary(f"{which}, {name}", [one[name] for one in values])


def finetune(seeds: list[int], folder: Path) -> None:
    found = []
    for seed in seeds:
        base = trained(
            "attrackt", with_data("attrackt_hela_small.toml", "hela", seed), folder / f"attrackt-hela-{seed}"
        )
        pins = folder / f"asked-{seed}.csv"
        before = {
            "costs": {"preset": "attrackt"},
            "associations": {"model": str(base.resolve()), "competition": "both"},
        }
        write_pins(pins, answered(folder, "hela", before, 100), overwrite=True)
        config = with_data("finetune_interpolation.toml", "hela", seed)
        config = config.model_copy(
            update={
                "annotations": config.annotations.model_copy(update={"pins": (str(pins.resolve()),)}),
                "finetune": config.finetune and config.finetune.model_copy(update={"start": str(base.resolve())}),
                "associations": AssociationSettings(**before["associations"]),
            }
        )
        tuned = trained("finetune", config, folder / f"finetune-hela-{seed}")
        pinned = {"annotations": {"pins": [str(pins.resolve())]}}
        scores = {}
        for name, cost, competition in (
            ("attrackt", "attrackt", "both"),
            ("attrackt, one competition", "attrackt", "parents"),
            ("auto", "auto", "parents"),
        ):
            for which, model in (("as it was", base), ("tuned", tuned)):
                given = {"model": str(model.resolve()), "competition": competition}
                sections: dict[str, Any] = {"costs": {"preset": cost}, "associations": given}
                scores[f"{name}, {which}"] = aogm(folder, "hela", **sections)
                scores[f"{name}, {which} + 100 pins"] = aogm(folder, "hela", **sections, **pinned)
        print("  " + "; ".join(f"{name} {value:g}" for name, value in scores.items()), flush=True)
        found.append(scores)
    for name in found[0]:
        summary(name, [one[name] for one in found])


def answered(folder: Path, movie: str, sections: dict[str, Any], budget: int) -> list[PinRow]:
    """The children of the detections that scores and solution disagree about most, from the truth."""
    output = {"output": {"path": str(folder / "asked")}}
    config = make_config({"data": data(movie), **sections, **output}, folder=Path.cwd())
    prepared = prepare(config, Stopwatch())
    problem, solution = solve_pinned(prepared.problem, prepared.pins, solver_settings(config))
    lineage = to_lineage(prepared.graph, problem, solution)
    margins = bound_margins(problem, solution)
    asked = suggest(lineage, prepared.graph, margins, prepared.association, order="confidence", budget=budget)
    truth = read_truth(config.path(str(config.data.truth)))
    known = truth_as_lineage(truth, prepared.inputs.detections, prepared.inputs.masks)
    pins = pins_from_lineage(
        known.lineage, asked.rows, unknown_children=known.unknown_children, unknown_parent=known.unknown_parent
    )
    return [pin for pin in pins if pin.kind == "children"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("unsupervised", "supervised", "fused", "finetune"))
    parser.add_argument("--movie", default="hela", choices=tuple(MOVIES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folder", type=Path, default=Path("results/learning"))
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.what == "finetune":
        finetune(given.seeds, given.folder)
    else:
        {"unsupervised": unsupervised, "supervised": supervised, "fused": fused}[given.what](
            given.movie, given.seeds, given.folder
        )


if __name__ == "__main__":
    main()
