"""Association scores of candidate links by a tracking transformer, averaged over sliding windows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embeddings.augment import Augmentation, dihedral_matrices
from embeddings.batches import Batch, collate
from embeddings.inference.checks import check_gaps, check_links, check_network
from embeddings.inference.link_blocks import LinkBlock, LinkBlocks, Rivals
from embeddings.losses.parental_softmax import normalise_block
from embeddings.nets.errors import ModelError
from embeddings.nets.tiles import in_chunks, pad_rows
from embeddings.nets.tracking_transformer import TrackingTransformer
from embeddings.training.device import choose_device, memory_watched
from embeddings.windows import TokenMovie, Window
from tracker.errors import ConfigError

# Windows of at most so many detections, where calls cost more than arithmetic, go through the network together, so many
# detections at a time.
SMALL_TOKENS = 128
BATCH_TOKENS = 2048


@dataclass(frozen=True)
class ScoreSettings:
    """How scores are made.

    window_frames: frames W >= 2 that the network sees at a time, None for its own; a shorter movie is one window.
    variants: 1, or 8: also turned by quarter turns, and flipped, and averaged.
    competition: "parents": the parents of a detection compete for it, as trained. "both": the children of a detection
        compete as well, so that one with a sure child has little to give to a newcomer beside it; see `link_scores`.
    threshold: a score below it counts as not seen in that window. The score of a link is the mean over the windows (and
        variants) in which it was seen, 0 where that is none. 0 is the plain mean over all windows that hold both ends.
        Trackastra has 0.05, Attrackt 0.01.
    logit_clamp: logits are held within +- this, None for no limit; Attrackt trains with 20.
    device: cpu, cuda, mps, or auto, the best there is.
    max_pairs: pairs of detections of two frames whose scores are in memory at a time; all the parents that compete for
        256 children always are.
    Raises ConfigError for values outside these.
    """

    window_frames: int | None = None
    variants: Literal[1, 8] = 1
    competition: Literal["parents", "both"] = "parents"
    threshold: float = 0.0
    logit_clamp: float | None = None
    device: str = "auto"
    max_pairs: int = 2**20

    def __post_init__(self) -> None:
        """Check the values."""
        if self.window_frames is not None and self.window_frames < 2:
            raise ConfigError(f"scores: window_frames must be at least 2, found {self.window_frames}")
        if self.variants not in (1, 8):
            raise ConfigError(f"scores: variants must be 1 or 8, found {self.variants}")
        if self.competition not in ("parents", "both"):
            raise ConfigError(f"scores: competition must be parents or both, found {self.competition!r}")
        if not 0 <= self.threshold < 1:
            raise ConfigError(f"scores: threshold must be in [0, 1), found {self.threshold}")
        if self.logit_clamp is not None and not self.logit_clamp > 0:
            raise ConfigError(f"scores: logit_clamp must be a number > 0, found {self.logit_clamp}")
        if self.max_pairs < 1:
            raise ConfigError(f"scores: max_pairs must be at least 1, found {self.max_pairs}")


_ADVICE = 'Score them on the CPU (associations.device = "cpu"), or train a model with shorter windows'
_DEFAULT = ScoreSettings()


def link_scores(
    network: TrackingTransformer,
    movie: TokenMovie,
    links: NDArray[np.int64],
    settings: ScoreSettings = _DEFAULT,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Scores (E,) in [0, 1] of links (E, 2), rows (parent, child) of the movie, child in a later step, in any order.

    The network looks at every W whole frames in a row, time counted from the first of them. In each window, with
    Phi the parental softmax of the network's own normalisation, over the detections of the parent's frame that are
    within its cutoff_px of the child (`normalise_block`),

        score_ij = sum Phi_ij [Phi_ij >= threshold] / number of windows and variants with Phi_ij >= threshold

    With competition "both", Psi is the same with the roles exchanged: the children of the child's frame within reach
    compete for the parent. A parent has up to two children, so that

        score_ij = mean Phi_ij * min(1, 2 mean Psi_ij)

    Windows without links are left out. A link longer than the cut-off has score 0.
    Variants turn the movie as one turns a picture: places are counted from the corner of the turned box, so that a
    movie and its turned or mirrored copy get equal scores. A network that knows embeddings is given those of the movie
    (`TokenMovie.embeddings`), in all variants those of the images as they are, as in training.

    progress: called with the number of windows done and of all windows.
    Raises ModelError where the network does not fit the movie, or gives scores that are not finite; ConfigError where a
    link spans more frames than a window holds, or the device cannot be used; InputError for links that are none;
    TrainingError where memory does not suffice.
    """
    check_network(network, movie, variants=settings.variants)
    check_links(movie, links)
    n_frames = min(settings.window_frames or network.config.window_frames, movie.n_frames)
    check_gaps(movie, links, n_frames)
    if not len(links):
        return np.zeros(0, np.float32)
    device = choose_device(settings.device)
    sides: list[Rivals] = ["parents", "children"] if settings.competition == "both" else ["parents"]
    blocks = [LinkBlocks(movie, links, network.config.cutoff_px, rivals) for rivals in sides]
    sums, seen = np.zeros((len(sides), len(links))), np.zeros((len(sides), len(links)), np.int64)
    starts = [start for start in range(movie.n_frames - n_frames + 1) if blocks[0].holds_links(start, n_frames)]
    done = 0
    with _ready(network, device), torch.inference_mode():
        for group in _groups(movie, starts, n_frames):
            for of_side in blocks:
                of_side.forget(group[0].start)
            with memory_watched(device, "scoring links", _ADVICE):
                for batch in _variants(group, movie, settings.variants):
                    for side, link, score in _batch_scores(
                        network, batch.to(device), group, blocks, n_frames, settings
                    ):
                        counts = score >= settings.threshold
                        np.add.at(sums[side], link[counts], score[counts])
                        np.add.at(seen[side], link[counts], 1)
            done += len(group)
            if progress is not None:
                progress(done, len(starts))
    means = sums / np.maximum(seen, 1)
    score = means[0] if len(means) == 1 else means[0] * np.minimum(1, 2 * means[1])
    return score.astype(np.float32)


