"""What is known of a store that is full, and what it was made of."""

import hashlib
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.config import Config
from tracker.detections import Detections
from tracker.pin_checks import ResolvedPins


@dataclass(frozen=True)
class Filled:
    """What is known of a store that is full.

    longest, common, pinned: (1 + D,) how far, in steps and along each axis, candidates span, 99.9 % of them do, and
        those that pins demand.   proposed: links and divisions before any were left out.
    kept: those in the store.   statistics, measured, notes: as run.json has them.
    made_of: fingerprints of the detections and of the pins.
    """

    longest: tuple[float, ...]
    common: tuple[float, ...]
    pinned: tuple[float, ...]
    proposed: tuple[int, int]
    kept: tuple[int, int]
    statistics: dict[str, dict[str, float]]
    measured: dict[str, Any] | None
    notes: tuple[str, ...]
    made_of: dict[str, str]

    @staticmethod
    def from_facts(facts: Any) -> "Filled":
        """What `fill` wrote."""
        return Filled(
            longest=tuple(facts["longest"]),
            common=tuple(facts["common"]),
            pinned=tuple(facts["pinned"]),
            proposed=(int(facts["proposed"][0]), int(facts["proposed"][1])),
            kept=(int(facts["kept"][0]), int(facts["kept"][1])),
            statistics=facts["statistics"],
            measured=facts["measured"],
            notes=tuple(facts["notes"]),
            made_of=facts["made_of"],
        )

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


def fingerprints(config: Config, detections: Detections, pins: ResolvedPins | None) -> dict[str, str]:
    """What a store was made of, beyond the names of files: so that other content is not taken for the same."""
    movie = [detections.frames, detections.frame, detections.label, detections.position]
    movie += [column for _, column in sorted(detections.properties.items())]
    notes: list[NDArray[Any]] = []
    if pins is not None:
        notes = [pins.rows, pins.table.kind, pins.table.value, pins.table.confidence, pins.soft]
    return {"detections": _fingerprint(movie), "pins": _fingerprint(notes), "scores": _files(config)}


def _files(config: Config) -> str:
    """Of the tables and models that learned scores come from."""
    given = [config.embeddings, config.associations, config.division_scores]
    names = [getattr(section, name, None) for section in given for name in ("path", "geff", "model")]
    found = hashlib.sha256()
    for place in [config.path(name) for name in names if name is not None]:
        files = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
        for file in files:
            if file.is_file():  # else the name is that of a model which is known by it
                with file.open("rb") as content:
                    found.update(hashlib.file_digest(content, "sha256").digest())
    return found.hexdigest()[:16]


def _fingerprint(arrays: list[NDArray[Any]]) -> str:
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]
