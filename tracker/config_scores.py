"""Sections for learned scores: read from files, or computed by a model when they are not there."""

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, lt=1)]

#: Methods that score links, and those that give a vector per detection (tracker/learning/detection_methods.py).
LinkMethod = Literal["attrackt", "trackastra", "finetune"]
DetectionMethod = Literal["autoencoder", "reid", "maester", "tap", "sam", "cellulus", "ascent"]
LINK_METHODS: tuple[str, ...] = get_args(LinkMethod)
DETECTION_METHODS: tuple[str, ...] = get_args(DetectionMethod)
#: Of the latter, those whose weights others have published; and what `track train` knows, with what makes masks alone.
PUBLISHED_METHODS = ("sam",)
TRAINED_METHODS = (
    *LINK_METHODS,
    *(method for method in DETECTION_METHODS if method not in PUBLISHED_METHODS),
    "stardist",
)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class EmbeddingSettings(_Section):
    """A vector per detection, for the feature embedding_distance."""

    path: str | None = None
    """NodeEmbeddings file (.npz); with model: where they are kept, default <output.path>.embeddings.npz."""
    method: DetectionMethod | None = None
    """What the model must be; default whatever it is."""
    model: str | None = None
    """Model folder (`track train`) that computes the vectors when they are not there."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where the model runs."""

    @model_validator(mode="after")
    def _some_source(self) -> "EmbeddingSettings":
        if self.path is None and self.model is None:
            raise ValueError("give path (a NodeEmbeddings file) or model (a folder that `track train` wrote)")
        return self


class DivisionScoreSettings(_Section):
    """A score per detection, how much it looks like dividing, for division_score and division_surprise."""

    path: str | None = None
    """DetectionScores file (.npz); with model: where they are kept, default <output.path>.division_scores.npz."""
    model: str | None = None
    """Model folder (`track train tap`) that computes the scores when they are not there; how: [tap]."""
    probe: bool = True
    """Learn what divides from pins, where there are at least 3 cells that divide and 10 that do not."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where the model runs."""

    @model_validator(mode="after")
    def _some_source(self) -> "DivisionScoreSettings":
        if self.path is None and self.model is None:
            raise ValueError("give path (a DetectionScores file) or model (a folder that `track train tap` wrote)")
        return self


class AssociationSettings(_Section):
    """A score per link, for the features association and association_surprise."""

    path: str | None = None
    """Associations file (.npz); with model: where they are kept, default <output.path>.associations.npz."""
    geff: str | None = None
    """Instead: candidate graph of another tool, whose links carry scores."""
    property: str = "score"
    """The link property of the geff that holds the score."""
    method: LinkMethod | None = None
    """What the model must be; default whatever it is."""
    model: str | None = None
    """Model folder (`track train`, or a Trackastra release) that computes the scores when they are not there."""
    fuse: str | None = None
    """Method whose [embeddings] the network sees, too: to be trained so by `track train`, or what model has seen."""
    variants: Literal[1, 8] = 8
    """8: the mean over the movie turned and flipped in all ways; 1: as it is, eight times as fast."""
    competition: Literal["parents", "both"] = "parents"
    """parents: those of a detection compete for it (as trained); both: children compete for a parent, too."""
    threshold: Share = 0.0
    """Scores below this count as not seen in a window (Attrackt 0.01, Trackastra 0.05); 0 = plain means."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where the model runs."""

    @model_validator(mode="after")
    def _one_source(self) -> "AssociationSettings":
        if self.geff is not None and (self.path is not None or self.model is not None):
            raise ValueError("geff brings its own scores; leave out path and model")
        if self.path is None and self.geff is None and self.model is None:
            raise ValueError(
                "give model (a folder that `track train` wrote), path (an Associations file) or geff (a candidate "
                "graph with scores)"
            )
        return self
