"""The contract between learned methods and the tracker: three plain tables, numpy only.

A method writes `NodeEmbeddings` (a vector per detection), `DetectionScores` (a score per detection) or `Associations`
(a score per link) to one `.npz`; the tracker reads it and prices its candidates with it. Keys are (frame, label) as
the input numbers them.
"""

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What numpy, zipfile and json raise on a file that is damaged or something else.
_UNREADABLE = (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error)


class TableError(ValueError):
    """A table file is missing, unreadable, of another kind, not writable, or holds arrays of the wrong shape."""


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

    @property
    def digest(self) -> str:
        """Tells these keys and vectors from others, in 16 hexadecimal digits."""
        content = hashlib.sha256(np.ascontiguousarray(self.key).tobytes())
        content.update(np.ascontiguousarray(self.vector).tobytes())
        return content.hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Write one .npz, beside and then renamed. Raises TableError."""
        _save(path, "node_embeddings", self.method, self.provenance, key=self.key, vector=self.vector)

    @classmethod
    def load(cls, path: Path) -> "NodeEmbeddings":
        """Read one .npz. Raises TableError."""
        key, vector, method, provenance = _load(path, "node_embeddings", ("key", "vector"))
        try:
            return cls(key, vector, method, provenance)
        except TableError as error:
            raise _no_table(path, "node_embeddings", error) from error


@dataclass(frozen=True)
class DetectionScores:
    """key: (N, 2) int64 rows (frame, label).   score: (N,) float32, how much each does what is looked for."""

    key: NDArray[np.int64]
    score: NDArray[np.float32]
    method: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check shapes."""
        if self.key.ndim != 2 or self.key.shape[1] != 2 or self.score.shape != (len(self.key),):
            raise TableError(
                f"detection scores need key (N, 2) and score (N,), found {self.key.shape} and {self.score.shape}"
            )

    def save(self, path: Path) -> None:
        """Write one .npz, beside and then renamed. Raises TableError."""
        _save(path, "detection_scores", self.method, self.provenance, key=self.key, score=self.score)

    @classmethod
    def load(cls, path: Path) -> "DetectionScores":
        """Read one .npz. Raises TableError."""
        key, score, method, provenance = _load(path, "detection_scores", ("key", "score"))
        try:
            return cls(key, score, method, provenance)
        except TableError as error:
            raise _no_table(path, "detection_scores", error) from error


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
        """Write one .npz, beside and then renamed. Raises TableError."""
        _save(path, "associations", self.method, self.provenance, link=self.link, score=self.score)

    @classmethod
    def load(cls, path: Path) -> "Associations":
        """Read one .npz. Raises TableError."""
        link, score, method, provenance = _load(path, "associations", ("link", "score"))
        try:
            return cls(link, score, method, provenance)
        except TableError as error:
            raise _no_table(path, "associations", error) from error


def _save(path: Path, kind: str, method: str, provenance: Mapping[str, Any], **arrays: NDArray[Any]) -> None:
    about = json.dumps({"kind": kind, "method": method, "provenance": dict(provenance)})
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, about=np.array(about), **arrays)
        partial.replace(path)
    except OSError as error:
        raise TableError(f"{path} could not be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)  # gone already, unless something went wrong


def _load(path: Path, kind: str, names: tuple[str, str]) -> tuple[NDArray[Any], NDArray[Any], str, dict[str, Any]]:
    """Two arrays, the first of integers, the second of numbers; the method; where it comes from."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            found, method, provenance = about["kind"], about["method"], about["provenance"]
            if found == kind:
                first, second = (file[name] for name in names)
    except FileNotFoundError as error:
        raise TableError(f"{path} does not exist") from error
    except _UNREADABLE as error:
        raise _no_table(path, kind, error) from error
    if found != kind:
        raise TableError(f"{path} holds {found}, wanted {kind}")
    if first.dtype.kind not in "iu" or second.dtype.kind not in "iuf":
        raise _no_table(path, kind, f"{names[0]} is of {first.dtype}, {names[1]} of {second.dtype}")
    return first.astype(np.int64), second.astype(np.float32), method, provenance


def _no_table(path: Path, kind: str, reason: object) -> TableError:
    return TableError(f"{path} is not a table of {kind} written by pintrack: {reason}")
