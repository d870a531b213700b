"""Sections of a config as the settings that the learned methods take; absent sections mean the published numbers."""

import math
from dataclasses import replace
from typing import Protocol, get_args

from embeddings.augment import augment_level
from embeddings.methods.load import TrackingModel
from embeddings.methods.tracking import Recipe
from embeddings.nets.autoencoder_config import AutoencoderConfig
from embeddings.nets.errors import ModelError
from embeddings.nets.transformer_config import TransformerConfig
from embeddings.training.settings import TrainingSettings
from embeddings.window_sampler import SamplerSettings
from embeddings.windows import WindowSettings
from tracker.config import Config
from tracker.config_learning import Autoencoder, Network, Reid, Training, Windows
from tracker.errors import ConfigError

# [training] steps = 0; Trackastra: 100 epochs of 50,000 windows in batches of 8.
PUBLISHED_STEPS = {"attrackt": 1_000_000, "trackastra": 625_000}

#: Keys of [training] that `own_loop` leaves out.
_OF_TRACKING = (
    "steps", "learning_rate", "weight_decay", "warmup_steps", "final_rate", "clip_norm", "validate_steps", "patience",
)  # fmt: skip


def recipe(config: Config, steps: int) -> Recipe:
    """How the tracking transformer of this config is trained; steps: where training.steps = 0.

    Raises ConfigError and ModelError for numbers that do not go together.
    """
    windows, network = config.windows or Windows(), config.network or Network()
    augmentation = augment_level(windows.augment)
    if augmentation is not None:
        augmentation = replace(augmentation, shift_px=windows.shift_px)
    return Recipe(
        network=TransformerConfig(**network.model_dump(), window_frames=windows.n_frames),
        windows=WindowSettings(windows.n_frames, windows.crop_px or None, windows.max_tokens or None),
        sampler=SamplerSettings(
            batch_size=windows.batch_size, favour=windows.favour, division_share=windows.division_share
        ),
        augmentation=augmentation,
        training=loop(config, steps),
        validate=bool(config.training and config.training.validate_steps),
        least_cells=windows.least_cells,
    )


def going_on(wanted: Recipe, start: TrackingModel, config: Config) -> Recipe:
    """A recipe that begins with a model: its sizes and its window, and the crops and shifts that it has learnt with.

    Where [windows] itself sets crop_px or shift_px it is that, grown as the model has (not with least_cells = 0).
    wanted: the recipe of the config; it holds for a model that does not say how it has learnt.
    """
    section, learnt, sizes = config.windows or Windows(), start.provenance, start.network.config
    grown = float(learnt.get("grown", 1.0))
    factor = grown if section.least_cells else 1.0
    crop = wanted.windows.crop_px
    if "windows" in learnt and "crop_px" not in section.model_fields_set:
        crop = learnt["windows"]["crop_px"]
    elif crop is not None:
        crop = math.ceil(crop * factor)
    augmentation = wanted.augmentation
    if augmentation is not None:
        shift_px = augmentation.shift_px * factor
        if learnt.get("augmentation") is not None and "shift_px" not in section.model_fields_set:
            shift_px = learnt["augmentation"]["shift_px"]
        augmentation = replace(augmentation, shift_px=shift_px)
    windows = replace(wanted.windows, n_frames=sizes.window_frames, crop_px=crop)
    return replace(wanted, network=sizes, windows=windows, augmentation=augmentation, least_cells=0.0, grown=grown)


def loop(config: Config, steps: int) -> TrainingSettings:
    """The training loop; the warm-up is at most a tenth of all steps. Raises ConfigError."""
    wanted = config.training or Training()
    if wanted.patience and not wanted.validate_steps:
        raise ConfigError(
            "training.patience counts looks at whole windows, and without training.validate_steps there are none; "
            "give both"
        )
    steps = wanted.steps or steps
    return TrainingSettings(
        steps=steps,
        seed=wanted.seed,
        learning_rate=wanted.learning_rate,
        weight_decay=wanted.weight_decay,
        warmup_steps=min(wanted.warmup_steps, steps // 10),
        final_rate=wanted.final_rate,
        clip_norm=wanted.clip_norm,
        device=wanted.device,
        mixed_precision=wanted.mixed_precision,
        checkpoint_minutes=wanted.checkpoint_minutes,
        validate_steps=wanted.validate_steps or 1000,
        patience=wanted.patience,
        report_steps=wanted.report_steps,
        cpu_hours=wanted.cpu_hours,
    )


_OWN = ("weight_decay", "final_rate", "validate_steps")


class OwnSteps(Protocol):
    """A section of a method that has its own numbers for the training loop."""

    @property
    def steps(self) -> int:
        """Batches to learn from."""

    @property
    def learning_rate(self) -> float:
        """The highest."""


def own_loop(config: Config, section: OwnSteps, defaults: TrainingSettings) -> TrainingSettings:
    """The training loop of such a method: its defaults, the numbers of its section, and what [training] says of all.

    Of weight_decay, final_rate and validate_steps the section has which it likes. The warm-up is at most a tenth of all
    steps. Raises ConfigError.
    """
    every = config.training or Training()
    own = {key: getattr(section, key) for key in _OWN if hasattr(section, key)}
    return replace(
        defaults,
        steps=section.steps,
        learning_rate=section.learning_rate,
        warmup_steps=min(defaults.warmup_steps, section.steps // 10),
        seed=every.seed,
        device=every.device,
        mixed_precision=every.mixed_precision,
        checkpoint_minutes=every.checkpoint_minutes,
        report_steps=every.report_steps,
        cpu_hours=every.cpu_hours,
        **own,
    )


def unheeded(config: Config, method: str) -> str | None:
    """A sentence on the keys of [training] that are set, and that a method with a section of its own does not heed."""
    given = config.training
    keys = [] if given is None else [key for key in _OF_TRACKING if key in given.model_fields_set]
    if not keys:
        return None
    section = get_args(Config.model_fields[method].annotation)  # (Section, NoneType)
    own = [key for key in keys if any(key in getattr(kind, "model_fields", ()) for kind in section)]
    return (
        f"{method} does not heed what [training] says of {', '.join(keys)}: these are of tracking transformers"
        f"{f', and [{method}] has its own ' if own else ''}{', '.join(own)}"
    )


def patch_network(section: Autoencoder | Reid) -> AutoencoderConfig:
    """Sizes of a network of patches. Raises ConfigError naming the section."""
    try:
        return AutoencoderConfig(
            patch_px=section.patch_px,
            channels=section.channels,
            multipliers=section.multipliers,
            blocks=section.blocks,
            groups=section.groups,
            attention_px=section.attention_px,
            latent=section.latent,
        )
    except ModelError as error:
        problem = str(error).removeprefix("auto-encoder: ")
        raise ConfigError(f"[{type(section).__name__.lower()}] {problem}") from error
