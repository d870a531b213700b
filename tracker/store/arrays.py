"""Learned vectors and scores of a store, as zarr arrays: one folder per block of frames, whole or not there at all.

    ARRAYS/embeddings/IDENTITY/000003/vector     (n, C) float32, its axis `detection` offset by the first id
    ARRAYS/associations/IDENTITY/000003/links    (E, 2) int64 ids (parent, child);   score (E,) float32

funlib.persistence makes the arrays, so that its `open_ds` reads them with a Roi over ids; they are filled through zarr
itself, for that library would take each block through a graph of dask. IDENTITY says what they depend on (movie, model,
settings): another one is another folder, and a block that is there is right. A block is written beside and renamed, so
two processes never write one chunk, and a process that dies leaves nothing.
"""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from tracker.errors import StoreError
from tracker.store.funlib_graph import require_scale


class BlockArrays:
    """The blocks of one kind ("embeddings" or "associations") and identity."""

    def __init__(self, arrays: Path, kind: str, identity: str) -> None:
        """arrays: `Store.arrays`; nothing is made before something is written."""
        self.folder = arrays / kind / identity

    def done(self) -> set[int]:
        """Blocks that are there, whole."""
        if not self.folder.is_dir():
            return set()
        return {int(path.name) for path in self.folder.iterdir() if path.name.isdecimal()}

    def write_vectors(self, block: int, first_id: int, vectors: NDArray[np.float32], about: Mapping[str, Any]) -> None:
        """Vectors (n, C) of the detections first_id, first_id + 1, ...; replaces the block. Raises StoreError."""
        if not np.isfinite(vectors).all():
            raise StoreError(f"vectors must be finite; NaN or infinite in block {block}")
        with self._new(block) as place:
            axes = {"axis_names": ["detection", "channel^"], "types": ["space", "channel"], "offset": (first_id,)}
            _write(place / "vector", np.asarray(vectors, np.float32), axes, about)

    def read_vectors(self, block: int) -> tuple[int, NDArray[np.float32]]:
        """First id, and vectors (n, C). Raises StoreError."""
        array = self._open(block, "vector")
        return int(array.attrs["offset"][0]), np.asarray(array[:], np.float32)  # type: ignore[index, arg-type]

    def write_scores(
        self, block: int, links: NDArray[np.int64], score: NDArray[np.float32], about: Mapping[str, Any]
    ) -> None:
        """Scores (E,) of links (E, 2) by ids; replaces the block. Raises StoreError."""
        if not np.isfinite(score).all():
            raise StoreError(f"scores must be finite; NaN or infinite in block {block}")
        with self._new(block) as place:
            axes = {"axis_names": ["link", "end^"], "types": ["space", "channel"]}
            _write(place / "links", np.asarray(links, np.int64).reshape(-1, 2), axes, about)
            _write(place / "score", np.asarray(score, np.float32), {"axis_names": ["link"], "types": ["space"]}, about)

    def read_scores(self, block: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Links (E, 2) and scores (E,). Raises StoreError."""
        links, score = (self._open(block, name)[:] for name in ("links", "score"))
        return np.asarray(links, np.int64), np.asarray(score, np.float32)

    def _open(self, block: int, name: str) -> "zarr.Array[Any]":
        place = self.folder / f"{block:06d}" / name
        try:
            return zarr.open_array(place, mode="r")
        except (OSError, ValueError, KeyError) as error:
            raise StoreError(f"{place} cannot be read: {error}. Remove this block, and it is computed anew") from error

    @contextmanager
    def _new(self, block: int) -> Iterator[Path]:
        """A folder that becomes the block when all is written."""
        place = self.folder / f"{block:06d}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            work = Path(tempfile.mkdtemp(prefix=f".{place.name}.partial-", dir=self.folder))
            try:
                yield work
                old = work.with_name(f"{work.name}.old")
                if place.exists():
                    os.rename(place, old)
                os.rename(work, place)
                shutil.rmtree(old, ignore_errors=True)
            finally:
                with suppress(OSError):
                    shutil.rmtree(work)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            advice = "Free some space, then resume" if full else "Let store.arrays name a folder that can be written"
            raise StoreError(
                f"{place} cannot be written: {error.strerror or error}; the blocks before it are kept. {advice}"
            ) from error


def _write(place: Path, values: NDArray[Any], axes: dict[str, Any], about: Mapping[str, Any]) -> None:
    require_scale("an array of the store")
    from funlib.persistence.arrays.datasets import prepare_ds

    shape = tuple(max(1, size) for size in values.shape)
    known = {"dtype": values.dtype, "custom_metadata": dict(about), **axes}
    prepare_ds(place, values.shape, chunk_shape=shape, mode="w", **known)
    if values.size:
        zarr.open_array(place, mode="r+")[:] = values
