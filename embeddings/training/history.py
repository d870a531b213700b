"""What a training writes down as it goes: the lines of `training.csv`, and the picture of its losses."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from tracker.errors import OutputError


class Report(NamedTuple):
    """A line of `training.csv`.

    step: steps done.   seconds: of training so far, earlier sessions included.   learning_rate: of the last step.
    loss: mean over the steps since the line before.   held_out_loss: NaN where it was not looked at.
    """

    step: int
    seconds: float
    learning_rate: float
    loss: float
    held_out_loss: float


@dataclass(frozen=True)
class Progress:
    """What a caller is shown: `step` of `steps` done, at this speed in this session, and the time that is left.

    loss: mean since the last report.   held_out_loss: NaN where it was not looked at.
    """

    step: int
    steps: int
    loss: float
    held_out_loss: float
    steps_per_second: float
    seconds_left: float


def write_history(folder: Path, reports: Sequence[Report]) -> None:
    """Write `training.csv` anew, beside and then renamed. Raises OutputError."""
    path = folder / "training.csv"
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    text = ",".join(Report._fields) + "\n" + "".join(_line(report) for report in reports)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="ascii", newline="\n")
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path} could not be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)  # gone already, unless something went wrong


def append_history(folder: Path, report: Report) -> None:
    """Add a line to `training.csv`. Raises OutputError."""
    path = folder / "training.csv"
    try:
        with path.open("a", encoding="ascii", newline="\n") as file:
            file.write(_line(report))
    except OSError as error:
        raise OutputError(f"{path} could not be written: {error.strerror}") from error


def plot_history(folder: Path, reports: Sequence[Report]) -> Path | None:
    """Draw `training.png`, loss and held-out loss over steps; None without matplotlib. Raises OutputError.

    The losses are drawn on a logarithmic axis where all are positive.
    """
    if find_spec("matplotlib") is None or not reports:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot([report.step for report in reports], [report.loss for report in reports], label="training")
    held_out = [report for report in reports if not math.isnan(report.held_out_loss)]
    if held_out:
        steps, losses = [report.step for report in held_out], [report.held_out_loss for report in held_out]
        axes.plot(steps, losses, marker=".", label="held out")
        axes.legend(frameon=False)
    drawn = [report.loss for report in reports] + [report.held_out_loss for report in held_out]
    axes.set(xlabel="step", ylabel="loss", yscale="log" if min(drawn) > 0 else "linear")
    path = folder / "training.png"
    try:
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise OutputError(f"{path} could not be written: {error.strerror}") from error
    return path


def _line(report: Report) -> str:
    held_out = "" if math.isnan(report.held_out_loss) else repr(report.held_out_loss)
    return f"{report.step},{report.seconds:.3f},{report.learning_rate!r},{report.loss!r},{held_out}\n"
