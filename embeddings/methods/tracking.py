"""What all trainings of the tracking transformer share: from movies to windows to a model folder."""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from embeddings.augment import AugmentSettings, augment_level
from embeddings.batches import Batch, TrainingBatches, collate
from embeddings.learning_movie import LearningMovie, digests
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

    network: its sizes; dimensions, features and embedding channels are taken from the movies.
    windows, sampler: what it is shown.
    augmentation: None = nothing is changed.   training: of the loop.
    validate: "movie" looks at un-augmented, uncropped windows of the movies every `validate_steps`, and keeps the
        weights with the lowest loss there, as published; "none" keeps the last.
    least_cells: crops, shifts and the distance beyond which cells do not see each other grow together until a crop
        holds so many cells a frame, see `growth`; of several movies the most crowded decides. 0 = never (published).
        Where cells are as sparse as one or two to a crop, nothing competes, and nothing is learnt.
    grown: by how much they have, set by `fitted`.
    """

    network: TransformerConfig = field(default_factory=TransformerConfig)
    windows: WindowSettings = field(default_factory=WindowSettings)
    sampler: SamplerSettings = field(default_factory=SamplerSettings)
    augmentation: AugmentSettings | None = field(default_factory=lambda: augment_level(2))
    training: TrainingSettings = field(default_factory=lambda: TrainingSettings(steps=1_000_000, warmup_steps=10_000))
    validate: bool = False
    least_cells: float = 0.0
    grown: float = 1.0

    def fitted(self, movies: Sequence[LearningMovie]) -> "Recipe":
        """The same for the axes and tokens of these movies, grown where they are sparse.

        Raises InputError where there is no movie.
        """
        if not movies:
            raise InputError("there is no movie to learn from")
        tokens = movies[0].tokens
        grown = 1.0
        if self.least_cells and self.windows.crop_px is not None:
            grown = min(growth(movie, self.windows.crop_px, self.least_cells) for movie in movies)
        sizes = replace(
            self.network,
            dimensions=tokens.ndim,
            features=tokens.tokens.shape[1],
            embedding_channels=tokens.embedding_channels,
            window_frames=self.windows.n_frames,
        )
        if grown > 1:
            assert self.windows.crop_px is not None
            sizes = replace(sizes, cutoff_px=sizes.cutoff_px * grown)
            augmentation = self.augmentation
            if augmentation is not None:
                augmentation = replace(augmentation, shift_px=augmentation.shift_px * grown)
            windows = replace(self.windows, crop_px=math.ceil(self.windows.crop_px * grown))
            grown *= self.grown
            return replace(self, network=sizes, windows=windows, augmentation=augmentation, grown=grown)
        return replace(self, network=sizes)

    def identity(self, movies: Sequence[LearningMovie]) -> dict[str, Any]:
        """What a resumed training must share, beside the settings of the loop."""
        seen = {f"embeddings of movie {n + 1}": movie.fused.digest for n, movie in enumerate(movies) if movie.fused}
        return {
            **({"fused": seen} if seen else {}),
            "network": self.network.as_mapping(),
            "windows": asdict(self.windows),
            "sampler": asdict(self.sampler),
            "augmentation": None if self.augmentation is None else asdict(self.augmentation),
            "validated": {"validate": self.validate},
            "movies": digests(movies),
            "truths": {f"truth {number + 1}": _digest_of(movie.truth) for number, movie in enumerate(movies)},
        }


def growth(movie: LearningMovie, crop_px: float, least_cells: float) -> float:
    """By how much crops must grow, >= 1:  sqrt(least_cells area / (cells crop_px^2)).

    cells: median number of detections of a frame that has any.   area: of the image, or without one of the box around
    all detections, along y and x, px^2. At most the growth at which a crop holds the whole frame.
    """
    found = movie.detections
    counts = np.diff(found.starts)
    if not counts.any():
        return 1.0
    if found.image_shape is not None:
        sides = np.array(found.image_shape[-2:], float)
    else:
        place = (found.position / found.scale)[:, -2:]
        sides = np.maximum(place.max(axis=0) - place.min(axis=0), 1.0)
    cells = float(np.median(counts[counts > 0]))
    wanted = math.sqrt(least_cells * float(sides.prod()) / cells) / crop_px
    return max(1.0, min(wanted, float(sides.max()) / crop_px))


def with_growth_note(done: TrainingResult, recipe: Recipe) -> TrainingResult:
    """A note where lengths have grown, to which.   recipe: fitted to the movies."""
    if not recipe.least_cells or recipe.grown == 1:
        return done
    shift = "" if recipe.augmentation is None else f"windows.shift_px to {recipe.augmentation.shift_px:.4g}, "
    note = (
        f"cells are sparse: until a crop holds {recipe.least_cells:g} of them a frame (windows.least_cells; 0: never), "
        f"lengths grew {recipe.grown:.3g} times, windows.crop_px to {recipe.windows.crop_px}, {shift}network.cutoff_px "
        f"to {recipe.network.cutoff_px:.4g}"
    )
    return replace(done, notes=(*done.notes, note))


def _digest_of(truth: tuple[NDArray[np.int64], NDArray[np.int64]] | None) -> str | None:
    """Tells one truth from another."""
    return None if truth is None else hashlib.sha256(b"".join(array.tobytes() for array in truth)).hexdigest()[:16]


def network_to_train(
    recipe: Recipe, movies: Sequence[LearningMovie], start: TrackingTransformer | None = None
) -> TrackingTransformer:
    """A new network, or a copy of `start`; one that is to learn with embeddings standardises them over these movies.

    recipe: fitted to the movies.
    start: may know no embeddings yet; then these have no weight at first. Else they go on as they were standardised.
    """
    network = new_network(recipe.network, recipe.training.seed)
    if start is not None:
        network.load_state_dict({**network.state_dict(), **start.state_dict()})
    if network.fusion is not None and (start is None or start.fusion is None):
        tables = [movie.tokens.embeddings for movie in movies]
        network.fusion.standardise(np.concatenate([table for table in tables if table is not None]))
        if start is not None:
            network.fusion.silence()
    return network


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
    """Where a model comes from, for model.json; with embeddings also which, for who is to give it such again."""
    fused = movies[0].fused
    if fused is not None:
        made_with = fused.provenance.get("made_with")
        more = {**more, "fuse": {"method": fused.method, "channels": fused.vector.shape[1], "made_with": made_with}}
    return {
        "method": method,
        "movies": [
            {"name": movie.name, "detections": len(movie.detections), "digest": movie.digest} for movie in movies
        ],
        "windows": asdict(recipe.windows),
        "sampler": asdict(recipe.sampler),
        "augmentation": None if recipe.augmentation is None else asdict(recipe.augmentation),
        "grown": recipe.grown,
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
