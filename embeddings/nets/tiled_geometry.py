"""Attention on wide fields: tile by tile, since a pair beyond the cut-off carries no weight at all."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embeddings.nets.pair_geometry import Pairs, from_the_earliest, pairs_of
from embeddings.nets.relative_bias import RelativeBias
from embeddings.nets.tiles import cut_tiles, in_chunks, pad_rows, within_reach
from embeddings.nets.transformer_config import DistanceTerm

# Queries of a tile: few make its surroundings small, many make its arithmetic dense.
TILE_QUERIES = 128
# Windows with fewer detections are not worth cutting.
LEAST_TOKENS = 512
# Share of all pairs up to which tiles pay for copying keys and values.
LARGEST_SHARE = 0.6
# Pairs that are worked on at a time: few stay in the cache of a processor.
CHUNK_PAIRS = 2**18
# With more pairs than this, what they add to the logits is computed again in each layer instead of kept.
KEPT_PAIRS = 2**25


@dataclass(frozen=True)
class TileChunk:
    """T tiles of Q queries and K keys, padded; numbers are rows of the window.

    queries: (T, Q) int64, keys: (T, K) int64.   real_queries, real_keys: bool, where they are not padding.
    row, slot: (n,) int64: the queries that are not padding, and where each stands in (T, Q) counted row by row.
    """

    queries: Tensor
    keys: Tensor
    real_queries: Tensor
    real_keys: Tensor
    row: Tensor
    slot: Tensor


@dataclass(frozen=True)
class TiledGeometry:
    """One window whose pairs are gone through tile by tile. It attends exactly as `PairGeometry` does.

    coordinates: (1, N, 1 + D) as in `Geometry`.   chunks: their tiles hold each detection once as a query, and every
    pair within cutoff_px.   kept: whether what pairs add to the logits stays in memory from layer to layer.
    """

    coordinates: Tensor
    chunks: list[TileChunk]
    kept: bool
    cutoff_px: float
    distance_term: DistanceTerm
    table: RelativeBias | None

    def attend(self, q: Tensor, k: Tensor, v: Tensor, table: RelativeBias | None, dropout: float) -> Tensor:
        """As in `Geometry`."""
        heads, channels = q.shape[1], q.shape[3]
        # (N, H, C): rows are copied whole.
        q, k, v = (part[0].transpose(0, 1).contiguous() for part in (q, k, v))
        out = torch.empty_like(q)
        for number, tiles in enumerate(self.chunks):
            pairs = self._all_pairs[number] if self.kept else self._pairs(tiles)
            part = pairs.attend(_rows(q, tiles.queries), _rows(k, tiles.keys), _rows(v, tiles.keys), table, dropout)
            flat = part.transpose(1, 2).reshape(-1, heads, channels)
            out.index_copy_(0, tiles.row, flat.index_select(0, tiles.slot))
        return out.transpose(0, 1).unsqueeze(0)

    @cached_property
    def _all_pairs(self) -> list[Pairs]:
        return [self._pairs(tiles) for tiles in self.chunks]

    def _pairs(self, tiles: TileChunk) -> Pairs:
        return pairs_of(
            self.coordinates[0][tiles.queries],
            self.coordinates[0][tiles.keys],
            ~(tiles.real_queries.unsqueeze(2) & tiles.real_keys.unsqueeze(1)),
            cutoff_px=self.cutoff_px,
            distance_term=self.distance_term,
            table=self.table,
        )


@torch.no_grad()
def tiled_geometry(
    coordinates: Tensor, *, cutoff_px: float, distance_term: DistanceTerm, table: RelativeBias | None = None
) -> TiledGeometry | None:
    """The window cut into tiles along y and x, or None where tiles do not pay: it is small, or most pairs are near.

    A window whose pairs would not fit into memory at once is cut in any case.
    coordinates: (1, N, 1 + D), without padding.   table: as in `pair_geometry`.
    """
    count = coordinates.shape[1]
    if count < LEAST_TOKENS:
        return None
    coordinates = from_the_earliest(coordinates, None)
    plane = coordinates[0, :, -2:].cpu().numpy()
    groups = cut_tiles(plane, TILE_QUERIES)
    reach = within_reach(groups, plane, plane, cutoff_px)
    pairs = sum(len(group) * len(near) for group, near in zip(groups, reach, strict=True))
    if pairs > LARGEST_SHARE * count**2 and count**2 <= KEPT_PAIRS:
        return None
    heights, widths = (np.array([len(rows) for rows in part]) for part in (groups, reach))
    chunks = [
        _chunk([groups[tile] for tile in some], [reach[tile] for tile in some], coordinates.device)
        for some in in_chunks(heights, widths, CHUNK_PAIRS)
    ]
    held = pairs if table is None else 2 * pairs  # two numbers of 4 bytes, and one of 8 for the table
    return TiledGeometry(coordinates, chunks, held <= KEPT_PAIRS, cutoff_px, distance_term, table)


def _rows(part: Tensor, index: Tensor) -> Tensor:
    """Rows (T, M) of (N, H, C), as (T, H, M, C)."""
    return part.index_select(0, index.flatten()).view(*index.shape, *part.shape[1:]).transpose(1, 2)


def _chunk(groups: list[NDArray[np.int64]], reach: list[NDArray[np.int64]], device: torch.device) -> TileChunk:
    (queries, own), (keys, near) = pad_rows(groups), pad_rows(reach)
    return TileChunk(
        queries=torch.from_numpy(queries).to(device),
        keys=torch.from_numpy(keys).to(device),
        real_queries=torch.from_numpy(own).to(device),
        real_keys=torch.from_numpy(near).to(device),
        row=torch.from_numpy(queries[own]).to(device),
        slot=torch.from_numpy(np.flatnonzero(own)).to(device),
    )
