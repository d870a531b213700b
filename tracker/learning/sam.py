"""SAM's image encoder, asked as a config says. It is not trained here."""

from pathlib import Path
from typing import Any

from embeddings.learning_movie import LearningMovie
from embeddings.methods.sam import sam_frames
from embeddings.nets.sam_checkpoint import file_digest, read_sam_checkpoint
from tracker.config import Config
from tracker.config_sam import Sam


def sam_options(config: Config) -> dict[str, Any]:
    """How [sam] has it asked about detections: keyword arguments of `embed_sam`. Raises ModelError without its file."""
    given = config.sam or Sam()
    options: dict[str, Any] = given.model_dump()
    if given.upsampler_path is not None:
        path = config.path(given.upsampler_path)
        options |= {"upsampler_path": str(path.resolve()), "upsampler_sha256": file_digest(path)}
    return options


def check_sam(model: Path, movie: LearningMovie, *, zoom: float | None, **others: Any) -> None:
    """Raise ConfigError where the cells of a movie do not fit what the encoder sees.

    zoom: as in `sam_options`, whose other options do not matter here.
    """
    sam_frames(movie, read_sam_checkpoint(model).sizes, zoom)
