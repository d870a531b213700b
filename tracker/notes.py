"""What is odd but allowed, and worth a sentence before anybody trusts the lineage."""

import numpy as np

from tracker.auto.model import MovieModel
from tracker.config import Config
from tracker.detections import Detections
from tracker.errors import first_five

FEWEST_LINKS = 20  # with fewer, what the preset auto measures is hardly more than where it starts


def notes_of(config: Config, found: Detections, movie: MovieModel | None, n_links: int) -> list[str]:
    """What there is to say of the candidates of a movie and of what was measured on it."""
    notes = (unlinkable(config, found, n_links), hardly_measured(movie), measured_on_a_sample(movie))
    return [note for note in notes if note is not None]


def measured_on_a_sample(movie: MovieModel | None) -> str | None:
    """A sentence when the numbers of the preset auto come from a part of the movie."""
    if movie is None or movie.sample is None:
        return None
    return (
        f"the numbers of the preset auto were measured on {movie.sample}; raise costs.measure_detections to measure "
        "on all of them (docs/auto.md)"
    )


def unlinkable(config: Config, found: Detections, n_links: int) -> str | None:
    """A sentence when two frames or more hold detections and no link between any is proposed."""
    filled = found.frames[np.diff(found.starts) > 0]
    if len(filled) < 2 or n_links:
        return None
    wanted = config.candidates
    reach = "" if np.isinf(wanted.max_distance) else f", candidates.max_distance = {wanted.max_distance:g}"
    return (
        f"no links are proposed, so no cell is followed: there are detections at t = {first_five(filled)}, with "
        f"candidates.max_frame_gap = {wanted.max_frame_gap}, data.every = {config.data.every}{reach}. Where frames "
        "between them are empty, raise data.every or candidates.max_frame_gap to their distance"
    )


def hardly_measured(movie: MovieModel | None) -> str | None:
    """A sentence when the numbers of the preset auto rest on fewer than 20 links; frozen ones are taken as they are."""
    if movie is None or movie.n_links is None or movie.n_links >= FEWEST_LINKS:
        return None
    links = f"{movie.n_links} link{'' if movie.n_links == 1 else 's'}"
    return f"measured on too little ({links}): the numbers of the preset auto are starting values (docs/auto.md)"
