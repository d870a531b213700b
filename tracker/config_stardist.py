"""Section for StarDist on few labels and pseudo labels: [stardist]. The defaults are those published for Cellulus."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Least1 = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Between = Annotated[float, Field(gt=0, lt=1)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Above0 = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Stardist(BaseModel):
    """A U-Net that says of each pixel whether it is inside an object, and how far that reaches; 2-D alone."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    pseudo: str | None = None
    """Masks of all objects to learn from, as a program found them (`track segment cellulus`)."""
    sparse: str | None = None
    """Masks of some objects, as a person drew them; elsewhere 0. They overrule those of pseudo."""
    pseudo_weight: Share = 0.5
    """Part of the loss that pseudo has; where pseudo or sparse is missing, the other has all of it."""
    unknown_label: Least1 | None = None
    """Pixels of sparse with this label are unknown: objects that were seen, but not drawn."""
    background_px: NotNegative = 30.0
    """Pixels without a label in both masks and so near an object of sparse are background; the others are unknown."""
    n_rays: Annotated[int, Field(ge=3)] = 16
    """Directions in which the reach of an object is told."""
    channels: Least1 = 32
    """Of the first level of the U-Net; 64 in the supplement."""
    growth: Least1 = 3
    """Each lower level has so many times the channels."""
    depth: Annotated[int, Field(ge=1, le=5)] = 3
    """Halvings of the image; 3 sees 92 px around a pixel."""
    features: Least1 = 64
    """Channels that probability and rays are made of."""
    crop_px: Least1 = 252
    """Side of the crops; twice 46 px of it are seen, but not learnt."""
    batch_size: Least1 = 8
    """Crops per step, half of them of each kind of masks."""
    steps: Least1 = 100_000
    """Batches to learn from."""
    learning_rate: Above0 = 1e-4
    """The highest."""
    final_rate: Share = 0.001
    """It falls as a cosine to this part of the highest."""
    weight_decay: NotNegative = 0.0
    """Of AdamW."""
    validate_steps: Least1 = 1000
    """Look at the loss on frames that are held out so often; the best weights are kept."""
    ray_weight: NotNegative = 1.0
    """Of the error of the rays, in pixels, in the loss."""
    vary: bool = True
    """Vary the crops: turned by right angles, mirrored, with other contrast and noise."""
    contrast: tuple[Above0, Above0] = (0.7, 1.4)
    """Range of the factor of the contrast."""
    noise: NotNegative = 0.05
    """Largest standard deviation of the noise; brightness is 0 to 1."""
    frames_held: Least1 = 16
    """Frames of each movie and kind of masks that are in memory to cut crops from."""
    memory_mb: Above0 = 256.0
    """Of these frames."""
    probability_threshold: Between = 0.4
    """Segmenting: pixels below it are no candidates; lower finds more."""
    overlap: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """A candidate that shares more than this part of the smaller one's area with a better one is dropped."""
    smallest_px: Least1 = 20
    """Objects of fewer pixels are dropped."""
    tile_px: Least1 = 512
    """Frames are gone through in tiles of this side: less takes less memory, and changes nothing else."""
