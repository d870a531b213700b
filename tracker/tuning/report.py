"""What tuning leaves: tuned.toml, tuning.json and tuning.png."""

import json
import platform
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import tracker
from tracker.errors import OutputError
from tracker.tuning.meaning import meanings, undecided_weights
from tracker.tuning.quick_score import Score
from tracker.tuning.tune import BEFORE, Tuned
from tracker.tuning.tuned_config import moved, render_tuned
from tracker.tuning.tuning_plot import plot_tuning

FILES = ("tuned.toml", "tuning.json", "tuning.png")
_PACKAGES = ("numpy", "scipy", "highspy", "optuna")
_METRICS = ("AOGM", "LNK", "division_f1", "CHOTA")


def refuse_existing_tuning(folder: Path, overwrite: bool) -> None:
    """Raise OutputError where an earlier tuning is complete; one that was interrupted (tuning.db alone) goes on."""
    there = [name for name in FILES if (folder / name).exists()]
    if there and not overwrite:
        raise OutputError(
            f"{folder} holds a tuning already ({', '.join(there)}). Name another --output, or replace it with "
            "--overwrite"
        )
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is no folder. Name another --output")


def write_tuning(folder: Path, done: Tuned) -> dict[str, Any]:
    """Write the three files, each whole or not at all; returns the content of tuning.json. Raises OutputError."""
    report = make_tuning_report(done)
    model = done.movie.model
    undecided = undecided_weights(model, done.movie.target, done.learnt)
    constants, terms = meanings(model, done.weights, done.movie.detections.unit, undecided)
    config = moved(done.given.model_copy(update={"costs": done.costs}), folder)
    text = render_tuned(config, _title(done), constants, terms)
    content = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    _write(folder / "tuned.toml", lambda path: _text(path, text))
    _write(folder / "tuning.png", lambda path: plot_tuning(path, done))
    _write(folder / "tuning.json", lambda path: _text(path, content))
    return report


def make_tuning_report(done: Tuned) -> dict[str, Any]:
    """The content of tuning.json."""
    model, objective = done.movie.model, done.given.tuning.objective
    return {
        "kept": done.kept,
        "helped": done.helped,
        "objective": objective if done.movie.truth is not None else "share of wrong decisions",
        "held_out": {answer: _summary(done, answer) for answer in done.answers},
        "folds": [
            {
                "held_out": fold.name,
                "l2": fold.l2,
                "losses": fold.losses,
                "scores": {answer: _metrics(score) for answer, score in fold.scores.items()},
                "weights": {answer: own.tolist() for answer, own in fold.weights.items()},
                "search_history": _finite(fold.train_losses.tolist()),
            }
            for fold in done.folds
        ],
        "weights": [
            {
                "name": weight.name,
                "sign": weight.sign,
                "before": weight.value,
                "kept": float(model.external(done.weights)[place]),
                "kept_per_standard_deviation": float(done.weights[place]),
            }
            for place, weight in enumerate(model.weights)
        ],
        "l2": {"chosen": done.l2, "held_out_losses": {f"{key:g}": value for key, value in done.l2_losses.items()}},
        "ssvm": {
            "converged": done.learnt.converged,
            "slack": done.learnt.slack,
            "seconds": done.learnt.seconds,
            "frozen": list(done.learnt.frozen),
            "history": [_finite_step(step._asdict()) for step in done.learnt.history],
        },
        "search": None if done.searched is None else {
            "loss": done.searched.loss, "history": _finite(done.searched.losses.tolist()),
        },
        "notes": list(done.notes),
        "seconds": done.seconds,
        "seed": done.given.tuning.seed,
        "config": json.loads(done.given.model_dump_json()),
        "config_folder": str(done.given.path(".").resolve()),
        "versions": _versions(),
    }  # fmt: skip


def _summary(done: Tuned, answer: str) -> dict[str, Any]:
    """Mean and spread (population standard deviation) over the folds."""
    losses = done.held_out(answer)
    found: dict[str, Any] = {"loss": {"mean": float(losses.mean()), "std": float(losses.std())}}
    for metric in _METRICS if done.folds[0].scores else ():
        values = np.array([getattr(fold.scores[answer], metric) for fold in done.folds], float)
        values = values[np.isfinite(values)]
        found[metric] = {"mean": float(values.mean()), "std": float(values.std())} if len(values) else None
    return found


def _title(done: Tuned) -> str:
    before, kept = done.held_out(BEFORE), done.held_out(done.kept)
    what = done.given.tuning.objective if done.movie.truth is not None else "share of wrong decisions"
    if not done.helped:
        return f"Written by track tune: nothing learnt was better on held-out data ({what}); the costs are as before."
    unit = "" if done.movie.truth is None or what == "aogm" else " (1 - the score)"
    return (
        f"Written by track tune: costs learnt by {done.kept}. On held-out data, {what}{unit} per part: "
        f"{kept.mean():.4g}, was {before.mean():.4g}."
    )


def _metrics(score: Score) -> dict[str, float | None]:
    values = {metric: getattr(score, metric) for metric in _METRICS}
    counts = {name: getattr(score, name) for name in ("fp_edges", "fn_edges", "ws_edges")}
    return {name: value if np.isfinite(value) else None for name, value in (values | counts).items()}


def _finite(values: list[float]) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values]


def _finite_step(step: dict[str, Any]) -> dict[str, Any]:
    return {name: value if np.isfinite(value) else None for name, value in step.items()}


def _versions() -> dict[str, str]:
    found = {"pintrack": tracker.__version__, "python": platform.python_version()}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def _text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _write(path: Path, write: Callable[[Path], None]) -> None:
    """Through a partial file beside it."""
    partial = path.with_name(f".partial-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(partial)
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise OutputError(f"{path} cannot be written: {error.strerror or error}. Name another --output") from error
