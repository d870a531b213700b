"""Subset-row cuts: what three rows together say that the relaxation overlooks.

Each row of a tracking program takes at most one of its (positive) columns: a detection has one way in and one way out.
So of the columns that take part in at least two of three such rows at most one can be chosen. A relaxation breaks this
by halves: of three divisions that share their children pairwise it takes one half each, where one is possible.
Source: Chvatal-Gomory cuts of rank one over three set-packing rows, as in vehicle routing.
"""

from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array, vstack

from tracker.ilp.block import Block

_VIOLATED = 1e-4
_FRACTIONAL = 1e-6


def packing_rows(block: Block) -> NDArray[np.bool_]:
    """(R,) rows in which the columns of positive sign sum to at most 1."""
    by_row = block.matrix.tocsr()
    negative = np.bincount(
        np.repeat(np.arange(by_row.shape[0]), np.diff(by_row.indptr))[by_row.data < 0], minlength=by_row.shape[0]
    )
    return np.asarray(block.rhs + negative <= 1)


def violated_cuts(
    block: Block, values: NDArray[np.float64], packing: NDArray[np.bool_], limit: int = 2000
) -> csr_array | None:
    """(K, C) the most violated cuts as rows `<= 1` over all columns of the block; None when there are none.

    packing: of `packing_rows`. Only triples of rows are looked at that fractional columns join pairwise.
    """
    matrix = block.matrix
    fractional = np.flatnonzero((values > _FRACTIONAL) & (values < 1 - _FRACTIONAL))
    joint: dict[tuple[int, int], float] = {}  # sum of the columns that take part in both rows
    triple: dict[tuple[int, int, int], float] = {}  # ... in all three
    for column in fractional.tolist():
        entries = slice(matrix.indptr[column], matrix.indptr[column + 1])
        rows = matrix.indices[entries][(matrix.data[entries] > 0) & packing[matrix.indices[entries]]]
        own = sorted(rows.tolist())
        for pair in combinations(own, 2):
            joint[pair] = joint.get(pair, 0.0) + values[column]
        for three in combinations(own, 3):
            triple[three] = triple.get(three, 0.0) + values[column]
    near: dict[int, set[int]] = {}
    for one, other in joint:
        near.setdefault(one, set()).add(other)
    found: list[tuple[float, tuple[int, int, int]]] = []
    for (one, other), together in joint.items():
        for third in near[one] & near.get(other, set()):
            three = (one, other, third)
            total = together + joint[one, third] + joint[other, third] - 2 * triple.get(three, 0.0)
            if total > 1 + _VIOLATED:
                found.append((-total, three))
    if not found:
        return None
    found.sort()
    by_row = csr_array(matrix.tocsr())
    return _rows_of(by_row, [three for _, three in found[:limit]])


def with_cuts(block: Block, cuts: csr_array) -> Block:
    """The block with cuts as further `<=` rows; they are numbered -1 in the whole problem."""
    count = cuts.shape[0]
    return replace(
        block,
        rows=np.append(block.rows, np.full(count, -1)),
        matrix=csc_array(vstack([block.matrix, cuts])),
        rhs=np.append(block.rhs, np.ones(count)),
        equality=np.append(block.equality, np.zeros(count, bool)),
    )


def _rows_of(by_row: csr_array, triples: list[tuple[int, int, int]]) -> csr_array:
    indices, sizes = [], [0]
    for triple in triples:
        columns = []
        for row in triple:
            entries = slice(by_row.indptr[row], by_row.indptr[row + 1])
            columns.append(by_row.indices[entries][by_row.data[entries] > 0])
        names, count = np.unique(np.concatenate(columns), return_counts=True)
        indices.append(names[count >= 2])
        sizes.append(len(indices[-1]))
    flat = np.concatenate(indices)
    return csr_array((np.ones(len(flat)), flat, np.cumsum(sizes)), shape=(len(triples), by_row.shape[1]))
