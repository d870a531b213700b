"""The training loop of every network: from batches and a loss to weights, safe against crashes, NaN and Ctrl-C."""

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from embeddings.training.device import choose_device, uninterrupted
from embeddings.training.history import Progress, plot_history
from embeddings.training.run import Run, Stopped
from embeddings.training.settings import TrainingSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingResult:
    """How a training ended: after so many steps, on this device, in so many seconds (earlier sessions included).

    stopped: "finished", "early" (the held-out loss rose) or "interrupted" (Ctrl-C; it can be resumed).
    loss: mean over the last steps.   best_step, held_out_loss: where the held-out loss was lowest; -1 and NaN without.
    notes: sentences for people.
    """

    stopped: Stopped
    steps: int
    loss: float
    best_step: int
    held_out_loss: float
    seconds: float
    device: str
    notes: tuple[str, ...]

    def as_mapping(self) -> dict[str, Any]:
        """How it ended, for the provenance of a model; None where there was no look at held-out batches."""
        return {
            "stopped": self.stopped,
            "steps": self.steps,
            "best_step": self.best_step,
            "held_out_loss": None if math.isnan(self.held_out_loss) else self.held_out_loss,
            "seconds": self.seconds,
            "device": self.device,
            "torch": torch.__version__,
        }


def train(
    model: nn.Module,
    batches: Callable[[int], Any],
    loss: Callable[[nn.Module, Any], Tensor],
    settings: TrainingSettings,
    folder: Path,
    *,
    held_out: Iterable[Any] | None = None,
    identity: Mapping[str, Any] | None = None,
    resume: bool = False,
    watch: Callable[[Progress], None] | None = None,
    memory_keys: str = "the batch size",
) -> TrainingResult:
    """Train `model` in place with AdamW; afterwards it is on the chosen device, in evaluation mode.

    batches: the batch of a step, 0 .. steps - 1, on the CPU: tensors, or tuples, mappings, dataclasses of them. It must
        depend on the step alone: together with randomness that is seeded for each step, a resumed training then goes
        on bit for bit (on the CPU) as if it had never stopped.
    loss: a finite scalar of the model and a batch on its device. What is learnt along must be a part of `model`;
        parameters that need no gradient stay as they are.
    folder: gets the checkpoints, `training.csv`, and `training.png` where matplotlib is installed.
    held_out: batches, gone through anew at each look. With them the model ends up with the weights of the lowest mean
        loss over them, without them with the last weights.
    identity: what else a resumed training must share with the one it goes on from: sizes of the network, data. JSON.
    resume: go on from the newest whole checkpoint of the folder; from the beginning where there is none.
    watch: called with each line of `training.csv`.   memory_keys: what to make smaller when memory runs out.
    Ctrl-C saves and returns; so does a KeyboardInterrupt raised by any of the functions given.
    Raises TrainingError when loss or gradient is not finite (the last checkpoint stays), memory runs out, or the
    training cannot be resumed; OutputError when the folder holds a training and `resume` is not set, or cannot be
    written; ConfigError for a device that is not there, and for a training that would take too long
    (`settings.cpu_hours`).
    """
    device = choose_device(settings.device)
    model.to(device)
    run = Run(model, batches, loss, settings, folder, held_out, watch, memory_keys, device)
    run.identity = {"settings": settings.identity(), **(identity or {})}
    run.start(resume)
    stopped: Stopped = "interrupted"
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if device.type == "cuda" else []):
        try:
            stopped = run.loop()
        except KeyboardInterrupt:
            log.warning("interrupted after step %d; saving", run.done)
    with uninterrupted():
        if run.saved < run.done:
            run.save()
        plot_history(folder, run.reports)
        if run.best:
            model.load_state_dict(run.best)
        model.eval()
    last = run.reports[-1].loss if run.reports else math.nan
    return TrainingResult(
        stopped, run.done, last, run.best_step, run.best_loss, run.seconds, str(device), tuple(run.notes)
    )
