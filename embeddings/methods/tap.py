"""Time arrow prediction: features that tell which of two frames came first, and detections that give it away."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from embeddings.arrow_augment import PairAugmentation, augment_pairs, middle
from embeddings.arrow_pairs import PairSettings, PairSizes, PairSource, need_frames
from embeddings.frame_images import FrameImages
from embeddings.inference.arrow_attribution import Decision, Evidence, arrow_evidence
from embeddings.inference.arrow_features import dense_features
from embeddings.inference.time_left import timed
from embeddings.learning_movie import LearningMovie, about_movie
from embeddings.losses.time_arrow import Over, time_arrow_loss
from embeddings.methods.trained import train_and_write
from embeddings.nets.errors import ModelError
from embeddings.nets.model_folder import fill_weights, read_model_folder
from embeddings.nets.tap import TapNetwork, seeded_tap
from embeddings.nets.tap_config import TapConfig
from embeddings.pixel_pools import PixelPools, Pool
from embeddings.table import NodeEmbeddings
from embeddings.train import TrainingResult
from embeddings.training.device import choose_device
from embeddings.training.history import Progress
from embeddings.training.settings import TrainingSettings
from embeddings.zoomed_frames import ZoomedFrames
from tracker.detections import Detections
from tracker.errors import ConfigError

METHOD = "tap"
NOUN = "time arrow prediction"
#: As published, but for the schedule: there the rate goes up and down between 1e-4 and 1e-3.
PUBLISHED = TrainingSettings(
    steps=78_000, learning_rate=4e-4, weight_decay=1e-6, warmup_steps=400, clip_norm=0.0, validate_steps=400
)
Role = Literal["first", "second", "both"]


def train_tap(
    movies: Sequence[LearningMovie],
    folder: Path,
    *,
    config: TapConfig | None = None,
    pairs: PairSettings | None = None,
    augmentation: PairAugmentation | None = None,
    settings: TrainingSettings = PUBLISHED,
    batch_size: int = 256,
    decorrelation_weight: float = 0.01,
    temperature: float = 0.2,
    decorrelation: Over = "image",
    frames_held: int = 16,
    memory_mb: float = 256.0,
    resume: bool = False,
    watch: Callable[[Progress], None] | None = None,
) -> TrainingResult:
    """Learn to tell the earlier of two crops of one place, and write the model to `folder`; no link is looked at.

    Half of the pairs are shown swapped; `time_arrow_loss` is minimised.
    config: sizes, default those published.   pairs, augmentation: what is shown, default as published but for the
        crops near detections, the only use of these.   batch_size: pairs of crops per step, all of one movie.
    decorrelation_weight, temperature, decorrelation: of the loss (there `over`).
    frames_held, memory_mb: as in PairSizes.   settings, resume, watch: as in `embeddings.train.train`.
    The first tenth of the frames of each movie is held out (see PairSource); the weights with the lowest loss on it,
    without augmentation, are kept. An interrupted training leaves a model, too, whose provenance says so.
    Raises ConfigError without movies or images, for 3-D ones and for what is out of range; MovieError for movies that
    are too short, and pixels that are NaN; what `train` and `write_model_folder` raise.
    """
    config, pairs = config or TapConfig(), pairs or PairSettings()
    augmentation = augmentation or PairAugmentation()
    if pairs.crop_px % config.multiple_px:
        raise ConfigError(
            f"crop_px must be a multiple of {config.multiple_px} for {config.levels} levels, found {pairs.crop_px}"
        )
    if not temperature > 0 or not 0 <= decorrelation_weight < math.inf:
        raise ConfigError(
            "temperature must be positive and decorrelation_weight at least 0, found "
            f"{temperature:g} and {decorrelation_weight:g}"
        )
    if decorrelation not in get_args(Over):
        raise ConfigError(f"decorrelation must be one of {', '.join(get_args(Over))}, found {decorrelation!r}")
    if not movies:
        raise ConfigError(f"{NOUN} needs at least one movie to learn from, found none")
    sizes = PairSizes(batch_size, frames_held, memory_mb)
    source = PairSource([FrameImages(movie, NOUN) for movie in movies], pairs, sizes, settings.seed)
    kept = torch.from_numpy(source.held_out())

    def loss(model: nn.Module, crops: Tensor) -> Tensor:
        swapped = torch.zeros(len(crops), dtype=torch.bool, device=crops.device)
        if model.training:
            shown = augment_pairs(crops, pairs.crop_px, augmentation)
            swapped = torch.rand(len(crops), device=crops.device) < 0.5
            shown = torch.where(swapped.view(-1, 1, 1, 1), shown.flip(1), shown)
        else:
            shown = middle(crops, pairs.crop_px)
        logits, features = model(shown)
        return time_arrow_loss(
            logits,
            swapped,
            features,
            decorrelation_weight=decorrelation_weight,
            temperature=temperature,
            over=decorrelation,
        )

    network = seeded_tap(config, settings.seed)
    stored = {METHOD: config.as_mapping(), "pairs": pairs.as_mapping()}
    more = {
        "loss": {"decorrelation_weight": decorrelation_weight, "temperature": temperature, "over": decorrelation},
        "augmentation": asdict(augmentation),
    }
    return train_and_write(
        METHOD,
        network,
        lambda step: torch.from_numpy(source(step)),
        loss,
        settings,
        folder,
        stored=stored,
        told=more,
        sizes=sizes,
        movies=movies,
        about=[
            {**about_movie(movie), "detections": len(movie.detections), "held_out_frames": frames}
            for movie, frames in zip(movies, source.held_out_frames(), strict=True)
        ],
        held_out=torch.split(kept, batch_size) if len(kept) else None,
        memory_keys="batch_size, channels or crop_px",
        resume=resume,
        watch=watch,
    )


def load_tap(folder: Path) -> tuple[TapNetwork, PairSettings, Mapping[str, Any]]:
    """What `train_tap` wrote: the network on the CPU, what pairs it learnt from, provenance. Raises ModelError."""
    stored = read_model_folder(folder, METHOD)
    path = folder / "model.json"
    try:
        config = TapConfig.from_mapping(stored.config[METHOD], path)
        about = dict(stored.config["pairs"])
        pairs = PairSettings(**{**about, "gaps_frames": tuple(about["gaps_frames"])})
    except (KeyError, TypeError, ConfigError) as error:
        raise ModelError(f"{path} does not describe a time arrow network and its pairs: {error!r}") from error
    network = TapNetwork(config)
    fill_weights(network, stored.weights, folder)
    network.eval()
    return network, pairs, stored.provenance


def embed_tap(
    folder: Path,
    movie: LearningMovie,
    *,
    radius_px: float = 8.0,
    device: str = "auto",
    batch_size: int = 1,
    tile_px: int = 512,
) -> NodeEmbeddings:
    """The features of every detection by the model in `folder`, (N, features), in the order of the detections.

    Means over the mask of each detection; without masks, over a disc of `radius_px` around its centre.
    tile_px, batch_size: as in `dense_features`; they bound the memory, beside the features of one frame.
    Raises ModelError; ConfigError without images, or for a 3-D movie; MovieError as FrameImages and PixelPools.
    """
    network, pairs, provenance = load_tap(folder)
    frames, chosen = ZoomedFrames(FrameImages(movie, NOUN), pairs.zoom), choose_device(device)
    network.to(chosen)
    found = movie.detections
    vector = np.zeros((len(found), network.config.features), np.float32)
    steps = np.flatnonzero(np.diff(found.starts)).tolist()
    for step in timed(steps, len(steps), NOUN, chosen):
        pools = PixelPools(movie, step, frames.frames.images.shape, radius_px)
        dense = dense_features(network, frames.image(step), chosen, tile_px=tile_px, batch_size=batch_size)
        vector[pools.rows] = pools.of(dense)
    key = np.column_stack([found.frame, found.label])
    return NodeEmbeddings(key, vector, METHOD, {"model": dict(provenance), "movie": about_movie(movie)})


def division_scores(
    folder: Path,
    movie: LearningMovie,
    *,
    role: Role = "first",
    evidence: Evidence = "frame",
    decision: Decision = "difference",
    pool: Pool = "mean",
    radius_px: float = 8.0,
    device: str = "auto",
    batch_size: int = 1,
    tile_px: int = 512,
) -> NDArray[np.float32]:
    """How much the arrow of time shows at each detection: (N,), not negative; high where something happens.

    The evidence in pairs of frames with the model's smallest gap, pooled over the mask of each detection, or over the
    disc around its centre. It cannot tell a division from a death. Pairs in which no detection is looked at are left
    out, so that the detections of a part of a movie cost that part, and have the scores that they have among all.
    evidence, decision: as in `arrow_evidence`.
    role: "first" looks at a detection in the earlier frame of its pair, and so just before something happens; "second"
        in the later one; "both" takes the mean. At the ends of the movie the one that there is.
    pool: mean or largest.   radius_px, tile_px, batch_size: as in `embed_tap`. The features of two frames are held.
    Raises what `embed_tap` does, and MovieError for a movie of fewer frames than twice the gap.
    """
    if role not in get_args(Role):
        raise ConfigError(f"role must be one of {', '.join(get_args(Role))}, found {role!r}")
    if pool not in get_args(Pool):
        raise ConfigError(f"pool must be one of {', '.join(get_args(Pool))}, found {pool!r}")
    shape, found = FrameImages(movie, NOUN).images.shape, movie.detections
    score = np.full((2, len(found)), np.nan, np.float32)
    maps = evidence_maps(
        folder,
        movie,
        role=role,
        evidence=evidence,
        decision=decision,
        device=device,
        batch_size=batch_size,
        tile_px=tile_px,
    )
    for *steps, shown in maps:
        for slot, step in enumerate(steps):
            if found.starts[step] == found.starts[step + 1]:
                continue
            pools = PixelPools(movie, step, shape, radius_px)
            score[slot, pools.rows] = pools.of(shown[slot : slot + 1], pool)[:, 0]
    first, second = (np.where(np.isnan(one), other, one) for one, other in (score, score[::-1]))
    chosen: NDArray[np.float32] = {"first": first, "second": second, "both": (first + second) / 2}[role]
    return chosen


def evidence_maps(
    folder: Path,
    movie: LearningMovie,
    *,
    role: Role | None = None,
    evidence: Evidence = "frame",
    decision: Decision = "difference",
    device: str = "auto",
    batch_size: int = 1,
    tile_px: int = 512,
) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
    """For all pairs of frames with the model's smallest gap: their two steps, and `arrow_evidence` (2, y, x).

    y, x: of the frames at the zoom of the model.
    role: only the pairs in which `division_scores` looks at a detection in this role; None for all.

    Pairs are gone through such that the features of each frame are computed once, and those of two are held; steps
    are not in order if the gap is larger than 1. Arguments and errors: as in `division_scores`.
    """
    if decision not in get_args(Decision):
        raise ConfigError(f"decision must be one of {', '.join(get_args(Decision))}, found {decision!r}")
    if evidence not in get_args(Evidence):
        raise ConfigError(f"evidence must be one of {', '.join(get_args(Evidence))}, found {evidence!r}")
    network, pairs, _ = load_tap(folder)
    gap = min(pairs.gaps_frames)
    frames, chosen = ZoomedFrames(FrameImages(movie, NOUN), pairs.zoom), choose_device(device)
    need_frames(frames.frames, 2 * gap)
    network.to(chosen)
    network.requires_grad_(False)  # only the gradient at the features is wanted
    earlier = set(range(len(frames) - gap)) if role is None else _looked_at(movie.detections, gap, role)
    wanted = earlier | {step + gap for step in earlier}
    order = [step for start in range(gap) for step in range(start, len(frames), gap) if step in wanted]
    before: NDArray[np.float32] | None = None
    for step in timed(order, len(order), NOUN, chosen):
        now = dense_features(network, frames.image(step), chosen, tile_px=tile_px, batch_size=batch_size)
        if step - gap in earlier and before is not None:  # of step - gap, which goes before in the order
            shown = arrow_evidence(network, before, now, chosen, evidence=evidence, decision=decision)
            yield step - gap, step, shown
        before = now


def _looked_at(found: Detections, gap: int, role: Role) -> set[int]:
    """Earlier steps of the pairs in which detections are looked at; at the ends of the movie in the role that is left.

    The movie has at least twice as many frames as the gap.
    """
    steps = set(np.flatnonzero(np.diff(found.starts)).tolist())
    as_first = {step for step in steps if step + gap < len(found.frames)}
    as_second = {step - gap for step in steps if step >= gap}
    if role == "both":
        return as_first | as_second
    if role == "first":
        return as_first | {step - gap for step in steps - as_first}
    return as_second | {step for step in steps if step < gap}
