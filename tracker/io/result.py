"""The result folder: all of it, or nothing at all.

Everything is written into a temporary folder beside the result and renamed at the end, so that a run that dies
leaves no half result and an older result is replaced only by a complete one.
"""

import errno
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tracker.errors import InputError, OutputError, first_five
from tracker.io.movie import Movie
from tracker.io.tracks_csv import detection_ids, write_tracks_csv
from tracker.io.write_ctc import write_ctc
from tracker.io.write_geff import write_geff
from tracker.io.write_zarr import LEVEL, write_zarr
from tracker.lineage import Lineage

# What is made of a result later, and tells of that one alone: it is not carried over into the next.
_MADE_OF_IT = frozenset({"report.html"})
_TAKEN = frozenset({"id", "t", "z", "y", "x", "label", "track_id", "parent_id", "lineage_id", "ctc_label"})


@dataclass(frozen=True)
class ResultTables:
    """The lineage and what is known about each decision.

    detection_columns: (N,) each, for instance `margin`, `cost`; infinite or NaN where there was no alternative.
    link_columns: (L,) each, aligned with `lineage.links`, for instance `cost`, `distance`, `score`.
    Raises InputError for a column of another length, or whose name the outputs use already.
    """

    lineage: Lineage
    detection_columns: Mapping[str, NDArray[np.float64]]
    link_columns: Mapping[str, NDArray[np.float64]]

    def __post_init__(self) -> None:
        """Check names and lengths."""
        families = (
            ("detection", self.detection_columns, len(self.lineage.detections)),
            ("link", self.link_columns, len(self.lineage.links)),
        )
        for family, columns, count in families:
            for name, column in columns.items():
                if column.shape != (count,):
                    raise InputError(f"{family} column {name} must have shape ({count},), found {column.shape}")
        taken = sorted(_TAKEN & set(self.detection_columns))
        if taken:
            raise InputError(f"detection columns may not be named {first_five(taken)}: the outputs use these names")


def refuse_existing(folder: Path, overwrite: bool) -> None:
    """Raise OutputError when `folder` may not become the result: ask before any work is done.

    Whatever exists is refused, unless `overwrite` is set and it is an earlier result (it holds run.json) or empty.
    So is a place where nothing may be written.
    """
    folder = _real(folder)
    above = next(parent for parent in folder.parents if parent.exists())
    if not above.is_dir():
        raise OutputError(f"the result folder {folder} cannot be made: {above} is a file. Name another [output] path")
    if not os.access(above, os.W_OK | os.X_OK):
        raise OutputError(
            f"the result folder {folder} cannot be made: you may not write to {above}. "
            "Name an [output] path where you may"
        )
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise OutputError(f"the result needs a folder, but {folder} is a file. Name another [output] path")
    if not overwrite:
        raise OutputError(
            f"the result folder {folder} exists already. Name another [output] path, or replace it with --overwrite"
        )
    with _told(folder):
        held = sorted(os.listdir(folder))
    if held and "run.json" not in held:
        raise OutputError(
            f"{folder} will not be overwritten: it is no earlier result (it has no run.json) but holds "
            f"{first_five(held)}. Name another [output] path, or empty this folder yourself"
        )


