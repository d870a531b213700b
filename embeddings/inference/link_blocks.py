"""The pairs of frames that hold links, cut into blocks: some children, and every parent that competes for them.

Or the other way round: some parents, and every child that competes for them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from embeddings.nets.tiles import cut_tiles, within_reach
from embeddings.windows import TokenMovie

# Detections of a block that are competed for: few make its surroundings small, many make its arithmetic dense.
BLOCK_TARGETS = 256

Rivals = Literal["parents", "children"]


@dataclass(frozen=True)
class LinkBlock:
    """Targets of one frame, and all detections of another that may be within the cut-off of any of them, their rivals.

    rivals: (P,) and targets: (C,) int64 rows of the movie.   link: (L,) int64, which links of the caller lie in the
    block, and at which row rival_slot and column target_slot, (L,) int64 each.
    """

    rivals: NDArray[np.int64]
    targets: NDArray[np.int64]
    link: NDArray[np.int64]
    rival_slot: NDArray[np.int64]
    target_slot: NDArray[np.int64]


class LinkBlocks:
    """Blocks of the links of a movie, made when first asked for and kept until `forget`."""

    def __init__(
        self, movie: TokenMovie, links: NDArray[np.int64], cutoff_px: float, rivals: Rivals = "parents"
    ) -> None:
        """links: (E, 2) rows (parent, child), child in a later step.   rivals: who competes for the others."""
        self._movie, self._links, self._cutoff_px, self.rivals = movie, links, cutoff_px, rivals
        steps = movie.step_of(links)
        self._order = np.lexsort((steps[:, 1], steps[:, 0]))
        pairs, first = np.unique(steps[self._order], axis=0, return_index=True)
        last = np.append(first[1:], len(links))
        # By the earlier step: the later step, and which links in the order above.
        self._later: dict[int, list[tuple[int, slice]]] = {}
        for (earlier, later), begin, end in zip(pairs.tolist(), first.tolist(), last.tolist(), strict=True):
            self._later.setdefault(earlier, []).append((later, slice(begin, end)))
        self._made: dict[tuple[int, int], list[LinkBlock]] = {}

    def holds_links(self, start: int, n_frames: int) -> bool:
        """Whether any link has both ends in the steps start .. start + n_frames - 1."""
        return any(
            later < start + n_frames
            for earlier in range(start, start + n_frames - 1)
            for later, _ in self._later.get(earlier, ())
        )

    def of_window(self, start: int, n_frames: int) -> Iterator[LinkBlock]:
        """Blocks of all links with both ends in the steps start .. start + n_frames - 1."""
        for earlier in range(start, start + n_frames - 1):
            for later, which in self._later.get(earlier, ()):
                if later < start + n_frames:
                    if (earlier, later) not in self._made:
                        self._made[earlier, later] = self._make(earlier, later, self._order[which])
                    yield from self._made[earlier, later]

    def forget(self, start: int) -> None:
        """Drop the blocks of parents before step `start`."""
        self._made = {pair: blocks for pair, blocks in self._made.items() if pair[0] >= start}

    def _make(self, earlier: int, later: int, link: NDArray[np.int64]) -> list[LinkBlock]:
        """Only blocks with links; a link whose rival is beyond the cut-off of its block is in none."""
        starts, plane = self._movie.starts, self._movie.position_px[:, -2:]
        steps, ends_of = (earlier, later), self._links[link].T
        if self.rivals == "children":
            steps, ends_of = steps[::-1], ends_of[::-1]
        first_rival, first_target = starts[steps[0]], starts[steps[1]]
        rival, target = ends_of[0] - first_rival, ends_of[1] - first_target
        rivals_px, targets_px = (plane[starts[step] : starts[step + 1]] for step in steps)
        # Only targets with links need columns.
        used, column = np.unique(target, return_inverse=True)
        groups = cut_tiles(targets_px[used], BLOCK_TARGETS)
        reach = within_reach(groups, targets_px[used], rivals_px, self._cutoff_px)
        block_of, slot_of = np.empty(len(used), np.int64), np.empty(len(used), np.int64)
        for number, group in enumerate(groups):
            block_of[group], slot_of[group] = number, np.arange(len(group))
        blocks = []
        by_block = np.argsort(block_of[column], kind="stable")
        ends = np.cumsum(np.bincount(block_of[column], minlength=len(groups)))
        for group, near, begin, end in zip(groups, reach, [0, *ends[:-1].tolist()], ends.tolist(), strict=True):
            here = by_block[begin:end]
            slot = np.searchsorted(near, rival[here])
            found = slot < len(near)
            found[found] = near[slot[found]] == rival[here][found]
            if found.any():
                here = here[found]
                blocks.append(
                    LinkBlock(
                        rivals=near + first_rival,
                        targets=used[group] + first_target,
                        link=link[here],
                        rival_slot=slot[found],
                        target_slot=slot_of[column[here]],
                    )
                )
        return blocks
