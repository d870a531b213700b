"""Section for ASCENT: detections of a frame are told from each other. The defaults are the published numbers."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]
Least1 = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Below1 = Annotated[float, Field(ge=0, lt=1)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Above0 = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Ascent(BaseModel):
    """A vision transformer of patches, and a transformer over the detections of a frame."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    patch_px: Annotated[int, Field(ge=2)] = 64
    """Side of the square that is seen around a detection; even, a multiple of token_px."""
    token_px: Least1 = 16
    """Side of the pieces it is cut into."""
    zoom: Above0 | None = None
    """How much frames are enlarged, so that cells fit the patch; default 1, or that of the training."""
    width: Least1 = 384
    """Channels of the vision transformer."""
    depth: Least1 = 12
    """Its layers."""
    heads: Least1 = 6
    """Of its attention; they divide the width."""
    mlp_ratio: Least1 = 4
    """Width inside a layer, in widths."""
    pool: Literal["class", "mean"] = "class"
    """What it tells: its class token, as published; or the mean of all others, which random weights learn sooner."""
    visual_norm: bool = False
    """A batch norm of that; without DINO's weights learning hardly begins without it."""
    dino: str | None = None
    """Checkpoint of DINO's ViT (.pth) to begin with, dino_deitsmall16 for these sizes; default random weights."""
    embedding: Least1 = 256
    """Length of the vector of a detection."""
    positions: Literal["relative", "physical", "none"] = "relative"
    """What is known of places: parts of the frame's size, data.unit, or nothing; from the centre of the frame."""
    set_layers: Count = 4
    """Of the transformer over the detections of a frame; 0: each is on its own."""
    set_heads: Least1 = 4
    """Of its attention; they divide embedding."""
    feed_forward: Least1 = 512
    """Width inside a layer."""
    dropout: Below1 = 0.1
    """In these layers."""
    projection: Count = 0
    """Width of a last Linear-ReLU-Linear; 0 = none, as in the released code; the paper's supplement has 1024."""
    elastic_px: NotNegative = 36.0
    """Views are bent by this standard deviation at 3 x 3 knots; less where it would fold; released configs: 15."""
    jitter_px: NotNegative = 5.0
    """Detections are taken to be up to this off along y and x."""
    jitter_planes: NotNegative = 1.0
    """And along z."""
    rotation_deg: NotNegative = 180.0
    """Views are turned by up to this."""
    scale: tuple[Above0, Above0] = (0.6, 1.0)
    """Part of the frame's side that a view shows, enlarged to the frame's size; released configs: 0.9, 1.1."""
    brightness: Below1 = 0.2
    """Intensities are multiplied by 1 +- up to this."""
    contrast: Below1 = 0.2
    """And their distances from the mean of the frame."""
    object_dropout: Below1 = 0.1
    """Share of the detections that a view leaves out."""
    steps: Least1 = 12_500
    """Batches to learn from; as many as 50 epochs of 1000 frames."""
    batch_size: Least1 = 4
    """Frames per step."""
    max_detections: Count = 0
    """Most of a frame that a step sees, neighbours; 0 = all."""
    learning_rate: Above0 = 1e-4
    """The highest."""
    final_rate: Share = 1.0
    """It falls as a cosine to this part of the highest; 1 = it stays, as published."""
    weight_decay: NotNegative = 0.01
    """Of AdamW."""
    temperature: Above0 = 0.05
    """Of the contrastive loss."""
    negatives: Literal["other_view", "both_views"] = "other_view"
    """What a detection is told from: the others in the other view, or those in its own view, too."""
    validate_steps: Least1 = 250
    """Look at the loss on frames that are held out so often; the best weights are kept."""
    memory_mb: NotNegative = 512.0
    """Of frames that are kept in memory rather than read again."""
