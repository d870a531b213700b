"""Checkpoints: files `checkpoint-<step>-<checksum>.pt` in the model folder, the newest two of them.

A checkpoint is written beside and renamed; only then the one before the previous goes. So whoever dies at any moment
leaves a whole one, and damage is found by the checksum in the name. There is no code in them.
"""

import hashlib
import io
import os
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from embeddings.training.errors import TrainingError
from tracker.errors import OutputError, first_five

_NAME = re.compile(r"checkpoint-(\d{8,})-([0-9a-f]{16})\.pt")
_KEPT = 2
# What torch.load raises on a file that is damaged, empty or something else.
_UNREADABLE = (RuntimeError, ValueError, EOFError, KeyError, TypeError, AttributeError, pickle.UnpicklingError)


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a folder, the newest first."""
    return sorted((path for path in folder.glob("checkpoint-*.pt") if _step_of(path) >= 0), key=_step_of, reverse=True)


def save_checkpoint(folder: Path, step: int, state: Mapping[str, Any]) -> Path:
    """Write the state after `step` steps, tensors and plain values; keep the previous one. Raises OutputError.

    Others of this step or later go as well: they were damaged, or else the training would have gone on from them.
    """
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    content = buffer.getvalue()
    path = folder / f"checkpoint-{step:08d}-{hashlib.sha256(content).hexdigest()[:16]}.pt"
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        others = [other for other in checkpoints(folder) if other != path]
        later = [other for other in others if _step_of(other) >= step]
        for old in (*later, *others[len(later) + _KEPT - 1 :]):
            old.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"the checkpoint {path} could not be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)  # gone already, unless something went wrong
    return path


def load_checkpoint(folder: Path) -> tuple[Mapping[str, Any] | None, list[str]]:
    """The newest checkpoint that is whole, on the CPU, None where there is none; and notes on damaged ones.

    Raises TrainingError when all are damaged.
    """
    found = checkpoints(folder)
    damaged: list[Path] = []
    for path in found:
        state = _read(path)
        if state is not None:
            notes = [f"the checkpoint {bad} is damaged; went back to the one before, {path.name}" for bad in damaged]
            return state, notes
        damaged.append(path)
    if damaged:
        raise TrainingError(
            f"no checkpoint of {folder} is whole: {first_five(path.name for path in damaged)}. Remove them and train "
            "anew, or copy the folder again"
        )
    return None, []


def _step_of(path: Path) -> int:
    """The step in the name, -1 for another file."""
    match = _NAME.fullmatch(path.name)
    return int(match[1]) if match else -1


def _read(path: Path) -> Mapping[str, Any] | None:
    """The state in a file, None when it is damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    match = _NAME.fullmatch(path.name)
    if match is None or hashlib.sha256(content).hexdigest()[:16] != match[2]:
        return None
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except _UNREADABLE:
        return None
    return state if isinstance(state, dict) else None
