"""Where a lineage differs from the truth: every error that the metrics count, with its place."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tracker.detections import Detections
from tracker.lineage import Lineage
from tracker.truth import Truth

if TYPE_CHECKING:
    from traccuracy import TrackingGraph
    from traccuracy.matchers import Matched

# In the order in which a person wants them. The first six make AOGM: fp_edges, fn_edges, ws_edges, fp_nodes, fn_nodes,
# ns_nodes; the others are of the divisions (frame buffer 0).
KINDS = (
    "false link",
    "missed link",
    "wrong kind of link",
    "false detection",
    "missed detection",
    "merged cells",
    "false division",
    "missed division",
    "wrong children",
)


@dataclass(frozen=True)
class Mistakes:
    """K errors, by kind and then time.

    kind: (K,) int64 index into KINDS.   t: (K, 2) int64 frames of both ends of a link; of detections and divisions
        the same frame twice.
    rows: (K, 2) int64 rows of the detections at both ends, -1 where the lineage has none there; of detections and
        divisions the second is -1.
    position: (K, 2, D) of both ends, [z,] y, x in the unit of the result; twice the same for detections and divisions.
        Of what is false they are the result's, of what is missed the truth's.
    """

    kind: NDArray[np.int64]
    t: NDArray[np.int64]
    rows: NDArray[np.int64]
    position: NDArray[np.float64]

    def __len__(self) -> int:
        """Number of errors K."""
        return len(self.kind)


def find_mistakes(
    whole: "Matched", single: "Matched", compared: Lineage, truth: Truth, matched_rows: NDArray[np.int64]
) -> Mistakes:
    """Collect what traccuracy marked: in `whole` for links and detections, in `single` (one to one) for divisions.

    Nodes are rows of `compared` and of `truth`.   matched_rows: (M,) row of each true object in `compared`, or -1.
    """
    from traccuracy import EdgeFlag, NodeFlag

    found = compared.detections
    own = np.arange(len(found))
    result = _Side(found.frame, found.position, own)
    true = _Side(truth.frame, truth.position, matched_rows)
    parts = [
        result.links(0, whole.pred_graph, EdgeFlag.CTC_FALSE_POS),
        true.links(1, whole.gt_graph, EdgeFlag.CTC_FALSE_NEG),
        result.links(2, whole.pred_graph, EdgeFlag.WRONG_SEMANTIC),
        result.nodes(3, whole.pred_graph, NodeFlag.CTC_FALSE_POS),
        true.nodes(4, whole.gt_graph, NodeFlag.CTC_FALSE_NEG),
        result.nodes(5, whole.pred_graph, NodeFlag.NON_SPLIT),
        result.nodes(6, single.pred_graph, NodeFlag.FP_DIV),
        true.nodes(7, single.gt_graph, NodeFlag.FN_DIV),
        true.nodes(8, single.gt_graph, NodeFlag.WC_DIV),
    ]
    joined = [np.concatenate(column) for column in zip(*(vars(part).values() for part in parts), strict=True)]
    every = Mistakes(*joined)
    order = np.lexsort((every.rows[:, 0], every.t[:, 0], every.kind))
    return Mistakes(*(column[order] for column in joined))


def in_rows_of(mistakes: Mistakes, compared: Detections, original: Detections) -> Mistakes:
    """The same with rows of `original`, which has the detections that any error names, under the same keys."""
    rows = original.rows_of(compared.frame, compared.label)
    return Mistakes(mistakes.kind, mistakes.t, np.append(rows, -1)[mistakes.rows], mistakes.position)


@dataclass(frozen=True)
class _Side:
    """Result or truth. rows: (objects,) the detection that each object is, -1 = none."""

    frame: NDArray[np.int64]
    position: NDArray[np.float64]
    rows: NDArray[np.int64]

    def links(self, kind: int, graph: "TrackingGraph", flag: object) -> Mistakes:
        """Links of the graph with this flag."""
        ends = np.array(sorted(graph.get_edges_with_flag(flag)), np.int64).reshape(-1, 2)
        return Mistakes(np.full(len(ends), kind), self.frame[ends], self.rows[ends], self.position[ends])

    def nodes(self, kind: int, graph: "TrackingGraph", flag: object) -> Mistakes:
        """Objects of the graph with this flag."""
        node = np.array(sorted(graph.get_nodes_with_flag(flag)), np.int64)
        twice = np.column_stack([node, node])
        rows = np.column_stack([self.rows[node], np.full(len(node), -1)])
        return Mistakes(np.full(len(node), kind), self.frame[twice], rows, self.position[twice])
