"""`track embed`: the table that a model makes of a movie."""

from dataclasses import dataclass
from pathlib import Path

from embeddings.methods.load import PUBLIC
from tracker.config import Config
from tracker.config_scores import AssociationSettings, EmbeddingSettings
from tracker.errors import ConfigError
from tracker.learning.scores import association_scores, embedding_vectors, kept_in
from tracker.prepare import Progress, measure, propose, read_inputs

LINKS = ("attrackt", "trackastra", "finetune")
DETECTIONS = ("autoencoder", "reid")


@dataclass(frozen=True)
class Made:
    """path: of the table.   kind: what its rows are.   rows: how many."""

    path: Path
    kind: str
    rows: int


def embed_movie(
    method: str,
    config: Config,
    model: Path | None,
    table: Path | None,
    *,
    overwrite: bool = False,
    progress: Progress = lambda stage: None,
) -> Made:
    """Write the table of a method for the movie of a config.

    model: folder; default the one the config names.   table: where to; default where `track run` looks for it.
    overwrite: compute it anew even where an earlier one fits.   Raises ConfigError, and what the models raise.
    """
    if method not in (*LINKS, *DETECTIONS):
        raise ConfigError(f"there is no method {method!r} to embed with. Known: {', '.join((*LINKS, *DETECTIONS))}")
    section = "associations" if method in LINKS else "embeddings"
    given = getattr(config, section)
    changes: dict[str, object] = {"method": method, "geff": None} if method in LINKS else {"method": method}
    if model is not None:
        public = str(model) in PUBLIC and not model.exists()
        changes["model"] = str(model if public else model.resolve())
    elif given is None or given.model is None:
        raise ConfigError(f"which model? Give --model FOLDER, or [{section}] model in the config")
    if table is not None:
        changes["path"] = str(table.resolve())
    before = {} if given is None else given.model_dump()
    kind = AssociationSettings if method in LINKS else EmbeddingSettings
    asked = config.model_copy(update={section: kind.model_validate({**before, **changes})})
    path = kept_in(asked, getattr(asked, section).path, section)
    progress("reading detections")
    inputs = read_inputs(asked)
    if method in DETECTIONS:
        return Made(path, "detections", len(embedding_vectors(asked, inputs, progress, anew=overwrite)))
    progress("proposing candidates")
    graph = propose(asked, inputs.detections, measure(asked, inputs.detections))
    return Made(path, "links", len(association_scores(asked, inputs, graph, progress, anew=overwrite)))
