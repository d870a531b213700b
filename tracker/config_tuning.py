"""The section [tuning]: how weights are learnt, and on what they are scored."""

import warnings
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # `validate` hides a method that pydantic itself has deprecated

    class Tuning(BaseModel):
        """How `track tune` learns weights, and on what it scores them."""

        model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

        validate: Literal["blocks", "movie"] = "blocks"  # type: ignore[assignment]
        """Held out is: blocks, each of `folds` blocks of time in turn; or movie, the movies of `movies`."""
        folds: Annotated[int, Field(ge=2)] = 4
        """Number of blocks of time."""
        movies: tuple[str, ...] = ()
        """Configs of further movies with truth, only scored, never learnt from (validate = "movie")."""
        features: Literal["auto", "all", "config"] = "auto"
        """Which terms get a weight: auto, all that need only the movie; all, learned scores too; config, its own."""
        objective: Literal["aogm", "lnk", "division_f1", "chota"] = "aogm"
        """The metric that the search improves and that decides which answer is kept."""
        trials: Annotated[int, Field(ge=0)] = 100
        """Trials of the search per fold; 0 = no search."""
        seed: Annotated[int, Field(ge=0)] = 0
        """Of the search; two runs with one seed agree."""

        @model_validator(mode="after")
        def _with_movies(self) -> "Tuning":
            if (self.validate == "movie") != bool(self.movies):
                raise ValueError('give movies = ["other.toml"] with validate = "movie", and only then')
            return self
