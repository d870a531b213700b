"""The section [sam]: how the image encoder of Segment Anything, or micro-SAM, is asked."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Sam(BaseModel):
    """A network that others have trained on all kinds of images; nothing is learnt here."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    aggregation: Literal["centroid", "mask_mean"] = "mask_mean"
    """The vector of a detection: the mean over its mask; or at the centre of its bounding box."""
    zoom: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """How much frames are enlarged; default: until the longest side has 1024 pixels, longer ones not at all."""
    overlap: Annotated[float, Field(ge=0, lt=1)] = 0.25
    """Frames longer than 1024 pixels are cut into tiles; what neighbours have in common, in tiles."""
    upsampler: Literal["bilinear", "anyup"] = "bilinear"
    """How features are read between the patches of 16 pixels: bilinearly, or as AnyUp enlarges them."""
    upsampler_path: str | None = None
    """TorchScript file of AnyUp (docs/sam.md says how to write it)."""