def _batch_scores(
    network: TrackingTransformer,
    batch: Batch,
    group: list[Window],
    blocks: list[LinkBlocks],
    n_frames: int,
    settings: ScoreSettings,
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.float32]]]:
    """Links and their scores in the windows of a batch; a link comes once for each window that holds it.

    First comes the number of the side whose rivals compete, in `blocks`.
    """
    parent, child = network.embed(
        batch.coordinates,
        batch.tokens if network.config.features else None,
        batch.padding if len(group) > 1 else None,
        batch.embeddings,
    )
    parent, child, places = parent.flatten(0, 1), child.flatten(0, 1), batch.coordinates[..., 1:].flatten(0, 1)
    for side, of_side in enumerate(blocks):
        embedded = (parent, child) if of_side.rivals == "parents" else (child, parent)
        # Windows are whole frames, so rows of the movie and of the batch differ by a constant.
        work = [
            (number * batch.padding.shape[1] - int(window.rows[0]), block)
            for number, window in enumerate(group)
            for block in of_side.of_window(window.start, n_frames)
        ]
        for link, phi in _block_scores(network, embedded, places, work, settings):
            score: NDArray[np.float32] = phi.float().cpu().numpy()
            if not np.isfinite(score).all():
                raise ModelError(
                    f"the network gives scores that are not finite in the windows from step {group[0].start} on: its "
                    "weights or the tokens are not finite; train it again with a lower learning rate"
                )
            yield side, link, score


def _block_scores(
    network: TrackingTransformer,
    embedded: tuple[Tensor, Tensor],
    places: Tensor,
    work: list[tuple[int, LinkBlock]],
    settings: ScoreSettings,
) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
    """Links and their scores, of blocks each of which is so many rows further on in the batch than in the movie.

    embedded: of all rows of the batch, of the rivals' kind and of the targets'.   places: (rows, D) px.
    """
    sizes = np.array([(len(block.rivals), len(block.targets)) for _, block in work]).reshape(-1, 2)
    for some in in_chunks(sizes[:, 1], sizes[:, 0], settings.max_pairs):
        here = [work[place] for place in some]
        (rivals, rivals_real), (targets, targets_real) = (
            tuple(torch.from_numpy(array).to(places.device) for array in pad_rows(rows))
            for rows in ([block.rivals + by for by, block in here], [block.targets + by for by, block in here])
        )
        logits = embedded[0][rivals] @ embedded[1][targets].mT
        if settings.logit_clamp is not None:
            logits = logits.clamp(-settings.logit_clamp, settings.logit_clamp)
        distance_px = torch.cdist(places[rivals], places[targets], compute_mode="donot_use_mm_for_euclid_dist")
        allowed = (distance_px <= network.config.cutoff_px) & rivals_real.unsqueeze(2) & targets_real.unsqueeze(1)
        phi = normalise_block(logits, allowed, network.config.normalisation)
        number = np.repeat(np.arange(len(here)), [len(block.link) for _, block in here])
        wanted = np.stack(
            [
                number,
                np.concatenate([block.rival_slot for _, block in here]),
                np.concatenate([block.target_slot for _, block in here]),
            ]
        )
        yield np.concatenate([block.link for _, block in here]), phi[tuple(torch.from_numpy(wanted).to(phi.device))]


def _groups(movie: TokenMovie, starts: list[int], n_frames: int) -> Iterator[list[Window]]:
    """Windows that go through the network together: one, or several small ones."""
    group: list[Window] = []
    longest = 0
    for start in starts:
        rows = np.arange(movie.starts[start], movie.starts[start + n_frames])
        longest = max(longest, len(rows))
        if group and (longest > SMALL_TOKENS or (len(group) + 1) * longest > BATCH_TOKENS):
            yield group
            group, longest = [], len(rows)
        group.append(Window(0, start, movie.low_px, movie.high_px, rows))
    if group:
        yield group


def _variants(group: list[Window], movie: TokenMovie, variants: int) -> Iterator[Batch]:
    """The windows as they are, and the other variants."""
    yield collate(group, (movie,))
    centre = np.zeros(movie.ndim)
    centre[-2:] = (movie.low_px + movie.high_px) / 2
    for matrix in dihedral_matrices(movie.ndim)[1:variants]:
        # The corner of the turned box takes the place of that of the box.
        shift = np.abs(matrix) @ centre - centre
        turned = [
            Augmentation(matrix, centre, np.tile(shift, (movie.n_frames, 1)), np.zeros((len(window), movie.ndim)))
            for window in group
        ]
        yield collate(group, (movie,), augmentations=turned)


@contextmanager
def _ready(network: TrackingTransformer, device: torch.device) -> Iterator[None]:
    """The network on the device and in eval mode, afterwards as it was."""
    training, before = network.training, next(network.parameters()).device
    network.eval().to(device)
    try:
        yield
    finally:
        network.train(training).to(before)
