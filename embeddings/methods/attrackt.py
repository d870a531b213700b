"""Attrackt: associations learnt without a single link (Lalit and Funke, ICCV Workshops 2025).

The network sees places and shapes; its associations are good where they carry what earlier detections look like (the
latent vector of an auto-encoder) to the later ones. The vectors are in the loss only: at inference no image is needed.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from embeddings.aligned import aligned
from embeddings.batches import Batch
from embeddings.learning_movie import LearningMovie
from embeddings.losses import ReconstructionLoss, parental_softmax, transitive_loss
from embeddings.methods.tracking import (
    MEMORY_KEYS,
    Again,
    Recipe,
    WholeWindows,
    network_to_train,
    provenance,
    window_batches,
    with_growth_note,
)
from embeddings.nets.model_folder import StoredModel, fill_weights, read_model_folder, write_model_folder
from embeddings.nets.saved_transformer import save_model
from embeddings.table import NodeEmbeddings
from embeddings.train import TrainingResult, train
from embeddings.training.history import Progress
from tracker.errors import ConfigError, InputError

METHOD = "attrackt"
#: Logits are held in this range before they are normalised, in training and inference alike.
LOGIT_CLAMP = 20.0
_RECONSTRUCTION = "reconstruction"
_COLLAPSED = 0.05
_FEW = 3.0  # parents; with equal scores the best has 1 / parents of the sum


@dataclass(frozen=True)
class AttracktSettings:
    """transitive_weight: lambda, weight of the transitive loss.   hidden: width of m_E and m_D.

    standardise: bring every channel of the vectors to mean 0 and variance 1 over the movies, so that lambda and the
        learning rate do not depend on how bright an image is; the published code does not.
    Raises ConfigError.
    """

    transitive_weight: float = 0.1
    hidden: int = 128
    standardise: bool = False

    def __post_init__(self) -> None:
        """Check ranges."""
        if not 0 <= self.transitive_weight < np.inf:
            raise ConfigError(
                f"attrackt: transitive_weight must be finite and not negative, found {self.transitive_weight}"
            )
        if self.hidden < 1:
            raise ConfigError(f"attrackt: hidden must be at least 1, found {self.hidden}")


@dataclass(frozen=True)
class AttracktBatch:
    """windows: B windows of N tokens.   embedding: (B, N, C) what each detection looks like, 0 where padded."""

    windows: Batch
    embedding: Tensor


class AttracktModel(nn.Module):
    """The network, and what is learnt along with it: m_E and m_D."""

    def __init__(self, network: nn.Module, channels: int, max_gap_frames: int, settings: AttracktSettings) -> None:
        """network: a tracking transformer, or anything that takes and gives the same."""
        super().__init__()
        self.network = network
        self.reconstruction = ReconstructionLoss(channels, max_gap_frames, settings.hidden)
        self.transitive_weight = settings.transitive_weight

    def scores(self, batch: Batch) -> Tensor:
        """Phi (B, N, N)."""
        logits = self.network(batch.coordinates, batch.tokens, batch.padding, batch.embeddings)
        return parental_softmax(logits.float().clamp(-LOGIT_CLAMP, LOGIT_CLAMP), batch.frame, batch.padding)


def attrackt_loss(model: nn.Module, batch: AttracktBatch) -> Tensor:
    """L = L_reconstruction + transitive_weight * L_transitive, of the quiet parental softmax."""
    assert isinstance(model, AttracktModel)
    windows = batch.windows
    phi = model.scores(windows)
    loss: Tensor = model.reconstruction(phi, batch.embedding, windows.frame, windows.padding)
    if model.transitive_weight:
        loss = loss + model.transitive_weight * transitive_loss(phi, windows.frame, windows.padding)
    return loss


def train_attrackt(
    movies: Sequence[LearningMovie],
    embeddings: Sequence[NodeEmbeddings],
    folder: Path,
    *,
    recipe: Recipe,
    settings: AttracktSettings | None = None,
    resume: bool = False,
    watch: Callable[[Progress], None] | None = None,
) -> TrainingResult:
    """Train on movies without looking at any link, and write the model to `folder`.

    movies: a truth that they bring is put aside. Where they have `fused` embeddings, the network sees those, too; if it
        is these that it is to carry over, it may learn to mix parents until their mean looks like the child.
    embeddings: a vector for every detection of each movie, of the auto-encoder or any other method.
    Raises InputError where movies and vectors do not fit, and what `train` and `WindowSampler` raise.
    """
    settings = settings or AttracktSettings()
    movies = [replace(movie, truth=None) for movie in movies]
    recipe = recipe.fitted(movies)
    vectors = aligned_vectors(movies, embeddings, standardise=settings.standardise)
    batches = window_batches(recipe, movies, target=False)
    network = network_to_train(recipe, movies)
    model = new_model(network, vectors[0].shape[1], recipe, settings)
    held_out = WholeWindows(recipe, movies, target=False)
    done = train(
        model,
        lambda step: with_embedding(batches[step], vectors),
        attrackt_loss,
        recipe.training,
        folder,
        held_out=Again(lambda: (with_embedding(batch, vectors) for batch in held_out)) if recipe.validate else None,
        identity={**recipe.identity(movies), "attrackt": asdict(settings)},
        resume=resume,
        watch=watch,
        memory_keys=MEMORY_KEYS,
    )
    more = {
        "attrackt": asdict(settings),
        "logit_clamp": LOGIT_CLAMP,
        "embeddings": [table.method for table in embeddings],
    }
    about = provenance(METHOD, movies, recipe, done, more)
    model.cpu()
    save_reconstruction(model.reconstruction, folder)
    save_model(network, folder, about)
    return with_collapse_note(with_growth_note(done, recipe), model, next(iter(held_out)))


def with_collapse_note(done: TrainingResult, model: AttracktModel, batch: Batch) -> TrainingResult:
    """A note where the network links nothing, or everything alike: it has learnt nothing that costs could use."""
    with torch.no_grad():
        phi = model.scores(batch)
    one_step = (batch.frame.unsqueeze(1) - batch.frame.unsqueeze(2) == 1).masked_fill(batch.padding.unsqueeze(2), False)
    later = (batch.frame > 0) & ~batch.padding
    taken = float((phi * one_step).sum(dim=1)[later].mean()) if bool(later.any()) else 1.0
    parents = one_step.sum(dim=1)[later].float()
    share = ((phi * one_step).amax(dim=1) / (phi * one_step).sum(dim=1).clamp_min(1e-30))[later]
    if taken < _COLLAPSED:
        note = (
            f"the network links next to nothing (the parents of a detection get {taken:.2g} of 1 on average): the "
            "training has collapsed. Train with another training.seed, a lower learning_rate or more warmup_steps"
        )
    elif bool(later.any()) and float(parents.mean()) > _FEW and float((share * parents).mean()) < _FEW:
        note = (
            "the network gives nearly the same score to all parents of a detection: it has not learnt to tell cells "
            "apart. Where cells are few, larger crops show it more of them at a time (windows.crop_px; 0: whole frames)"
        )
    else:
        return done
    return replace(done, notes=(*done.notes, note))


def new_model(network: nn.Module, channels: int, recipe: Recipe, settings: AttracktSettings) -> AttracktModel:
    """A network with m_E and m_D made new from the seed, over all gaps of a window."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.training.seed + 1)
        return AttracktModel(network, channels, recipe.windows.n_frames - 1, settings)


