"""Sections for `track train` and `track embed`: how networks learn. The defaults are the published numbers."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]
Least1 = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Below1 = Annotated[float, Field(ge=0, lt=1)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Above0 = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Training(_Section):
    """The training loop of tracking transformers; other networks have their own numbers, in their sections."""

    movies: tuple[str, ...] = ()
    """Configs of further movies to learn from: their [data]; finetune: how they are tracked, and their pins, too."""
    steps: Count = 0
    """Batches to learn from; 0 = as published: attrackt 1000000, trackastra 625000, finetune 100 per annotation."""
    seed: Count = 0
    """Of weights, windows and augmentation."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """auto: cuda where there is one, else mps, else cpu."""
    threads: Count = 0
    """Of the CPU; 0 = all cores."""
    learning_rate: Above0 = 1e-4
    """The highest."""
    weight_decay: NotNegative = 1e-5
    """Of AdamW."""
    warmup_steps: Count = 10_000
    """The learning rate grows over so many steps; at most a tenth of them all."""
    final_rate: Share = 0.001
    """The learning rate falls as a cosine to this part of the highest."""
    clip_norm: NotNegative = 1.0
    """Longer gradients are shortened to this; 0 = never."""
    mixed_precision: bool = True
    """On a GPU: bfloat16 where it is safe."""
    validate_steps: Count = 0
    """Look at the loss on whole, un-augmented windows so often, and keep the best weights; 0 = keep the last."""
    patience: Count = 0
    """Stop when so many looks in a row brought nothing better; 0 = never."""
    checkpoint_minutes: NotNegative = 5.0
    """Save so often, to go on from there with --resume."""
    report_steps: Least1 = 50
    """Steps between two lines of training.csv."""
    cpu_hours: NotNegative = 1.0
    """A training that would take longer on a CPU is refused (--yes: it is not); 0 = never."""


class Windows(_Section):
    """What a tracking transformer is shown at a time, and how it is varied."""

    n_frames: Annotated[int, Field(ge=2)] = 6
    """Frames of a window."""
    crop_px: Count = 256
    """Side of the square crops in training; 0 = whole frames."""
    least_cells: NotNegative = 8.0
    """Crops, shift_px and network.cutoff_px grow until a crop of the most crowded movie holds so many; 0 = never."""
    max_tokens: Count = 2048
    """Most detections of a window in training; 0 = no limit."""
    batch_size: Least1 = 8
    """Windows per step."""
    favour: Literal["auto", "divisions", "detections", "nothing"] = "auto"
    """Which windows are drawn more often; auto: with divisions where there is a truth, else with detections."""
    division_share: Share = 0.5
    """With divisions favoured: the share of crops around one."""
    augment: Annotated[int, Field(ge=0, le=3)] = 2
    """0 nothing; 1 flips; 2 also turned, stretched, brighter, jittered; 3 also drifting."""
    shift_px: NotNegative = 255.0
    """Windows are moved by up to this along each axis (not with augment = 0)."""


class Network(_Section):
    """Sizes of a tracking transformer."""

    d_model: Least1 = 256
    """Channels of a token; a multiple of 2 heads."""
    heads: Least1 = 4
    """Of each attention."""
    encoder_layers: Count = 6
    """Of the parents' side."""
    decoder_layers: Count = 6
    """Of the children's side."""
    dropout: Below1 = 0.1
    """Of attention weights."""
    cutoff_px: Above0 = 256.0
    """Detections farther apart do not see each other."""
    position_channels: Annotated[int, Field(ge=2)] = 32
    """Fourier channels per axis."""
    feature_channels: Least1 = 8
    """Fourier channels per feature."""
    positional: Literal["rope", "bias", "none"] = "rope"
    """rope: queries and keys are rotated by time and place; bias: a learnt table."""
    distance_term: Literal["v0", "v1"] = "v0"
    """What nearness adds to the attention, in two public variants."""
    normalisation: Literal["quiet_softmax", "softmax", "linear", "none"] = "quiet_softmax"
    """How the parents of a detection compete; attrackt: always quiet_softmax."""


class _Patches(_Section):
    """A network that looks at the patch around a detection."""

    patch_px: tuple[Annotated[int, Field(ge=4)], ...] = (64, 64)
    """[z,] y, x of a patch; three sizes for 3-D movies."""
    channels: Least1 = 32
    """Of the first level."""
    multipliers: tuple[Least1, ...] = (1, 1, 2, 2, 4)
    """Channels of each level, in these."""
    blocks: Least1 = 2
    """Residual blocks per level."""
    groups: Least1 = 16
    """Of the group norms."""
    attention_px: Count = 16
    """Levels of this size get self-attention."""
    latent: Least1 = 64
    """Length of the embedding."""
    intensity: Literal["frame", "dtype"] = "frame"
    """frame: each frame's percentiles 1 and 99.8 become 0 and 1; dtype: divided by the largest integer (published)."""
    masked: bool = False
    """Hide what is not the detection's own."""
    frames_held: Least1 = 16
    """Frames whose patches are in memory."""
    memory_mb: Above0 = 256.0
    """Of these patches."""


class Autoencoder(_Patches):
    """An auto-encoder of patches, also what attrackt learns with."""

    steps: Least1 = 100_000
    """Batches to learn from."""
    batch_size: Least1 = 8
    """Patches per step."""
    learning_rate: Above0 = 5e-5
    """The highest; it falls as a polynomial."""


class Reid(_Patches):
    """Re-identification: two augmented pictures of a detection are to be recognised."""

    steps: Least1 = 20_000
    """Batches to learn from."""
    batch_size: Annotated[int, Field(ge=2)] = 64
    """Detections per step."""
    learning_rate: Above0 = 3e-4
    """The highest; it falls as a cosine."""
    temperature: Above0 = 0.1
    """Of the contrastive loss."""


class Attrackt(_Section):
    """Associations learnt without links."""

    autoencoder: str | None = None
    """Model folder of an auto-encoder (or re-id); without it one is trained first, inside the model folder."""
    transitive_weight: NotNegative = 0.1
    """Of the transitive loss."""
    hidden: Least1 = 128
    """Width of the two small networks of the reconstruction loss."""
    standardise: bool = False
    """Give every channel of the embeddings variance 1."""


class Trackastra(_Section):
    """Associations learnt from a truth."""

    start: str | None = None
    """Model folder to begin with; without it from random weights."""
    division_upweight: NotNegative = 2.0
    """What pairs at a division count more; the published script has 2, its class 20, the paper 10."""
    max_gap_frames: Least1 = 2
    """Longest gap of a pair that is judged."""
    logit_weight: NotNegative = 0.01
    """Of the loss on the bare logits."""


class Finetune(_Section):
    """A model made better by annotations of the movie."""

    start: str | None = None
    """Model folder to begin with (needed)."""
    rank: Least1 = 32
    """Of the low-rank changes to the attention."""
    alpha: Above0 = 32.0
    """Their scale."""
    dropout: Below1 = 0.1
    """Of what goes into them."""
    steps_per_annotation: Least1 = 100
    """With training.steps = 0."""
    pseudo_share: Share = 0.1
    """Share of detections whose links are taken from the solution: those most consistent with it; 0 = none."""
    judged: Literal["together", "apart"] = "together"
    """together: annotations and pseudo-labels in all windows; apart: each in windows of its own (published)."""
    unsupervised: bool = True
    """Also the losses of attrackt, where the model has learnt with them."""
