"""The contract between learned methods and the tracker: two plain tables, numpy only.

A method writes `NodeEmbeddings` (a vector per detection) or `Associations` (a score per link) to one `.npz`; the
tracker reads it and prices its candidates with it. Keys are (frame, label) as the input numbers them.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class TableError(ValueError):
    """A table file is missing, unreadable, of another kind, or holds arrays of the wrong shape."""


@dataclass(frozen=True)
class NodeEmbeddings:
    """key: (N, 2) int64 rows (frame, label).   vector: (N, C) float32.   method, provenance: where they come from."""

    key: NDArray[np.int64]
    vector: NDArray[np.float32]
    method: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check shapes."""
        if self.key.ndim != 2 or self.key.shape[1] != 2 or self.vector.ndim != 2 or len(self.key) != len(self.vector):
            raise TableError(
                f"node embeddings need key (N, 2) and vector (N, C), found {self.key.shape} and {self.vector.shape}"
            )

    def save(self, path: Path) -> None:
        """Write one .npz, beside and then renamed."""
        _save(path, "node_embeddings", self.method, self.provenance, key=self.key, vector=self.vector)

    @classmethod
    def load(cls, path: Path) -> "NodeEmbeddings":
        """Read one .npz. Raises TableError."""
        arrays, method, provenance = _load(path, "node_embeddings", ("key", "vector"))
        return cls(arrays["key"].astype(np.int64), arrays["vector"].astype(np.float32), method, provenance)


@dataclass(frozen=True)
class Associations:
    """Scores in [0, 1]: how likely a child descends from a parent; higher is better.

    link: (M, 2, 2) int64, [[parent frame, parent label], [child frame, child label]].   score: (M,) float32.
    """

    link: NDArray[np.int64]
    score: NDArray[np.float32]
    method: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check shapes."""
        if self.link.ndim != 3 or self.link.shape[1:] != (2, 2) or self.score.shape != (len(self.link),):
            raise TableError(
                f"associations need link (M, 2, 2) and score (M,), found {self.link.shape} and {self.score.shape}"
            )

    def save(self, path: Path) -> None:
        """Write one .npz, beside and then renamed."""
        _save(path, "associations", self.method, self.provenance, link=self.link, score=self.score)

    @classmethod
    def load(cls, path: Path) -> "Associations":
        """Read one .npz. Raises TableError."""
        arrays, method, provenance = _load(path, "associations", ("link", "score"))
        return cls(arrays["link"].astype(np.int64), arrays["score"].astype(np.float32), method, provenance)


def _save(path: Path, kind: str, method: str, provenance: Mapping[str, Any], **arrays: NDArray[Any]) -> None:
    about = json.dumps({"kind": kind, "method": method, "provenance": dict(provenance)})
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, allow_pickle=False, **{"about": np.array(about), **arrays})
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _load(path: Path, kind: str, names: tuple[str, ...]) -> tuple[dict[str, NDArray[Any]], str, dict[str, Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            if about["kind"] != kind:
                raise TableError(f"{path} holds {about['kind']}, wanted {kind}")
            return {name: file[name] for name in names}, about["method"], about["provenance"]
    except FileNotFoundError as error:
        raise TableError(f"{path} does not exist") from error
    except (OSError, KeyError, ValueError) as error:
        if isinstance(error, TableError):
            raise
        raise TableError(f"{path} is not a table of {kind} written by pintrack: {error}") from error