def with_embedding(batch: Batch, vectors: Sequence[Tensor]) -> AttracktBatch:
    """The batch with the vectors (N, C) of its movies' detections."""
    rows = batch.rows.clamp_min(0)
    own = [vectors[number][rows[place]] for place, number in enumerate(batch.movie.tolist())]
    return AttracktBatch(batch, torch.stack(own).masked_fill_(batch.padding.unsqueeze(-1), 0))


def save_reconstruction(loss: ReconstructionLoss, folder: Path) -> None:
    """Write m_E and m_D beside the network: fine-tuning goes on with them."""
    sizes = {
        "channels": loss.encode.expand.in_features,
        "hidden": loss.encode.expand.out_features,
        "max_gap_frames": loss.max_gap_frames,
    }
    write_model_folder(folder / _RECONSTRUCTION, StoredModel(_RECONSTRUCTION, sizes, loss.state_dict()))


def load_reconstruction(folder: Path) -> ReconstructionLoss:
    """What `save_reconstruction` wrote. Raises ModelError."""
    stored = read_model_folder(folder / _RECONSTRUCTION, _RECONSTRUCTION)
    loss = ReconstructionLoss(**stored.config)
    fill_weights(loss, stored.weights, folder)
    return loss


def aligned_vectors(
    movies: Sequence[LearningMovie], embeddings: Sequence[NodeEmbeddings], *, standardise: bool
) -> list[Tensor]:
    """(N, C) vectors of each movie, in the order of its detections; standardised over all movies where asked.

    Raises InputError where a detection has none, or they differ in length.
    """
    if len(movies) != len(embeddings):
        raise InputError(f"every movie needs embeddings; there are {len(movies)} movies and {len(embeddings)} tables")
    ordered = [aligned(movie.detections, table, movie.name) for movie, table in zip(movies, embeddings, strict=True)]
    if len({found.shape[1] for found in ordered}) > 1:
        lengths = ", ".join(str(found.shape[1]) for found in ordered)
        raise InputError(f"the embeddings of all movies must be equally long, found {lengths}")
    if standardise:
        every = np.concatenate(ordered)
        mean, std = every.mean(axis=0), every.std(axis=0)
        ordered = [(found - mean) / np.where(std > 0, std, 1) for found in ordered]
    return [torch.from_numpy(found) for found in ordered]
