"""Every method that gives a vector per detection: how it is trained, and asked. The one place that knows them all.

To add one: its name to `DetectionMethod` in tracker/config_scores.py, and an entry to `METHODS` here. Commands, help
and messages follow.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from embeddings.learning_movie import LearningMovie
from embeddings.methods.ascent import embed_ascent
from embeddings.methods.autoencoder import embed_autoencoder
from embeddings.methods.cellulus import embed_cellulus
from embeddings.methods.load import kind_of_model
from embeddings.methods.maester import embed_maester
from embeddings.methods.reid import embed_reid
from embeddings.methods.sam import embed_sam
from embeddings.methods.tap import embed_tap
from embeddings.nets.errors import ModelError
from embeddings.nets.model_folder import read_model_folder, write_model_folder
from embeddings.table import NodeEmbeddings
from embeddings.train import TrainingResult
from embeddings.training.history import Progress
from tracker.config import Config
from tracker.errors import ConfigError
from tracker.learning.ascent_method import ascent_options, check_ascent, train_ascent_of
from tracker.learning.cellulus import cellulus_options, train_cellulus_of
from tracker.learning.dense_methods import check_maester, maester_options, tap_options, train_maester_of, train_tap_of
from tracker.learning.patch_methods import train_autoencoder_of, train_reid_of
from tracker.learning.sam import check_sam, sam_options


class Train(Protocol):
    """Train the network that a section of the config describes, and write its folder."""

    def __call__(
        self,
        config: Config,
        movies: Sequence[LearningMovie],
        folder: Path,
        *,
        resume: bool,
        watch: Callable[[Progress], None],
    ) -> TrainingResult:
        """movies: without truth.   resume, watch: as in `embeddings.train.train`."""


def _nothing(config: Config) -> dict[str, Any]:
    """No options."""
    return {}


@dataclass(frozen=True)
class Method:
    """What a method can do.

    embed: (model, movie, *, device, **options) -> the vector of every detection, in their order; model: a folder that
        `train` wrote, or weights from elsewhere.
    train: None for a network that others have trained; [embeddings] method has to name it then.
    networks: kinds of network in the model folders that `embed` reads (`model.json`); () where train is None.
    options: further keyword arguments of `embed` out of the config, plain values that go into JSON. Vectors are
        computed anew when they change.
    check: (model, movie, **options) raises what is wrong with a movie and shows at its detections alone; whatever
        `embed` says of a movie without any is asked anyway.
    """

    embed: Callable[..., NodeEmbeddings]
    train: Train | None
    networks: tuple[str, ...]
    options: Callable[[Config], Mapping[str, Any]] = _nothing
    check: Callable[..., None] | None = None


METHODS: Mapping[str, Method] = {
    "autoencoder": Method(embed_autoencoder, train_autoencoder_of, ("autoencoder",)),
    "reid": Method(embed_reid, train_reid_of, ("reid",)),
    "maester": Method(embed_maester, train_maester_of, ("maester",), maester_options, check_maester),
    "tap": Method(embed_tap, train_tap_of, ("tap",), tap_options),
    "sam": Method(embed_sam, None, (), sam_options, check_sam),
    "cellulus": Method(embed_cellulus, train_cellulus_of, ("cellulus",), cellulus_options),
    "ascent": Method(embed_ascent, train_ascent_of, ("ascent",), ascent_options, check_ascent),
}


def embed_with(folder: Path, movie: LearningMovie, device: str, config: Config | None = None) -> NodeEmbeddings:
    """The vector of every detection by the model in a folder that `track train` wrote.

    config: for the options of the method, default its own.   Raises ModelError, also for another kind of model.
    """
    method = METHODS[method_of(folder)]
    options = {} if config is None else method.options(config)
    return method.embed(folder, movie, device=device, **options)


def model_digest(model: Path) -> str:
    """Tells a model from others in 16 hexadecimal digits: a folder, or a file of weights. Raises ModelError."""
    try:
        with (model / "model.json" if model.is_dir() else model).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise ModelError(f"the model {model} cannot be read: {error.strerror}") from error


def weights_digest(folder: Path) -> str:
    """File and checksum of the weights, as model.json names them. Raises ModelError."""
    method_of(folder)
    return str(json.loads((folder / "model.json").read_text(encoding="utf-8")).get("weights"))


def copy_model(folder: Path, to: Path) -> None:
    """Put a copy of a model into another folder, so that a model that needs it is complete. Raises ModelError."""
    method_of(folder)
    write_model_folder(to, read_model_folder(folder, kind_of_model(folder)))


def method_of(folder: Path) -> str:
    """Which of the methods made the model in a folder. Raises ModelError for a model of another kind."""
    kind = kind_of_model(folder)
    for name, method in METHODS.items():
        if kind in method.networks:
            return name
    known = [name for name, method in METHODS.items() if method.networks]
    raise ModelError(
        f"{folder} holds a {kind}, which gives no vectors: name a model of {', '.join(known[:-1])} or {known[-1]}"
    )


def named_model(config: Config) -> tuple[str, Path]:
    """Method and model of [embeddings]. Raises ConfigError where it is of another method than named, ModelError."""
    given = config.embeddings
    assert given is not None
    assert given.model is not None
    model = config.path(given.model)
    if given.method is not None and METHODS[given.method].train is None:
        return given.method, model
    if model.is_file():
        others = " or ".join(f'"{name}"' for name, method in METHODS.items() if method.train is None)
        raise ConfigError(
            f"embeddings.model is a file, {given.model}: say what reads it, as in method = {others}; or name a folder "
            "that `track train` wrote"
        )
    made_by = method_of(model)
    if given.method is not None and given.method != made_by:
        raise ConfigError(
            f"wanted a model of the method {given.method}, but {given.model} was made by {made_by}: name another "
            f"model, or the method {made_by}"
        )
    return made_by, model
