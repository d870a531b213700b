"""Section for the sequential tracker; the defaults are the published numbers."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Sequential(BaseModel):
    """The tracker that [solver] method = "sequential" takes: frame by frame, by the vectors of [embeddings] alone."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Part of a track's vector that stays when a detection is added."""
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.05
    """Of the similarities; the lower, the more the most similar counts."""
    within_weight: Annotated[float, Field(ge=0, le=1)] = 0.0
    """0: what is better than the mean of all that is not best is accepted; 1: only the better half of the best."""
    max_gap_frames: Annotated[int, Field(ge=1)] = 9999
    """Longest link, in kept frames; 1 links neighbouring frames only."""
