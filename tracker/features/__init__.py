"""Features: one pure function per file and family, from the candidate graph to a column of numbers.

A module offers `link(context) -> (E,)`, `division(context) -> (H,)` and `detection(context) -> (N,)`, whichever
make sense. To add one: write the file, import it here, name it in `FEATURES`.
"""

import difflib
from types import ModuleType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tracker.errors import ConfigError, FeatureError, first_five
from tracker.features import (
    area_ratio,
    association,
    association_surprise,
    constant,
    density_distance,
    distance,
    division_axis,
    division_opposition,
    division_score,
    division_surprise,
    division_symmetry,
    embedding_distance,
    frame_gap,
    intensity_difference,
    mother_intensity,
    overlap,
    size_sum,
    surprise,
    velocity,
)
from tracker.features.context import FeatureContext

Family = Literal["link", "division", "detection"]

FEATURES: dict[str, ModuleType] = {
    "area_ratio": area_ratio,
    "association": association,
    "association_surprise": association_surprise,
    "constant": constant,
    "density_distance": density_distance,
    "distance": distance,
    "division_axis": division_axis,
    "division_opposition": division_opposition,
    "division_score": division_score,
    "division_surprise": division_surprise,
    "division_symmetry": division_symmetry,
    "embedding_distance": embedding_distance,
    "frame_gap": frame_gap,
    "intensity_difference": intensity_difference,
    "mother_intensity": mother_intensity,
    "overlap": overlap,
    "size_sum": size_sum,
    "surprise": surprise,
    "velocity": velocity,
}


def known_features(family: Family) -> list[str]:
    """Names of the features of a family; detections also offer every property they have."""
    return [name for name, module in FEATURES.items() if hasattr(module, family)]


def compute_feature(context: FeatureContext, family: Family, name: str) -> NDArray[np.float64]:
    """The column `name` of a family, one number per candidate.

    Raises ConfigError for an unknown name, FeatureError when it cannot be computed or is not finite.
    """
    detections = context.graph.detections
    if name in known_features(family):
        column: NDArray[np.float64] = getattr(FEATURES[name], family)(context)
    elif family == "detection" and name in detections.properties:
        column = detections.properties[name]
        if column.ndim > 1:
            raise FeatureError(f"detection property {name!r} has shape {column.shape[1:]}, wanted one number each")
    else:
        raise ConfigError(unknown_feature(name, family, list(detections.properties) if family == "detection" else []))
    rows = {"link": context.graph.links, "division": context.graph.divisions, "detection": None}[family]
    bad = np.flatnonzero(~np.isfinite(column))
    if len(bad):
        if rows is None:
            named = detections.names(bad)
        else:
            named = first_five(
                " -> ".join(f"{detections.frame[row]}:{detections.label[row]}" for row in rows[index]) for index in bad
            )
        raise FeatureError(
            f"{family} feature {name!r} must be finite, found NaN or infinity at {named}. "
            "Mend the input there, or remove the term"
        )
    return column


def unknown_feature(name: str, family: str, more: list[str]) -> str:
    """The message for a feature that does not exist, with the nearest that does."""
    known = sorted({*known_features(family), *more})  # type: ignore[arg-type]
    near = difflib.get_close_matches(name, known, n=1)
    elsewhere = [kind for kind in ("link", "division", "detection") if kind != family and name in known_features(kind)]
    hint = f"; did you mean {near[0]!r}?" if near else f"; it exists on {elsewhere[0]}s." if elsewhere else "."
    return f"unknown {family} feature {name!r}{hint} Known: {', '.join(known)}"
