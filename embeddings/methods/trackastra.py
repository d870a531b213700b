"""Trackastra: associations learnt from lineages (Gallusser and Weigert, ECCV 2024)."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from embeddings.batches import Batch
from embeddings.learning_movie import LearningMovie
from embeddings.losses import association_loss
from embeddings.methods.tracking import (
    MEMORY_KEYS,
    Recipe,
    WholeWindows,
    network_to_train,
    provenance,
    window_batches,
    with_growth_note,
)
from embeddings.nets.errors import ModelError
from embeddings.nets.saved_transformer import save_model
from embeddings.nets.tracking_transformer import TrackingTransformer
from embeddings.train import TrainingResult, train
from embeddings.training.history import Progress
from tracker.errors import ConfigError, InputError

METHOD = "trackastra"


@dataclass(frozen=True)
class SupervisedSettings:
    """division_upweight: what pairs at a division count more; the published script has 2, its class 20, the paper 10.

    max_gap_frames: longest gap of a pair that is judged.   logit_weight: of the cross-entropy of the bare logits.
    Raises ConfigError.
    """

    division_upweight: float = 2.0
    max_gap_frames: int = 2
    logit_weight: float = 0.01

    def __post_init__(self) -> None:
        """Check ranges."""
        for name in ("division_upweight", "logit_weight"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ConfigError(f"trackastra: {name} must be finite and not negative, found {getattr(self, name)}")
        if self.max_gap_frames < 1:
            raise ConfigError(f"trackastra: max_gap_frames must be at least 1, found {self.max_gap_frames}")


def train_trackastra(
    movies: Sequence[LearningMovie],
    folder: Path,
    *,
    recipe: Recipe,
    settings: SupervisedSettings | None = None,
    start: TrackingTransformer | None = None,
    resume: bool = False,
    watch: Callable[[Progress], None] | None = None,
) -> TrainingResult:
    """Train on movies with truth and write the model to `folder`.

    Where the movies have `fused` embeddings, the network learns to use them, too.
    start: weights to begin with, of the sizes of the recipe's network (it may be one without embeddings all the same);
        it stays as it is. Default random ones.
    Raises InputError where a movie has no truth, ModelError for a start of other sizes, and what `train` and
    `WindowSampler` raise.
    """
    settings = settings or SupervisedSettings()
    untold = next((movie.name for movie in movies if movie.truth is None), None)
    if untold is not None:  # before a window of just that movie comes up, at last
        raise InputError(f"learning from truth needs a truth, and {untold} has none; give it, or learn without")
    recipe = recipe.fitted(movies)
    if start is not None:
        _check_sizes(start, recipe)
    batches = window_batches(recipe, movies, target=True)
    network = network_to_train(recipe, movies, start)

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        assert batch.target is not None
        return association_loss(
            model(batch.coordinates, batch.tokens, batch.padding, batch.embeddings),
            batch.target,
            batch.frame,
            batch.padding,
            mode=recipe.network.normalisation,
            max_gap_frames=settings.max_gap_frames,
            division_upweight=settings.division_upweight,
            logit_weight=settings.logit_weight,
        )

    done = train(
        network,
        batches.__getitem__,
        loss,
        recipe.training,
        folder,
        held_out=WholeWindows(recipe, movies, target=True) if recipe.validate else None,
        identity={**recipe.identity(movies), "trackastra": asdict(settings)},
        resume=resume,
        watch=watch,
        memory_keys=MEMORY_KEYS,
    )
    about = provenance(
        METHOD, movies, recipe, done, {"trackastra": asdict(settings), "started_from": start is not None}
    )
    save_model(network.cpu(), folder, about)
    return with_growth_note(done, recipe)


def _check_sizes(start: TrackingTransformer, recipe: Recipe) -> None:
    """Raise ModelError where the network to begin with is not of the sizes that the recipe and its movies ask for."""
    wanted, found = (asdict(config) for config in (recipe.network, start.config))
    if start.fusion is None:  # learns of embeddings from here on
        found["embedding_channels"] = wanted["embedding_channels"]
    other = [f"{name} {found[name]} instead of {value}" for name, value in wanted.items() if found[name] != value]
    if other:
        raise ModelError(f"the model to begin with does not fit the movies and settings: {', '.join(other)}")
