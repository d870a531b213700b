"""What the methods that look at patches share: drawing from several movies, training, model folders, embedding."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from embeddings.inference.time_left import timed
from embeddings.learning_movie import LearningMovie, about_movie
from embeddings.methods.trained import train_and_write
from embeddings.nets.autoencoder import Autoencoder
from embeddings.nets.autoencoder_config import AutoencoderConfig
from embeddings.nets.errors import ModelError
from embeddings.nets.model_folder import fill_weights, read_model_folder
from embeddings.nets.patch_encoder import PatchEncoder
from embeddings.patches import PatchReader, PatchReservoir, PatchSettings
from embeddings.table import NodeEmbeddings
from embeddings.train import TrainingResult
from embeddings.training.device import choose_device, memory_watched
from embeddings.training.history import Progress
from embeddings.training.settings import TrainingSettings
from tracker.detections import Detections
from tracker.errors import ConfigError

_HELD_OUT_FRAMES, _HELD_OUT_EACH, _HELD_OUT_SHARE = 8, 32, 0.1

_Network = TypeVar("_Network", bound=Autoencoder | PatchEncoder)


@dataclass(frozen=True)
class Method:
    """name: of the method, and of the kind of its model folders.   noun: what messages call its network."""

    name: str
    noun: str


@dataclass(frozen=True)
class BatchSizes:
    """batch_size: patches per step.   frames_held: of each movie.   memory_mb: of the patches of all movies.

    What is held is drawn from, as in `PatchReservoir`. Raises ConfigError.
    """

    batch_size: int
    frames_held: int
    memory_mb: float

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.batch_size < 1 or self.frames_held < 1 or not self.memory_mb > 0:
            raise ConfigError(
                "batch_size, frames_held and memory_mb must be positive, found "
                f"{self.batch_size}, {self.frames_held} and {self.memory_mb:g}"
            )


class PatchSource:
    """Patches of several movies to learn from, and some that are held out.

    Each step sees one movie, drawn in proportion to the detections; which, depends on the seed and the step alone.
    Of each movie a tenth of the detections is held out, in 8 random frames at most, and of each of these 32 detections
    or half of them at most; of all movies together 256.
    """

    def __init__(
        self,
        movies: Sequence[LearningMovie],
        settings: PatchSettings,
        sizes: BatchSizes,
        seed: int,
        method: Method,
        *,
        crowd: int = 1,
    ) -> None:
        """crowd: frames with fewer detections are left out.

        Raises ConfigError when there is no movie, or one has no images or no such frame; what `PatchReader` raises.
        """
        if not movies:
            raise ConfigError(f"{method.noun} needs at least one movie to learn from, found none")
        self.movies, self._seed = tuple(movies), seed
        self._readers = [patch_reader(movie, settings, method) for movie in movies]
        rows = [_crowded(movie.detections, crowd) for movie in movies]
        for movie, own in zip(movies, rows, strict=True):
            if not len(own):
                raise ConfigError(
                    f"{method.noun} needs frames with at least {crowd} detection{'s' * (crowd > 1)}, but {movie.name} "
                    "has none; leave it out, or look at its masks or points"
                )
        count = np.array([len(own) for own in rows])
        self._share = count / count.sum()
        self._held_out: list[NDArray[np.int64]] = []
        self._reservoirs = []
        for number, reader in enumerate(self._readers):
            most = int(self._share[number] * _HELD_OUT_FRAMES * _HELD_OUT_EACH)
            held_out = _hold_out(reader.detections, rows[number], most, np.random.default_rng([seed, 2, number]))
            self._held_out.append(held_out)
            self._reservoirs.append(
                PatchReservoir(
                    reader,
                    np.setdiff1d(rows[number], held_out),
                    sizes.batch_size,
                    seed,
                    frames_held=sizes.frames_held,
                    memory_mb=sizes.memory_mb * float(self._share[number]),
                )
            )

    def reservoir(self, step: int) -> PatchReservoir:
        """Of the movie of a step."""
        chosen = np.random.default_rng([self._seed, 3, step]).choice(len(self._share), p=self._share)
        return self._reservoirs[int(chosen)]

    def held_out(self) -> list[NDArray[np.float32]]:
        """The patches held out, (n, *patch_px) of each of their frames."""
        drawn = []
        for reader, rows in zip(self._readers, self._held_out, strict=True):
            step = reader.detections.step[rows]
            drawn += [reader.patches(one, rows[step == one]) for one in np.unique(step).tolist()]
        return drawn


def train_on_patches(
    method: Method,
    network: Autoencoder | PatchEncoder,
    source: PatchSource,
    batches: Callable[[int], Any],
    loss: Callable[[nn.Module, Any], Tensor],
    held_out: Iterable[Any] | None,
    patches: PatchSettings,
    sizes: BatchSizes,
    settings: TrainingSettings,
    folder: Path,
    *,
    more: Mapping[str, Any],
    resume: bool,
    watch: Callable[[Progress], None] | None,
) -> TrainingResult:
    """`train_and_write` for a network that sees patches.

    patches: what the patches that are embedded show.   more: what else a resumed training must share; for provenance.
    """
    stored = {method.name: network.config.as_mapping(), "patches": patches.as_mapping()}
    return train_and_write(
        method.name,
        network,
        batches,
        loss,
        settings,
        folder,
        stored=stored,
        told=more,
        sizes=sizes,
        movies=source.movies,
        about=[{**about_movie(movie), "detections": len(movie.detections)} for movie in source.movies],
        held_out=held_out,
        memory_keys="batch_size, channels or patch_px",
        resume=resume,
        watch=watch,
    )


def load_patch_model(
    folder: Path, method: Method, build: Callable[[AutoencoderConfig], _Network]
) -> tuple[_Network, PatchSettings, Mapping[str, Any]]:
    """What `train_on_patches` wrote: the network on the CPU, what patches show, provenance. Raises ModelError."""
    stored = read_model_folder(folder, method.name)
    path = folder / "model.json"
    try:
        sizes, patches = stored.config[method.name], PatchSettings.from_mapping(stored.config["patches"])
        config = AutoencoderConfig.from_mapping(sizes, path)
    except (KeyError, TypeError, ConfigError) as error:
        raise ModelError(f"{path} does not describe {method.noun} and its patches: {error!r}") from error
    if patches.patch_px != config.patch_px:
        raise ModelError(f"{path}: patches of {patches.patch_px} px do not fit a network for {config.patch_px} px")
    network = build(config)
    fill_weights(network, stored.weights, folder)
    network.eval()
    return network, patches, stored.provenance


def embed_movie(
    folder: Path,
    method: Method,
    build: Callable[[AutoencoderConfig], Autoencoder | PatchEncoder],
    movie: LearningMovie,
    device: str,
    batch_size: int,
) -> NodeEmbeddings:
    """The embedding of every detection by the model in `folder`, (N, latent), in the order of the detections.

    Raises ModelError, also when the movie has other axes than the model; ConfigError; what `PatchReader` raises.
    """
    network, patches, provenance = load_patch_model(folder, method, build)
    images = movie.images
    if images is not None and len(patches.patch_px) != len(images.shape):
        raise ModelError(
            f"{method.noun} in {folder} is for {len(patches.patch_px)}-D images, but {images.name} is "
            f"{len(images.shape)}-D: train one on such a movie"
        )
    reader = patch_reader(movie, patches, method)
    vector = patch_embeddings(network, reader, choose_device(device), batch_size)
    key = np.column_stack([movie.detections.frame, movie.detections.label])
    return NodeEmbeddings(key, vector, method.name, {"model": dict(provenance), "movie": about_movie(movie)})


def patch_embeddings(
    network: Autoencoder | PatchEncoder, reader: PatchReader, device: torch.device, batch_size: int = 64
) -> NDArray[np.float32]:
    """(N, latent) embeddings of all detections of a reader, frame by frame; the network is left on `device`."""
    if batch_size < 1:
        raise ConfigError(f"batch_size must be positive, found {batch_size}")
    network.to(device).eval()
    vector = np.zeros((len(reader.detections), network.config.latent), np.float32)
    with (
        torch.inference_mode(),
        memory_watched(
            device, "embedding patches", 'Embed on the CPU (device = "cpu"), or train a model of smaller patches'
        ),
    ):
        count = int(np.count_nonzero(np.diff(reader.detections.starts)))
        for rows, patches in timed(reader, count, "the network", device):
            for start in range(0, len(rows), batch_size):
                part = slice(start, start + batch_size)
                vector[rows[part]] = network.encode(with_channel(patches[part]).to(device)).cpu().numpy()
    return vector


def patch_reader(movie: LearningMovie, settings: PatchSettings, method: Method) -> PatchReader:
    """The patches of a movie. Raises ConfigError without images; what `PatchReader` raises."""
    if movie.images is None:
        raise ConfigError(f"{method.noun} needs data.images: give the images of {movie.name}")
    return PatchReader(movie.detections, movie.images, settings, movie.masks)


def with_channel(patches: NDArray[np.float32]) -> Tensor:
    """(n, *patch_px) -> (n, 1, *patch_px)."""
    return torch.from_numpy(patches).unsqueeze(1)


def _crowded(detections: Detections, crowd: int) -> NDArray[np.int64]:
    """Rows of the detections in frames with at least `crowd` of them."""
    return np.flatnonzero(np.diff(detections.starts)[detections.step] >= crowd)


def _hold_out(
    detections: Detections, rows: NDArray[np.int64], most: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Up to `most` of the rows, sorted: some of each of a few random frames."""
    room = min(most, int(_HELD_OUT_SHARE * len(rows)))
    own = detections.step[rows]
    chosen = [np.zeros(0, np.int64)]
    for step in rng.permutation(np.unique(own))[:_HELD_OUT_FRAMES].tolist():
        there = rng.permutation(rows[own == step])
        chosen.append(there[: min(room, _HELD_OUT_EACH, (len(there) + 1) // 2)])
        room -= len(chosen[-1])
    return np.sort(np.concatenate(chosen))
