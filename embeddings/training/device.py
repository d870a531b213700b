"""Where a network is trained: devices, precision, and interrupts at the right moment."""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import fields, is_dataclass, replace
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from embeddings.training.errors import TrainingError
from tracker.errors import ConfigError

_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")


def choose_device(name: str) -> torch.device:
    """The device called cpu, cuda or mps; auto = cuda, else mps, else cpu. Raises ConfigError for one there is not."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(known for known, there in present.items() if there)
    if not present.get(name, False):
        there = ", ".join(known for known, usable in present.items() if usable)
        raise ConfigError(f"device = {name!r} cannot be used here; this machine has {there}")
    return torch.device(name)


def use_threads(count: int) -> None:
    """Compute on so many threads of the CPU, from now on."""
    torch.set_num_threads(count)


def to_device(batch: Any, device: torch.device) -> Any:
    """A batch with its tensors on the device: a tensor, or tuples, lists, mappings and dataclasses of them."""
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):  # a named tuple
        return type(batch)(*(to_device(value, device) for value in batch))
    if isinstance(batch, tuple | list):
        return type(batch)(to_device(value, device) for value in batch)
    if is_dataclass(batch) and not isinstance(batch, type):
        held = {field.name: getattr(batch, field.name) for field in fields(batch) if field.init}
        return replace(batch, **{name: to_device(value, device) for name, value in held.items()})
    return batch


def precision(device: torch.device, *, mixed: bool) -> AbstractContextManager[Any]:
    """Bfloat16 where `mixed` and the device is a cuda one that computes in it; full precision otherwise."""
    if mixed and device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.autocast("cuda", torch.bfloat16)
    return nullcontext()


@contextmanager
def memory_watched(device: torch.device, doing: str, advice: str) -> Iterator[None]:
    """Out of memory becomes a TrainingError that says what was being done, and what to do about it."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # On the CPU and on mps torch raises a plain RuntimeError, which only its text tells from others.
        told = any(text in str(error) for text in _OUT_OF_MEMORY)
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and not told:
            raise
        raise TrainingError(f"{device} ran out of memory {doing}. {advice}") from error


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C waits until the block is through: weights are never left half updated."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is interrupted
        return
    pressed = False

    def note(_number: int, _frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt
