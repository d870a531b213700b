"""Movies, networks and links for the tests of inference, and the scores by their definition."""

import numpy as np
import torch
from network_cases import small_network

from embeddings.augment import dihedral_matrices, transform_tokens
from embeddings.losses.parental_softmax import parental_softmax
from embeddings.windows import TokenMovie


def moderate(movie: TokenMovie) -> TokenMovie:
    """The movie with tokens of the size of a network's input; those of `window_cases` count upwards."""
    rng = np.random.default_rng(5)
    return TokenMovie(
        movie.position_px,
        rng.random(movie.tokens.shape).astype(np.float32) * 5,
        movie.starts,
        movie.low_px,
        movie.high_px,
    )


def network_for(movie, **changes):
    return small_network(dimensions=movie.ndim, features=movie.tokens.shape[1], **changes)


def all_links(movie: TokenMovie, gaps: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Three quarters of all pairs of frames so far apart, shuffled."""
    step = movie.step_of(np.arange(len(movie)))
    delay = step - step[:, None]
    links = np.argwhere(np.isin(delay, gaps))
    rng = np.random.default_rng(seed)
    return rng.permutation(links)[: 3 * len(links) // 4]


def turned_about(movie: TokenMovie, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places and tokens as of the turned picture: counted from the corner of the turned box."""
    inside = movie.position_px.copy()
    inside[:, -2:] -= movie.low_px
    side = np.zeros(movie.ndim)
    side[-2:] = movie.high_px - movie.low_px
    corner = np.minimum(matrix @ side, 0)
    low = np.zeros(movie.ndim)
    low[-2:] = movie.low_px
    return inside @ matrix.T - corner + np.abs(matrix) @ low, transform_tokens(movie.tokens, matrix)


def slow_scores(network, movie, links, n_frames, variants=1, threshold=0.0, logit_clamp=None, both=False) -> np.ndarray:
    """The definition: every window over all pairs, every link in every window on its own."""
    config = network.config
    n_frames = min(n_frames, movie.n_frames)
    seen: list[list[float]] = [[] for _ in links]
    returned: list[list[float]] = [[] for _ in links]
    for matrix in dihedral_matrices(movie.ndim)[:variants]:
        place, tokens = turned_about(movie, matrix)
        for start in range(movie.n_frames - n_frames + 1):
            rows = np.arange(movie.starts[start], movie.starts[start + n_frames])
            if not len(rows):
                continue
            step = torch.from_numpy(movie.step_of(rows) - start)[None]
            where = torch.from_numpy(place[rows]).float()[None]
            coordinates = torch.cat((step[..., None].float(), where), dim=-1)
            padding = torch.zeros_like(step, dtype=torch.bool)  # so that all pairs are gone through
            looks = None if movie.embeddings is None else torch.from_numpy(movie.embeddings[rows])[None]
            with torch.no_grad():
                logits = network(coordinates, torch.from_numpy(tokens[rows])[None], padding, looks)
            if logit_clamp is not None:
                logits = logits.clamp(-logit_clamp, logit_clamp)
            allowed = torch.cdist(where, where) <= config.cutoff_px
            phi = parental_softmax(logits, step, allowed=allowed, mode=config.normalisation)[0]
            # The same of the movie played backwards.
            psi = parental_softmax(logits.mT, n_frames - step, allowed=allowed, mode=config.normalisation)[0].T
            for number, (parent, child) in enumerate(links - rows[0]):
                if 0 <= parent < len(rows) and 0 <= child < len(rows):
                    for values, score in ((seen, phi[parent, child]), (returned, psi[parent, child])):
                        if score >= threshold:
                            values[number].append(float(score))
    forth, back = ([np.mean(values) if values else 0.0 for values in each] for each in (seen, returned))
    return np.array(forth) * (np.minimum(1, 2 * np.array(back)) if both else 1)
