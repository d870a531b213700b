"""[blocks]: movies that are solved block by block, through a store on disk or in a database."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Length = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Blocks(BaseModel):
    """How a movie is cut into blocks, and who solves them."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    count: tuple[Annotated[int, Field(ge=1)], ...] | None = None
    """Number of blocks along t, [z,] y, x; default: in time alone, about 20,000 detections each."""
    size: tuple[_Positive, ...] | None = None
    """Instead of count: size of a block, in frames along t, in data.unit along [z,] y, x."""
    context: tuple[_Length, ...] | None = None
    """How far a block looks beyond itself, in the units of size; default: as far as 99.9 % of candidates reach."""
    workers: Annotated[int, Field(ge=0)] = 0
    """Processes that solve blocks; 0 = all cores. The answer does not depend on it."""
    launcher: str = ""
    """Start workers by another command, such as `sbatch --wait --wrap "{command}"`; default: on this machine."""
    retries: Annotated[int, Field(ge=0)] = 2
    """How often a block is tried again whose worker was killed."""

    @model_validator(mode="after")
    def _one_cut(self) -> "Blocks":
        if self.count is not None and self.size is not None:
            raise ValueError("give either count or size of the blocks, found both")
        if self.launcher and "{command}" not in self.launcher:
            raise ValueError(
                'launcher must hold {command}, where the worker goes, as in: sbatch --wait --wrap "{command}"'
            )
        return self
