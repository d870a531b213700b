"""What all trainings of the tracking transformer share: from movies to windows to a model folder."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from embeddings.augment import AugmentSettings, augment_level
from embeddings.batches import Batch, TrainingBatches, collate
from embeddings.learning_movie import LearningMovie
from embeddings.nets.tracking_transformer import TrackingTransformer
from embeddings.nets.transformer_config import TransformerConfig
from embeddings.train import TrainingResult
from embeddings.training.settings import TrainingSettings
from embeddings.window_sampler import SamplerSettings, WindowSampler
from embeddings.windows import WindowSettings, covering_windows
from tracker.errors import ConfigError, InputError

MEMORY_KEYS = "windows.batch_size, windows.crop_px, windows.max_tokens or network.d_model"


@dataclass(frozen=True)
class Recipe:
    """How a tracking transformer is trained, whatever the loss.

    network: its sizes; dimensions and features are taken from the movies.   windows, sampler: what it is shown.
    augmentation: None = nothing is changed.   training: of the loop.
    validate: "movie" looks at un-augmented, uncropped windows of the movies every `validate_steps`, and keeps the
        weights with the lowest loss there, as published; "none" keeps the last.
    """

    network: TransformerConfig = field(default_factory=TransformerConfig)
    windows: WindowSettings = field(default_factory=WindowSettings)
    sampler: SamplerSettings = field(default_factory=SamplerSettings)
    augmentation: AugmentSettings | None = field(default_factory=lambda: augment_level(2))
    training: TrainingSettings = field(default_factory=lambda: TrainingSettings(steps=1_000_000, warmup_steps=10_000))
    validate: bool = False

    def fitted(self, movies: Sequence[LearningMovie]) -> "Recipe":
        """The same for the axes and tokens of these movies. Raises InputError where there is none."""
        if not movies:
            raise InputError("there is no movie to learn from")
        tokens = movies[0].tokens
        sizes = replace(
            self.network,
            dimensions=tokens.ndim,
            features=tokens.tokens.shape[1],
            window_frames=self.windows.n_frames,
        )
        return replace(self, network=sizes)

    def identity(self, movies: Sequence[LearningMovie]) -> dict[str, Any]:
        """What a resumed training must share, beside the settings of the loop."""
        return {
            "network": self.network.as_mapping(),
            "windows": asdict(self.windows),
            "sampler": asdict(self.sampler),
            "augmentation": None if self.augmentation is None else asdict(self.augmentation),
            "validated": {"validate": self.validate},
            "movies": {f"movie {number + 1}": movie.digest for number, movie in enumerate(movies)},
            "truths": {f"truth {number + 1}": _digest_of(movie.truth) for number, movie in enumerate(movies)},
        }


def _digest_of(truth: tuple[NDArray[np.int64], NDArray[np.int64]] | None) -> str | None:
    """Tells one truth from another."""
    return None if truth is None else hashlib.sha256(b"".join(array.tobytes() for array in truth)).hexdigest()[:16]


def new_network(config: TransformerConfig, seed: int) -> TrackingTransformer:
    """A network whose weights depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TrackingTransformer(config)


def window_batches(recipe: Recipe, movies: Sequence[LearningMovie], *, target: bool) -> TrainingBatches:
    """Batches to learn from, one for each step of the training; target: with who descends from whom."""
    tokens = [movie.tokens for movie in movies]
    sampler = WindowSampler(tokens, recipe.windows, recipe.sampler, seed=recipe.training.seed)
    return TrainingBatches(sampler, recipe.training.steps, augment_settings=recipe.augmentation, target=target)


class WholeWindows:
    """The movies in uncropped windows, un-augmented: what the training is validated on. Made anew at each look."""

    def __init__(self, recipe: Recipe, movies: Sequence[LearningMovie], *, target: bool) -> None:
        """target: with who descends from whom."""
        self._windows, self._movies, self._target = recipe.windows, [movie.tokens for movie in movies], target

    def __iter__(self) -> Iterator[Batch]:
        """One window at a time; neighbours share a frame."""
        whole = replace(self._windows, crop_px=None)
        for number, movie in enumerate(self._movies):
            for window in covering_windows(movie, whole, number=number, stride_frames=whole.n_frames - 1):
                yield collate([window], self._movies, target=self._target)


@dataclass(frozen=True)
class Again:
    """Something to go through again and again, made anew each time."""

    make: Callable[[], Iterator[Any]]

    def __iter__(self) -> Iterator[Any]:
        """From the beginning."""
        return self.make()


def provenance(
    method: str, movies: Sequence[LearningMovie], recipe: Recipe, done: TrainingResult, more: Mapping[str, Any]
) -> dict[str, Any]:
    """Where a model comes from, for model.json."""
    return {
        "method": method,
        "movies": [
            {"name": movie.name, "detections": len(movie.detections), "digest": movie.digest} for movie in movies
        ],
        "windows": asdict(recipe.windows),
        "sampler": asdict(recipe.sampler),
        "augmentation": None if recipe.augmentation is None else asdict(recipe.augmentation),
        "training": asdict(recipe.training),
        **done.as_mapping(),
        "loss": None if done.loss != done.loss else done.loss,
        **more,
    }


def check_out_of_the_way(folder: Path, *, resume: bool) -> None:
    """Refuse a folder that cannot be one, or holds a model already. Raises ConfigError."""
    file = next((place for place in (folder, *folder.parents) if place.is_file()), None)
    if file is not None:
        raise ConfigError(
            f"{file} is a file, wanted {'a' if file == folder else 'no file above the'} folder for the model"
        )
    if not resume and (folder / "model.json").exists():
        raise ConfigError(f"{folder} holds a model already. Name another folder, or go on with it by --resume")
