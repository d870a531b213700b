"""The numbers of the preset "auto": measured on each movie, or frozen here."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Rate = Annotated[float, Field(gt=0, lt=1)]
Width = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class MeasuredProperty(BaseModel):
    """How a property of detections (size, intensity) changes along links and at divisions; logarithms of ratios.

    size: log of the area or volume.   intensity: asinh of the distance from the frame's median, in `unit` steps.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    mean: Number
    """Of all detections."""
    spread: Width
    """Standard deviation of all detections."""
    unit: Width
    """What one step of an intensity is (its median absolute deviation); 1 for sizes."""
    link_spread: Width
    """Of the difference between a cell and itself a frame later."""
    division_shift: Number
    """Of the children together (sum of sizes, mean of intensities) against their parent."""
    division_spread: Width
    """Of that shift."""
    balance_spread: Width
    """Of the difference between two children."""


class Measured(BaseModel):
    """What the preset "auto" knows about a movie. Lengths in data.unit, rates per detection and frame."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    step_scale: Width
    """Scale of a step per axis, after the local motion is taken off."""
    step_tail: Annotated[float, Field(ge=1, allow_inf_nan=False)]
    """Degrees of freedom of the steps' Student t: small for movies in which some cells jump."""
    midpoint_steps: Width
    """Scale of the way from a parent to the midpoint of its children, in step scales."""
    separation: Width
    """Half the distance between two new children, in distances from the parent to its nearest neighbour; median."""
    separation_spread: Width
    """Of its logarithm."""
    division_rate: Rate
    """How often a cell divides."""
    appear_rate: Rate
    """How often a cell appears, away from the image edge."""
    disappear_rate: Rate
    """How often a cell disappears, away from the image edge."""
    edge_appear_rate: Rate
    """How often a cell at the image edge comes from outside."""
    edge_disappear_rate: Rate
    """How often a cell at the image edge leaves."""
    edge_px: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """How far the edge reaches, in pixels along y and x; 0 where the image is not known."""
    missed_rate: Rate
    """How often a cell is not detected: the price of a frame gap."""
    link_outliers: Rate
    """Share of links whose properties say nothing."""
    division_outliers: Rate
    """Share of divisions whose properties say nothing."""
    properties: dict[Literal["size", "intensity"], MeasuredProperty] = {}
    """By name: size, intensity; those that the input has."""
