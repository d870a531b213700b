"""tuning.png: held-out losses of each answer, and how the learning and the search went."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tracker.tuning.tune import Tuned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLORS = {"before": "#8a94a3", "SSVM": "#2f7fd1", "search": "#d1812f"}


def plot_tuning(path: Path, done: Tuned) -> None:
    """Three panels: held-out losses (bars: mean; dots: folds), the SSVM's bounds, the search's best so far."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4), layout="constrained")
    FigureCanvasAgg(figure)
    bars, bounds, trials = figure.subplots(1, 3)
    _bars(bars, done)
    _bounds(bounds, done)
    _trials(trials, done)
    figure.savefig(path, dpi=110, format="png")


def _objective(done: Tuned) -> str:
    objective = done.given.tuning.objective
    if done.movie.truth is None:
        return "share of wrong decisions"
    return {"aogm": "AOGM", "lnk": "1 - LNK", "division_f1": "1 - division F1", "chota": "1 - CHOTA"}[objective]


def _bars(axes: "Axes", done: Tuned) -> None:
    for place, answer in enumerate(done.answers):
        losses = done.held_out(answer)
        axes.bar(place, losses.mean(), width=0.6, color=_COLORS[answer], alpha=0.75)
        axes.plot(np.full(len(losses), place), losses, "o", color="black", markersize=4, alpha=0.6)
    names = [name + (" (kept)" if name == done.kept else "") for name in done.answers]
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel(f"{_objective(done)}, lower is better")
    axes.set_title("held-out parts")


def _bounds(axes: "Axes", done: Tuned) -> None:
    history = done.learnt.history
    iterations = [step.iteration for step in history]
    axes.plot(iterations, [step.primal for step in history], color=_COLORS["SSVM"], label="objective, best so far")
    axes.plot(iterations, [step.dual for step in history], color="black", linestyle=":", label="lower bound")
    axes.set_xlabel("iteration")
    axes.set_title("SSVM on all that is annotated")
    axes.legend(frameon=False)


def _trials(axes: "Axes", done: Tuned) -> None:
    runs = [(fold.name, fold.train_losses) for fold in done.folds if len(fold.train_losses)]
    if done.searched is not None:
        runs.append(("all", done.searched.losses))
    for name, losses in runs:
        best = np.minimum.accumulate(losses)
        axes.plot(np.arange(1, len(best) + 1), best, label=f"without {name}" if name != "all" else name)
    axes.set_title("search, best so far on the training part" if runs else "no search")
    axes.set_xlabel("trial")
    axes.set_ylabel(_objective(done))
    if runs:
        axes.legend(frameon=False, fontsize="small")
