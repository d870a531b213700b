"""Which variables motile 1 knows, in what order it makes them, and that it is a motile 1."""

import re
from importlib.metadata import version
from typing import Any

from motile.variables import (
    EdgeContinuation,
    EdgeMerge,
    EdgeMergePair,
    EdgeSelected,
    EdgeSplit,
    EdgeSplitPair,
    NodeAppear,
    NodeDisappear,
    NodeMerge,
    NodeSelected,
    NodeSplit,
    Variable,
)

from tracker.errors import InputError

Kind = type[Variable[Any]]

# What each kind asks the solver for while it writes its rows, in that order: so its variables are numbered next.
NEEDS: dict[Kind, tuple[Kind, ...]] = {
    NodeSelected: (),
    EdgeSelected: (NodeSelected,),
    NodeAppear: (NodeSelected, EdgeSelected),
    NodeDisappear: (NodeSelected, EdgeSelected),
    NodeSplit: (EdgeSelected,),
    NodeMerge: (EdgeSelected,),
    EdgeContinuation: (EdgeSelected, NodeSplit, NodeMerge),
    EdgeSplit: (EdgeSelected, NodeSplit),
    EdgeMerge: (EdgeSelected, NodeMerge),
    EdgeSplitPair: (EdgeSplit,),
    EdgeMergePair: (EdgeMerge,),
}
ON_NODES: tuple[Kind, ...] = (NodeSelected, NodeAppear, NodeDisappear, NodeSplit, NodeMerge)
ON_EDGES: tuple[Kind, ...] = (EdgeSelected, EdgeContinuation, EdgeSplit, EdgeMerge)
ON_PAIRS: tuple[Kind, ...] = (EdgeSplitPair, EdgeMergePair)


def check_version(found: str | None = None) -> None:
    """Raise InputError unless motile is at least 1.0.1 and below 2; found: its version, default the one installed."""
    found = version("motile") if found is None else found
    numbers = [int(number) for number in re.findall(r"\d+", found)[:3]]
    if not [1, 0, 1] <= numbers < [2]:
        raise InputError(
            f"tracker.motile knows motile from 1.0.1 on, below 2; found motile {found}, whose variables may mean "
            'something else. Install one that fits: pip install "motile>=1.0.1,<2"'
        )


def index_map(variables: Variable[Any]) -> dict[Any, int]:
    """Key -> index of motile's variables, without an `ilpy.Variable` for each (which `variables[key]` makes)."""
    found: dict[Any, int] = variables._index_map
    return found