def write_result(
    folder: Path,
    tables: ResultTables,
    *,
    masks: Movie | None,
    report: Mapping[str, Any] | Callable[[], Mapping[str, Any]],
    metrics: Mapping[str, Any] | None,
    overwrite: bool,
    masks_as: Literal["ctc", "zarr"] = "ctc",
    extra_files: Mapping[str, Callable[[Path], None]] = MappingProxyType({}),
) -> None:
    """Write tracks.geff, tracks.csv, tracked masks, run.json, metrics.json (if given) and the extra files.

    masks_as: with masks, the folder ctc, or masks.zarr.

    report: what run.json holds, or a function that says so once all else is written. A key `files` is added, naming
        all that was written; NaN and infinity become null.
    extra_files: name -> function that writes the file at the path it is given.
    overwrite: replace an earlier result. Files in it that no run wrote (notes, pins) are moved into the new one; its
        report.html goes.

    Raises OutputError when the folder may not be used (see `refuse_existing`) or the system refuses to write: disk
    full, no permission. Then, and after any other exception, everything is as it was before.
    """
    refuse_existing(folder, overwrite)
    folder = _real(folder)
    with _told(folder), _temporary_beside(folder) as work:
        new, old = work / "new", work / "old"
        new.mkdir()
        lineage = tables.lineage
        ids = detection_ids(lineage, from_masks=masks is not None)
        write_tracks_csv(new / "tracks.csv", lineage, tables.detection_columns, ids=ids)
        write_geff(
            new / "tracks.geff",
            lineage,
            tables.detection_columns,
            tables.link_columns,
            ids=ids,
            masks_place=None if masks is None else {"ctc": "../ctc", "zarr": f"../masks.zarr/{LEVEL}"}[masks_as],
        )
        if masks is not None and masks_as == "ctc":
            write_ctc(new / "ctc", lineage, masks)
        if masks is not None and masks_as == "zarr":
            write_zarr(new / "masks.zarr", lineage, masks)
        if metrics is not None:
            write_json(new / "metrics.json", metrics)
        for name, write in extra_files.items():
            write(new / name)
        files = sorted([*os.listdir(new), "run.json"])
        write_json(new / "run.json", {**(report() if callable(report) else report), "files": files})
        _swap(new, folder, old)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write indented, standard JSON: NaN and infinity become null, arrays lists, paths text."""
    text = json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, os.PathLike) else value


def _real(folder: Path) -> Path:
    """Without symbolic links: the folder itself is replaced, not the link to it."""
    return Path(os.path.realpath(folder))


@contextmanager
def _temporary_beside(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder`; it goes at the end, and after a failure so do parents made for it."""
    made = [parent for parent in folder.parents if not parent.exists()]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.partial-", dir=folder.parent))
        try:
            yield work
        finally:
            # An earlier result that could be put neither away nor back stays where it is.
            if folder.exists() or not (work / "old").exists():
                shutil.rmtree(work, ignore_errors=True)
    except BaseException:
        for parent in made:
            with suppress(OSError):
                parent.rmdir()
        raise


def _swap(new: Path, folder: Path, old: Path) -> None:
    """Put `new` in the place of `folder`, which moves to `old`; undone when any step fails."""
    moved: list[str] = []
    try:
        if folder.exists():
            os.rename(folder, old)
            for name in _foreign(old, set(os.listdir(new))):
                os.rename(old / name, new / name)
                moved.append(name)
        os.rename(new, folder)
    except BaseException:
        if old.exists() and not folder.exists():
            for name in moved:
                os.rename(new / name, old / name)
            os.rename(old, folder)
        raise


def _foreign(old: Path, written: set[str]) -> list[str]:
    """Names in an earlier result that no run wrote: its run.json does not list them, and nor do we write them."""
    held = set(os.listdir(old)) - written - _MADE_OF_IT
    if not held:
        return []
    try:
        earlier = json.loads((old / "run.json").read_text(encoding="utf-8"))
        return sorted(held - set(earlier["files"]))
    except (ValueError, KeyError, TypeError):
        return sorted(held)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Turn what the system says into an OutputError."""
    try:
        yield
    except OSError as error:
        advice = {
            errno.ENOSPC: "Free some space, or name an [output] path on another disk",
            errno.EDQUOT: "Free some space, or name an [output] path on another disk",
            errno.EACCES: "Name an [output] path that you may write to",
            errno.EPERM: "Name an [output] path that you may write to",
            errno.EROFS: "Name an [output] path that you may write to",
        }.get(error.errno or 0, "Mend this, or name another [output] path")
        raise OutputError(
            f"the result cannot be written to {folder}: {error.strerror or error}. "
            f"Everything there is as it was. {advice}"
        ) from error
