"""Section for objects found without labels: [cellulus]. The defaults are the published numbers."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Least1 = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Above0 = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Cellulus(_Section):
    """A small U-Net whose pixels agree upon the middles of objects, and how objects are made of that."""

    object_size_px: Above0 = 30.0
    """Diameter of a typical object along y and x, in pixels of the images: what all else follows from."""
    zoom: Above0 | tuple[Above0, ...] | None = None
    """How much images are enlarged first, one number or [z,] y, x; default such that objects are 30 px across."""
    channels: Least1 = 64
    """Of the first level of the U-Net; 24 in the published examples."""
    growth: Least1 = 3
    """The lower level has so many times the channels."""
    depth: Annotated[int, Field(ge=1, le=5)] = 1
    """Halvings of the image; 1 sees 16 px around a pixel, and objects must be larger than that."""
    features: Least1 = 64
    """Channels that the offsets are made of; also the length of the embedding."""
    crop_px: Least1 | tuple[Least1, ...] = 252
    """Side of the crops after zooming, one number or [z,] y, x; in 3-D 80 in the publication."""
    batch_size: Least1 = 8
    """Crops per step."""
    steps: Least1 = 100_000
    """Batches to learn from."""
    learning_rate: Above0 = 4e-5
    """The highest."""
    final_rate: Annotated[float, Field(ge=0, le=1)] = 1.0
    """It falls as a cosine to this part of the highest; 1 = constant (published)."""
    weight_decay: NotNegative = 0.01
    """Of AdamW."""
    validate_steps: Least1 = 1000
    """Look at the loss on frames that are held out so often; the best weights are kept."""
    density: Share = 0.1
    """Part of the pixels that are anchors, and of those around each that are paired with it; 0.2 in the paper."""
    pair_radius_px: Annotated[float, Field(gt=1, allow_inf_nan=False)] = 10.0
    """Pixels of a pair lie less than this apart."""
    temperature: Above0 = 10.0
    """Of the loss, in px^2: pairs much farther apart than its root are given up."""
    offset_weight: NotNegative = 1e-5
    """Of the length of the offsets, in the loss."""
    bend: bool = True
    """Vary the crops: turned, stretched, bent, mirrored."""
    frames_held: Least1 = 16
    """Frames of each movie that are in memory to cut crops from."""
    memory_mb: Above0 = 256.0
    """Of these frames."""
    noise_repeats: Least1 = 16
    """Segmenting: each frame is seen twice this often, with other noise each time."""
    noise_share: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """Part of the pixels that noise replaces."""
    uncertainty: Above0 | None = None
    """Pixels whose offset varies less than this, in pixels, are foreground; default Otsu's threshold of each frame."""
    clustering: Literal["mean_shift", "seeds", "greedy"] = "mean_shift"
    """mean_shift; seeds: only from the minima of the offsets; greedy: from the most certain pixel on."""
    bandwidth_px: Above0 | None = None
    """Reach of the clustering, in pixels of the images; default half of object_size_px."""
    fit_share: Share = 0.1
    """Part of the foreground that the mean-shift looks at; the rest is assigned."""
    refinement: Literal["none", "cell", "nucleus"] = "cell"
    """cell: grow, then shrink; nucleus: keep what is bright (Otsu's threshold of each object) and fill holes."""
    grow_px: NotNegative = 3.0
    """cell: objects grow by so much, in pixels of the images."""
    shrink_px: NotNegative = 6.0
    """cell: then pixels this close to a boundary are erased."""
    smallest_share: NotNegative = 0.1
    """Objects smaller than this part of a disc (3-D: a ball) of object_size_px are dropped."""
    vector: Literal["features", "offsets"] = "features"
    """The embedding of a detection: mean features of its mask; or mean and spread of its offsets."""
    radius_px: NotNegative = 8.0
    """Embedding without masks: means are over a disc of this radius."""
    tile_px: Least1 = 512
    """Frames are gone through in tiles of this side: less takes less memory, and changes nothing else."""
