"""Learned vectors and scores of a store, as zarr arrays: one folder per block of frames, whole or not there at all.

    ARRAYS/embeddings/IDENTITY/000003/vector        (n, C) float32, its axis `detection` offset by the first id
    ARRAYS/division_scores/IDENTITY/000003/score    (n,) float32, the same
    ARRAYS/associations/IDENTITY/000003/links       (E, 2) int64 ids (parent, child);   score (E,) float32

funlib.persistence makes the arrays, so that its `open_ds` reads them with a Roi over ids; they are filled through zarr
itself, for that library would take each block through a graph of dask. IDENTITY says what they depend on (movie, model,
settings): another one is another folder, and a block that is there is right. A block is written beside and renamed, so
two processes never write one chunk, and what a process that was killed leaves is no block.
"""

import errno
import os
import secrets
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from tracker.errors import StoreError
from tracker.store.funlib_graph import require_scale

_CHUNK_BYTES = 2**26  # a codec takes no more than 2 GiB at a time, and a reader may want a few rows
_PARTIAL = ".partial-"


class BlockArrays:
    """The blocks of one kind ("embeddings", "division_scores" or "associations") and identity."""

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
        axes = {"axis_names": ["detection", "channel^"], "types": ["space", "channel"], "offset": (first_id,)}
        self._write(block, {"vector": (np.asarray(vectors, np.float32), axes)}, about)

    def read_vectors(self, block: int) -> tuple[int, NDArray[np.float32]]:
        """First id, and vectors (n, C). Raises StoreError."""
        return self._read_from(block, "vector")

    def write_detection_scores(
        self, block: int, first_id: int, score: NDArray[np.float32], about: Mapping[str, Any]
    ) -> None:
        """Scores (n,) of the detections first_id, first_id + 1, ...; replaces the block. Raises StoreError."""
        axes = {"axis_names": ["detection"], "types": ["space"], "offset": (first_id,)}
        self._write(block, {"score": (np.asarray(score, np.float32), axes)}, about)

    def read_detection_scores(self, block: int) -> tuple[int, NDArray[np.float32]]:
        """First id, and scores (n,). Raises StoreError."""
        return self._read_from(block, "score")

    def write_scores(
        self, block: int, links: NDArray[np.int64], score: NDArray[np.float32], about: Mapping[str, Any]
    ) -> None:
        """Scores (E,) of links (E, 2) by ids; replaces the block. Raises StoreError."""
        ends = {"axis_names": ["link", "end^"], "types": ["space", "channel"]}
        values: dict[str, tuple[NDArray[Any], dict[str, Any]]] = {
            "links": (np.asarray(links, np.int64).reshape(-1, 2), ends),
            "score": (np.asarray(score, np.float32), {"axis_names": ["link"], "types": ["space"]}),
        }
        self._write(block, values, about)

    def read_scores(self, block: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Links (E, 2) and scores (E,). Raises StoreError."""
        return self._read(block, "links")[0].astype(np.int64), self._read(block, "score")[0].astype(np.float32)

    def clean(self) -> None:
        """Remove what processes of this machine left that were killed while they wrote."""
        for path in self.folder.glob(f".*{_PARTIAL}*"):
            machine, _, process = path.name.partition(_PARTIAL)[2].rpartition("-")[0].rpartition("-")
            if machine == _machine() and not _runs(int(process)):
                shutil.rmtree(path, ignore_errors=True)

    def _write(
        self, block: int, arrays: Mapping[str, tuple[NDArray[Any], dict[str, Any]]], about: Mapping[str, Any]
    ) -> None:
        for name, (values, _) in arrays.items():
            if not np.isfinite(values).all():
                raise StoreError(f"{name}s must be finite; NaN or infinite in block {block}")
        with self._new(block) as place:
            for name, (values, axes) in arrays.items():
                _write_array(place / name, values, axes, about)

    def _read_from(self, block: int, name: str) -> tuple[int, NDArray[np.float32]]:
        values, attributes = self._read(block, name)
        return int(attributes["offset"][0]), values.astype(np.float32)

    def _read(self, block: int, name: str) -> tuple[NDArray[Any], Mapping[str, Any]]:
        place = self.folder / f"{block:06d}" / name
        try:
            array = zarr.open_array(place, mode="r")
            values, attributes = np.asarray(array[:]), dict(array.attrs)
            if not np.isfinite(values).all():  # what a chunk that is gone reads as
                raise ValueError("a part of it is missing")
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise StoreError(f"{place} cannot be read: {error}. Remove this block, and it is computed anew") from error
        return values, attributes

    @contextmanager
    def _new(self, block: int) -> Iterator[Path]:
        """A folder that becomes the block when all is written."""
        place = self.folder / f"{block:06d}"
        unique = f"{_machine()}-{os.getpid()}-{secrets.token_hex(4)}"
        work, old = (self.folder / f".{place.name}{way}{_PARTIAL}{unique}" for way in ("", ".old"))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            work.mkdir()
            try:
                yield work
                _to_disk(work)
                while not _renamed(work, place):  # there is a block already, perhaps since a moment ago
                    with suppress(FileNotFoundError):
                        os.rename(place, old)
                    shutil.rmtree(old, ignore_errors=True)
                _sync(self.folder)
            finally:
                with suppress(OSError):
                    shutil.rmtree(work)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            advice = "Free some space, then resume" if full else "Let store.arrays name a folder that can be written"
            raise StoreError(
                f"{place} cannot be written: {error.strerror or error}; the blocks before it are kept. {advice}"
            ) from error


def _to_disk(folder: Path) -> None:
    """Every file, so that a block that is there is whole after the power failed, too."""
    for path in sorted(folder.rglob("*"), reverse=True):
        _sync(path)
    _sync(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _renamed(folder: Path, to: Path) -> bool:
    """Rename a folder; whether nothing was in its way."""
    try:
        os.rename(folder, to)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def _machine() -> str:
    """Whose process numbers are meant; containers count on their own."""
    with suppress(OSError):
        return f"{socket.gethostname()}.{os.stat('/proc/self/ns/pid').st_ino}"
    return socket.gethostname()


def _runs(process: int) -> bool:
    """Whether a process of this machine is there; where that cannot be asked without harm, yes."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _write_array(place: Path, values: NDArray[Any], axes: dict[str, Any], about: Mapping[str, Any]) -> None:
    require_scale("an array of the store")
    from funlib.persistence.arrays.datasets import prepare_ds

    rest = values.shape[1:]
    rows = max(1, _CHUNK_BYTES // (values.itemsize * max(1, int(np.prod(rest)))))
    shape = tuple(max(1, size) for size in (min(len(values), rows), *rest))
    known = {"dtype": values.dtype, "custom_metadata": dict(about), **axes}
    if values.dtype.kind == "f":
        known["fill_value"] = np.nan
    prepare_ds(place, values.shape, chunk_shape=shape, mode="w", **known)
    if values.size:
        zarr.open_array(place, mode="r+")[:] = values
