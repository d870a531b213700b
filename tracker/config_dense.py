"""Sections for methods that look at whole frames: [maester] and [tap]. The defaults are the published numbers."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]
Least1 = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Above0 = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Maester(_Section):
    """A masked auto-encoder of square fields of view, and where it is asked."""

    image_px: Least1 = 80
    """Side of the field of view; a multiple of patch_px."""
    patch_px: Least1 = 5
    """Side of a patch, odd; each patch is a token."""
    central_tokens: Least1 = 4
    """Only so many tokens in the middle, along each axis, give embeddings: they see the most around them."""
    width: Least1 = 192
    """Channels of the encoder, and of the embedding; a multiple of 4."""
    depth: Least1 = 14
    """Layers of the encoder."""
    heads: Least1 = 1
    """Of its attention; they divide the width."""
    mlp_ratio: Least1 = 2
    """Width inside a layer, in widths."""
    position_weight: NotNegative = 0.08
    """Of the tokens' positions; small, so that they tell texture rather than place."""
    mask_share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Part of the patches that is hidden in training."""
    decoder_width: Least1 = 128
    """Channels of the decoder, which only training needs."""
    decoder_depth: Least1 = 7
    """Its layers."""
    decoder_heads: Least1 = 8
    """Of its attention."""
    zoom: Above0 | None = None
    """How much frames are enlarged, so that cells fit the field of view; default 1, or that of the training."""
    steps: Least1 = 4400
    """Batches to learn from; more brought nothing in the publication."""
    batch_size: Least1 = 32
    """Crops per step."""
    learning_rate: Above0 = 6e-5
    """The highest; it falls as a cosine."""
    weight_decay: NotNegative = 1e-5
    """Of AdamW."""
    validate_steps: Least1 = 200
    """Look at the loss on frames that are held out so often; the best weights are kept."""
    frames_held: Least1 = 16
    """Frames of each movie that are in memory to cut crops from."""
    memory_mb: Above0 = 256.0
    """Of these frames."""
    aggregation: Literal["centroid", "mask_mean"] = "centroid"
    """The vector of a detection: at the centre of its bounding box; or the mean over pixels of its mask."""
    pixels_per_detection: Count = 16
    """With mask_mean: a random sample of so many; 0 = all, which is slow."""


class Tap(_Section):
    """A U-Net that tells which of two frames came first, and how much of that is seen at a detection."""

    channels: Least1 = 32
    """Of the first level; they double from level to level."""
    levels: Annotated[int, Field(ge=1, le=6)] = 3
    """Halvings of the picture."""
    features: Annotated[int, Field(ge=2)] = 32
    """Length of the vector of a pixel, and of a detection."""
    aggregate: Literal["mean", "sum"] = "mean"
    """Over the two frames: mean as in the published code, sum as in the paper."""
    crop_px: Annotated[int, Field(ge=2)] = 96
    """Side of what is shown; a multiple of 2 to the power of levels."""
    gaps_frames: Annotated[tuple[Least1, ...], Field(min_length=1)] = (1,)
    """Kept frames from one picture of a pair to the other; about the time that what is to be seen takes."""
    near_detections: Share = 0.75
    """Share of crops around a detection, the others are anywhere; 0 as published."""
    near_changes: Share = 0.0
    """Share of crops, beforehand, around detections where much changes; 0 as published, 0.5 where little happens."""
    zoom: Above0 = 1.0
    """How much frames are enlarged, below 1 reduced; crop_px are pixels of what is shown then."""
    augment_probability: Share = 0.5
    """Of each of the changes below, and of flips and rotations."""
    scale: tuple[Above0, Above0] = (0.8, 1.25)
    """Both frames are enlarged by something out of this range."""
    elastic: NotNegative = 0.1
    """Both are bent, by up to this part of the crop."""
    gain: tuple[Above0, Above0] = (0.8, 1.25)
    """Intensities of both are multiplied by something out of this range."""
    offset: NotNegative = 0.1
    """And moved by up to this."""
    frame_scale: tuple[Above0, Above0] = (0.9, 1.11)
    """As scale, but each frame on its own."""
    frame_shift: NotNegative = 0.03
    """Each frame is moved on its own, by up to this part of the crop."""
    frame_gain: tuple[Above0, Above0] = (0.9, 1.11)
    """As gain, each frame on its own."""
    frame_offset: NotNegative = 0.05
    """As offset, each frame on its own."""
    noise: NotNegative = 0.05
    """Largest standard deviation of the noise on each frame."""
    steps: Least1 = 78_000
    """Batches to learn from."""
    batch_size: Least1 = 256
    """Pairs of crops per step."""
    learning_rate: Above0 = 4e-4
    """The highest; it falls as a cosine."""
    weight_decay: NotNegative = 1e-6
    """Of AdamW."""
    validate_steps: Least1 = 400
    """Look at the loss on frames that are held out so often; the best weights are kept."""
    decorrelation_weight: NotNegative = 0.01
    """Of the loss that keeps features from being alike."""
    temperature: Above0 = 0.2
    """Of that loss."""
    decorrelation: Literal["image", "pair"] = "image"
    """What it looks at: each frame as in the published code, or both together as in the paper."""
    frames_held: Annotated[int, Field(ge=2)] = 16
    """Frames of each movie that are in memory to cut crops from."""
    memory_mb: Above0 = 256.0
    """Of these frames."""
    radius_px: NotNegative = 8.0
    """Detections without masks are discs of this radius."""
    tile_px: Least1 = 512
    """Side of the tiles in which frames are looked at; it bounds the memory alone."""
    evidence: Literal["frame", "change", "votes"] = "frame"
    """A detection's score: what in its own frame gives the arrow away (published), in both, or what its pixels say."""
    role: Literal["first", "second", "both"] = "first"
    """Look at a detection in the earlier frame of a pair, in the later one, or take the mean of both."""
    decision: Literal["difference", "forward"] = "difference"
    """What is attributed: the difference of both logits, or the logit of the right order alone, as published."""
    pool: Literal["mean", "max"] = "mean"
    """Over the pixels of a detection."""
