"""Settings of a training, its learning rate, and its devices."""

import math
from collections import namedtuple
from dataclasses import dataclass

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra learn")

from training_cases import settings  # noqa: E402

from embeddings.training.device import choose_device, memory_watched, precision, to_device  # noqa: E402
from embeddings.training.errors import TrainingError  # noqa: E402
from tracker.errors import ConfigError  # noqa: E402

Pair = namedtuple("Pair", "x y")


@dataclass(frozen=True)
class Window:
    x: torch.Tensor
    name: str


def test_the_rate_warms_up_and_falls_as_a_cosine():
    given = settings(steps=110, warmup_steps=10, learning_rate=0.1, warmup_start=0.2, final_rate=0.1)
    rates = [given.rate(step) for step in (0, 5, 10, 60, 110)]
    assert rates == pytest.approx([0.02, 0.06, 0.1, 0.055, 0.01])
    falling = [given.rate(step) for step in range(10, 111)]
    assert falling == sorted(falling, reverse=True)


def test_the_rate_falls_as_a_polynomial():
    given = settings(steps=100, warmup_steps=0, learning_rate=0.1, schedule="polynomial")
    rates = [given.rate(step) for step in (0, 50, 99, 100)]
    assert rates == pytest.approx([0.1, 0.1 * 0.5**0.9, 0.1 * 0.01**0.9, 0.0])


def test_a_training_shorter_than_its_warm_up():
    given = settings(steps=3, warmup_steps=10, learning_rate=0.1, warmup_start=0.01)
    assert [given.rate(step) for step in range(3)] == pytest.approx([0.001, 0.0109, 0.0208])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps must be at least 1; found 0"),
        ({"learning_rate": math.nan}, "learning_rate must be positive; found nan"),
        ({"warmup_start": 0.0}, "warmup_start must be above 0 and at most 1; found 0.0"),
        ({"schedule": "linear"}, "schedule must be one of cosine, polynomial; found 'linear'"),
        ({"clip_norm": math.inf}, "clip_norm must be at least 0; found inf"),
        ({"device": "gpu"}, "device must be one of auto, cpu, cuda, mps; found 'gpu'"),
    ],
)
def test_settings_are_checked(changes, message):
    with pytest.raises(ConfigError) as error:
        settings(**changes)
    assert str(error.value) == f"training: {message}"


def test_only_what_changes_the_learning_is_its_identity():
    assert settings(checkpoint_steps=3, device="auto", report_steps=7).identity() == settings().identity()
    assert settings(clip_norm=2.0).identity() != settings().identity()


def test_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == torch.device("cpu")
    with pytest.raises(ConfigError) as error:
        choose_device("cuda")
    assert str(error.value) == "device = 'cuda' cannot be used here; this machine has cpu"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto") == torch.device("mps")


def test_batches_of_any_shape_are_moved():
    x = torch.ones(2)
    batch = {"pair": Pair(x, [x, None]), "window": Window(x, "a"), "count": 3}
    moved = to_device(batch, torch.device("meta"))
    assert moved["pair"].x.device.type == moved["pair"].y[0].device.type == moved["window"].x.device.type == "meta"
    assert (moved["pair"].y[1], moved["window"].name, moved["count"]) == (None, "a", 3)


def test_the_cpu_computes_in_full_precision():
    with precision(torch.device("cpu"), mixed=True):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


@pytest.mark.parametrize("said", ["not enough memory: you tried to allocate 9", "MPS backend out of memory"])
def test_other_words_for_out_of_memory(said):
    with pytest.raises(TrainingError, match="ran out of memory"), memory_watched(torch.device("cpu"), "now", "Rest"):
        raise RuntimeError(said)


def test_the_cpu_out_of_memory():
    with (
        pytest.raises(TrainingError, match=r"^cpu ran out of memory at step 7\. Make crop_px smaller, and resume$"),
        memory_watched(torch.device("cpu"), "at step 7", "Make crop_px smaller, and resume"),
    ):
        torch.empty(2**60, dtype=torch.uint8)
    with (
        pytest.raises(RuntimeError, match="another"),
        memory_watched(torch.device("cpu"), "at step 7", "Make crop_px smaller, and resume"),
    ):
        raise RuntimeError("another")
