"""Tables that a model computed, kept in a file, and used again as long as they fit."""

import hashlib
import json
import logging
from pathlib import Path
from typing import Any, TypeVar

from embeddings.learning_movie import LearningMovie
from embeddings.table import Associations, DetectionScores, NodeEmbeddings, TableError
from tracker.config import Config
from tracker.errors import InputError

log = logging.getLogger(__name__)
Table = TypeVar("Table", Associations, NodeEmbeddings, DetectionScores)


def kept_in(config: Config, path: str | None, kind: str) -> Path:
    """The file of a table: named by the config, else beside the result."""
    if path is not None:
        return config.path(path)
    result = config.path(config.output.path)
    return result.with_name(f"{result.name}.{kind}.npz")


def identity_of(movie: LearningMovie, model: str, **settings: Any) -> str:
    """What a table depends on, in 16 hexadecimal digits."""
    text = json.dumps({"movie": movie.digest, "model": model, **settings}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def kept_table(path: Path, kind: type[Table]) -> Table | None:
    """The table in a file, None where there is none.

    Raises InputError for a file that no model of ours wrote: it is not replaced.
    """
    if not path.exists():
        return None
    try:
        table = kind.load(path)
    except TableError as error:
        raise InputError(f"{error}. Remove it, or let path name another file for what the model computes") from error
    if "identity" not in table.provenance:
        held = "vectors" if kind is NodeEmbeddings else "scores"
        raise InputError(
            f"{path} holds {held} that came from elsewhere, and would be replaced by the model's. Leave out model to "
            "use them, or let path name another file"
        )
    return table


def fitting(table: Table | None, identity: str, path: Path) -> Table | None:
    """The table, None where it is out of date."""
    if table is not None and table.provenance["identity"] != identity:
        log.info("%s is out of date (detections, model or settings changed) and is computed anew", path)
        return None
    return table


def keep(table: Associations | NodeEmbeddings | DetectionScores, path: Path) -> None:
    """Write a table. Raises InputError where that is not possible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        table.save(path)
    except (OSError, TableError) as error:
        reason = f"{path} could not be written: {error.strerror}" if isinstance(error, OSError) else str(error)
        raise InputError(f"{reason}. Let path name a place that can be written") from error
