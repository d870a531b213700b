"""Fine-tuning from annotations (Attrackt; Lalit and Funke, ICCV Workshops 2025): few answers make a model better.

Of the network only low-rank changes of the attention are learnt (LoRA), so that what it knew stays.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from embeddings.anchored_sampler import AnchoredSampler
from embeddings.batches import Batch, TrainingBatches
from embeddings.known_pairs import KnownLinks, joined, known_pairs
from embeddings.learning_movie import LearningMovie
from embeddings.losses import parental_softmax, transitive_loss
from embeddings.losses.finetuning import finetuning_loss
from embeddings.losses.reconstruction import ReconstructionLoss
from embeddings.low_rank import merged, with_low_rank
from embeddings.methods.attrackt import aligned_vectors, save_reconstruction, with_embedding
from embeddings.methods.load import TrackingModel
from embeddings.methods.tracking import MEMORY_KEYS, Recipe, provenance
from embeddings.nets.saved_transformer import save_model
from embeddings.nets.tracking_transformer import TrackingTransformer
from embeddings.table import NodeEmbeddings
from embeddings.train import TrainingResult, train
from embeddings.training.history import Progress
from tracker.errors import ConfigError

METHOD = "finetune"


@dataclass(frozen=True)
class FinetuneSettings:
    """rank, alpha, dropout: of the low-rank changes.   transitive_weight: lambda of the unsupervised losses.

    standardise: as the model was trained, see AttracktSettings.   max_gap_frames: longest gap of a pair that is judged.
    judged: "together" or "apart", see `train_finetune`.
    """

    rank: int = 32
    alpha: float = 32.0
    dropout: float = 0.1
    transitive_weight: float = 0.1
    standardise: bool = False
    max_gap_frames: int = 2
    judged: Literal["together", "apart"] = "together"


@dataclass(frozen=True)
class Unsupervised:
    """What the losses without labels need: m_E and m_D of the model, and a table for each movie."""

    reconstruction: ReconstructionLoss
    embeddings: Sequence[NodeEmbeddings]


@dataclass(frozen=True)
class KnownBatch:
    """windows: B windows.   known, target: (B, N, N) bool, which pairs are judged, and how.

    embedding: (B, N, C), 0 channels where nothing is learnt without labels.
    """

    windows: Batch
    known: Tensor
    target: Tensor
    embedding: Tensor


class FinetuneModel(nn.Module):
    """The network with its low-rank changes; m_E and m_D, which go on learning."""

    def __init__(self, network: TrackingTransformer, reconstruction: ReconstructionLoss | None) -> None:
        """reconstruction: None without the unsupervised losses."""
        super().__init__()
        self.network = network
        self.reconstruction = reconstruction


def train_finetune(
    movies: Sequence[LearningMovie],
    annotated: Sequence[KnownLinks],
    believed: Sequence[KnownLinks],
    folder: Path,
    *,
    start: TrackingModel,
    recipe: Recipe,
    settings: FinetuneSettings | None = None,
    unsupervised: Unsupervised | None = None,
    resume: bool = False,
    watch: Callable[[Progress], None] | None = None,
) -> TrainingResult:
    """Fine-tune a model and write the result, an ordinary model, to `folder`.

        L = L_known(annotated) + L_known(believed) + L_reconstruction + lambda L_transitive

    Each step has B windows around annotated detections and B around believed ones; the losses without labels are over
    all of them. The last weights are kept.

    What is judged in a window is all that is known of it, annotated or believed. Published is each kind in its own
    windows (settings.judged = "apart"); but what a person is asked are the hard cases, three quarters of them divisions
    here, and alone in their windows they teach that everything divides.

    annotated: what is known of each movie.   believed: pseudo-labels of each movie, possibly none.
    start: the model to begin with; recipe.network must be its own. If it knows embeddings, the movies bring them
        (`fused`); what it makes of them stays as it is.
    Raises ConfigError where nothing is annotated, and what `train` raises.
    """
    settings = settings or FinetuneSettings()
    if not any(len(known.anchors) for known in annotated):
        raise ConfigError(
            "fine-tuning needs annotations: no certain answer about links, divisions or children in the pins. Answer "
            "some of what `track suggest` asks"
        )
    kinds = [known for known in (annotated, believed) if any(len(one.anchors) for one in known)]
    batches = [_batches(movies, known, recipe, number) for number, known in enumerate(kinds)]
    if settings.judged == "together":
        kinds = [[joined(*one) for one in zip(annotated, believed, strict=True)]] * len(kinds)
    vectors = None
    if unsupervised is not None:
        vectors = aligned_vectors(movies, unsupervised.embeddings, standardise=settings.standardise)
    network = with_low_rank(
        start.network,
        rank=settings.rank,
        alpha=settings.alpha,
        dropout=settings.dropout,
        seed=recipe.training.seed,
    )
    model = FinetuneModel(network, None if unsupervised is None else unsupervised.reconstruction)

    def batch_of(step: int) -> tuple[KnownBatch, ...]:
        return tuple(_known_batch(of_kind[step], known, vectors) for of_kind, known in zip(batches, kinds, strict=True))

    def loss(tuned: nn.Module, given: tuple[KnownBatch, ...]) -> Tensor:
        assert isinstance(tuned, FinetuneModel)
        losses = [_loss(tuned, batch, start, settings, len(given)) for batch in given]
        return torch.stack(losses).sum()

    done = train(
        model,
        batch_of,
        loss,
        recipe.training,
        folder,
        identity={
            **recipe.identity(movies),
            "finetune": {**asdict(settings), "start": start.digest},
            "annotations": {f"annotations of movie {number}": one.digest for number, one in enumerate(annotated)},
        },
        resume=resume,
        watch=watch,
        memory_keys=MEMORY_KEYS,
    )
    more: dict[str, Any] = {
        "finetune": asdict(settings),
        "start": {"digest": start.digest, "method": start.method},
        "annotated_detections": sum(len(known.anchors) for known in annotated),
        "believed_detections": sum(len(known.anchors) for known in believed),
        "unsupervised": unsupervised is not None,
        "logit_clamp": start.logit_clamp,
    }
    about = provenance(METHOD, movies, recipe, done, more)
    model.cpu()
    if model.reconstruction is not None:
        save_reconstruction(model.reconstruction, folder)
    save_model(merged(model.network), folder, about)
    return done


def _batches(
    movies: Sequence[LearningMovie], known: Sequence[KnownLinks], recipe: Recipe, number: int
) -> TrainingBatches:
    """Windows around what is known."""
    seed = int(np.random.SeedSequence([recipe.training.seed, number]).generate_state(1)[0])
    tokens = [movie.tokens for movie in movies]
    sampler = AnchoredSampler(tokens, [one.anchors for one in known], recipe.windows, recipe.sampler, seed=seed)
    return TrainingBatches(sampler, recipe.training.steps, augment_settings=recipe.augmentation)


def _known_batch(windows: Batch, known: Sequence[KnownLinks], vectors: Sequence[Tensor] | None) -> KnownBatch:
    """The pairs that are known of every window."""
    rows, frame = windows.rows.numpy(), windows.frame.numpy()
    pairs = [known_pairs(known[movie], rows[place], frame[place]) for place, movie in enumerate(windows.movie.tolist())]
    embedding = torch.zeros((*rows.shape, 0)) if vectors is None else with_embedding(windows, vectors).embedding
    return KnownBatch(
        windows,
        torch.from_numpy(np.stack([mask for mask, _ in pairs])),
        torch.from_numpy(np.stack([target for _, target in pairs])),
        embedding,
    )


def _loss(
    model: FinetuneModel, batch: KnownBatch, start: TrackingModel, settings: FinetuneSettings, kinds: int
) -> Tensor:
    """The loss of the windows of one kind; what needs no labels counts once over all `kinds`."""
    windows = batch.windows
    logits = model.network(windows.coordinates, windows.tokens, windows.padding, windows.embeddings).float()
    if start.logit_clamp is not None:
        logits = logits.clamp(-start.logit_clamp, start.logit_clamp)
    loss = finetuning_loss(
        logits,
        batch.target,
        batch.known,
        windows.frame,
        windows.padding,
        mode=model.network.config.normalisation,
        max_gap_frames=settings.max_gap_frames,
    )
    if model.reconstruction is not None:
        phi = parental_softmax(logits, windows.frame, windows.padding)
        carried = model.reconstruction(phi, batch.embedding, windows.frame, windows.padding)
        agreed = transitive_loss(phi, windows.frame, windows.padding)
        loss = loss + (carried + settings.transitive_weight * agreed) / kinds
    return loss
