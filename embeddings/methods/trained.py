"""A network trained, and written with where it comes from: what the methods that look at frames have in common."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn

from embeddings.learning_movie import HasDigest, digests
from embeddings.nets.model_folder import StoredModel, write_model_folder
from embeddings.train import TrainingResult, train
from embeddings.training.history import Progress
from embeddings.training.settings import TrainingSettings


class Sizes(Protocol):
    """A dataclass of numbers that say how many crops or frames a step sees."""

    @property
    def batch_size(self) -> int:
        """Of a step."""


def train_and_write(
    method: str,
    network: nn.Module,
    batches: Callable[[int], Any],
    loss: Callable[[nn.Module, Any], Tensor],
    settings: TrainingSettings,
    folder: Path,
    *,
    stored: Mapping[str, Any],
    told: Mapping[str, Any],
    sizes: Sizes,
    movies: Sequence[HasDigest],
    about: Sequence[Mapping[str, Any]],
    held_out: Iterable[Any] | None,
    memory_keys: str,
    resume: bool,
    watch: Callable[[Progress], None] | None,
) -> TrainingResult:
    """`train`, and then the model folder; an interrupted training leaves a model, too, whose provenance says so.

    stored: what model.json says of the network and of what it is shown.   told: what else changes what is learnt, for
    the provenance. A resumed training must share both, the sizes and the contents of the movies.
    about: the movies, for the provenance.   Others, and errors: as `train` and `write_model_folder`.
    """
    done = train(
        network,
        batches,
        loss,
        settings,
        folder,
        held_out=held_out,
        identity={**stored, **told, "batches": asdict(sizes), "movies": digests(movies)},  # type: ignore[call-overload]
        resume=resume,
        watch=watch,
        memory_keys=memory_keys,
    )
    provenance = {
        "method": method,
        "movies": list(about),
        "training": asdict(settings),
        "batch_size": sizes.batch_size,
        **told,
        **done.as_mapping(),
    }
    write_model_folder(folder, StoredModel(method, dict(stored), network.state_dict(), provenance))
    return done
