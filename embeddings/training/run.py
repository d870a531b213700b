"""A training under way: its state, and what happens at each step."""

import json
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from embeddings.training.checkpoint import checkpoints, load_checkpoint, save_checkpoint
from embeddings.training.device import memory_watched, precision, to_device, uninterrupted
from embeddings.training.errors import TrainingError
from embeddings.training.history import Progress, Report, append_history, write_history
from embeddings.training.pace import Pace
from embeddings.training.settings import TrainingSettings
from tracker.errors import OutputError

log = logging.getLogger(__name__)

Stopped = Literal["finished", "early", "interrupted"]


@dataclass
class Run:
    """A training under way. Everything from `done` on is in the checkpoint."""

    model: nn.Module
    batches: Callable[[int], Any]
    loss: Callable[[nn.Module, Any], Tensor]
    settings: TrainingSettings
    folder: Path
    held_out: Iterable[Any] | None
    watch: Callable[[Progress], None] | None
    memory_keys: str
    device: torch.device
    identity: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    done: int = 0
    looked: int = 0  # step of the last look at the held-out loss
    looked_loss: float = math.nan
    waited: int = 0  # looks since the lowest held-out loss
    best_step: int = -1
    best_loss: float = math.nan
    best: dict[str, Tensor] = field(default_factory=dict)
    loss_sum: float = 0.0
    loss_count: int = 0
    seconds_before: float = 0.0
    reports: list[Report] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the optimiser."""
        self.parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        settings = self.settings
        self.optimiser = torch.optim.AdamW(
            self.parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        self.began = self.saved_at = time.perf_counter()
        self.first, self.saved = 0, -1
        self.pace = Pace(settings.cpu_hours if self.device.type == "cpu" else 0.0, self.memory_keys)

    @property
    def seconds(self) -> float:
        """Of training so far, earlier sessions included."""
        return self.seconds_before + time.perf_counter() - self.began

    def start(self, resume: bool) -> None:
        """Take up the newest checkpoint, or begin."""
        found = checkpoints(self.folder)
        if found and not resume:
            raise OutputError(
                f"{self.folder} holds a training already ({found[0].name}). Resume it, or name another folder"
            )
        state, damaged = load_checkpoint(self.folder)
        self.notes += damaged
        if state is not None:
            self._take_up(state)
            self.saved = self.done
        elif resume:
            self.notes.append(f"{self.folder} holds no checkpoint yet: the training starts at its beginning")
        for note in self.notes:
            log.warning(note)
        self.first = self.done
        write_history(self.folder, self.reports)

    def loop(self) -> Stopped:
        """Look, report and step until the end."""
        settings = self.settings
        self.model.train()
        while True:
            last = self.done == settings.steps
            if self.held_out is not None and self.looked < self.done and self._due(settings.validate_steps):
                self._look(self.held_out)
            reported = self.reports[-1].step if self.reports else 0
            if reported < self.done and (self._due(settings.report_steps) or self.looked == self.done):
                self._report()
            if 0 < settings.patience <= self.waited:
                return "early"
            if last:
                return "finished"
            self._save_if_due()
            began = time.perf_counter()
            self._step()
            self.pace.step(time.perf_counter() - began, settings.steps - self.done)

    def save(self) -> None:
        """Write a checkpoint."""
        names = ("done", "looked", "looked_loss", "waited", "best_step", "best_loss", "best", "loss_sum", "loss_count")
        state = {name: getattr(self, name) for name in names}
        state["model"], state["optimiser"] = self.model.state_dict(), self.optimiser.state_dict()
        state["seconds_before"] = self.seconds
        state["reports"] = torch.tensor(self.reports, dtype=torch.float64).reshape(
            len(self.reports), len(Report._fields)
        )
        state["identity"] = json.dumps(self.identity)
        save_checkpoint(self.folder, self.done, state)
        self.saved = self.done
        self.saved_at = time.perf_counter()

    def _take_up(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint, if it is of the same training."""
        before, now = json.loads(state["identity"]), json.loads(json.dumps(self.identity))
        for part in sorted(set(before) | set(now)):
            old, new = ({part: known.get(part)} for known in (before, now))
            if isinstance(before.get(part), dict) and isinstance(now.get(part), dict):
                old, new = before[part], now[part]
            other = [name for name in sorted(set(old) | set(new)) if old.get(name) != new.get(name)]
            if other:
                name = other[0]
                raise TrainingError(
                    f"the training in {self.folder} cannot be resumed: {name} was {old.get(name)!r} and is now "
                    f"{new.get(name)!r}. Resume it as it was, or train into another folder"
                )
        try:
            self.model.load_state_dict(state["model"])
            self.optimiser.load_state_dict(state["optimiser"])
        except (RuntimeError, ValueError) as error:
            raise TrainingError(f"the training in {self.folder} is of another network: {error}") from error
        for name, value in state.items():
            if name not in ("model", "optimiser", "reports", "identity"):
                setattr(self, name, value)
        self.reports = [Report(int(row[0]), *row[1:]) for row in state["reports"].tolist()]

    def _step(self) -> None:
        """Learn from one batch."""
        settings = self.settings
        rate = settings.rate(self.done)
        # Seeded anew, so that a step is the same whatever was done before it.
        torch.manual_seed(_seed(settings.seed, self.done))
        with self._memory_watched():
            batch = to_device(self.batches(self.done), self.device)
            self.optimiser.zero_grad()
            with precision(self.device, mixed=settings.mixed_precision):
                value = self.loss(self.model, batch)
            number = self._finite(float(value.detach()), "loss")
            value.backward()  # type: ignore[no-untyped-call]
            norm = torch.nn.utils.clip_grad_norm_(self.parameters, settings.clip_norm or math.inf)
            self._finite(float(norm), "length of the gradient")
            with uninterrupted():
                for group in self.optimiser.param_groups:
                    group["lr"] = rate
                self.optimiser.step()
                self.done += 1
                self.loss_sum += number
                self.loss_count += 1

    def _look(self, held_out: Iterable[Any]) -> None:
        """Mean loss over the held-out batches; remember the weights where it is lowest."""
        self.model.eval()
        torch.manual_seed(_seed(self.settings.seed, self.settings.steps))  # the same at every look
        with (
            torch.no_grad(),
            self._memory_watched(),
            precision(self.device, mixed=self.settings.mixed_precision),
        ):
            losses = [float(self.loss(self.model, to_device(batch, self.device))) for batch in held_out]
        if not losses:
            raise TrainingError("there is no held-out batch; the held-out batches must be there at every look")
        value = self._finite(sum(losses) / len(losses), "held-out loss")
        self.model.train()
        with uninterrupted():
            self.looked, self.looked_loss = self.done, value
            self.waited += 1
            if math.isnan(self.best_loss) or value < self.best_loss:
                self.best_step, self.best_loss, self.waited = self.done, value, 0
                self.best = {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}

    def _report(self) -> None:
        """A line of `training.csv`."""
        held_out = self.looked_loss if self.looked == self.done else math.nan
        rate, loss = self.settings.rate(self.done - 1), self.loss_sum / max(self.loss_count, 1)
        with uninterrupted():
            report = Report(self.done, self.seconds, rate, loss, held_out)
            append_history(self.folder, report)
            self.reports.append(report)
            self.loss_sum, self.loss_count = 0.0, 0
        if self.watch is not None:
            steps = self.settings.steps
            speed = (self.done - self.first) / max(time.perf_counter() - self.began, 1e-9)
            left = (steps - self.done) / speed if speed else math.inf
            self.watch(Progress(self.done, steps, loss, held_out, speed, left))

    def _memory_watched(self) -> AbstractContextManager[None]:
        return memory_watched(self.device, f"at step {self.done}", f"Make {self.memory_keys} smaller, and resume")

    def _due(self, every: int) -> bool:
        return self.done % every == 0 or self.done == self.settings.steps

    def _save_if_due(self) -> None:
        every, minutes = self.settings.checkpoint_steps, self.settings.checkpoint_minutes
        by_step = every > 0 and self.done > self.first and self.done % every == 0
        if by_step or 0 < minutes <= (time.perf_counter() - self.saved_at) / 60:
            self.save()

    def _finite(self, value: float, what: str) -> float:
        """The value; raises TrainingError when it is not finite."""
        if math.isfinite(value):
            return value
        kept = checkpoints(self.folder)
        raise TrainingError(
            f"the {what} became {value} after {self.done} steps, so the training stopped. "
            + (f"The last good checkpoint, {kept[0]}, is untouched" if kept else "No checkpoint had been written yet")
            + f". Train with a lower learning rate (now {self.settings.learning_rate:g}) or more warm-up, and look for "
            "extreme values in the data"
        )


def _seed(seed: int, step: int) -> int:
    """A seed for the random numbers of one step."""
    return int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0] >> 1)
