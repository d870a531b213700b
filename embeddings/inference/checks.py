"""Whether links, a movie and a network go together."""

import numpy as np
from numpy.typing import NDArray

from embeddings.nets.errors import ModelError
from embeddings.nets.tracking_transformer import TrackingTransformer
from embeddings.tokens import TokenLayout
from embeddings.windows import TokenMovie
from tracker.errors import ConfigError, InputError, first_five


def check_network(network: TrackingTransformer, movie: TokenMovie, *, variants: int) -> None:
    """Raise ModelError, or for so many variants ConfigError, where the network and the movie do not fit."""
    config = network.config
    if movie.ndim != config.dimensions:
        raise ModelError(
            f"the network is for {config.dimensions}-D movies, {movie.name} is {movie.ndim}-D: name a model trained on "
            f"{movie.ndim}-D movies"
        )
    found = movie.tokens.shape[1]
    if found != config.features:
        raise ModelError(
            f"the network was made for {config.features} features per detection, {movie.name} has {found}: name a "
            "model trained with these"
        )
    channels = movie.embedding_channels
    if channels != config.embedding_channels:
        raise ModelError(
            f"the network was made for embeddings of {config.embedding_channels or 'no'} channels, {movie.name} has "
            f"{channels or 'none'}: give those of the method it was trained with"
        )
    known = TokenLayout(movie.ndim).size
    if variants != 1 and found not in (0, known):
        raise ConfigError(
            f"scores: variants = {variants} turns the {known} tokens of a {movie.ndim}-D movie, or none, and "
            f"{movie.name} has {found} other features; set variants = 1"
        )


def check_links(movie: TokenMovie, links: NDArray[np.int64]) -> None:
    """Raise InputError for links that are none."""
    if links.ndim != 2 or links.shape[1] != 2 or links.dtype.kind not in "iu":
        raise InputError(f"links must be (E, 2) whole numbers, found {links.shape} of {links.dtype}")
    outside = ((links < 0) | (links >= len(movie))).any(axis=1)
    if outside.any():
        raise InputError(
            f"links must name rows 0 to {len(movie) - 1} of {movie.name}, but these do not: "
            f"{first_five(map(tuple, links[outside].tolist()))}"
        )
    step = movie.step_of(links)
    backward = step[:, 0] >= step[:, 1]
    if backward.any():
        raise InputError(
            f"links must lead from a parent to a child in a later step of {movie.name}, but these rows do not: "
            f"{first_five(map(tuple, links[backward].tolist()))}"
        )


def check_gaps(movie: TokenMovie, links: NDArray[np.int64], n_frames: int) -> None:
    """Raise ConfigError where a link spans more frames than a window of n_frames holds."""
    step = movie.step_of(links)
    widest = int((step[:, 1] - step[:, 0]).max(initial=0))
    if widest >= n_frames:
        raise ConfigError(
            f"links over {widest} frames never lie in a window of {n_frames} frames: make candidates.max_frame_gap at "
            f"most {n_frames - 1}, or name a model with longer windows"
        )
